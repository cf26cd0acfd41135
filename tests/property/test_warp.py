# SPDX-License-Identifier: Apache-2.0
"""32 lanes in lock step read what the coder writes, and judge damage as the reference does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastcoder as fc
from tests import generators, reference, warp
from tests.generators import native_table

FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = sorted([*FOLDER.glob("v*/one_shot_*.json"), *FOLDER.glob("v*/streaming_*.json")])


@given(generators.messages(), generators.lanes, generators.segments)
def test_a_warp_reads_one_shot_streams(message, lanes, segment):
    symbols, indexes = np.array(message.symbols, np.int32), np.array(message.indexes, np.uint8)
    stream = fc.encode(symbols, indexes, native_table(message.table), lanes=lanes, segment=segment)
    assert warp.decode(stream, message.indexes, message.table) == message.symbols


@given(
    st.lists(generators.messages(generators.tables(most_slots=300)), max_size=3),
    st.booleans(),
    generators.lanes,
    generators.segments,
)
def test_a_warp_reads_streams_of_several_tables(messages, check, lanes, segment):
    encoder = fc.Encoder(check=check, lanes=lanes, segment=segment)
    for message in messages:
        indexes = np.array(message.indexes, np.uint8)
        encoder.push(np.array(message.symbols, np.int32), indexes, native_table(message.table))
    pulls = [warp.Pull(message.indexes, message.table) for message in messages]
    expected = [symbol for message in messages for symbol in message.symbols]
    assert warp.decode_stream(encoder.finish(), pulls) == expected


@pytest.mark.parametrize("precision", [12, 16])
@pytest.mark.parametrize("lanes", generators.LANES)
@pytest.mark.parametrize("kind", ["follow", "escapes"])
def test_every_lane_count_in_both_widths(isa, precision, lanes, kind):
    table = generators.table_of(precision, True, [3, 40, 1], "geometric", offset=-1)
    rng = np.random.default_rng(lanes)
    indexes = rng.integers(3, size=1000).astype(np.uint8)
    symbols = generators.draw_symbols(table, indexes.tolist(), kind, seed=lanes)
    for segment in (None, 128):
        stream = fc.encode(
            np.array(symbols), indexes, native_table(table), lanes=lanes, segment=segment
        )
        assert fc.decode(stream, indexes, native_table(table)).tolist() == symbols
        assert warp.decode(stream, indexes.tolist(), table) == symbols


@pytest.mark.parametrize("lanes", generators.LANES)
def test_a_warp_reads_intervals_of_one_and_two_words(lanes, rng):
    """Precisions 12 to 24, and a table between them; a lane may take two words a round."""
    table = generators.table_of(14, True, [9], "geometric")
    sizes = ((12, 70), (24, 90), (16, 5), (20, 3000), (24, 2))
    large = [fc.LargeTable.from_pmf([rng.random(n)], [0], precision=p) for p, n in sizes]
    encoder = fc.Encoder(check=True, lanes=lanes, segment=256)
    pulls, expected = [], []
    for rows in large:
        slots = rng.integers(rows.cdf(0).size - 1, size=151)
        encoder.push(slots, None, rows)
        pulls.append(warp.Pull([0] * 151, [rows.cdf(0).tolist()], rows.precision))
        symbols = generators.draw_symbols(table, [0] * 77, "any", seed=lanes)
        encoder.push(np.array(symbols), None, native_table(table))
        pulls.append(warp.Pull([0] * 77, table))
        expected += slots.tolist() + symbols
    assert warp.decode_stream(encoder.finish(), pulls) == expected


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_warp_reads_the_golden_streams(path):
    for name, case in json.loads(path.read_text(encoding="ascii")).items():
        pulls = [
            warp.Pull(part["indexes"], reference.Table.from_bytes(bytes.fromhex(part["table"])))
            for part in case["pushes"]
        ]
        expected = [symbol for part in case["pushes"] for symbol in part["symbols"]]
        stream = bytes.fromhex(case["stream"])
        if path.stem.startswith("one_shot"):
            found = warp.decode(stream, *pulls[0][:2])
        else:
            found = warp.decode_stream(stream, pulls)
        assert found == expected, name


@given(generators.messages(generators.tables(most_slots=40)), generators.lanes, st.data())
def test_a_warp_judges_damage_as_the_reference_does(message, lanes, data):
    stream = bytearray(reference.encode_stream([message], lanes=lanes, segment=16))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(stream) - 1))
        stream[position] ^= 1 << data.draw(st.integers(0, 7))
    del stream[data.draw(st.integers(1, len(stream))) :]
    verdicts = []
    for read in (
        lambda: reference.decode_stream(bytes(stream), [(message.indexes, message.table)]),
        lambda: warp.decode_stream(bytes(stream), [warp.Pull(message.indexes, message.table)]),
    ):
        try:
            verdicts.append(read())
        except reference.FormatError:
            verdicts.append(None)
    assert verdicts[0] == verdicts[1]
