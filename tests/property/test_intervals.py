# SPDX-License-Identifier: Apache-2.0
"""Streams of intervals, bits and tables: native and reference agree on every byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastcoder as fc
from tests import generators, reference
from tests.generators import native_table
from tests.reference import Interval
from tests.reference_intervals import IntervalDecoder, bits_intervals, encode_intervals

precisions = st.integers(1, 24)


@st.composite
def intervals(draw: st.DrawFn, precision: int) -> list[Interval]:
    """Intervals of one precision, from the narrowest to the whole."""
    size, seed = draw(generators.sizes), draw(st.integers(0, 2**16))
    rng, total = np.random.default_rng(seed), 2**precision
    kind = draw(st.sampled_from(["any", "narrow", "whole", "last"]))
    drawn = []
    for _ in range(size):
        start = int(rng.integers(total))
        frequency = int(rng.integers(1, total - start + 1))
        if kind == "narrow":
            frequency = 1
        elif kind == "whole":
            start, frequency = 0, total - int(rng.integers(2)) if total > 2 else total
        elif kind == "last":
            start, frequency = total - 1, 1
        drawn.append(Interval(start, frequency, precision))
    return drawn


@st.composite
def pushes(draw: st.DrawFn) -> list[tuple]:
    """Pushes of tables, intervals and bits, as (kind, content)."""
    drawn = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["table", "intervals", "bits"]))
        if kind == "table":
            small = generators.tables(most_slots=300)
            drawn.append((kind, draw(generators.messages(small))))
        elif kind == "intervals":
            drawn.append((kind, draw(precisions.flatmap(intervals))))
        else:
            width = draw(st.integers(1, 64))
            drawn.append((kind, (draw(st.lists(st.integers(0, 2**width - 1))), width)))
    return drawn


def reference_pushes(drawn: list[tuple]) -> list[tuple]:
    converted = []
    for kind, content in drawn:
        if kind == "table":
            converted.append(tuple(content))
            continue
        if kind == "bits":
            values, width = content
            content = [piece for value in values for piece in bits_intervals(value, width)]
        converted.append(([interval.start for interval in content], content, None))
    return converted


def push_native(encoder: fc.Encoder, kind: str, content) -> None:
    if kind == "table":
        encoder.push(
            np.array(content.symbols, np.int32),
            np.array(content.indexes, np.uint8),
            native_table(content.table),
        )
    elif kind == "intervals":
        starts, frequencies, precision = zip(*content, strict=True) if content else ((), (), (1,))
        encoder.push_intervals(starts, frequencies, precision[0])
    else:
        values, width = content
        encoder.push_bits(np.array(values, np.uint64), width)


def pull_native(decoder: fc.Decoder, kind: str, content) -> None:
    """Pull what was pushed and compare."""
    if kind == "table":
        indexes = np.array(content.indexes, np.uint8)
        assert decoder.pull(indexes, native_table(content.table)).tolist() == content.symbols
    elif kind == "intervals":
        for start, frequency, precision in content:
            assert start <= decoder.peek(precision) < start + frequency
            decoder.advance(start, frequency)
    else:
        values, width = content
        assert decoder.pull_bits(len(values), width).tolist() == values


@given(pushes(), st.booleans(), generators.lanes, generators.segments)
def test_native_and_reference_agree_on_mixed_streams(isa, drawn, check, lanes, segment):
    encoder = fc.Encoder(check=check, lanes=lanes, segment=segment)
    for kind, content in drawn:
        push_native(encoder, kind, content)
    stream = encoder.finish()
    converted = reference_pushes(drawn)
    options = {"check": check, "lanes": lanes, "segment": segment}
    assert stream == reference.encode_stream(converted, **options)
    pulls = [(indexes, table) for _, indexes, table in converted]
    symbols = [symbol for part, _, _ in converted for symbol in part]
    assert reference.decode_stream(stream, pulls) == symbols
    decoder = fc.Decoder(stream)
    for kind, content in drawn:
        pull_native(decoder, kind, content)
    decoder.finish()


@given(precisions.flatmap(intervals), st.booleans(), generators.lanes, generators.segments)
def test_the_reference_that_asks_one_by_one_reads_intervals(drawn, check, lanes, segment):
    stream = encode_intervals(drawn, check=check, lanes=lanes, segment=segment)
    decoder = IntervalDecoder(stream)
    for start, frequency, precision in drawn:
        assert start <= decoder.peek(precision) < start + frequency
        decoder.advance(start, frequency, precision)
    decoder.finish()


@given(st.binary(max_size=60), st.data())
def test_native_and_reference_judge_damaged_bits_alike(isa, noise, data):
    """Noise behind legal flags: the same numbers, or an error from both."""
    flags = data.draw(st.integers(0, 255)) | reference.WIDE
    stream, width = bytes([flags]) + noise, data.draw(st.integers(1, 40))
    count = data.draw(st.integers(0, 40))
    try:
        slow = IntervalDecoder(stream)
        expected = [slow.bits(width) for _ in range(count)]
        slow.finish()
    except reference.FormatError:
        expected = None
    try:
        decoder = fc.Decoder(stream)
        found = decoder.pull_bits(count, width).tolist()
        decoder.finish()
    except fc.StreamError:
        found = None
    assert found == expected


@pytest.mark.parametrize("precision", [16, 17, 24])
def test_the_largest_and_smallest_states_meet_every_precision(isa, precision):
    """One lane, and intervals that drive its state from one end of its range to the other."""
    total = 2**precision
    drawn = [Interval(0, total, precision)] * 3
    drawn += [Interval(total - 1, 1, precision)] * 9 + [Interval(0, total - 1, precision)] * 200
    drawn += [Interval(0, 1, precision)] * 9 + [Interval(1, total - 1, precision)] * 200
    encoder = fc.Encoder(lanes=1)
    encoder.push_intervals([i.start for i in drawn], [i.frequency for i in drawn], precision)
    stream = encoder.finish()
    assert stream == encode_intervals(drawn, lanes=1)
    decoder = fc.Decoder(stream)
    pull_native(decoder, "intervals", drawn)
    decoder.finish()
