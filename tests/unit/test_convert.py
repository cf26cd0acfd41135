# SPDX-License-Identifier: Apache-2.0
"""Strings of CompressAI become streams and come back, byte for byte, or raise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import fastcoder as fc
from fastcoder import convert
from fastcoder.compat import compressai
from tests import generators, reference

# Three rows, and a string that CompressAI 1.2.8 wrote with them.
CDFS = [
    [0, 16383, 32767, 49151, 65535, 65536],
    [0, 65535, 65536],
    [0, 1, 2, 6036, 59499, 65533, 65534, 65535, 65536],
]
SIZES, OFFSETS = [6, 3, 9], [-1, 0, -3]
INDEXES = [2, 1, 1, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 1, 2, 2, 1, 1, 1, 2, 0, 2, 2, 0]
SYMBOLS = [-1, 3, 0, 100000, 2, 2, 2, -2, -3, -77, -3, 0, -3, -1, 0, -1, -1, -3, -3, -3]
SYMBOLS += [-(2**26), 1, 0, 1]
STRING = bytes.fromhex(
    "bb000b0ec04900004145ca463a0dc3ff11ffffef31ffff32f9ff1f5551ffffbe1179525011ffff51ffff5100ffff"
    "d7f0ffff7f39"
)
TABLE = convert.table_from_compressai(CDFS, SIZES, OFFSETS)


def padded() -> np.ndarray:
    rows = np.full((3, 12), 7, np.int32)  # what is behind a row is not looked at
    for row, cdf in zip(rows, CDFS, strict=True):
        row[: len(cdf)] = cdf
    return rows


ROWS = {
    "lists": (CDFS, SIZES, OFFSETS),
    "padded lists": (padded().tolist(), SIZES, OFFSETS),
    "arrays": (padded(), np.array(SIZES), np.array(OFFSETS)),
    "table": (TABLE,),
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_a_string_of_the_original_becomes_a_stream_and_comes_back(rows):
    stream = convert.from_compressai(STRING, INDEXES, *rows)
    assert stream == fc.encode(SYMBOLS, INDEXES, TABLE)
    assert convert.to_compressai(stream, INDEXES, *rows) == STRING


def test_tensors_are_taken():
    torch = pytest.importorskip("torch")
    rows = [torch.from_numpy(padded()), torch.tensor(SIZES), torch.tensor(OFFSETS)]
    indexes = torch.tensor(INDEXES, dtype=torch.int32).reshape(4, 6)
    assert convert.table_from_compressai(*rows) == TABLE
    stream = convert.from_compressai(STRING, indexes, *rows)
    assert fc.decode(stream, indexes, TABLE).ravel().tolist() == SYMBOLS
    assert convert.to_compressai(stream, indexes, *rows) == STRING


def test_a_list_of_strings_is_a_batch():
    indexes = np.array([INDEXES, INDEXES[::-1], [1] * 24])
    symbols = np.array([SYMBOLS, SYMBOLS[::-1], [0] * 24])
    strings = compressai.encode_many(list(symbols), list(indexes), TABLE)
    assert strings[0] == STRING
    for rows in (indexes, list(indexes), indexes.tolist()):
        streams = convert.from_compressai(strings, rows, TABLE)
        assert streams == fc.encode_many(list(symbols), list(indexes), TABLE)
        assert convert.to_compressai(streams, rows, TABLE) == strings
    assert convert.from_compressai([], [], TABLE) == []
    assert convert.to_compressai([], [], TABLE) == []


def test_messages_of_a_batch_may_differ_in_length():
    indexes = [INDEXES, [0], [], [1, 2]]
    strings = compressai.encode_many([SYMBOLS, [0], [], [5, 6]], indexes, TABLE)
    streams = convert.from_compressai(strings, indexes, TABLE)
    assert convert.to_compressai(streams, indexes, TABLE) == strings


def test_other_rows_may_code_the_stream():
    narrow = fc.CdfTable.gaussian([0.5, 1.0, 4.0])
    stream = convert.from_compressai(STRING, INDEXES, CDFS, SIZES, OFFSETS, table=narrow)
    assert fc.decode(stream, INDEXES, narrow).tolist() == SYMBOLS
    assert convert.to_compressai(stream, INDEXES, TABLE, table=narrow) == STRING


def fits(symbol: int, row: int, table: reference.Table) -> bool:
    """Whether the distance of a symbol from its row has at most 32 bits in CompressAI's code."""
    value, most = symbol - table.offsets[row], len(table.frequencies[row]) - 1
    return -2 * value - 1 < 2**32 if value < 0 else 2 * (value - most) < 2**32


@given(generators.messages(generators.tables(st.just(16), escape=True, most_slots=300)))
@example(generators.Message([2**31 - 1, -(2**31)], [0, 0], generators.table_of(16, True, [3])))
def test_any_message_moves_there_and_back(message):
    symbols, indexes, reference_table = message
    table = generators.native_table(reference_table)
    stream = fc.encode(symbols, indexes, table)
    if all(fits(s, i, reference_table) for s, i in zip(symbols, indexes, strict=True)):
        string = convert.to_compressai(stream, indexes, table)
        assert string == compressai.RansEncoder().encode_with_indexes(symbols, indexes, table)
        assert convert.from_compressai(string, indexes, table) == stream
    else:
        with pytest.raises(fc.SymbolRangeError):
            convert.to_compressai(stream, indexes, table)


@given(st.integers(0, len(STRING) - 1), st.integers(1, 255))
def test_a_damaged_string_raises_or_is_the_string_of_its_stream(position, flip):
    damaged = bytearray(STRING)
    damaged[position] ^= flip
    try:
        stream = convert.from_compressai(bytes(damaged), INDEXES, TABLE)
    except fc.StreamError:
        return
    assert convert.to_compressai(stream, INDEXES, TABLE) == damaged


@given(st.integers(0, 2**20), st.lists(st.integers(0, 2), max_size=2))
def test_any_bytes_that_are_taken_come_back(above, indexes):
    string = (2**31 + above).to_bytes(8, "little")
    try:
        stream = convert.from_compressai(string, indexes, TABLE)
    except fc.StreamError:
        return
    assert convert.to_compressai(stream, indexes, TABLE) == string


@pytest.mark.parametrize(
    "string",
    [b"", STRING[:7], STRING[:8], STRING[:-4], STRING[:-1], STRING + b"\0\0\0\0", STRING + b"\0"],
)
def test_a_string_of_another_length_raises(string):
    with pytest.raises(fc.StreamError):
        convert.from_compressai(string, INDEXES, TABLE)
    with pytest.raises(fc.StreamError):
        convert.from_compressai([STRING, string], [INDEXES, INDEXES], TABLE)


def test_wrong_indexes_or_rows_raise():
    with pytest.raises(fc.StreamError):
        convert.from_compressai(STRING, [0] * 24, TABLE)
    with pytest.raises(fc.StreamError):
        convert.from_compressai(STRING, INDEXES, CDFS[::-1], SIZES[::-1], OFFSETS[::-1])
    with pytest.raises(fc.IndexRangeError, match=r"^indexes\[3\] = 3, expected"):
        convert.from_compressai(STRING, [0, 0, 0, 3], TABLE)


def test_a_damaged_stream_raises():
    stream = bytearray(convert.from_compressai(STRING, INDEXES, TABLE))
    stream[-1] ^= 1
    with pytest.raises(fc.StreamError):
        convert.to_compressai(stream, INDEXES, TABLE)


@pytest.mark.parametrize(
    ("row", "size", "message"),
    [
        ([0, 5, 5, 65536], 4, r"^cdf\[1\]\[2\] = 5, expected > 5"),
        ([0, 5, 65535], 3, r"^cdf\[1\]\[2\] = 65535, expected 65536"),
        ([1, 5, 65536], 3, r"^cdf\[1\]\[0\] = 1, expected 0"),
        ([0, 65536], 1, r"^cdfs_sizes\[1\] = 1, expected 2 <= size <= 2"),
        ([0, 65536], 3, r"^cdfs_sizes\[1\] = 3, expected 2 <= size <= 2"),
    ],
)
def test_a_row_that_our_format_cannot_hold_is_named(row, size, message):
    with pytest.raises(fc.TableError, match=message):
        convert.from_compressai(STRING, INDEXES, [CDFS[0], row], [6, size], [0, 0])


def test_rows_with_an_empty_slot_move_to_another_table():
    cdfs, indexes = [[0, 30000, 30000, 65535, 65536]], [0, 0, 0]
    string = compressai.RansEncoder().encode_with_indexes([0, 2, 9], indexes, cdfs, [5], [0])
    table = fc.CdfTable.gaussian([2.0])
    stream = convert.from_compressai(string, indexes, cdfs, [5], [0], table=table)
    assert fc.decode(stream, indexes, table).tolist() == [0, 2, 9]
    assert convert.to_compressai(stream, indexes, cdfs, [5], [0], table=table) == string
    empty = fc.encode([0, 1, 9], indexes, table)
    with pytest.raises(fc.SymbolRangeError):
        convert.to_compressai(empty, indexes, cdfs, [5], [0], table=table)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((STRING, None, TABLE), {}, fc.ArgumentError, "^indexes = None, expected"),
        ((STRING, INDEXES, CDFS), {}, fc.ArgumentTypeError, "^cdfs_sizes = None, expected"),
        ((STRING, INDEXES, CDFS, SIZES), {}, fc.ArgumentTypeError, "^offsets = None, expected"),
        ((STRING, INDEXES, TABLE, SIZES), {}, fc.ArgumentError, "^cdfs_sizes = list, expected"),
        ((STRING, INDEXES, TABLE, None, [0]), {}, fc.ArgumentError, "^offsets = list, expected"),
        ((STRING, INDEXES, CDFS, SIZES[:2], OFFSETS), {}, fc.ShapeError, "^cdfs_sizes.shape = "),
        ((STRING, INDEXES, CDFS, SIZES, OFFSETS[:2]), {}, fc.ShapeError, "^offsets.shape = "),
        ((STRING, INDEXES, CDFS, [6.0] * 3, OFFSETS), {}, fc.ArgumentTypeError, "^cdfs_sizes.dty"),
        ((STRING, INDEXES, TABLE), {"table": CDFS}, fc.ArgumentTypeError, "^type.table. = list"),
        (("text", INDEXES, TABLE), {}, fc.ArgumentTypeError, "^type.str"),
        (([STRING], [], TABLE), {}, fc.ShapeError, "^len.indexes. = 0, expected 1"),
        (([STRING, 3], [INDEXES] * 2, TABLE), {}, fc.ArgumentTypeError, r"^type.str.*\[1\]. = int"),
    ],
)
@pytest.mark.parametrize("function", [convert.from_compressai, convert.to_compressai])
def test_a_wrong_argument_is_named(function, arguments, options, error, message):
    with pytest.raises(error, match=message):
        function(*arguments, **options)


@pytest.mark.parametrize(
    ("cdfs", "message"),
    [
        ([0, 65536], r"^cdfs\[0\].ndim = 0, expected 1"),
        ([[[0]], [[0]]], None),
        (np.zeros((2, 2, 2), int), r"^cdfs.ndim = 3, expected 2"),
        (np.array(1), r"^cdfs.ndim = 0, expected 2"),
        ([{0, 65536}] * 2, r"^type\(cdfs\[0\]\) = set"),
    ],
)
def test_rows_that_are_none_are_named(cdfs, message):
    with pytest.raises(fc.FastcoderError, match=message):
        convert.table_from_compressai(cdfs, [2, 2], [0, 0])


def test_a_symbol_that_our_format_cannot_hold_is_named():
    string = compressai.RansEncoder().encode_with_indexes([2**31], [0], CDFS[:1], SIZES[:1], [0])
    with pytest.raises(fc.SymbolRangeError, match=r"^symbols\[0\] = 2147483648, .*\(message 0\)"):
        convert.from_compressai(string, [0], CDFS[:1], SIZES[:1], [0])


@pytest.mark.parametrize("options", [{"precision": 14}, {"precision": 16, "escape": False}])
def test_a_table_that_compressai_has_not_is_refused(options):
    rows = [[0, 5, 1 << options["precision"]]]
    table = fc.CdfTable.from_cdf(rows, [0], **options)
    with pytest.raises(fc.TableError, match=r"^cdfs = CdfTable.*expected precision=16, escape"):
        convert.to_compressai(b"", [], table)


def test_an_escape_code_that_is_too_long_raises():
    # The digits 5 and 0 behind a count of 2, where CompressAI writes a count of 1 and the digit 5.
    short, long = bytes.fromhex("ffff510000008000"), bytes.fromhex("ffff520000000008")
    rows = CDFS[:1], SIZES[:1], [0]
    stream = convert.from_compressai(short, [0], *rows)
    assert convert.to_compressai(stream, [0], *rows) == short
    with pytest.raises(fc.CorruptStreamError):
        convert.from_compressai(long, [0], *rows)
