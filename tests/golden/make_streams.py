# SPDX-License-Identifier: Apache-2.0
"""Writes the golden streams of one version of the bitstream. Run it from the repository root:

    python -m tests.golden.make_streams v1

It never overwrites: streams that exist are a promise. A change of the bitstream gets a new version
and a new folder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from tests import generators, reference

WIDTHS = {"narrow": 12, "wide": 16}


def push(table: reference.Table, size: int, kind: str, seed: int) -> generators.Message:
    rng = np.random.default_rng(seed)
    indexes = rng.integers(len(table.offsets), size=size).tolist()
    symbols = generators.draw_symbols(table, indexes, kind, seed)
    return generators.Message(symbols, indexes, table)


def describe(pushes: list[generators.Message], stream: bytes, **options: Any) -> dict[str, Any]:
    """Everything that a decoder and an encoder need, and the bytes they must read or write."""
    parts = [
        {"symbols": part.symbols, "indexes": part.indexes, "table": part.table.to_bytes().hex()}
        for part in pushes
    ]
    return {**options, "pushes": parts, "stream": stream.hex()}


def one_shot_cases(precision: int) -> dict[str, dict[str, Any]]:
    plain = generators.table_of(precision, False, [3, 20, 200], "geometric", offset=-1)
    escaping = generators.table_of(precision, True, [1, 5, 40], "geometric", offset=-2)
    drawn: dict[str, tuple[generators.Message, int | None, int | None]] = {
        "empty": (push(plain, 0, "any", 0), None, None),
        "one symbol": (push(plain, 1, "any", 1), None, None),
        "default choice": (push(plain, 1500, "any", 2), None, None),
        "segments": (push(plain, 50, "any", 3), None, 16),
        "segments, one with escapes": (push(escaping, 100, "follow", 4), 4, 64),
        "int32 extremes": (push(escaping, 10, "extremes", 5), None, None),
    }
    for lanes in generators.LANES:
        drawn[f"{lanes} lanes"] = (push(plain, 70, "any", lanes), lanes, None)
        drawn[f"{lanes} lanes, escapes"] = (push(escaping, 70, "any", lanes), lanes, None)
        drawn[f"{lanes} lanes, segments"] = (push(escaping, 83, "any", lanes), lanes, 32)
    return {
        name: describe(
            [part],
            reference.encode(*part, lanes=lanes, segment=segment),
            lanes=lanes,
            segment=segment,
        )
        for name, (part, lanes, segment) in drawn.items()
    }


def streaming_cases(precision: int) -> dict[str, dict[str, Any]]:
    first = generators.table_of(8, True, [4, 30], "geometric", offset=-2)
    second = generators.table_of(precision, False, [9, 100], "random", offset=5)
    pushes = [push(first, 33, "follow", 1), push(second, 40, "any", 2), push(first, 5, "any", 3)]
    cases = {}
    for check in (False, True):
        for segment in (None, 16):
            stream = reference.encode_stream(pushes, check=check, lanes=4, segment=segment)
            name = f"three pushes, segment {segment}, hash {check}"
            cases[name] = describe(pushes, stream, lanes=4, segment=segment, check=check)
        stream = reference.encode_stream([], check=check)
        cases[f"no pushes, hash {check}"] = describe(
            [], stream, lanes=None, segment=None, check=check
        )
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="folder to write, for example v1")
    folder = Path(__file__).parent / parser.parse_args().version
    folder.mkdir(exist_ok=True)
    for width, precision in WIDTHS.items():
        for kind, cases in (
            ("one_shot", one_shot_cases(precision)),
            ("streaming", streaming_cases(precision)),
        ):
            with (folder / f"{kind}_{width}.json").open("x", encoding="ascii") as file:
                lines = (f"{json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items())
                file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
