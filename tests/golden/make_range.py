# SPDX-License-Identifier: Apache-2.0
"""Writes the golden range-coded streams of one version. Run it from the repository root:

    python -m tests.golden.make_range v1

Like `make_streams`, it never overwrites, and what it writes comes from the reference.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from tests import generators, reference, reference_range

ADAPTIVE = {"counts": [[1] * 5, [3, 1, 9]], "offsets": [-2, 0], "increment": 24, "limit": 300}


def static_push(
    precision: int, escape: bool, slots: list[int], size: int, kind: str
) -> dict[str, Any]:
    table = generators.table_of(precision, escape, slots, "geometric", offset=-1)
    indexes = np.random.default_rng(size).integers(len(slots), size=size).tolist()
    symbols = generators.draw_symbols(table, indexes, kind, size)
    return {"symbols": symbols, "indexes": indexes, "table": table.to_bytes().hex()}


def adaptive_push(size: int, escape: bool, symbols: list[int] | None = None) -> dict[str, Any]:
    rng = np.random.default_rng(size)
    indexes = rng.integers(2, size=size).tolist()
    drawn = [int(rng.integers(3)) for _ in indexes] if symbols is None else symbols
    return {
        "symbols": drawn,
        "indexes": indexes,
        "adaptive": {**ADAPTIVE, "escape": escape},
    }


def cases() -> dict[str, list[dict[str, Any]]]:
    # The interval lies across a power of two until its last symbol: a carry, or a run of FF.
    straddle = reference.Table(16, False, [0], [[32767, 2, 32767]])
    carries = [
        {"symbols": symbols, "indexes": [0] * len(symbols), "table": straddle.to_bytes().hex()}
        for symbols in ([1] + [2] * 40, [1] + [0] * 40, [1, 1, 1, 1, 1, 0, 2, 2])
    ]
    far = [2**31 - 1, -(2**31), 0, 5, -5, 1, 100_000]
    return {
        "no symbols": [],
        "one symbol": [static_push(12, False, [3, 20], 1, "any")],
        "precision 12": [static_push(12, False, [3, 20, 200], 300, "follow")],
        "precision 14": [static_push(14, True, [3, 20, 200], 300, "follow")],
        "precision 16": [static_push(16, True, [3, 20, 200], 300, "any")],
        "precision 1 after 16": [
            static_push(16, False, [300], 50, "any"),
            static_push(1, False, [2, 1], 50, "any"),
        ],
        "int32 extremes": [static_push(10, True, [1, 5], 12, "extremes")],
        "symbols of no cost": [static_push(14, False, [1], 30, "any")],
        "carries 1": carries[:1],
        "carries 2": carries[1:2],
        "carries 3": carries[2:],
        "adaptive": [adaptive_push(200, False)],
        "adaptive, escapes": [adaptive_push(7, True, far)],
        "all kinds": [
            adaptive_push(60, True),
            static_push(15, True, [4, 40], 60, "any"),
            adaptive_push(30, False),
        ],
    }


def table_of(push: dict[str, Any]) -> reference_range.Table:
    if "adaptive" in push:
        return reference_range.AdaptiveTable(**push["adaptive"])
    return reference.Table.from_bytes(bytes.fromhex(push["table"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="folder to write, for example v1")
    folder = Path(__file__).parent / parser.parse_args().version
    lines = []
    for name, pushes in cases().items():
        for check in (False, True):
            encoder = reference_range.Encoder()
            for push in pushes:
                encoder.push(push["symbols"], push["indexes"], table_of(push))
            case = {"check": check, "pushes": pushes, "stream": encoder.finish(check).hex()}
            lines.append(f"{json.dumps(f'{name}, check {check}')}: {json.dumps(case)}")
    with (folder / "range.json").open("x", encoding="ascii") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
