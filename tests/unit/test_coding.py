# SPDX-License-Identifier: Apache-2.0
"""encode, decode, cost and their `many` forms: what they accept, refuse and promise.

Over 400 lines: one test for each sentence of their contract.
"""

from __future__ import annotations

import numpy as np
import pytest

import fastcoder as fc
from tests import generators, reference
from tests.generators import native_table, parse_error

PLAIN = reference.Table(10, False, [-2, 0, 5], [[1000, 20, 2, 1, 1], [512, 512], [1024]])
ESCAPING = reference.Table(10, True, [-2, 0, 5], [[1000, 20, 2, 1, 1], [512, 512], [1023, 1]])


@pytest.fixture(scope="module")
def plain() -> fc.CdfTable:
    return native_table(PLAIN)


@pytest.fixture(scope="module")
def escaping() -> fc.CdfTable:
    return native_table(ESCAPING)


# --- nothing to code -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0, 2)])
def test_empty_arrays_keep_their_shape(isa, plain, shape):
    symbols, indexes = np.empty(shape, np.int16), np.empty(shape, np.uint8)
    stream = fc.encode(symbols, indexes, plain)
    assert len(stream) == 13
    assert stream[-1] == 0
    decoded = fc.decode(stream, indexes, plain, dtype=np.int8)
    assert (decoded.shape, decoded.dtype) == (shape, np.int8)
    assert fc.cost(symbols, indexes, plain) == 0
    assert fc.encode_many([symbols], [indexes], plain) == [stream]
    assert fc.encode_many([], [], plain) == []
    assert fc.decode_many([], [], plain) == []


def test_a_scalar_is_one_symbol(isa, plain):
    stream = fc.encode(np.array(-2), np.array(0), plain)
    assert stream == fc.encode([-2], [0], plain)
    decoded = fc.decode(stream, np.array(0), plain)
    assert decoded.shape == ()
    assert int(decoded) == -2


def test_lists_are_arrays(isa, plain):
    stream = fc.encode([[-2, 0], [5, 1]], [[0, 1], [2, 1]], plain)
    assert fc.decode(stream, [[0, 1], [2, 1]], plain).tolist() == [[-2, 0], [5, 1]]


def test_symbols_that_cost_nothing_need_no_bytes_of_their_own(isa, plain):
    symbols, indexes = np.full(100_000, 5, np.int8), np.full(100_000, 2, np.uint8)
    stream = fc.encode(symbols, indexes, plain)
    assert len(stream) <= 16 + 5
    np.testing.assert_array_equal(fc.decode(stream, indexes, plain), symbols)


# --- indexes=None --------------------------------------------------------------------------------


def test_a_table_of_one_row_needs_no_indexes(isa):
    table = native_table(generators.table_of(10, True, [9]))
    symbols = np.arange(-3, 9, dtype=np.int16).reshape(3, 4)
    stream = fc.encode(symbols, None, table)
    assert stream == fc.encode(symbols, np.zeros((3, 4), np.uint8), table)
    np.testing.assert_array_equal(fc.decode(stream, None, table, shape=(3, 4)), symbols)
    assert fc.decode(stream, None, table, shape=12).shape == (12,)
    assert fc.cost(symbols, None, table) == fc.cost(symbols, np.zeros((3, 4), np.uint8), table)
    streams = fc.encode_many([symbols, symbols[0]], None, table)
    first, second = fc.decode_many(streams, None, table, shapes=[(3, 4), 4])
    np.testing.assert_array_equal(first, symbols)
    np.testing.assert_array_equal(second, symbols[0])


def test_indexes_none_is_refused_for_more_rows(plain):
    for call in (
        lambda: fc.encode([0], None, plain),
        lambda: fc.decode(b"", None, plain, shape=1),
        lambda: fc.cost([0], None, plain),
    ):
        with pytest.raises(fc.ArgumentError) as caught:
            call()
        assert parse_error(caught.value)[::2] == ("indexes", "None")


def test_decode_without_indexes_wants_a_shape():
    table = native_table(generators.table_of(10, True, [9]))
    stream = fc.encode([1, 2], None, table)
    with pytest.raises(fc.ArgumentError) as caught:
        fc.decode(stream, None, table)
    assert parse_error(caught.value) == ("shape", "", "None")
    with pytest.raises(fc.ShapeError) as caught:
        fc.decode(stream, None, table, shape=(-1,))
    assert parse_error(caught.value) == ("shape", "[0]", "-1")
    with pytest.raises(fc.ShapeError):
        fc.decode(stream, [0, 0], table, shape=(3,))


# --- wrong values --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", generators.INDEX_DTYPES)
@pytest.mark.parametrize("position", [0, 5, 2047, 2048, 4999])
def test_an_index_without_row_is_named(isa, plain, dtype, position):
    symbols, indexes = np.zeros(5000, np.int32), np.ones(5000, dtype)
    stream = fc.encode(symbols, indexes, plain)
    values = [3, 200] if dtype.startswith("u") else [3, -1, np.iinfo(dtype).min]
    for value in values:
        wrong = indexes.copy()
        wrong[position] = value
        wrong[4999] = value
        for call in (
            lambda wrong=wrong: fc.encode(symbols, wrong, plain),
            lambda wrong=wrong: fc.decode(stream, wrong, plain),
            lambda wrong=wrong: fc.cost(symbols, wrong, plain),
        ):
            with pytest.raises(fc.IndexRangeError) as caught:
                call()
            assert parse_error(caught.value) == ("indexes", f"[{position}]", str(value))
            assert "0 <= index < 3" in str(caught.value)


def test_an_index_beyond_32_bits_does_not_wrap(isa, plain):
    with pytest.raises(fc.IndexRangeError) as caught:
        fc.encode([0, 0], np.array([1, 2**32 + 1]), plain)
    assert parse_error(caught.value) == ("indexes", "[1]", str(2**32 + 1))


@pytest.mark.parametrize("position", [0, 2047, 2048, 4999])
@pytest.mark.parametrize("value", [-3, 3, 100, -(2**31), 2**31 - 1])
def test_a_symbol_outside_its_row_is_named(isa, plain, escaping, position, value):
    symbols, indexes = np.zeros(5000, np.int32), np.zeros(5000, np.uint8)
    symbols[[position, 4999]] = value
    for call in (fc.encode, fc.cost):
        with pytest.raises(fc.SymbolRangeError) as caught:
            call(symbols, indexes, plain)
        assert parse_error(caught.value) == ("symbols", f"[{position}]", str(value))
        assert "-2 <= symbol <= 2" in str(caught.value)
    decoded = fc.decode(fc.encode(symbols, indexes, escaping), indexes, escaping)
    np.testing.assert_array_equal(decoded, symbols)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**32, 2**63 - 1, -(2**63)])
def test_a_symbol_outside_int32_is_named(isa, escaping, value):
    symbols = np.array([0, value, value])
    for call in (fc.encode, fc.cost):
        with pytest.raises(fc.SymbolRangeError) as caught:
            call(symbols, [0, 0, 0], escaping)
        assert parse_error(caught.value) == ("symbols", "[1]", str(value))


def test_an_unsigned_symbol_outside_int32_is_named(isa, escaping):
    with pytest.raises(fc.SymbolRangeError) as caught:
        fc.encode(np.array([0, 2**31 - 1, 2**31], np.uint32), [0, 0, 0], escaping)
    assert parse_error(caught.value) == ("symbols", "[2]", str(2**31))


def test_the_position_counts_in_c_order_whatever_the_layout(isa, plain):
    symbols = np.zeros((4, 6), np.int32, order="F")
    symbols[2, 1] = 99
    with pytest.raises(fc.SymbolRangeError) as caught:
        fc.encode(symbols, np.zeros((4, 6), np.uint8), plain)
    assert parse_error(caught.value) == ("symbols", "[13]", "99")


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int8", 128),
        ("int8", -129),
        ("int16", 2**15),
        ("int16", -(2**15) - 1),
        ("uint8", -1),
        ("uint8", 256),
        ("uint16", 65536),
        ("uint16", -5),
        ("uint32", -1),
    ],
)
@pytest.mark.parametrize("position", [0, 2048, 2999])
def test_a_symbol_that_does_not_fit_the_dtype_is_named(isa, escaping, dtype, value, position):
    """Never a wrap: neither for symbols of a row, nor for escapes."""
    wide_row = native_table(reference.Table(16, False, [value - 2], [[1, 1, 65532, 1, 1]]))
    symbols, indexes = np.zeros(3000, np.int32), np.zeros(3000, np.uint8)
    symbols[[position, 2999]] = value
    stream = fc.encode(symbols, indexes, escaping)
    with pytest.raises(fc.SymbolRangeError) as caught:
        fc.decode(stream, indexes, escaping, dtype=dtype)
    argument, place, found = parse_error(caught.value)
    assert (argument, place, found) == ("symbols", f"[{position}]", str(value))
    info = np.iinfo(dtype)
    assert f"{info.min} <= symbol <= {info.max}" in str(caught.value)
    stream = fc.encode([value], [0], wide_row)
    with pytest.raises(fc.SymbolRangeError):
        fc.decode(stream, [0], wide_row, dtype=dtype)


# --- wrong types ---------------------------------------------------------------------------------

WRONG_ARRAYS = {
    "float64": np.zeros(3),
    "float32": np.zeros(3, np.float32),
    "bool": np.zeros(3, bool),
    "complex128": np.zeros(3, complex),
    "object": np.array([1, 2, 3], object),
    "<U1": np.array(["1", "2", "3"]),
    "|S1": np.array([b"1", b"2", b"3"]),
    "datetime64": np.zeros(3, "datetime64[s]"),
    "uint64": np.zeros(3, np.uint64),
    "structured": np.zeros(3, [("a", np.int32)]),
    "list of floats": [1.0, 2.0, 3.0],
    "list of strings": ["1", "2", "3"],
    "ragged list": [[1, 2], [3]],
    "string": "abc",
    "none": None,
    "dict": {0: 1},
    "float": 1.5,
    "huge integers": [2**70, 1, 2],
}


@pytest.mark.parametrize("name", WRONG_ARRAYS)
def test_symbols_of_a_wrong_type_are_a_type_error(name, plain):
    wrong = WRONG_ARRAYS[name]
    for call in (fc.encode, fc.cost):
        with pytest.raises(fc.ArgumentTypeError) as caught:
            call(wrong, np.zeros(3, np.uint8), plain)
        assert isinstance(caught.value, TypeError)
        assert isinstance(caught.value, fc.FastcoderError)
        assert "symbols" in parse_error(caught.value)[0]


@pytest.mark.parametrize("name", [name for name in WRONG_ARRAYS if name != "none"])
def test_indexes_of_a_wrong_type_are_a_type_error(name, plain):
    for call in (
        lambda: fc.encode(np.zeros(3, np.int32), WRONG_ARRAYS[name], plain),
        lambda: fc.decode(b"", WRONG_ARRAYS[name], plain),
    ):
        with pytest.raises(fc.ArgumentTypeError) as caught:
            call()
        assert "indexes" in parse_error(caught.value)[0]


@pytest.mark.parametrize("dtype", ["int8", "uint32"])
def test_indexes_of_other_integers_are_a_type_error(dtype, plain):
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.encode([0], np.zeros(1, dtype), plain)
    assert parse_error(caught.value) == ("indexes.dtype", "", dtype)


@pytest.mark.parametrize("dtype", ["float32", "bool", "int128", "uint64", None, object, ">i4", 7])
def test_a_wrong_result_dtype_is_a_type_error(dtype, plain):
    stream = fc.encode([0], [0], plain)
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.decode(stream, [0], plain, dtype=dtype)
    assert parse_error(caught.value)[0] == "dtype"


@pytest.mark.parametrize("table", [None, [[0, 1024]], "table", 5])
def test_a_wrong_table_type_is_a_type_error(table):
    for call in (
        lambda: fc.encode([0], [0], table),
        lambda: fc.decode(b"", [0], table),
        lambda: fc.cost([0], [0], table),
        lambda: fc.encode_many([[0]], [[0]], table),
        lambda: fc.decode_many([b""], [[0]], table),
        lambda: fc.encode_many([], [], table),
        lambda: fc.decode_many([], [], table),
        lambda: fc.Encoder().push([0], [0], table),
    ):
        with pytest.raises(fc.ArgumentTypeError) as caught:
            call()
        assert "table" in parse_error(caught.value)[0]


@pytest.mark.parametrize("stream", [None, "abc", 5, [1, 2]])
def test_a_wrong_stream_type_is_a_type_error(stream, plain):
    for call in (
        lambda: fc.decode(stream, [0], plain),
        lambda: fc.decode_many([stream], [[0]], plain),
        lambda: fc.Decoder(stream),
    ):
        with pytest.raises(fc.ArgumentTypeError) as caught:
            call()
        assert "stream" in parse_error(caught.value)[0]


def test_streams_may_be_any_buffer_of_bytes(isa, plain):
    stream = fc.encode([0, 1, 2], [0, 0, 0], plain)
    for form in (bytearray(stream), memoryview(stream), np.frombuffer(stream, np.uint8)):
        assert fc.decode(form, [0, 0, 0], plain).tolist() == [0, 1, 2]


# --- shapes and options --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"), [((3,), (4,)), ((2, 3), (3, 2)), ((6,), (2, 3)), ((), (1,))]
)
def test_shapes_that_differ_are_named(left, right, plain):
    for call in (fc.encode, fc.cost):
        with pytest.raises(fc.ShapeError) as caught:
            call(np.zeros(left, np.int32), np.zeros(right, np.uint8), plain)
        assert parse_error(caught.value) == ("indexes.shape", "", str(right))
        assert str(left) in str(caught.value)


BAD_OPTIONS = [
    ("lanes", 0),
    ("lanes", 3),
    ("lanes", 33),
    ("lanes", 64),
    ("lanes", -1),
    ("segment", 0),
    ("segment", 8),
    ("segment", 17),
    ("segment", -16),
    ("segment", 2**35),
    ("threads", -1),
]


@pytest.mark.parametrize(("option", "value"), BAD_OPTIONS)
def test_an_option_outside_its_interval_is_named(option, value, plain):
    calls = [
        lambda: fc.encode([0], [0], plain, **{option: value}),
        lambda: fc.encode_many([[0]], [[0]], plain, **{option: value}),
        lambda: fc.encode([], [], plain, **{option: value}),
    ]
    if option != "threads":
        calls.append(lambda: fc.Encoder(**{option: value}))
    else:
        calls.append(lambda: fc.Encoder().finish(**{option: value}))
        calls.append(lambda: fc.decode(b"", [0], plain, **{option: value}))
        calls.append(lambda: fc.decode_many([], [], plain, **{option: value}))
    for call in calls:
        with pytest.raises(fc.ArgumentError) as caught:
            call()
        assert parse_error(caught.value) == (option, "", str(value))


@pytest.mark.parametrize("option", ["lanes", "segment", "threads"])
@pytest.mark.parametrize("value", [1.0, "1", True, [1]])
def test_an_option_of_a_wrong_type_is_a_type_error(option, value, plain):
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.encode([0], [0], plain, **{option: value})
    assert option in parse_error(caught.value)[0]


@pytest.mark.parametrize("option", ["lanes", "segment", "threads"])
def test_options_take_numpy_integers(option, plain):
    value = {"lanes": 4, "segment": 16, "threads": 2}[option]
    expected = fc.encode(np.zeros(50, np.int8), np.zeros(50, np.uint8), plain, **{option: value})
    for kind in (np.int64, np.uint8):
        stream = fc.encode(
            np.zeros(50, np.int8), np.zeros(50, np.uint8), plain, **{option: kind(value)}
        )
        assert stream == expected


def test_lanes_and_segment_are_keyword_only(plain):
    with pytest.raises(TypeError):
        fc.encode([0], [0], plain, 1, 2)


# --- many ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_equals_one_by_one(isa, escaping, rng, threads):
    sizes = [0, 1, 31, 32, 33, 1000, 5, 70]
    indexes = [rng.integers(3, size=size).astype(np.uint8) for size in sizes]
    symbols = [rng.integers(-9, 9, size=size).astype(np.int16) for size in sizes]
    streams = fc.encode_many(symbols, indexes, escaping, threads=threads)
    expected = [fc.encode(s, i, escaping) for s, i in zip(symbols, indexes, strict=True)]
    assert streams == expected
    decoded = fc.decode_many(streams, indexes, escaping, dtype=np.int8, threads=threads)
    for part, message in zip(decoded, symbols, strict=True):
        assert part.dtype == np.int8
        np.testing.assert_array_equal(part, message)
    forced = fc.encode_many(symbols, indexes, escaping, lanes=2, segment=16)
    assert forced == [
        fc.encode(s, i, escaping, lanes=2, segment=16)
        for s, i in zip(symbols, indexes, strict=True)
    ]


def test_many_wants_as_many_indexes_as_messages(plain):
    with pytest.raises(fc.ShapeError) as caught:
        fc.encode_many([[0], [0]], [[0]], plain)
    assert parse_error(caught.value) == ("len(indexes)", "", "1")
    with pytest.raises(fc.ShapeError) as caught:
        fc.decode_many([b"", b""], [[0]], plain)
    assert parse_error(caught.value) == ("len(indexes)", "", "1")
    one_row = native_table(generators.table_of(10, True, [9]))
    with pytest.raises(fc.ShapeError) as caught:
        fc.decode_many([b"", b""], None, one_row, shapes=[1])
    assert parse_error(caught.value) == ("len(shapes)", "", "1")


def test_many_raises_for_the_message_at_fault(isa, plain):
    with pytest.raises(fc.SymbolRangeError) as caught:
        fc.encode_many([[0], [0, 99]], [[0], [0, 0]], plain, threads=2)
    assert parse_error(caught.value)[::2] == ("symbols", "99")
    good = fc.encode([0], [0], plain)
    with pytest.raises(fc.StreamError):
        fc.decode_many([good, good[:-1]], [[0], [0]], plain, threads=2)


@pytest.mark.parametrize("wrong", [None, 5])
def test_many_of_something_else_is_a_type_error(wrong, plain):
    for call in (
        lambda: fc.encode_many(wrong, [[0]], plain),
        lambda: fc.encode_many([[0]], 5, plain),
        lambda: fc.decode_many(wrong, [[0]], plain),
    ):
        with pytest.raises(fc.ArgumentTypeError):
            call()


# --- inputs are only read ------------------------------------------------------------------------


def test_arguments_are_not_changed(isa, escaping, rng):
    symbols = rng.integers(-9, 9, size=(20, 30)).astype(np.int32)
    indexes = rng.integers(3, size=(20, 30)).astype(np.int64)
    before = symbols.copy(), indexes.copy()
    stream = fc.encode(symbols, indexes, escaping)
    kept = bytes(bytearray(stream))
    fc.decode(stream, indexes, escaping)
    fc.cost(symbols, indexes, escaping)
    np.testing.assert_array_equal(symbols, before[0])
    np.testing.assert_array_equal(indexes, before[1])
    assert stream == kept


def test_a_shape_is_compared_with_the_stream_before_memory_is_taken():
    table = fc.CdfTable.gaussian([1.0])
    stream = fc.encode([0], None, table)
    with pytest.raises(fc.CorruptStreamError, match=r"len\(indexes\) = 1000000000000, expected 1 "):
        fc.decode(stream, None, table, shape=10**12)
    with pytest.raises(fc.CorruptStreamError):
        fc.decode_many([stream], None, table, shapes=[(2**40, 2**40)])
    with pytest.raises(fc.ShapeError):
        fc.Decoder(b"\0").pull(None, table, shape=2**62)


def test_positions_of_stream_errors_count_from_its_first_byte():
    table = fc.CdfTable.gaussian([1.0])
    stream = bytearray(fc.encode([0, 1], None, table))
    stream[12] |= 0x80
    with pytest.raises(fc.CorruptStreamError, match=r"^stream\[12\] = 128, expected bit 7 to be 0"):
        fc.decode(bytes(stream), None, table, shape=2)
    for data, message in (
        (bytes(stream[:12]) + b"\0\0", r"^len\(segment\) = 1, expected at least 4 "),
        (bytes(stream[:9]), r"^len\(stream\) = 9, expected at least 11 "),
    ):
        with pytest.raises(fc.TruncatedStreamError, match=message):
            fc.decode(data, None, table, shape=2)


def test_the_message_at_fault_is_numbered(plain):
    with pytest.raises(fc.SymbolRangeError, match=r"^symbols\[1\] = 99, .* \(message 1\)$"):
        fc.encode_many([[0], [0, 99]], [[0], [0, 0]], plain)


def test_ceil_takes_scales_that_are_one_float32(isa):
    scales = [1.0, 1.0 + 1e-12, 2.0]
    assert fc.scale_indexes(np.float32([1.0, 1.5]), scales, "ceil").tolist() == [0, 2]
