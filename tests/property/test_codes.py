# SPDX-License-Identifier: Apache-2.0
"""Integer codes and large tables: native and reference write the same bytes and read them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import fastcoder as fc
from fastcoder import codes
from tests import generators, reference, reference_codes
from tests.reference import Interval
from tests.reference_intervals import IntervalDecoder, bits_intervals, encode_intervals

ANY = st.integers(0, 2**64 - 1)


@st.composite
def coded(draw: st.DrawFn):
    """(native code, reference to intervals, reference from a source, integers)."""
    kind = draw(st.sampled_from(["bits", "gamma", "golomb", "zipf"]))
    if kind == "bits":
        width = draw(st.integers(1, 64))
        code = codes.Bits(width)
        to, back = lambda v: bits_intervals(v, width), lambda s: s.bits(width)
    elif kind == "gamma":
        code = codes.EliasGamma()
        to = lambda v: reference_codes.golomb_intervals(v - 1, 0)  # noqa: E731
        back = lambda s: reference_codes.pull_golomb(s, 0) + 1  # noqa: E731
    elif kind == "golomb":
        k = draw(st.integers(0, 63))
        code = codes.ExpGolomb(k)
        to = lambda v: reference_codes.golomb_intervals(v, k)  # noqa: E731
        back = lambda s: reference_codes.pull_golomb(s, k)  # noqa: E731
    else:
        most = draw(st.one_of(st.integers(1, 300), st.integers(1, 2**64 - 1)))
        code = codes.Zipf(draw(st.sampled_from([0.0, 0.3, 1.0, 1.7, 5.0])), most)
        cdf = code._native.bucket_table().cdf(0).tolist()
        to = lambda v: reference_codes.zipf_intervals(v, most, cdf)  # noqa: E731
        back = lambda s: reference_codes.pull_zipf(s, most, cdf)  # noqa: E731
    sizes = st.integers(0, code.highest.bit_length()).map(lambda bits: 2**bits - 1)
    drawn = st.tuples(ANY, sizes).map(
        lambda pair: max(code.lowest, min(code.highest, pair[0] & pair[1]))
    )
    return code, to, back, draw(st.lists(drawn, max_size=60))


@given(coded(), st.booleans(), generators.lanes, generators.segments)
def test_native_and_reference_agree_on_integers(drawn, check, lanes, segment):
    code, to, back, values = drawn
    options = {"check": check, "lanes": lanes, "segment": segment}
    encoder = fc.Encoder(**options)
    encoder.push_integers(values, code)
    stream = encoder.finish()
    intervals = [interval for value in values for interval in to(value)]
    assert stream == encode_intervals(intervals, **options)
    decoder = fc.Decoder(stream)
    assert decoder.pull_integers(len(values), code).tolist() == values
    decoder.finish()
    slow = IntervalDecoder(stream)
    assert [back(slow) for _ in values] == values
    slow.finish()


@given(coded(), st.binary(max_size=80), st.integers(0, 255))
def test_native_and_reference_judge_noise_alike(drawn, noise, flags):
    code, _, back, values = drawn
    stream = bytes([flags | reference.WIDE]) + noise
    try:
        slow = IntervalDecoder(stream)
        expected = [back(slow) for _ in values]
        slow.finish()
    except reference.FormatError:
        expected = None
    try:
        decoder = fc.Decoder(stream)
        found = decoder.pull_integers(len(values), code).tolist()
        decoder.finish()
    except fc.StreamError:
        found = None
    assert found == expected


@st.composite
def large_tables(draw: st.DrawFn) -> fc.LargeTable:
    precision = draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    rows, offsets = [], []
    for _ in range(draw(st.integers(1, 3))):
        most = min(2**precision, 3000)
        slots = draw(st.one_of(st.integers(1, min(most, 40)), st.integers(1, most)))
        rows.append(rng.dirichlet(np.full(slots, draw(st.sampled_from([0.05, 1.0])))) + 1e-300)
        offsets.append(draw(st.sampled_from([0, -5, -(2**31), 2**31 - slots])))
    return fc.LargeTable.from_pmf(rows, offsets, precision=precision)


@given(large_tables(), generators.sizes, generators.lanes, st.integers(0, 2**16))
def test_native_and_reference_agree_on_large_tables(table, size, lanes, seed):
    """The table itself, and symbols with it, in one stream."""
    rng = np.random.default_rng(seed)
    cdfs = [table.cdf(row).tolist() for row in range(table.rows)]
    indexes = rng.integers(table.rows, size=size)
    slots = [int(rng.integers(len(cdfs[row]) - 1)) for row in indexes]
    symbols = np.array(slots, np.int64) + table.offsets[indexes]
    encoder = fc.Encoder(check=True, lanes=lanes)
    encoder.push_table(table)
    encoder.push(symbols, indexes, table)
    stream = encoder.finish()
    offsets = table.offsets.tolist()
    intervals = reference_codes.table_intervals(table.precision, offsets, cdfs)
    for row, slot in zip(indexes, slots, strict=True):
        start, end = cdfs[row][slot : slot + 2]
        intervals.append(Interval(start, end - start, table.precision))
    assert stream == encode_intervals(intervals, check=True, lanes=lanes)
    decoder = fc.Decoder(stream)
    shipped = decoder.pull_table()
    assert shipped == table
    np.testing.assert_array_equal(decoder.pull(indexes, shipped), symbols)
    decoder.finish()
    slow = IntervalDecoder(stream)
    assert reference_codes.pull_table(slow) == (table.precision, offsets, cdfs)
    found = [reference_codes.pull_slot(slow, cdfs[row], table.precision) for row in indexes]
    assert found == slots
    slow.finish()
    assert fc.LargeTable.from_bytes(table.to_bytes()) == table


@given(st.binary(max_size=60), st.integers(0, 255))
def test_native_and_reference_judge_noise_as_a_table_alike(noise, flags):
    stream = bytes([flags | reference.WIDE]) + noise
    try:
        expected = reference_codes.pull_table(IntervalDecoder(stream))
    except reference.FormatError:
        expected = None
    try:
        table = fc.Decoder(stream).pull_table()
        cdfs = [table.cdf(row).tolist() for row in range(table.rows)]
        found = (table.precision, table.offsets.tolist(), cdfs)
    except fc.StreamError:
        found = None
    assert found == expected
