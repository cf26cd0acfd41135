# SPDX-License-Identifier: Apache-2.0
"""Range-coded streams that were written once: both decoders read them, both encoders repeat."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fastcoder as fc
from tests import reference_range
from tests.golden import make_range
from tests.golden.test_golden import FOLDER, VERSIONS, load

CASES = load("range")


def native_table(push: dict[str, Any]) -> fc.CdfTable | fc.AdaptiveTable:
    if "adaptive" in push:
        return fc.AdaptiveTable(**push["adaptive"])
    return fc.CdfTable.from_bytes(bytes.fromhex(push["table"]))


def test_the_cases_are_those_of_the_script():
    names = [f"v1/range/{name}, check {check}" for name in make_range.cases() for check in (0, 1)]
    assert list(CASES) == [
        n.replace("check 0", "check False").replace("check 1", "check True") for n in names
    ]


@pytest.mark.parametrize("name", CASES)
def test_native_reads_and_repeats_a_golden_stream(name):
    case = CASES[name]
    stream = bytes.fromhex(case["stream"])
    encoder, decoder = fc.RangeEncoder(check=case["check"]), fc.RangeDecoder(stream)
    for push in case["pushes"]:
        indexes = np.array(push["indexes"], np.uint8)
        encoder.push(np.array(push["symbols"], np.int32), indexes, native_table(push))
        assert decoder.pull(indexes, native_table(push)).tolist() == push["symbols"]
    decoder.finish()
    assert encoder.finish() == stream


@pytest.mark.parametrize("name", CASES)
def test_reference_reads_and_repeats_a_golden_stream(name):
    case = CASES[name]
    stream = bytes.fromhex(case["stream"])
    encoder, decoder = reference_range.Encoder(), reference_range.Decoder(stream)
    for push in case["pushes"]:
        encoder.push(push["symbols"], push["indexes"], make_range.table_of(push))
        assert decoder.pull(push["indexes"], make_range.table_of(push)) == push["symbols"]
    decoder.finish()
    assert encoder.finish(case["check"]) == stream


@pytest.mark.parametrize("version", VERSIONS)
def test_the_script_never_overwrites(version, tmp_path):
    package = tmp_path / "tests"
    (package / "golden" / version).mkdir(parents=True)
    target = package / "golden" / version / "range.json"
    shutil.copy(FOLDER / version / "range.json", target)
    for name in ("reference.py", "reference_range.py", "generators.py"):
        shutil.copy(FOLDER.parent / name, package)
    shutil.copy(FOLDER / "make_range.py", package / "golden")
    before = target.read_bytes()
    command = [sys.executable, "-m", "tests.golden.make_range", version]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "FileExistsError" in result.stderr
    assert target.read_bytes() == before


def test_reference_writes_a_stream_that_was_computed_by_hand():
    # One symbol of two equal ones, 1: unit = (2^64 - 1) div 2^14 = 2^50 - 1, and low = range =
    # 2^63 - 2^13. The hash h = 0x359A of one symbol 1 takes 16 raw bits: unit = range div 2^16 =
    # 2^47 - 1, low = 2^63 - 2^13 + h * (2^47 - 1), range = 2^47 - 1. That is just below the number
    # (2^16 + h) * 2^47, which is inside and, as h is even, a multiple of 2^48: two bytes.
    assert reference_range.symbol_hash([1]) % 2**16 == 0x359A
    encoder = reference_range.Encoder()
    table = reference_range.reference.Table(1, False, [0], [[1, 1]])
    encoder.push([1], [0], table)
    assert encoder.finish() == b"\x0f" + ((2**16 + 0x359A) // 2).to_bytes(2, "big")
