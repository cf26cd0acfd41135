# SPDX-License-Identifier: Apache-2.0
"""Encoder and Decoder: copies, failures that change nothing, ends, output buffers."""

from __future__ import annotations

import numpy as np
import pytest

import fastcoder as fc
from tests import generators, reference
from tests.generators import native_table, parse_error

NARROW = native_table(reference.Table(10, True, [-2, 0], [[1000, 20, 2, 1, 1], [512, 512]]))
PLAIN = native_table(reference.Table(10, False, [-2, 0], [[1000, 20, 2, 1, 1], [512, 512]]))
WIDE = native_table(reference.Table(16, True, [0], [[30000, 30000, 5536]]))


def encode(*pushes, **options) -> bytes:
    encoder = fc.Encoder(**options)
    for push in pushes:
        encoder.push(*push)
    return encoder.finish()


# --- encoder -------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [False, True])
def test_no_symbols_give_the_empty_stream(isa, check):
    empty = b"\x40\0\0\0\0" if check else b"\0"
    assert encode(check=check) == empty
    for table in (NARROW, WIDE):  # even a wide table: none of its symbols was coded
        assert encode(([], [], table), check=check) == empty
        decoder = fc.Decoder(empty)
        assert decoder.pull(np.zeros((0, 2), np.uint8), table).shape == (0, 2)
        decoder.finish()
    fc.Decoder(empty).finish()


def test_an_empty_push_of_a_wide_table_leaves_the_stream_narrow(isa):
    stream = encode(([0, 1], [0, 1], NARROW), ([], [], WIDE))
    assert stream == encode(([0, 1], [0, 1], NARROW))
    decoder = fc.Decoder(stream)
    assert decoder.pull([], WIDE).size == 0
    assert decoder.pull([0, 1], NARROW).tolist() == [0, 1]
    decoder.finish()


def test_push_copies(isa):
    symbols, indexes = np.arange(-2, 3, dtype=np.int32), np.zeros(5, np.uint8)
    encoder = fc.Encoder()
    encoder.push(symbols, indexes, NARROW)
    symbols[:], indexes[:] = 7, 1
    encoder.push(symbols, indexes, NARROW)
    decoder = fc.Decoder(encoder.finish())
    assert decoder.pull([0] * 5, NARROW).tolist() == [-2, -1, 0, 1, 2]
    assert decoder.pull([1] * 5, NARROW).tolist() == [7] * 5
    decoder.finish()


def test_push_keeps_the_table_alive(isa):
    encoder = fc.Encoder()
    for number in range(20):
        table = fc.CdfTable.from_cdf([[0, 1 + number, 1024]], [0], precision=10, escape=False)
        encoder.push([0, 1], [0, 0], table)
        del table
    decoder = fc.Decoder(encoder.finish())
    for number in range(20):
        table = fc.CdfTable.from_cdf([[0, 1 + number, 1024]], [0], precision=10, escape=False)
        assert decoder.pull([0, 0], table).tolist() == [0, 1]
    decoder.finish()


def test_a_failing_push_changes_nothing(isa):
    encoder = fc.Encoder()
    encoder.push([0, 1], [0, 1], PLAIN)
    for arguments, error in [
        (([0, 0, 99], [0, 0, 0], PLAIN), fc.SymbolRangeError),
        (([0, 0], [0, 2], PLAIN), fc.IndexRangeError),
        (([0, 0], [0], PLAIN), fc.ShapeError),
        (([0.0], [0], PLAIN), fc.ArgumentTypeError),
        (([2**40], [0], NARROW), fc.SymbolRangeError),
        (([5], [1], WIDE), fc.IndexRangeError),
        (([0], [0], None), fc.ArgumentTypeError),
    ]:
        with pytest.raises(error):
            encoder.push(*arguments)
    encoder.push([1, 0], [1, 0], PLAIN)
    assert encoder.finish() == encode(([0, 1, 1, 0], [0, 1, 1, 0], PLAIN))


def test_a_push_error_counts_positions_within_the_push(isa):
    encoder = fc.Encoder()
    encoder.push([0] * 10, [0] * 10, PLAIN)
    with pytest.raises(fc.SymbolRangeError) as caught:
        encoder.push([0, 0, 99], [0, 0, 0], PLAIN)
    assert parse_error(caught.value) == ("symbols", "[2]", "99")


def test_a_finished_encoder_is_closed(isa):
    encoder = fc.Encoder()
    encoder.push([0], [0], NARROW)
    encoder.finish()
    for call in (lambda: encoder.push([0], [0], NARROW), encoder.finish):
        with pytest.raises(fc.ArgumentError) as caught:
            call()
        assert parse_error(caught.value)[0] == "encoder"


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_check_is_a_bool(value):
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.Encoder(check=value)
    assert "check" in parse_error(caught.value)[0]


def test_check_appends_four_bytes_and_a_flag(isa):
    push = ([0, 1, -2, 500], [0, 1, 0, 0], NARROW)
    plain, checked = encode(push), encode(push, check=True)
    assert checked[:-4] == bytes([plain[0] | reference.HASHED]) + plain[1:]


# --- decoder -------------------------------------------------------------------------------------


def test_a_failing_pull_changes_nothing(isa):
    stream = encode(([0, 300, 1], [0, 0, 1], NARROW), ([2], [0], NARROW), check=True)
    decoder = fc.Decoder(stream)
    assert decoder.pull([0], NARROW).tolist() == [0]
    for arguments, options, error in [
        (([0, 2], NARROW), {}, fc.IndexRangeError),
        (([0, 1], NARROW), {"dtype": np.int8}, fc.SymbolRangeError),
        (([0.0], NARROW), {}, fc.ArgumentTypeError),
        (([0, 1], None), {}, fc.ArgumentTypeError),
        (([0, 1], WIDE), {}, fc.FastcoderError),
        (([0, 0], WIDE), {}, fc.StreamError),
        (([0] * 5000, NARROW), {}, fc.StreamError),
        (([0, 1], NARROW), {"out": np.empty(3, np.int32)}, fc.ShapeError),
    ]:
        with pytest.raises(error):
            decoder.pull(*arguments, **options)
        with pytest.raises(fc.StreamError):  # and a finish that fails does not end the decoder
            decoder.finish()
    assert decoder.pull([0, 1], NARROW).tolist() == [300, 1]
    assert decoder.pull([0], NARROW).tolist() == [2]
    decoder.finish()


def test_a_failing_pull_changes_nothing_across_segments(isa, rng):
    symbols, indexes = rng.integers(-2, 3, size=100), np.zeros(100, np.uint8)
    symbols[60] = 1000
    decoder = fc.Decoder(encode((symbols, indexes, NARROW), segment=16, lanes=4))
    np.testing.assert_array_equal(decoder.pull(indexes[:20], NARROW), symbols[:20])
    with pytest.raises(fc.SymbolRangeError) as caught:
        decoder.pull(indexes[20:], NARROW, dtype=np.int8)
    assert parse_error(caught.value) == ("symbols", "[40]", "1000")
    np.testing.assert_array_equal(decoder.pull(indexes[20:], NARROW), symbols[20:])
    decoder.finish()


def test_a_precision_above_14_in_a_narrow_stream_is_an_error(isa):
    decoder = fc.Decoder(encode(([0], [0], NARROW)))
    with pytest.raises(fc.StreamError) as caught:
        decoder.pull([0], WIDE)
    assert parse_error(caught.value) == ("table.precision", "", "16")


def test_narrow_tables_in_a_wide_stream_are_legal(isa):
    stream = encode(([0, 1], [0, 1], NARROW), ([0, 1, 77], [0, 0, 0], WIDE))
    decoder = fc.Decoder(stream)
    assert decoder.pull([0, 1], NARROW).tolist() == [0, 1]
    assert decoder.pull([0, 0, 0], WIDE).tolist() == [0, 1, 77]
    decoder.finish()


def test_finish_raises_while_symbols_are_left(isa):
    stream = encode(([0, 1, 1, 0], [1, 1, 1, 1], NARROW))
    for count in range(4):
        decoder = fc.Decoder(stream)
        decoder.pull(np.ones(count, np.uint8), NARROW)
        with pytest.raises(fc.StreamError):
            decoder.finish()


def test_finish_raises_while_segments_are_left(isa):
    symbols, indexes = np.zeros(40, np.int32), np.ones(40, np.uint8)
    stream = encode((symbols, indexes, NARROW), segment=16)
    for count in (0, 1, 15, 16, 17, 31, 32, 33, 39):
        decoder = fc.Decoder(stream)
        decoder.pull(indexes[:count], NARROW)
        with pytest.raises(fc.StreamError):
            decoder.finish()


def test_pulling_more_than_was_pushed_raises(isa):
    stream = encode(([0, 1, 1, 0], [1, 1, 1, 1], NARROW), check=True)
    decoder = fc.Decoder(stream)
    with pytest.raises(fc.StreamError):
        decoder.pull(np.ones(5000, np.uint8), NARROW)
    decoder = fc.Decoder(b"\0")
    with pytest.raises(fc.StreamError):
        decoder.pull([1], NARROW)


def test_the_hash_notices_a_symbol_of_no_cost(isa):
    """finish cannot see free symbols; the hash can."""
    free = fc.CdfTable.from_cdf([[0, 1024], [0, 1024]], [3, 4], precision=10, escape=False)
    stream = encode(([3, 3], [0, 0], free), check=True)
    decoder = fc.Decoder(stream)
    decoder.pull([0, 1], free)
    with pytest.raises(fc.StreamError):
        decoder.finish()
    decoder = fc.Decoder(stream)
    decoder.pull([0], free)
    with pytest.raises(fc.StreamError):
        decoder.finish()


def test_a_finished_decoder_is_closed(isa):
    decoder = fc.Decoder(encode(([0], [0], NARROW)))
    decoder.pull([0], NARROW)
    decoder.finish()
    for call in (lambda: decoder.pull([0], NARROW), decoder.finish):
        with pytest.raises(fc.ArgumentError) as caught:
            call()
        assert parse_error(caught.value)[0] == "decoder"


def test_the_decoder_keeps_the_bytes_that_it_was_given(isa):
    buffer = bytearray(encode(([0, 1, 1, 0], [1, 1, 1, 1], NARROW)))
    decoder = fc.Decoder(buffer)
    buffer[:] = bytes(len(buffer))
    assert decoder.pull([1, 1, 1, 1], NARROW).tolist() == [0, 1, 1, 0]
    decoder.finish()


def test_a_decoder_without_bytes_is_a_stream_error(isa):
    with pytest.raises(fc.StreamError):
        fc.Decoder(b"").finish()


# --- out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", generators.SYMBOL_DTYPES)
def test_pull_writes_into_out(isa, dtype):
    symbols = np.arange(6).reshape(2, 3) % 3
    indexes = np.zeros((2, 3), np.uint8)
    stream = encode((symbols, indexes, NARROW))
    buffer = np.full((4, 3), 9, dtype)
    result = fc.Decoder(stream).pull(indexes, NARROW, out=buffer[1:3])
    assert np.shares_memory(result, buffer)
    np.testing.assert_array_equal(buffer[1:3], symbols)
    assert (buffer[0] == 9).all()
    assert (buffer[3] == 9).all()


def test_out_gives_the_shape_where_indexes_is_none(isa):
    table = native_table(generators.table_of(10, False, [4]))
    decoder = fc.Decoder(encode(([0, 1, 2, 3], None, table)))
    out = np.empty((2, 2), np.int16)
    assert decoder.pull(None, table, out=out) is out
    assert out.tolist() == [[0, 1], [2, 3]]
    decoder.finish()


def read_only() -> np.ndarray:
    array = np.empty(4, np.int32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("out", "error"),
    [
        ([0, 0, 0, 0], fc.ArgumentTypeError),
        (bytearray(16), fc.ArgumentTypeError),
        (np.empty(4, np.float32), fc.ArgumentTypeError),
        (np.empty(4, np.uint64), fc.ArgumentTypeError),
        (np.empty(4, ">i4"), fc.ArgumentTypeError),
        (np.empty(5, np.int32), fc.ShapeError),
        (np.empty((2, 2), np.int32), fc.ShapeError),
        (np.empty(8, np.int32)[::2], fc.ArgumentError),
        (read_only(), fc.ArgumentError),
    ],
)
def test_an_out_that_cannot_be_written_is_refused(isa, out, error):
    decoder = fc.Decoder(encode(([0, 1, 1, 0], [1, 1, 1, 1], NARROW)))
    with pytest.raises(error) as caught:
        decoder.pull([1, 1, 1, 1], NARROW, out=out)
    parse_error(caught.value)
    assert decoder.pull([1, 1, 1, 1], NARROW).tolist() == [0, 1, 1, 0]


def test_out_may_not_be_the_memory_of_the_indexes(isa):
    indexes = np.ones(4, np.int32)
    decoder = fc.Decoder(encode(([0, 1, 1, 0], indexes, NARROW)))
    with pytest.raises(fc.ArgumentError) as caught:
        decoder.pull(indexes, NARROW, out=indexes)
    assert parse_error(caught.value)[0] == "out"
    assert indexes.tolist() == [1, 1, 1, 1]
