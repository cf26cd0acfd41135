# SPDX-License-Identifier: Apache-2.0
"""CompressAI's coder: its bytes, both ways; what it takes; what it refuses; how it gets in."""

from __future__ import annotations

import array
import itertools
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcoder as fc
from fastcoder import _core
from fastcoder.compat import compressai
from tests import reference_rans64 as reference

RANSENCODER, RANSDECODER = compressai.RansEncoder(), compressai.RansDecoder()
ROW = ([[0, 16383, 32767, 49151, 65535, 65536]], [6], [0])

# Written by CompressAI 1.2.8, for ROW.
GOLDEN = [
    ([1, 2, 3, 0], "05400e0280000000"),
    ([5], "ffff210000008000"),
    ([100000, -100000], "fffff50000800000380df3fff5d33000"),
    ([4, 4, 0, -1], "ffff080002000000f0ff2f0070048204"),
    ([0, 1, 2, 3] * 4, "a00a0880000000004a4ece78"),
    ([2**27 - 1], "ffff070000800000f6ffff0f"),
    ([-(2**27)], "ffff070000800000ffffff0f"),
]


@pytest.mark.parametrize("kind", [list, tuple, np.array])
@pytest.mark.parametrize(("symbols", "stream"), GOLDEN)
def test_streams_are_those_of_compressai(symbols, stream, kind):
    indexes = kind([0] * len(symbols))
    data = RANSENCODER.encode_with_indexes(kind(symbols), indexes, *ROW)
    assert data.hex() == stream
    decoded = RANSDECODER.decode_with_indexes(data, indexes, *ROW)
    assert type(decoded) is (np.ndarray if kind is np.array else list)
    assert list(decoded) == symbols


def test_another_row_is_that_of_compressai():
    table = ([[0, 65535, 65536]], [3], [0])
    data = RANSENCODER.encode_with_indexes([0] * 5, [0] * 5, *table)
    assert data.hex() == "0680028000000000"


# --- against plain Python ------------------------------------------------------------------------


@st.composite
def tables(draw):
    """Rows as CompressAI makes them and as it never does: padded, short of 2**16, with gaps."""
    rows, sizes, offsets = [], [], []
    for _ in range(draw(st.integers(1, 4))):
        inner = draw(st.lists(st.integers(0, 65536), max_size=draw(st.sampled_from([0, 3, 40]))))
        row = [0, *sorted(inner), draw(st.sampled_from([65536, max(inner, default=0) or 9]))]
        row = sorted(row)
        sizes.append(len(row))
        rows.append(row + [draw(st.integers(-9, 2**31 - 1))] * draw(st.integers(0, 3)))
        offsets.append(draw(st.sampled_from([0, -3, 7, -(2**31), 2**31 - 1])))
    return reference.Table(rows, sizes, offsets)


@st.composite
def messages(draw):
    table = draw(tables())
    indexes = draw(st.lists(st.integers(0, len(table.cdfs) - 1), max_size=60))
    near, far = st.integers(-5, 50), st.integers(-(2**31), 2**31 - 1)
    symbols = []
    for index in indexes:
        distance = draw(far if draw(st.integers(0, 9)) == 0 else near)
        symbols.append(min(max(table.offsets[index] + distance, -(2**31)), 2**31 - 1))
    return table, symbols, indexes


@settings(max_examples=200)
@given(messages(), st.booleans())
def test_bytes_and_errors_are_those_of_plain_python(message, prepared):
    table, symbols, indexes = message
    _core.rans64_clear_tables()
    if prepared:  # enough symbols that pushes and buckets are made
        _warm_up(table)
    try:
        expected = reference.encode(table, symbols, indexes)
    except reference.NotCodable:
        with pytest.raises(fc.SymbolRangeError, match=r"^symbols\[\d+\] = -?\d+, expected "):
            RANSENCODER.encode_with_indexes(symbols, indexes, *table.arguments)
        return
    assert RANSENCODER.encode_with_indexes(symbols, indexes, *table.arguments) == expected
    arrays = np.array(symbols, np.int64), np.array(indexes, np.uint8)
    assert RANSENCODER.encode_with_indexes(*arrays, *table.arguments) == expected
    many = compressai.encode_many([symbols] * 5, [indexes] * 5, *table.arguments)
    assert many == [expected] * 5
    buffered = compressai.BufferedRansEncoder()
    for part in (slice(0, 7), slice(7, 7), slice(7, None)):
        buffered.encode_with_indexes(symbols[part], indexes[part], *table.arguments)
    assert buffered.flush() == expected
    assert buffered.flush().hex() == "0000008000000000"

    assert reference.decode(table, expected, indexes) == symbols
    assert RANSDECODER.decode_with_indexes(expected, indexes, *table.arguments) == symbols
    out = RANSDECODER.decode_with_indexes(expected, arrays[1], *table.arguments)
    assert out.dtype == np.int32
    assert out.tolist() == symbols
    decoded = compressai.decode_many([expected] * 5, [indexes] * 5, *table.arguments)
    assert decoded == [symbols] * 5
    decoder = compressai.RansDecoder()
    decoder.set_stream(expected)
    parts = [indexes[:7], [], indexes[7:]]
    decoded = [decoder.decode_stream(part, *table.arguments) for part in parts]
    assert list(itertools.chain(*decoded)) == symbols


def _warm_up(table):
    """Prepare what a table of this content is coded with."""
    codable = []
    for row, size in zip(table.cdfs, table.cdfs_sizes, strict=True):
        widths = np.diff(row[: size - 1])
        codable.append(int(np.argmax(widths > 0)) if (widths > 0).any() else None)
    index = next((k for k, slot in enumerate(codable) if slot is not None), None)
    if index is None:
        return
    symbols = np.full(600, table.offsets[index] + codable[index], np.int64)
    indexes = np.full(600, index)
    stream = RANSENCODER.encode_with_indexes(symbols, indexes, *table.arguments)
    RANSDECODER.decode_with_indexes(stream, indexes, *table.arguments)


def test_long_messages_are_those_of_plain_python(rng):
    rows = [[0, *sorted(rng.integers(1, 65536, n).tolist()), 65536] for n in (1, 6, 40, 300)]
    table = reference.Table(rows, [len(row) for row in rows], [-1, -3, -20, -150])
    indexes = rng.integers(0, 4, 3000)
    symbols = np.round(rng.normal(0, np.array([0.4, 1.5, 9, 70])[indexes])).astype(np.int32)
    symbols[rng.integers(0, 3000, 30)] = rng.integers(-(2**30), 2**30, 30)
    for row in range(4):  # no empty slots: they would be errors
        table.cdfs[row][:] = sorted(set(table.cdfs[row]))
        table.cdfs_sizes[row] = len(table.cdfs[row])
    expected = reference.encode(table, symbols.tolist(), indexes.tolist())
    cuts = [0, 700, 700, 701, 2100, 2999, 3000]
    pairs = [(symbols[a:b], indexes[a:b]) for a, b in itertools.pairwise(cuts)]
    streams = [reference.encode(table, s.tolist(), i.tolist()) for s, i in pairs]
    for kind in (np.int32, np.int64):
        values = symbols.astype(kind)
        assert RANSENCODER.encode_with_indexes(values, indexes, *table.arguments) == expected
        many = compressai.encode_many(
            [s.astype(kind) for s, _ in pairs], [i.astype(np.uint16) for _, i in pairs],
            *table.arguments,
        )  # fmt: skip
        assert many == streams
        decoded = compressai.decode_many(
            streams, [i.astype(kind) for _, i in pairs], *table.arguments
        )
        assert all((d == s).all() for d, (s, _) in zip(decoded, pairs, strict=True))
    assert RANSDECODER.decode_with_indexes(expected, indexes.tolist(), *table.arguments) == (
        symbols.tolist()
    )


# --- what the original does not survive ----------------------------------------------------------


@pytest.mark.parametrize("symbols", [[], [3], [-(2**31)], [2**31 - 1], [2**31], [2**28], [0]])
@pytest.mark.parametrize("kind", [list, np.array])
def test_short_and_far_messages_come_back(symbols, kind):
    indexes = kind(symbols) * 0
    indexes = indexes.astype(np.int32) if kind is np.array else [0] * len(symbols)
    values = np.array(symbols, np.int64) if kind is np.array else symbols
    data = RANSENCODER.encode_with_indexes(values, indexes, *ROW)
    assert list(RANSDECODER.decode_with_indexes(data, indexes, *ROW)) == symbols
    assert [list(d) for d in compressai.decode_many([data], [indexes], *ROW)] == [symbols]


def test_a_row_of_one_slot_is_all_escapes():
    table = ([[0, 65536]], [2], [5])
    symbols = [5, 6, 4, 1000, -(2**31) + 5, 2**31 - 1]
    data = RANSENCODER.encode_with_indexes(symbols, [0] * 6, *table)
    assert data == reference.encode(reference.Table(*table), symbols, [0] * 6)
    assert RANSDECODER.decode_with_indexes(data, [0] * 6, *table) == symbols


@pytest.mark.parametrize("symbol", [2**31 + 4, -(2**31) - 1, 2**62, -(2**63)])
def test_a_symbol_too_far_from_its_row_is_named(symbol):
    for values in ([0, symbol, 0], np.array([0, symbol, 0])):
        with pytest.raises(fc.SymbolRangeError, match=rf"^symbols\[1\] = {symbol}, expected "):
            RANSENCODER.encode_with_indexes(values, [0] * 3, *ROW)
    with pytest.raises(fc.SymbolRangeError, match=r"symbols\[1\] = .* \(message 1\)$"):
        compressai.encode_many([[1], [0, symbol]], [[0], [0, 0]], *ROW)
    with pytest.raises(fc.SymbolRangeError, match=r"^symbols\[0\] = more than 64 bits"):
        RANSENCODER.encode_with_indexes([2**64], [0], *ROW)


class _Strange(list):
    """Iterates over less than it holds."""

    def __iter__(self):
        return iter(())


class _StrangeTuple(tuple):
    __slots__ = ()

    def __iter__(self):
        return iter(())


@pytest.mark.parametrize("kind", [_Strange, _StrangeTuple])
def test_subclasses_of_lists_are_what_they_hold(kind):
    rows, sizes, offsets = kind(ROW[0] * 100), kind([6] * 100), kind([0] * 100)
    symbols, indexes = kind([1, 2, 3, 0]), kind([99] * 4)
    data = RANSENCODER.encode_with_indexes(symbols, indexes, rows, sizes, offsets)
    assert data.hex() == GOLDEN[0][1]
    assert RANSDECODER.decode_with_indexes(data, indexes, rows, sizes, offsets) == [1, 2, 3, 0]
    with pytest.raises(fc.ArgumentError, match=r"^indexes = changing, "):
        compressai.decode_many([data] * 9, _Strange([indexes] * 9), *ROW)


def test_a_row_that_shrinks_while_it_is_read_is_an_error():
    class Shrinking:
        def __index__(self):
            del row[1:]
            row[0] = 0
            return 2**64

    row = [Shrinking(), *range(65536)]
    with pytest.raises(fc.ArgumentError, match=r"^cdfs\[0\] = changing, expected a list at rest$"):
        RANSENCODER.encode_with_indexes([0], [0], [row], [65537], [0])


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**200])
def test_integers_of_more_than_64_bits_are_errors_of_their_argument(value):
    with pytest.raises(fc.SymbolRangeError, match=r"^symbols\[1\] = more than 64 bits"):
        RANSENCODER.encode_with_indexes([0, value], [0, 0], *ROW)
    for call in (RANSENCODER.encode_with_indexes, RANSDECODER.decode_with_indexes):
        with pytest.raises(fc.IndexRangeError, match=r"^indexes\[1\] = more than 64 bits"):
            call(bytes.fromhex(GOLDEN[0][1]), [0, value, *[0] * 6], *ROW)
    for table in (
        ([[0, value, 65536]], [3], [0]),
        ([[0, 65536]], [value], [0]),
        ([[0, 65536]], [2], [value]),
    ):
        with pytest.raises(fc.TableError, match=r"= more than 64 bits"):
            RANSENCODER.encode_with_indexes([0], [0], *table)


def test_a_slot_without_width_is_named():
    table = ([[0, 10, 10, 65536]], [4], [0])
    with pytest.raises(fc.SymbolRangeError, match=r"^symbols\[2\] = 1, expected .* not empty$"):
        RANSENCODER.encode_with_indexes([0, 0, 1], [0] * 3, *table)
    no_escape = ([[0, 65536, 65536]], [3], [0])
    with pytest.raises(fc.SymbolRangeError, match=r"^symbols\[1\] = 1, expected one inside cdfs"):
        RANSENCODER.encode_with_indexes([0, 1], [0] * 2, *no_escape)
    assert (
        RANSENCODER.encode_with_indexes([0] * 9, [0] * 9, *no_escape).hex() == "00000080" + "0" * 8
    )


@pytest.mark.parametrize("index", [1, -1, 2**31, -(2**31), 2**40])
def test_an_index_without_a_row_is_named(index):
    pattern = rf"^indexes\[2\] = {index}, expected 0 <= index < 1"
    data = RANSENCODER.encode_with_indexes([0] * 4, [0] * 4, *ROW)
    for indexes in ([0, 0, index, 0], np.array([0, 0, index, 0], np.int64)):
        with pytest.raises(fc.IndexRangeError, match=pattern):
            RANSENCODER.encode_with_indexes([0] * 4, indexes, *ROW)
        with pytest.raises(fc.IndexRangeError, match=pattern):
            RANSDECODER.decode_with_indexes(data, indexes, *ROW)
        with pytest.raises(fc.IndexRangeError, match=pattern):
            compressai.decode_many([data], [indexes], *ROW)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (([[0, 2, 1, 65536]], [4], [0]), r"cdfs\[0\]\[2\] = 1, expected 2 <= value <= 65536"),
        (([[0, 65537]], [2], [0]), r"cdfs\[0\]\[1\] = 65537, expected 0 <= value <= 65536"),
        (([[-1, 9]], [2], [0]), r"cdfs\[0\]\[0\] = -1, expected 0 <= value <= 65536"),
        (([[0, 2**40]], [2], [0]), r"cdfs\[0\]\[1\] = 1099511627776, expected"),
        (([[0, 9]], [1], [0]), r"cdfs_sizes\[0\] = 1, expected 2 <= size <= 2"),
        (([[0, 9]], [3], [0]), r"cdfs_sizes\[0\] = 3, expected 2 <= size <= 2"),
        (([[0, 9]], [-1], [0]), r"cdfs_sizes\[0\] = -1, expected"),
        (([[0, 9]], [2**40], [0]), r"cdfs_sizes\[0\] = 1099511627776, expected"),
        (([[0, 9]], [2, 2], [0]), r"len\(cdfs_sizes\) = 2, expected 1"),
        (([[0, 9]], [2], []), r"len\(offsets\) = 0, expected 1"),
        (([[0, 9]], [2], [2**31]), r"offsets\[0\] = 2147483648, expected -2\*\*31"),
    ],
)
def test_rows_that_are_none_are_named(table, message):
    for cdfs in (table[0], np.array(table[0])):
        with pytest.raises(fc.TableError, match="^" + message):
            RANSENCODER.encode_with_indexes([0], [0], cdfs, *table[1:])


def test_wrong_types_are_type_errors():
    for symbols in ([1.0], ["1"], [None], np.array([1.0]), "1", {1: 2}, [[1]], [np.float32(1)]):
        with pytest.raises(fc.ArgumentTypeError):
            RANSENCODER.encode_with_indexes(symbols, [0], *ROW)
        with pytest.raises(fc.ArgumentTypeError):
            RANSENCODER.encode_with_indexes([1], symbols, *ROW)
    with pytest.raises(fc.ArgumentTypeError, match=r"^type\(symbols\[1\]\) = float, expected int$"):
        RANSENCODER.encode_with_indexes([1, 2.0], [0, 0], *ROW)
    with pytest.raises(fc.ArgumentTypeError, match="cdfs_sizes = None"):
        RANSENCODER.encode_with_indexes([1], [0], ROW[0])
    for encoded in ("text", 5, None, [0] * 8):
        with pytest.raises(fc.ArgumentTypeError, match="encoded"):
            RANSDECODER.decode_with_indexes(encoded, [0], *ROW)
    with pytest.raises(fc.ShapeError, match=r"^len\(indexes\) = 1, expected 2"):
        RANSENCODER.encode_with_indexes([1, 2], [0], *ROW)
    with pytest.raises(fc.ShapeError, match=r"^indexes.shape = \(4,\), expected \(2, 2\)"):
        RANSENCODER.encode_with_indexes(np.zeros((2, 2), int), np.zeros(4, int), *ROW)
    with pytest.raises(fc.ShapeError, match="as many as streams"):
        compressai.decode_many([b""], [], *ROW)


def test_every_kind_of_integers_gives_the_same_stream():
    symbols, indexes = [1, 2, 3, 0], [0] * 4
    expected = RANSENCODER.encode_with_indexes(symbols, indexes, *ROW)
    kinds = [tuple, range_or_list, lambda v: array.array("i", v), memory, [].__class__]
    kinds += [lambda v, d=d: np.array(v, d) for d in ("i1", "u1", "i2", "u2", "i4", "u4", "i8")]
    kinds += [lambda v: np.array(v, ">i4"), lambda v: np.repeat(np.array(v), 2)[::2]]
    kinds += [lambda v: [np.int16(x) for x in v], lambda v: [bool(x == 1) * x or x for x in v]]
    for kind in kinds:
        assert RANSENCODER.encode_with_indexes(kind(symbols), kind(indexes), *ROW) == expected
        decoded = RANSDECODER.decode_with_indexes(bytearray(expected), kind(indexes), *ROW)
        assert list(decoded) == symbols
        data = RANSENCODER.encode_with_indexes(symbols, indexes, ROW[0], kind(ROW[1]), kind(ROW[2]))
        assert data == expected
    shaped = RANSDECODER.decode_with_indexes(memoryview(expected), np.zeros((2, 2), "u1"), *ROW)
    assert shaped.tolist() == [[1, 2], [3, 0]]


def range_or_list(values):
    return range(4) if sorted(values) == list(range(4)) and values == [0, 1, 2, 3] else values


def memory(values):
    return memoryview(array.array("h", values))


def test_tables_of_every_kind_are_the_same():
    rows = [[0, 30000, 65536], [0, 1, 2, 65536]]
    padded = np.array([[0, 30000, 65536, -7], [0, 1, 2, 65536]])
    expected = RANSENCODER.encode_with_indexes([0, 1, 9], [0, 1, 1], rows, [3, 4], [0, 0])
    table = fc.CdfTable.from_cdf(rows, [0, 0], precision=16, escape=True)
    for cdfs in (tuple(map(tuple, rows)), padded, padded.astype(np.int32), padded.astype(">i8"),
                 padded[:, ::1], list(padded), padded.tolist(), table):  # fmt: skip
        assert (
            RANSENCODER.encode_with_indexes([0, 1, 9], [0, 1, 1], cdfs, [3, 4], [0, 0]) == expected
        )
    assert RANSENCODER.encode_with_indexes([0, 1, 9], [0, 1, 1], table) == expected
    assert RANSDECODER.decode_with_indexes(expected, [0, 1, 1], table) == [0, 1, 9]
    with pytest.raises(fc.ArgumentError, match="offsets = other than the table's"):
        RANSENCODER.encode_with_indexes([0], [0], table, None, [1, 0])
    for wrong in (
        fc.CdfTable.gaussian([1.0]),
        fc.CdfTable.from_cdf(rows, [0, 0], precision=16, escape=False),
    ):
        with pytest.raises(fc.TableError, match="expected 16, True"):
            RANSENCODER.encode_with_indexes([0], [0], wrong)


# --- damage --------------------------------------------------------------------------------------


def test_a_stream_that_ends_early_raises(rng):
    rows = [[0, *range(100, 4100, 100), 65000, 65536]]
    table = (rows, [len(rows[0])], [0])
    symbols = rng.integers(0, 45, 200).tolist()
    data = RANSENCODER.encode_with_indexes(symbols, [0] * 200, *table)
    for end in range(len(data)):
        with pytest.raises(fc.StreamError):
            RANSDECODER.decode_with_indexes(data[:end], [0] * 200, *table)
    for end in range(0, len(data), 4):
        with pytest.raises(fc.TruncatedStreamError):
            RANSDECODER.decode_with_indexes(data[:end], [0] * 200, *table)
    with pytest.raises(fc.CorruptStreamError, match="words left = 1"):
        RANSDECODER.decode_with_indexes(data + bytes(4), [0] * 200, *table)


@settings(max_examples=100)
@given(messages(), st.data())
def test_hostile_bytes_raise_or_decode(message, data):
    table, symbols, indexes = message
    try:
        stream = bytearray(reference.encode(table, symbols, indexes))
    except reference.NotCodable:
        stream = bytearray(data.draw(st.binary(max_size=60)))
    for _ in range(data.draw(st.integers(1, 3))):
        if stream:
            stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))
    results = []
    for decode in (
        lambda: RANSDECODER.decode_with_indexes(stream, indexes, *table.arguments),
        lambda: compressai.decode_many([stream], [indexes], *table.arguments)[0],
    ):
        try:
            results.append(decode())
        except fc.StreamError as error:
            results.append(type(error))
    assert results[0] == results[1]
    if isinstance(results[0], list):  # a stream of other symbols: then it is theirs
        assert len(results[0]) == len(indexes)


def test_a_count_of_more_than_eight_digits_is_corrupt():
    # One slot, whose push leaves the state alone; then the count is the state's lowest digit.
    for count in range(9, 16):
        stream = (2**31 * 16**3 + count).to_bytes(8, "little") + bytes(64)
        with pytest.raises(fc.CorruptStreamError, match="at most 8 digits"):
            RANSDECODER.decode_with_indexes(stream, [0], [[0, 65536]], [2], [0])


def test_a_value_outside_every_slot_is_corrupt():
    stream = (2**40 + 65535).to_bytes(8, "little")
    for cdfs in ([[0, 9, 65535]], [[0, 9, 9]]):
        with pytest.raises(fc.CorruptStreamError, match=r"^symbols\[0\] = nothing, expected a val"):
            RANSDECODER.decode_with_indexes(stream, [0], cdfs, [3], [0])


@pytest.mark.parametrize("state", [0, 2**31 - 1, 2**63, 2**64 - 1])
def test_a_state_that_no_encoder_has_is_corrupt(state):
    decoder = compressai.RansDecoder()
    with pytest.raises(fc.CorruptStreamError, match=rf"^state = {state}, "):
        decoder.set_stream(state.to_bytes(8, "little"))


# --- objects -------------------------------------------------------------------------------------


def test_decode_stream_before_set_stream_is_an_error():
    decoder = compressai.RansDecoder()
    with pytest.raises(fc.ArgumentError, match=r"set_stream\(\) before"):
        decoder.decode_stream([0], *ROW)
    with pytest.raises(fc.TruncatedStreamError):
        decoder.set_stream(b"1234567")
    with pytest.raises(fc.ArgumentError, match=r"set_stream\(\) before"):
        decoder.decode_stream([0], *ROW)


def test_a_failed_call_changes_nothing():
    symbols = [1, 2, 3, 0, 77, 1]
    data = RANSENCODER.encode_with_indexes(symbols, [0] * 6, *ROW)
    decoder = compressai.RansDecoder()
    decoder.set_stream(data)
    assert decoder.decode_stream([0] * 2, *ROW) == symbols[:2]
    for indexes, table in (
        ([0, 9], ROW),
        ([0] * 90, ROW),
        ([0, 1.5], ROW),
        ([0], ([[9]], [1], [0])),
    ):
        with pytest.raises(fc.FastcoderError):
            decoder.decode_stream(indexes, *table)
    with pytest.raises(fc.StreamError):
        decoder.set_stream(b"")
    RANSDECODER.decode_with_indexes(data, [0] * 6, *ROW)
    assert decoder.decode_stream([0] * 4, *ROW) == symbols[2:]
    encoder = compressai.BufferedRansEncoder()
    encoder.encode_with_indexes(symbols[:2], [0] * 2, *ROW)
    for values, indexes in (([0] * 600 + [2**40], [0] * 601), ([0, 1], [0, 1]), ([1.5], [0])):
        with pytest.raises(fc.FastcoderError):
            encoder.encode_with_indexes(values, indexes, *ROW)
    encoder.encode_with_indexes(symbols[2:], [0] * 4, *ROW)
    assert encoder.flush() == data


def test_tables_are_recognized_by_content():
    cdfs, sizes, offsets = [[0, 30000, 60000, 65536]], [4], [0]
    first = RANSENCODER.encode_with_indexes([0, 1] * 9, [0] * 18, cdfs, sizes, offsets)
    _core.rans64_clear_tables()
    RANSENCODER.encode_with_indexes([0, 1] * 9, [0] * 18, [list(cdfs[0])], [4], [0])
    RANSENCODER.encode_with_indexes([0, 1] * 9, [0] * 18, np.array(cdfs), sizes, offsets)
    RANSENCODER.encode_with_indexes([0, 1] * 9, [0] * 18, [[*cdfs[0], 5, 6]], sizes, offsets)
    assert _core.rans64_cached_tables() == 1
    cdfs[0][1] = 1  # the same list, another table
    other = RANSENCODER.encode_with_indexes([0, 1] * 9, [0] * 18, cdfs, sizes, offsets)
    assert other == reference.encode(reference.Table(cdfs, sizes, offsets), [0, 1] * 9, [0] * 18)
    assert other != first
    offsets[0] = -1
    moved = RANSENCODER.encode_with_indexes([-1, 0] * 9, [0] * 18, cdfs, sizes, offsets)
    assert moved == other
    assert _core.rans64_cached_tables() == 3


def test_the_memory_of_tables_is_bounded():
    _core.rans64_clear_tables()
    for k in range(100):
        RANSENCODER.encode_with_indexes([0], [0], [[0, k + 1, 65536]], [3], [0])
        assert _core.rans64_cached_tables() <= 32
    large = np.tile(np.linspace(0, 65536, 3000).astype(np.int32), (300, 1))
    for k in range(6):  # about 18 MiB each when prepared
        large[:, 0] = k
        RANSENCODER.encode_with_indexes([0], [0], large, [3000] * 300, [0] * 300)
    assert _core.rans64_cached_tables() <= 3
    _core.rans64_clear_tables()


def test_a_table_object_is_recognized_after_another_had_its_address():
    rows = [[0, 30000, 65536]]
    for k in range(50):
        rows[0][1] = 1000 * k + 1
        table = fc.CdfTable.from_cdf(rows, [0], precision=16, escape=True)
        data = RANSENCODER.encode_with_indexes([0] * 40, [0] * 40, table)
        assert data == RANSENCODER.encode_with_indexes([0] * 40, [0] * 40, rows, [3], [0])


def test_threads_share_objects_and_tables(rng):
    rows = [[0, *sorted(set(rng.integers(1, 65536, 40).tolist())), 65536]]
    table = (rows, [len(rows[0])], [0])
    symbols = rng.integers(0, 30, 20000).astype(np.int32)
    indexes = np.zeros(20000, np.int32)
    expected = RANSENCODER.encode_with_indexes(symbols, indexes, *table)
    shared, faults = compressai.RansDecoder(), []
    shared.set_stream(expected)
    buffered = compressai.BufferedRansEncoder()
    pulled = []

    def work(number):
        try:
            for _ in range(4):
                _core.rans64_clear_tables()
                assert RANSENCODER.encode_with_indexes(symbols, indexes, *table) == expected
                out = RANSDECODER.decode_with_indexes(expected, indexes, *table)
                assert (out == symbols).all()
            for _ in range(5):
                pulled.append(shared.decode_stream(indexes[:1000], *table))
                buffered.encode_with_indexes([number] * 10, [0] * 10, *table)
        except BaseException as fault:  # shown by the main thread
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    # Each pull is one piece of the message, and together they are all of it.
    pieces = [symbols[k : k + 1000].tolist() for k in range(0, 20000, 1000)]
    assert sorted(p.tolist() for p in pulled) == sorted(pieces)
    flushed = RANSDECODER.decode_with_indexes(buffered.flush(), [0] * 200, *table)
    tens = [flushed[k : k + 10] for k in range(0, 200, 10)]
    assert sorted(tens) == sorted([n] * 10 for n in range(4) for _ in range(5))


# --- pmf_to_quantized_cdf ------------------------------------------------------------------------


@given(
    st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1e-9, 0.25])), max_size=40),
    st.integers(6, 20),
)
def test_quantized_rows_are_those_of_the_rule(pmf, precision):
    if sum(round(np.float32(p) * 2**precision) for p in pmf) == 0:
        with pytest.raises(fc.TableError, match="expected"):
            compressai.pmf_to_quantized_cdf(pmf, precision)
        return
    expected = reference.quantized_cdf(pmf, precision)
    assert compressai.pmf_to_quantized_cdf(pmf, precision) == expected
    assert compressai.pmf_to_quantized_cdf(np.array(pmf, np.float32), precision) == expected


@pytest.mark.parametrize("value", [-0.5, float("nan"), float("inf"), 1e300, 70000.0])
def test_a_pmf_that_is_none_is_named(value):
    with pytest.raises(fc.TableError, match=r"^pmf\[1\] = "):
        compressai.pmf_to_quantized_cdf([0.5, value], 16)


def test_other_faults_of_a_pmf_are_errors():
    for pmf in ([], [0.0, 0.0], [1e-30], [0.25] * 17):
        with pytest.raises(fc.TableError):
            compressai.pmf_to_quantized_cdf(pmf, 4)
    for precision in (0, 32, -1, 2**70):
        with pytest.raises(fc.ArgumentError, match=r"^precision = "):
            compressai.pmf_to_quantized_cdf([0.5, 0.5], precision)
    for pmf in (["a"], None, [[0.5, 0.5]], 0.5):
        with pytest.raises((fc.ArgumentTypeError, fc.ShapeError)):
            compressai.pmf_to_quantized_cdf(pmf, 16)


# --- install -------------------------------------------------------------------------------------

PACKAGE = {
    "__init__.py": "from . import entropy_models, models\n",
    "_CXX.py": "def pmf_to_quantized_cdf(pmf, precision): ...\n",
    "ans.py": "class RansEncoder: ...\nclass RansDecoder: ...\nclass BufferedRansEncoder: ...\n",
    "entropy_models/__init__.py": "from .entropy_models import EntropyModel\n",
    "entropy_models/entropy_models.py": """
        from compressai._CXX import pmf_to_quantized_cdf as _pmf_to_quantized_cdf

        class EntropyModel:
            def compress(self, inputs, indexes, means=None):
                return ["original"]
            def decompress(self, strings, indexes, dtype=None, means=None):
                return "original"
            def coder(self):
                from compressai import ans
                return ans.RansEncoder()
    """,
    "models/__init__.py": "from compressai.ans import BufferedRansEncoder, RansDecoder\n",
    "late.py": "from compressai.ans import RansEncoder as Late\n",
}

SCRIPT = """
    import importlib, sys
    from fastcoder.compat import compressai as ours

    def sites():
        import compressai, compressai.ans as ans
        models = sys.modules["compressai.entropy_models.entropy_models"]
        late = importlib.import_module("compressai.late")
        named = [ans.RansEncoder, compressai.ans.RansDecoder, compressai._CXX.pmf_to_quantized_cdf,
                 models._pmf_to_quantized_cdf, compressai.models.RansDecoder,
                 compressai.models.BufferedRansEncoder, type(models.EntropyModel().coder()),
                 late.Late]
        wrapped = [hasattr(getattr(models.EntropyModel, name), "__wrapped__")
                   for name in ("compress", "decompress")]
        found = {value.__module__ == ours.__name__ for value in named} | set(wrapped)
        assert len(found) == 1, (named, wrapped)
        return found.pop()

    def everything():
        import compressai
        names = [name for name in sys.modules if name.split(".")[0] == "compressai"]
        models = sys.modules["compressai.entropy_models.entropy_models"]
        return ({(name, key): id(value) for name in names
                 for key, value in vars(sys.modules[name]).items()
                 if not key.startswith("__")},
                {name: id(sys.modules[name]) for name in names},
                {key: id(value) for key, value in vars(models.EntropyModel).items()},
                list(sys.meta_path))
"""

CASES = {
    "before_the_import": """
        finders = list(sys.meta_path)
        ours.install(); ours.install()
        assert sites()
        models = sys.modules["compressai.entropy_models.entropy_models"]
        assert type(models.__spec__.loader).__name__ == "SourceFileLoader"
        assert models.__loader__ is models.__spec__.loader
        ours.uninstall(); ours.uninstall()
        assert not sites()
        assert sys.meta_path == finders
    """,
    "after_the_import": """
        assert not sites()
        before = everything()
        ours.install(); ours.install()
        assert sites()
        ours.uninstall()
        assert not sites()
        assert everything() == before
        ours.uninstall()
        assert everything() == before
    """,
    "context_managers": """
        assert not sites()
        before = everything()
        with ours.install():
            assert sites()
            with ours.installed():
                assert sites()
            assert sites()
        assert everything() == before
        with ours.installed():
            assert sites()
        assert everything() == before
        try:
            with ours.installed():
                raise KeyError
        except KeyError:
            assert everything() == before
    """,
    "a_module_that_is_loaded_meanwhile": """
        import compressai
        with ours.installed():
            import compressai.late
            assert compressai.late.Late is ours.RansEncoder
        assert compressai.late.Late.__module__ == "compressai.ans"
        assert not sites()
    """,
    "without_the_extension": """
        sys.modules["compressai._CXX"] = sys.modules["compressai.ans"] = None
        ours.install()
        assert sites()
        ours.uninstall()
        assert sys.modules["compressai.ans"] is None
    """,
    "an_unusual_coder_is_left_alone": """
        with ours.installed():
            from compressai.entropy_models import EntropyModel
            assert EntropyModel().compress(1, 2) == ["original"]
            assert EntropyModel().decompress(1, 2) == "original"
            try:
                EntropyModel().decompress()
                raise AssertionError
            except TypeError:
                pass
    """,
    "threads": """
        import threading
        assert not sites()
        before = everything()
        def work():
            for _ in range(50):
                ours.install()
                ours.uninstall()
        threads = [threading.Thread(target=work) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert everything() == before
    """,
}


@pytest.mark.parametrize("case", CASES)
def test_install(case, tmp_path):
    for name, text in PACKAGE.items():
        path = tmp_path / "compressai" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    script = textwrap.dedent(SCRIPT) + textwrap.dedent(CASES[case])
    path = f"import sys; sys.path[:] = [{str(tmp_path)!r}, *{sys.path!r}]\n"
    done = subprocess.run([sys.executable, "-c", path + script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
