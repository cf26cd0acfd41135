# SPDX-License-Identifier: Apache-2.0
"""What each part of the way from a model to bytes loses: the table of docs/format.md, section 9.

Writes benchmarks/results/losses.json and, with --write, the table into docs/format.md. About two
minutes on one core.

    python -m benchmarks.losses [--seed SEED] [--write]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import fastcoder as fc
from benchmarks import pages, workloads
from benchmarks.pages import RESULTS, ROOT

RESULT = RESULTS / "losses.json"
PAGE = ROOT / "docs" / "format.md"
MARKER = "losses"


def measure(name: str, precision: int, seed: int) -> dict[str, Any]:
    """Measure one workload with one precision; every loss is in bits per message."""
    workload = workloads.make(name, seed)
    scales = fc.scale_table()
    table = fc.CdfTable.gaussian(scales, precision=precision)
    indexes = fc.scale_indexes(workload.sigma, scales)
    at_scales = float(workloads.gaussian_bits(workload.symbols, scales[indexes]).sum())
    cost = fc.cost(workload.symbols, indexes, table)

    # One lane and one segment: what is over the cost is the states' own loss, one final state and
    # the flags. A state of S bytes holds S - 2 that every decoder knows, and the rest is payload.
    one_lane = fc.Encoder(lanes=1, segment=2**30)
    one_lane.push(workload.symbols, indexes, table)
    single = len(one_lane.finish())
    flush = 1 + (4 if precision <= 14 else 6)

    encoder = fc.Encoder()
    encoder.push(workload.symbols, indexes, table)
    stream = encoder.finish()
    one_shot = fc.encode(workload.symbols, indexes, table)
    if not np.array_equal(fc.decode(one_shot, indexes, table), workload.symbols):
        raise RuntimeError(f"{name} did not survive precision {precision}")
    return {
        "workload": name,
        "precision": precision,
        "symbols": int(workload.symbols.size),
        "exact_bits": workload.exact_bits,
        "scales": at_scales - workload.exact_bits,
        "table": cost - at_scales,
        "states": 8.0 * (single - flush) - cost,
        "flush": 8.0 * (len(stream) - single + flush),
        "header": 8.0 * (len(one_shot) - len(stream)),
        "total": 8.0 * len(one_shot) - workload.exact_bits,
        "bytes": len(one_shot),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the table: percent of the exact model's bits."""
    parts = ("scales", "table", "states", "flush", "header", "total")
    lines = [
        "| workload | precision | bits/symbol | bytes | " + " | ".join(parts) + " |",
        "|---|---|---|---|" + "---|" * len(parts),
    ]
    for row in rows:
        cells = [f"{100 * row[part] / row['exact_bits']:+.4f} %" for part in parts]
        rate = row["exact_bits"] / row["symbols"]
        lines.append(
            f"| {row['workload']} | {row['precision']} | {rate:.4f} | {row['bytes']} | "
            + " | ".join(cells)
            + " |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="seed of the workloads (default 1)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/format.md")
    options = parser.parse_args()
    rows = [measure(name, p, options.seed) for name in ("W1", "W2", "W4") for p in (14, 16)]
    table = markdown(rows)
    print(table, end="")
    pages.keep(RESULT, {"seed": options.seed, "measurements": rows})
    if options.write:
        pages.write(PAGE, MARKER, table)


if __name__ == "__main__":
    main()
