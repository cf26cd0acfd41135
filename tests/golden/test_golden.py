# SPDX-License-Identifier: Apache-2.0
"""Streams and tables that were written once: both decoders read them, both encoders repeat them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastcoder as fc
from tests import reference, reference_positions
from tests.golden import make_tables

FOLDER = Path(__file__).parent
VERSIONS = sorted(path.name for path in FOLDER.glob("v*"))


def load(pattern: str) -> dict[str, dict[str, Any]]:
    cases = {}
    for path in sorted(FOLDER.glob(f"v*/{pattern}.json")):
        for name, case in json.loads(path.read_text(encoding="ascii")).items():
            cases[f"{path.parent.name}/{path.stem}/{name}"] = case
    return cases


ONE_SHOT, STREAMING, TABLES = load("one_shot_*"), load("streaming_*"), load("tables")


def test_every_lane_count_is_there_in_both_widths():
    seen = set()
    for case in ONE_SHOT.values():
        count = len(case["pushes"][0]["symbols"])
        if count > 0:
            flags = bytes.fromhex(case["stream"])[11 + len(reference.varint(count))]
            seen.add((1 << (flags & 7), flags & reference.WIDE != 0))
    assert seen == {(lanes, wide) for lanes in (1, 2, 4, 8, 16, 32) for wide in (False, True)}


@pytest.mark.parametrize("name", ONE_SHOT)
def test_native_reads_and_repeats_a_golden_stream(isa, name):
    case = ONE_SHOT[name]
    [part] = case["pushes"]
    table = fc.CdfTable.from_bytes(bytes.fromhex(part["table"]))
    symbols, indexes = np.array(part["symbols"], np.int32), np.array(part["indexes"], np.uint8)
    stream = bytes.fromhex(case["stream"])
    assert fc.decode(stream, indexes, table).tolist() == part["symbols"]
    options = {"lanes": case["lanes"], "segment": case["segment"]}
    assert fc.encode(symbols, indexes, table, **options) == stream


@pytest.mark.parametrize("name", ONE_SHOT)
def test_reference_reads_and_repeats_a_golden_stream(name):
    case = ONE_SHOT[name]
    [part] = case["pushes"]
    table = reference.Table.from_bytes(bytes.fromhex(part["table"]))
    stream = bytes.fromhex(case["stream"])
    assert reference.decode(stream, part["indexes"], table) == part["symbols"]
    options = {"lanes": case["lanes"], "segment": case["segment"]}
    assert reference.encode(part["symbols"], part["indexes"], table, **options) == stream


@pytest.mark.parametrize("name", STREAMING)
def test_native_reads_and_repeats_a_golden_stream_of_pushes(isa, name):
    case = STREAMING[name]
    encoder = fc.Encoder(check=case["check"], lanes=case["lanes"], segment=case["segment"])
    stream = bytes.fromhex(case["stream"])
    decoder = fc.Decoder(stream)
    for part in case["pushes"]:
        table = fc.CdfTable.from_bytes(bytes.fromhex(part["table"]))
        indexes = np.array(part["indexes"], np.uint8)
        encoder.push(np.array(part["symbols"], np.int32), indexes, table)
        assert decoder.pull(indexes, table).tolist() == part["symbols"]
    decoder.finish()
    assert encoder.finish() == stream


@pytest.mark.parametrize("name", STREAMING)
def test_reference_reads_and_repeats_a_golden_stream_of_pushes(name):
    case = STREAMING[name]
    pushes = [
        (part["symbols"], part["indexes"], reference.Table.from_bytes(bytes.fromhex(part["table"])))
        for part in case["pushes"]
    ]
    stream = bytes.fromhex(case["stream"])
    symbols = reference.decode_stream(stream, [(indexes, table) for _, indexes, table in pushes])
    assert symbols == [symbol for part, _, _ in pushes for symbol in part]
    options = {key: case[key] for key in ("check", "lanes", "segment")}
    assert reference.encode_stream(pushes, **options) == stream


@pytest.mark.parametrize("name", ONE_SHOT)
def test_both_decoders_read_parts_of_a_golden_stream(name):
    case = ONE_SHOT[name]
    [part] = case["pushes"]
    data, stream = bytes.fromhex(part["table"]), bytes.fromhex(case["stream"])
    table, plain = fc.CdfTable.from_bytes(data), reference.Table.from_bytes(data)
    symbols, indexes = part["symbols"], np.array(part["indexes"], np.uint8)
    for first in range(0, len(symbols) + 1, max(13, len(symbols) // 6)):
        for count in {0, 1, 20, len(symbols)}:
            expected = symbols[first : first + count]
            size = len(expected)
            found = fc.decode_range(stream, first, indexes, table, count=size)
            assert found.tolist() == expected
            args = (part["indexes"], plain)
            assert reference_positions.decode_part(stream, first, size, *args) == expected


@pytest.mark.parametrize("name", STREAMING)
def test_both_decoders_tell_the_same_bits_of_a_golden_stream(name):
    case = STREAMING[name]
    stream = bytes.fromhex(case["stream"])
    tables = [bytes.fromhex(part["table"]) for part in case["pushes"]]
    pulls = [
        (part["indexes"], reference.Table.from_bytes(table))
        for part, table in zip(case["pushes"], tables, strict=True)
    ]
    used = iter(reference_positions.bits_used(stream, pulls))
    decoder = fc.Decoder(stream)
    assert decoder.tell() == pytest.approx(next(used))
    for part, table in zip(case["pushes"], tables, strict=True):
        for index in part["indexes"]:
            decoder.pull([index], fc.CdfTable.from_bytes(table))
            assert decoder.tell() == pytest.approx(next(used))


@pytest.mark.parametrize("name", TABLES)
def test_floats_give_the_golden_table(name):
    case = TABLES[name]
    data = bytes.fromhex(case["table"])
    assert make_tables.make_table(case).to_bytes() == data
    assert reference.Table.from_bytes(data).to_bytes() == data


@pytest.mark.parametrize("script", ["make_streams", "make_tables"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_script_never_overwrites(version, script, tmp_path):
    """On a copy, so that a broken script cannot destroy what it guards."""
    package = tmp_path / "tests"
    (package / "golden").mkdir(parents=True)
    shutil.copytree(FOLDER / version, package / "golden" / version)
    for name in ("reference.py", "generators.py"):
        shutil.copy(FOLDER.parent / name, package)
    shutil.copy(FOLDER / f"{script}.py", package / "golden")
    before = {path.name: path.read_bytes() for path in (package / "golden" / version).iterdir()}
    command = [sys.executable, "-m", f"tests.golden.{script}", version]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "FileExistsError" in result.stderr
    after = {path.name: path.read_bytes() for path in (package / "golden" / version).iterdir()}
    assert after == before
