# SPDX-License-Identifier: Apache-2.0
"""Intervals, codes, large tables and stacks that were written once: read and written as then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastcoder as fc
from tests import reference_codes
from tests.golden import make_intervals
from tests.reference import Interval
from tests.reference_intervals import IntervalDecoder, encode_intervals

FOLDER = Path(__file__).parent


def load(name: str) -> dict[str, dict[str, Any]]:
    cases = {}
    for path in sorted(FOLDER.glob(f"v*/{name}.json")):
        for case, data in json.loads(path.read_text(encoding="ascii")).items():
            cases[f"{path.parent.name}/{case}"] = data
    assert cases, name
    return cases


def options(case: dict[str, Any]) -> dict[str, Any]:
    return {key: case[key] for key in ("check", "lanes", "segment")}


INTERVALS, CODES, TABLES, STACKS = map(load, ("intervals", "codes", "large_tables", "stacks"))


@pytest.mark.parametrize("name", INTERVALS)
def test_intervals(name):
    case = INTERVALS[name]
    drawn = [Interval(*interval) for interval in case["intervals"]]
    stream = bytes.fromhex(case["stream"])
    starts, frequencies, precisions = zip(*drawn, strict=True)
    encoder = fc.Encoder(**options(case))
    encoder.push_intervals(starts, frequencies, precisions[0])
    assert encoder.finish() == stream == encode_intervals(drawn, **options(case))
    decoder, slow = fc.Decoder(stream), IntervalDecoder(stream)
    for start, frequency, precision in drawn:
        assert start <= decoder.peek(precision) == slow.peek(precision) < start + frequency
        decoder.advance(start, frequency)
        slow.advance(start, frequency, precision)
    decoder.finish()
    slow.finish()


@pytest.mark.parametrize("name", CODES)
def test_integers(name):
    case = CODES[name]
    code = eval(f"codes.{case['code']}", {"codes": fc.codes})
    stream = bytes.fromhex(case["stream"])
    encoder = fc.Encoder(**options(case))
    encoder.push_integers(case["values"], code)
    assert encoder.finish() == stream
    decoder = fc.Decoder(stream)
    assert decoder.pull_integers(len(case["values"]), code).tolist() == case["values"]
    decoder.finish()
    if case["row"] is not None:
        assert code._native.bucket_table().cdf(0).tolist() == case["row"]


def test_the_reference_still_writes_the_integers():
    assert {f"v1/{name}": case for name, case in make_intervals.code_cases().items()} == CODES


@pytest.mark.parametrize("name", TABLES)
def test_large_tables(name):
    case = TABLES[name]
    stream, precision = bytes.fromhex(case["stream"]), case["precision"]
    table = fc.LargeTable.from_cdf(case["cdfs"], case["offsets"], precision=precision)
    encoder = fc.Encoder(check=True)
    encoder.push_table(table)
    encoder.push(case["symbols"], case["indexes"], table)
    assert encoder.finish() == stream
    decoder = fc.Decoder(stream)
    assert decoder.pull_table() == table
    assert decoder.pull(case["indexes"], table).tolist() == case["symbols"]
    decoder.finish()
    slow = IntervalDecoder(stream)
    assert reference_codes.pull_table(slow) == (precision, case["offsets"], case["cdfs"])


@pytest.mark.parametrize("name", STACKS)
def test_stacks(name):
    case = STACKS[name]
    table = fc.CdfTable.from_bytes(bytes.fromhex(case["table"]))
    popped, pushed = (np.array(case[f"{kind}_indexes"], np.uint8) for kind in ("popped", "pushed"))
    stack = fc.Stack(bytes.fromhex(case["initial"]))
    assert stack.pop(popped, table).tolist() == case["popped"]
    stack.push(case["pushed"], pushed, table)
    stack.push_integers([case["exp_golomb_5"]], fc.codes.ExpGolomb(5))
    assert stack.to_bytes().hex() == case["bytes"]
    receiver = fc.Stack.from_bytes(bytes.fromhex(case["bytes"]))
    assert receiver.pop_integers(1, fc.codes.ExpGolomb(5)).tolist() == [case["exp_golomb_5"]]
    assert receiver.pop(pushed, table).tolist() == case["pushed"]
    receiver.push(case["popped"], popped, table)
    assert receiver.initial().hex() == case["initial"]


def test_the_reference_still_writes_tables_and_stacks():
    assert {f"v1/{name}": case for name, case in make_intervals.table_cases().items()} == TABLES
    assert {f"v1/{name}": case for name, case in make_intervals.stack_cases().items()} == STACKS
