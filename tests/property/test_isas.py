# SPDX-License-Identifier: Apache-2.0
"""Encode on one instruction set, decode on another: every pair, whole messages and many at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcoder as fc
from tests import generators, reference
from tests.generators import Message, native_table, parse_error

ISAS = fc.isa.available()
PAIRS = list(itertools.product(ISAS, ISAS))


@pytest.fixture(autouse=True)
def _former_isa() -> Iterator[None]:
    former = fc.isa.active()
    yield
    fc.isa.use(former)


def fitting(dtypes: tuple[str, ...], values: list[int]) -> list[str]:
    low, high = min(values, default=0), max(values, default=0)
    return [name for name in dtypes if np.iinfo(name).min <= low and high <= np.iinfo(name).max]


@st.composite
def longer_messages(draw: st.DrawFn) -> Message:
    """Up to a few blocks of every kernel, of any table."""
    table = draw(generators.tables(most_slots=3000))
    size = draw(st.one_of(st.integers(0, 600), st.integers(2000, 4500)))
    seed = draw(st.integers(0, 2**16))
    indexes = np.random.default_rng(seed).integers(len(table.offsets), size=size).tolist()
    kind = draw(st.sampled_from(generators.SYMBOL_KINDS))
    return Message(generators.draw_symbols(table, indexes, kind, seed), indexes, table)


@settings(max_examples=12)
@given(longer_messages(), generators.lanes, st.sampled_from([None, 16, 256]), st.data())
def test_every_isa_decodes_what_every_isa_encodes(message, lanes, segment, data):
    table = native_table(message.table)
    symbol_types = fitting(generators.SYMBOL_DTYPES, message.symbols)
    symbols = np.array(message.symbols, data.draw(st.sampled_from(symbol_types)))
    indexes = np.array(message.indexes, data.draw(st.sampled_from(generators.INDEX_DTYPES)))
    dtype = data.draw(st.sampled_from(symbol_types))
    streams = {}
    for isa in ISAS:
        fc.isa.use(isa)
        streams[isa] = fc.encode(symbols, indexes, table, lanes=lanes, segment=segment)
    for encoder, decoder in PAIRS:
        fc.isa.use(decoder)
        decoded = fc.decode(streams[encoder], indexes, table, dtype=dtype)
        assert decoded.dtype == dtype
        np.testing.assert_array_equal(decoded, symbols, err_msg=f"{encoder} to {decoder}")
    assert len(set(streams.values())) == 1


# --- many messages -------------------------------------------------------------------------------


@st.composite
def batches(draw: st.DrawFn) -> tuple[reference.Table, list[Message]]:
    """Messages of one table: as many as kernels take at once, some more, and none."""
    table = draw(generators.tables(most_slots=400))
    count, most = draw(st.integers(0, 30)), draw(st.sampled_from([5, 40, 700, 3000]))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    messages = []
    for number in range(count):
        size = int(rng.integers(most)) if rng.integers(3) else most
        indexes = rng.integers(len(table.offsets), size=size).tolist()
        kind = str(rng.choice([kind for kind in generators.SYMBOL_KINDS if kind != "extremes"]))
        symbols = generators.draw_symbols(table, indexes, kind, seed + number)
        messages.append(Message(symbols, indexes, table))
    return table, messages


@settings(max_examples=25)
@given(batches(), generators.lanes, st.sampled_from([None, None, 16, 1024]), st.data())
def test_many_messages_at_once_are_the_messages_one_by_one(isa, batch, lanes, segment, data):
    reference_table, messages = batch
    table = native_table(reference_table)
    every = [symbol for message in messages for symbol in message.symbols]
    symbol_types = st.sampled_from(fitting(generators.SYMBOL_DTYPES, every))
    index_types = st.sampled_from(generators.INDEX_DTYPES)
    symbols = [np.array(message.symbols, data.draw(symbol_types)) for message in messages]
    indexes = [np.array(message.indexes, data.draw(index_types)) for message in messages]
    threads, dtype = data.draw(st.sampled_from([1, 2, 5])), data.draw(symbol_types)
    streams = fc.encode_many(symbols, indexes, table, threads, lanes=lanes, segment=segment)
    fc.isa.use("scalar")
    pairs = list(zip(symbols, indexes, strict=True))
    assert streams == [fc.encode(*pair, table, lanes=lanes, segment=segment) for pair in pairs]
    fc.isa.use(isa)
    for shown in (indexes, [rows.tolist() for rows in indexes]):  # native arrays, and a conversion
        decoded = fc.decode_many(streams, shown, table, dtype=dtype, threads=threads)
        assert [part.dtype for part in decoded] == [np.dtype(dtype)] * len(decoded)
        for part, expected in zip(decoded, symbols, strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("precision", [9, 14, 16])
@pytest.mark.parametrize("lanes", [None, 1, 2, 4, 8])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 40])
def test_batches_of_short_messages_equal_the_reference(isa, count, lanes, precision, rng):
    """Around the number of messages that take turns; sizes around the blocks of the kernels."""
    reference_table = generators.table_of(precision, True, [5, 60, 300], offset=-10)
    table = native_table(reference_table)
    sizes = rng.choice([0, 1, 15, 16, 17, 33, 255, 256, 257, 300], count)
    indexes = [rng.integers(3, size=size).astype(np.uint8) for size in sizes]
    symbols = [
        np.array(generators.draw_symbols(reference_table, rows.tolist(), "follow", 7 + i), np.int32)
        for i, rows in enumerate(indexes)
    ]
    streams = fc.encode_many(symbols, indexes, table, lanes=lanes)
    checked = {0, count // 2, count - 1}  # the reference is slow
    for i, stream in enumerate(streams):
        assert stream == fc.encode(symbols[i], indexes[i], table, lanes=lanes)
        if i in checked:
            message = (symbols[i].tolist(), indexes[i].tolist(), reference_table)
            assert stream == reference.encode(*message, lanes=lanes)
    for part, expected in zip(fc.decode_many(streams, indexes, table), symbols, strict=True):
        np.testing.assert_array_equal(part, expected)


def short_batch(rng: np.random.Generator, count: int = 40, size: int = 500):
    reference_table = generators.table_of(14, True, [5, 60, 300], offset=-10)
    indexes = [rng.integers(3, size=size).astype(np.uint8) for _ in range(count)]
    symbols = [
        np.array(generators.draw_symbols(reference_table, rows.tolist(), "follow", i), np.int32)
        for i, rows in enumerate(indexes)
    ]
    return native_table(reference_table), symbols, indexes


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_a_batch_names_the_first_message_and_its_symbol(isa, threads, rng):
    table, symbols, indexes = short_batch(rng)
    streams = fc.encode_many(symbols, indexes, table)
    wrong = [rows.copy() for rows in indexes]
    wrong[31][7] = wrong[17][400] = wrong[17][450] = 3
    for call in (
        lambda: fc.encode_many(symbols, wrong, table, threads),
        lambda: fc.decode_many(streams, wrong, table, threads=threads),
    ):
        with pytest.raises(fc.IndexRangeError) as caught:
            call()
        assert parse_error(caught.value)[:2] == ("indexes", "[400]")
        assert str(caught.value).endswith("(message 17)")
    symbols = [np.clip(part, -10, 100) for part in symbols]
    symbols[5][100] = 70_000
    streams = fc.encode_many(symbols, indexes, table, threads)
    with pytest.raises(fc.SymbolRangeError, match=r"symbols\[100\] = 70000, .*\(message 5\)"):
        fc.decode_many(streams, indexes, table, dtype=np.int8, threads=threads)
    with pytest.raises(fc.SymbolRangeError, match=r"symbols\[100\] = 70000, .*\(message 5\)"):
        fc.decode_many(streams, indexes, table, dtype=np.int16, threads=threads)
    closed = native_table(generators.table_of(14, False, [400, 400, 400], offset=-10))
    with pytest.raises(fc.SymbolRangeError, match=r"symbols\[100\] = 70000, .*\(message 5\)"):
        fc.encode_many(symbols, indexes, closed, threads)


def test_damaged_streams_in_a_batch_raise_or_are_what_they_were(isa, rng):
    """The same for all neighbours of the damaged one: they are decoded as without it."""
    table, symbols, indexes = short_batch(rng, 9)
    streams = fc.encode_many(symbols, indexes, table)
    for trial in range(150):
        victim = trial % 9
        damaged = bytearray(streams[victim])
        position = int(rng.integers(len(damaged)))
        if trial % 3 == 0:
            del damaged[position:]
        else:
            damaged[position] ^= 1 << int(rng.integers(8))
        batch = [*streams[:victim], bytes(damaged), *streams[victim + 1 :]]
        with pytest.raises(fc.StreamError) as caught:
            fc.decode_many(batch, indexes, table)
        with pytest.raises(fc.StreamError) as alone:
            fc.decode(bytes(damaged), indexes[victim], table)
        assert type(caught.value) is type(alone.value)
        assert str(caught.value) == f"{alone.value} (message {victim})"


def test_arrays_that_need_a_conversion_take_the_long_way(isa, rng):
    table, symbols, indexes = short_batch(rng, 12)
    expected = fc.encode_many(symbols, indexes, table)
    for layout in ("strided", "read_only", "byte_swapped", "unaligned", "memoryview"):
        make = generators.LAYOUTS[layout]
        mixed = [make(part) if i % 3 == 0 else part for i, part in enumerate(symbols)]
        rows = [make(part) if i % 4 == 0 else part for i, part in enumerate(indexes)]
        assert fc.encode_many(mixed, rows, table) == expected
        assert fc.encode_many(tuple(mixed), tuple(rows), table) == expected
        for part, wanted in zip(fc.decode_many(expected, rows, table), symbols, strict=True):
            np.testing.assert_array_equal(part, wanted)
    shaped = [part.reshape(25, 20) for part in symbols]
    rows = [part.reshape(25, 20) for part in indexes]
    assert fc.encode_many(shaped, rows, table) == expected
    assert all(part.shape == (25, 20) for part in fc.decode_many(expected, rows, table))
    with pytest.raises(fc.ShapeError):
        fc.encode_many(shaped, indexes, table)
    views = [bytearray(stream) for stream in expected]
    for part, wanted in zip(fc.decode_many(views, indexes, table), symbols, strict=True):
        np.testing.assert_array_equal(part, wanted)
