# SPDX-License-Identifier: Apache-2.0
"""Puts cycles per symbol into docs/performance.md, from the JSON of benchmarks/cpp/bench_kernels.

make bench-kernels; python -m benchmarks.kernels [--take build/bench_kernels.json]

With --take, that file becomes benchmarks/results/kernels.json first.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks import pages
from benchmarks.pages import RESULTS, ROOT

RESULT = RESULTS / "kernels.json"
PAGE = ROOT / "docs" / "performance.md"
MARKER = "kernels"
LANES = (1, 2, 4, 8, 16, 32)


def cells(rows: list[dict[str, Any]], isa: str, width: str, workload: str) -> str:
    """Return one line of the table: encode / decode for every number of lanes."""
    of = {
        row["lanes"]: f"{row['encode']['best']:.2f} / {row['decode']['best']:.2f}"
        for row in rows
        if (row["isa"], row["width"], row["workload"]) == (isa, width, workload)
    }
    values = " | ".join(of.get(lanes, "") for lanes in LANES)
    return f"| {workload} | {width} | {isa} | {values} |"


def markdown(result: dict[str, Any]) -> str:
    """Return the table and the line that says where it was measured."""
    rows = result["results"]
    clocks = sorted(row["clock_hz"] / 1e9 for row in rows)
    lines = [
        "| data | states | instructions | " + " | ".join(f"K = {k}" for k in LANES) + " |",
        "|---|---|---|" + "---|" * len(LANES),
    ]
    keys = list(dict.fromkeys((r["workload"], r["width"], r["isa"]) for r in rows))
    lines += [cells(rows, isa, width, workload) for workload, width, isa in sorted(keys)]
    return "\n".join(lines) + (
        f"\n\n{result['processor']}, {result['compiler']}, {result['build_type']}, "
        f"{result['symbols']} int32 symbols and indexes, clock {clocks[0]:.2f} to "
        f"{clocks[-1]:.2f} GHz by a chain of multiplications.\n"
    )


def main() -> None:
    """Read the results and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--take", type=Path)
    arguments = parser.parse_args()
    if arguments.take is not None:
        pages.write_text(RESULT, arguments.take.read_text())
    result = json.loads(RESULT.read_text())
    pages.write(PAGE, MARKER, markdown(result))


if __name__ == "__main__":
    main()
