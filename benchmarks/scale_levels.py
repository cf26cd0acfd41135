# SPDX-License-Identifier: Apache-2.0
"""How many scale levels a table needs: the numbers of docs/decisions/0001-scale-levels.md.

Codes W1 and W2 with tables of 64 to 256 levels and prints, as a Markdown table, what the bytes
exceed the model with continuous scales by, and what the tables take. About a minute on one core.

    python -m benchmarks.scale_levels [--seed SEED]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Literal

import numpy as np

import fastcoder as fc
from benchmarks import workloads

LEVELS = (64, 80, 96, 112, 128, 160, 192, 256)


def best_seconds(run: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest of ``repeats`` runs, in seconds."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def excess(bits: float, workload: workloads.Workload) -> str:
    """Return how far ``bits`` exceed the exact model, in percent."""
    return f"{100 * (bits / workload.exact_bits - 1):+.3f}"


def measure(
    levels: int, rule: Literal["nearest", "ceil"], inputs: list[workloads.Workload]
) -> list[str]:
    """Return one row of the report; raises if a stream does not decode to its symbols."""
    scales = fc.scale_table(levels=levels)
    build = best_seconds(lambda: fc.CdfTable.gaussian(scales))
    table = fc.CdfTable.gaussian(scales)
    cells = [str(levels), rule]
    speeds = []
    for workload in inputs:
        indexes = fc.scale_indexes(workload.sigma, scales, rule=rule)
        stream = fc.encode(workload.symbols, indexes, table)
        if not np.array_equal(fc.decode(stream, indexes, table), workload.symbols):
            raise RuntimeError(f"{workload.name} did not survive {levels} levels")
        cost = fc.cost(workload.symbols, indexes, table)
        cells += [excess(cost, workload), excess(8.0 * len(stream), workload)]
        seconds = best_seconds(lambda: fc.decode(stream, indexes, table))  # noqa: B023
        speeds.append(f"{workload.symbols.size / seconds / 1e6:.0f}")
    entries = sum(table.cdf(row).size for row in range(table.rows))
    cells += [f"{4 * entries / 1024:.0f}", f"{len(table.to_bytes()) / 1024:.1f}"]
    return [*cells, f"{1000 * build:.1f}", " / ".join(speeds)]


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="seed of the workloads (default 1)")
    seed = parser.parse_args().seed
    inputs = [workloads.make("W1", seed), workloads.make("W2", seed)]
    head = ["levels", "rule", "W1 table %", "W1 bytes %", "W2 table %", "W2 bytes %"]
    head += ["cdf KiB", "as bytes KiB", "build ms", "decode Msymbols/s W1 / W2"]
    print("| " + " | ".join(head) + " |")
    print("|" + " ---: |" * len(head))
    for levels in LEVELS:
        print("| " + " | ".join(measure(levels, "nearest", inputs)) + " |", flush=True)
    print("| " + " | ".join(measure(64, "ceil", inputs)) + " |")


if __name__ == "__main__":
    main()
