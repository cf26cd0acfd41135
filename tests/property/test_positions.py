# SPDX-License-Identifier: Apache-2.0
"""Pulls of any size, ranges, bits used and snapshots against the plain-Python reference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcoder as fc
from tests import generators, reference, reference_positions
from tests.generators import native_table

MESSAGES = st.lists(generators.messages(generators.tables(most_slots=300)), max_size=3)


def cut(seed: int, size: int) -> list[slice]:
    """Random cuts of `size` symbols, empty pieces among them."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, size + 1, size=int(rng.integers(0, 9))))
    return [slice(a, b) for a, b in itertools.pairwise([0, *cuts.tolist(), size])]


@settings(max_examples=settings.default.max_examples // 2)
@given(MESSAGES, generators.lanes, generators.segments, st.booleans(), st.integers(0, 2**16))
def test_bits_used_are_those_of_the_definition(isa, messages, lanes, segment, check, seed):
    pulls = [(message.indexes, message.table) for message in messages]
    stream = reference.encode_stream(messages, check=check, lanes=lanes, segment=segment)
    expected = reference_positions.bits_used(stream, pulls)
    decoder, done = fc.Decoder(stream), 0
    assert decoder.tell() == pytest.approx(expected[0], abs=1e-9)
    for message in messages:
        table = native_table(message.table)
        indexes, symbols = np.array(message.indexes, np.uint8), np.array(message.symbols, np.int64)
        for part in cut(seed, len(indexes)):
            out = np.empty(part.stop - part.start, np.int32)
            assert decoder.pull(indexes[part], table, out=out) is out
            np.testing.assert_array_equal(out, symbols[part])
            done += out.size
            assert decoder.tell() == pytest.approx(expected[done], rel=1e-13, abs=1e-9)
    assert min(np.diff(expected), default=0) > -1e-9  # it never goes back
    end = 8 * (len(stream) - 4 * check)
    assert end - 8 < decoder.tell() <= end
    decoder.finish()


@settings(max_examples=settings.default.max_examples // 2)
@given(MESSAGES, generators.lanes, generators.segments, st.integers(0, 2**16))
def test_a_snapshot_leads_back_from_anywhere(messages, lanes, segment, seed):
    stream = reference.encode_stream(messages, check=True, lanes=lanes, segment=segment)
    decoder, places = fc.Decoder(stream), []
    for message in messages:
        table = native_table(message.table)
        indexes = np.array(message.indexes, np.uint8)
        for part in cut(seed, len(indexes)):
            arguments = (indexes[part], table)
            places.append((decoder.snapshot(), arguments, decoder.tell()))
            places[-1] += (decoder.pull(*arguments).tolist(), decoder.tell())
    end = decoder.snapshot()
    decoder.finish()
    for place, arguments, before, symbols, after in np.random.default_rng(seed).permutation(
        np.array([*places, None], object)[:-1]
    ):
        decoder.restore(place)
        assert decoder.tell() == before
        assert decoder.pull(*arguments).tolist() == symbols
        assert decoder.tell() == after
    decoder.restore(end)
    decoder.finish()


@settings(max_examples=settings.default.max_examples // 2)
@given(
    generators.messages(generators.tables(most_slots=300)),
    generators.lanes,
    generators.segments,
    st.integers(0, 2**16),
)
def test_ranges_are_parts_of_the_message(message, lanes, segment, seed):
    stream = reference.encode(*message, lanes=lanes, segment=segment)
    table, rng = native_table(message.table), np.random.default_rng(seed)
    indexes, count = np.array(message.indexes, np.uint8), len(message.symbols)
    for _ in range(4):
        first = int(rng.integers(0, count + 1))
        size = int(rng.integers(0, count - first + 1))
        expected = message.symbols[first : first + size]
        part = fc.decode_range(stream, first, indexes, table, count=size)
        assert part.tolist() == expected
        assert reference_positions.decode_part(stream, first, size, *message[1:]) == expected
        begin = first // segment * segment if segment else 0
        size = int(rng.integers(0, count - begin + 1))
        if size < count:
            part = fc.decode_range(stream, begin, indexes[begin : begin + size], table)
            assert part.tolist() == message.symbols[begin : begin + size]
    np.testing.assert_array_equal(fc.decode_range(stream, 0, indexes, table), message.symbols)
