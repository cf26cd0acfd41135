# SPDX-License-Identifier: Apache-2.0
"""Writes the golden streams of intervals, integer codes, large tables and stacks:

    python -m tests.golden.make_intervals v1

The bytes come from the reference; only the row of the Zipf code comes from the package, because its
floats do. It never overwrites.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import fastcoder as fc
from tests import generators, reference_codes
from tests.reference import Interval
from tests.reference_intervals import bits_intervals, encode_intervals

OPTIONS: tuple[dict[str, Any], ...] = (
    {"check": False, "lanes": None, "segment": None},
    {"check": True, "lanes": 1, "segment": None},
    {"check": True, "lanes": 32, "segment": 64},
    {"check": False, "lanes": 4, "segment": 16},
)
EDGES = [1, 2, 3, 31, 32, 63, 64, 65, 200, 1000, 2**16, 2**31, 2**32 - 1, 2**53 + 1, 2**64 - 1]


def interval_cases() -> dict[str, dict[str, Any]]:
    rng, cases = np.random.default_rng(1), {}
    for precision in (1, 14, 16, 17, 20, 24):
        starts = rng.integers(2**precision, size=80)
        drawn = []
        for start in starts.tolist():
            most = 2**precision - start
            drawn.append(Interval(start, int(rng.integers(1, most + 1)), precision))
        for number, options in enumerate(OPTIONS):
            cases[f"intervals, precision {precision}, options {number}"] = {
                **options,
                "intervals": [list(interval) for interval in drawn],
                "stream": encode_intervals(drawn, **options).hex(),
            }
    return cases


def code_cases() -> dict[str, dict[str, Any]]:
    zipf_row = fc.codes.Zipf(1.2, 1000)._native.bucket_table().cdf(0).tolist()
    codes = {
        "Bits(40)": (lambda v: bits_intervals(v, 40), [v for v in EDGES if v < 2**40]),
        "EliasGamma()": (lambda v: reference_codes.golomb_intervals(v - 1, 0), EDGES),
        "ExpGolomb(0)": (lambda v: reference_codes.golomb_intervals(v, 0), [0, *EDGES]),
        "ExpGolomb(7)": (lambda v: reference_codes.golomb_intervals(v, 7), [0, *EDGES]),
        "ExpGolomb(63)": (lambda v: reference_codes.golomb_intervals(v, 63), [0, *EDGES]),
        "Zipf(1.2, 1000)": (
            lambda v: reference_codes.zipf_intervals(v, 1000, zipf_row),
            [*range(1, 130), 511, 512, 999, 1000],
        ),
    }
    cases = {}
    for name, (to_intervals, values) in codes.items():
        intervals = [interval for value in values for interval in to_intervals(value)]
        for number, options in enumerate(OPTIONS):
            stream = encode_intervals(intervals, **options)
            cases[f"{name}, options {number}"] = {
                **options,
                "code": name,
                "values": values,
                "row": zipf_row if name.startswith("Zipf") else None,
                "stream": stream.hex(),
            }
    return cases


def table_cases() -> dict[str, dict[str, Any]]:
    """A table and symbols of it, in one stream."""
    cases = {}
    for precision, slots in ((1, [1, 2]), (9, [300, 4, 1]), (24, [50, 1000])):
        rows = [
            generators.row_frequencies(kind, min(count, 2**precision), precision, count)
            for kind, count in zip(generators.ROW_KINDS[1:], slots, strict=False)
        ]
        cdfs = [np.cumsum([0, *row]).tolist() for row in rows]
        offsets = [-5, 2**31 - 2000, -(2**31)][: len(rows)]
        rng = np.random.default_rng(precision)
        indexes = rng.integers(len(rows), size=60).tolist()
        drawn = [int(rng.integers(len(rows[index]))) for index in indexes]
        intervals = reference_codes.table_intervals(precision, offsets, cdfs)
        for index, slot in zip(indexes, drawn, strict=True):
            intervals.append(Interval(cdfs[index][slot], rows[index][slot], precision))
        stream = encode_intervals(intervals, check=True)
        cases[f"large table, precision {precision}"] = {
            "precision": precision,
            "offsets": offsets,
            "cdfs": cdfs,
            "indexes": indexes,
            "symbols": [offsets[i] + slot for i, slot in zip(indexes, drawn, strict=True)],
            "stream": stream.hex(),
        }
    return cases


def stack_cases() -> dict[str, dict[str, Any]]:
    """Pops of initial bytes, then pushes."""
    table = generators.table_of(12, True, [4, 30], "geometric", offset=-2)
    rows, cases = table.rows(16), {}
    for initial in (b"", b"\x01", b"bits to begin with, and some more of them"):
        stack = reference_codes.Stack(initial)
        indexes = [0, 1, 1, 0, 1]
        popped = []
        if len(initial) > 10:
            popped = [reference_codes.pop_symbol(stack, rows[index]) for index in indexes]
        symbols = [-2, 5, 27, 1, -100_000, 2**31 - 1, -(2**31)]
        pushed = [1, 1, 1, 0, 0, 1, 0]
        stack.push(
            [
                interval
                for symbol, index in zip(symbols, pushed, strict=True)
                for interval in reference_codes.symbol_intervals(symbol, rows[index])
            ]
        )
        stack.push(reference_codes.golomb_intervals(10**12, 5))
        cases[f"stack, {len(initial)} bytes at first"] = {
            "table": table.to_bytes().hex(),
            "initial": initial.hex(),
            "popped": popped,
            "popped_indexes": indexes[: len(popped)],
            "pushed": symbols,
            "pushed_indexes": pushed,
            "exp_golomb_5": 10**12,
            "bytes": stack.to_bytes().hex(),
        }
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="folder to write, for example v1")
    folder = Path(__file__).parent / parser.parse_args().version
    makers = {
        "intervals": interval_cases,
        "codes": code_cases,
        "large_tables": table_cases,
        "stacks": stack_cases,
    }
    for name, make in makers.items():
        with (folder / f"{name}.json").open("x", encoding="ascii") as file:
            lines = (f"{json.dumps(case)}: {json.dumps(data)}" for case, data in make().items())
            file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
