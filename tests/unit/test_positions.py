# SPDX-License-Identifier: Apache-2.0
"""Small pulls into the caller's buffer, ranges, bits used, snapshots: arguments and damage."""

from __future__ import annotations

import contextlib
import threading

import numpy as np
import pytest

import fastcoder as fc
from tests import generators, reference, reference_positions
from tests.generators import native_table, parse_error

NARROW = reference.Table(10, True, [-2, 0], [[1000, 20, 2, 1, 1], [512, 512]])
TABLE = native_table(NARROW)
ONE_ROW = native_table(generators.table_of(10, False, [4]))


def message(size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Symbols and indexes for TABLE, without escapes."""
    rng = np.random.default_rng(seed)
    indexes = rng.integers(2, size=size).astype(np.uint8)
    return np.where(indexes == 0, rng.integers(-2, 2, size), 0).astype(np.int32), indexes


def stream_of(symbols, indexes, **options) -> bytes:
    encoder = fc.Encoder(check=True, **options)
    encoder.push(symbols, indexes, TABLE)
    return encoder.finish()


# --- pulls that need no conversion ---------------------------------------------------------------


@pytest.mark.parametrize("index_dtype", generators.INDEX_DTYPES)
@pytest.mark.parametrize("dtype", generators.SYMBOL_DTYPES)
def test_every_dtype_comes_through_without_conversion(isa, dtype, index_dtype):
    symbols, indexes = message(150)
    symbols = np.maximum(symbols, 0)
    decoder = fc.Decoder(stream_of(symbols, indexes, lanes=8))
    given, out = indexes.astype(index_dtype).reshape(3, 50), np.empty((3, 50), dtype)
    for row in range(3):
        assert decoder._native.pull_direct(given[row], TABLE._native, out[row])
    np.testing.assert_array_equal(out.ravel(), symbols)
    decoder.finish()


def unaligned(size: int) -> np.ndarray:
    return np.empty(4 * size + 1, np.uint8)[1:].view(np.int32)


@pytest.mark.parametrize(
    ("indexes", "out"),
    [
        ([0, 0], np.empty(2, np.int32)),
        (np.zeros(2, np.uint8), [0, 0]),
        (np.zeros(2, np.uint32), np.empty(2, np.int32)),
        (np.zeros(2, np.uint8), np.empty(2, np.uint64)),
        (np.zeros(2, np.uint8), np.empty(2, np.float32)),
        (np.zeros(2, np.uint8), np.empty(2, ">i4")),
        (np.zeros(2, ">u2"), np.empty(2, np.int32)),
        (np.zeros(2, np.uint8), np.empty(3, np.int32)),
        (np.zeros(2, np.uint8), np.empty((2, 1), np.int32)),
        (np.zeros(2, np.uint8), np.empty(4, np.int32)[::2]),
        (np.zeros(2, np.uint8), unaligned(2)),
        (np.ma.masked_array(np.zeros(2, np.uint8)), np.empty(2, np.int32)),
        (np.zeros(2, np.uint8), np.ma.masked_array(np.empty(2, np.int32))),
        (None, np.empty(2, np.int32)),
    ],
)
def test_what_needs_a_conversion_is_left_alone(indexes, out):
    decoder = fc.Decoder(stream_of([0, 0], [0, 0]))
    assert not decoder._native.pull_direct(indexes, TABLE._native, out)
    assert decoder.pull([0, 0], TABLE).tolist() == [0, 0]  # nothing was taken
    decoder.finish()


def test_rows_with_strides_come_through():
    symbols, indexes = message(60)
    decoder = fc.Decoder(stream_of(symbols, indexes))
    latent = np.full((60, 7), 9, np.uint16)
    latent[:, 3] = indexes
    turned = np.asfortranarray(indexes[20:60].reshape(4, 10))
    out = np.empty(60, np.int32)
    assert decoder._native.pull_direct(latent[:20, 3], TABLE._native, out[:20])
    assert decoder._native.pull_direct(turned, TABLE._native, out[20:].reshape(4, 10))
    np.testing.assert_array_equal(out, symbols)
    decoder.finish()


def test_neither_shared_nor_read_only_memory_is_written_directly():
    decoder = fc.Decoder(stream_of([0, 0, 0], [0, 0, 0]))
    memory = np.zeros(4, np.int32)
    assert not decoder._native.pull_direct(memory[:3], TABLE._native, memory[1:])
    memory.flags.writeable = False
    assert not decoder._native.pull_direct(np.zeros(4, np.uint8), TABLE._native, memory)


@pytest.mark.parametrize("lanes", generators.LANES)
def test_a_failing_small_pull_changes_nothing(isa, lanes):
    symbols, indexes = message(128)
    symbols[[70, 100]] = 1000, -5000
    indexes[[70, 100]] = 0
    stream = stream_of(symbols, indexes, lanes=lanes)
    decoder = fc.Decoder(stream)
    wide, small = np.empty(128, np.int32), np.empty(128, np.int8)
    decoder.pull(indexes[:33], TABLE, out=wide[:33])
    wrong = indexes.copy()
    wrong[110] = 2
    too_wide = native_table(reference.Table(16, True, [0, 0], [[65000, 536]] * 2))
    for arguments, out, error in [
        ((indexes[33:], TABLE), small[33:], fc.SymbolRangeError),
        ((wrong[33:], TABLE), wide[33:], fc.IndexRangeError),
        ((np.zeros(2000, np.uint8), TABLE), np.empty(2000, np.int32), fc.StreamError),
        ((indexes[33:], too_wide), wide[33:], fc.StreamError),
    ]:
        before = decoder.tell()
        with pytest.raises(error) as caught:
            decoder.pull(*arguments, out=out)
        parse_error(caught.value)
        assert decoder.tell() == before
    with pytest.raises(fc.SymbolRangeError, match=r"^symbols\[37\] = 1000, "):
        decoder.pull(indexes[33:], TABLE, out=small[33:])
    for first in range(33, 128, 19):
        decoder.pull(indexes[first : first + 19], TABLE, out=wide[first : first + 19])
    np.testing.assert_array_equal(wide, symbols)
    decoder.finish()


def test_threads_take_turns():
    """Who pulls when is chance; that all symbols come out once is not."""
    symbols, indexes = message(60_000)
    decoder = fc.Decoder(stream_of(symbols, indexes))
    zeros = np.zeros(60_000, np.uint8)
    symbols, pulled, errors = np.where(indexes == 0, symbols, 0), [], []
    encoder = fc.Encoder(check=True)
    encoder.push(symbols, zeros, TABLE)
    decoder = fc.Decoder(encoder.finish())

    def work() -> None:
        try:
            for _ in range(1500):
                out = np.empty(10, np.int32)
                decoder.pull(zeros[:10], TABLE, out=out)
                pulled.append(out)
        except fc.FastcoderError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    decoder.finish()
    np.testing.assert_array_equal(
        np.bincount(np.concatenate(pulled) + 2, minlength=4), np.bincount(symbols + 2, minlength=4)
    )


# --- tell, snapshot, restore ---------------------------------------------------------------------


def test_differences_of_tell_are_costs():
    table = fc.CdfTable.gaussian(fc.scale_table(levels=32))
    rng = np.random.default_rng(1)
    indexes = rng.integers(3, 20, size=20_000).astype(np.uint8)
    symbols = np.rint(rng.normal(0, fc.scale_table(levels=32)[indexes])).astype(np.int32)
    encoder = fc.Encoder()
    encoder.push(symbols, indexes, table)
    decoder = fc.Decoder(encoder.finish())
    for part in np.split(np.arange(20_000), 20):
        before = decoder.tell()
        decoder.pull(indexes[part], table)
        cost = fc.cost(symbols[part], indexes[part], table)
        # A state rounds a symbol by at most log2(1 + 1/4) bits, either way; on average far less.
        assert decoder.tell() - before == pytest.approx(cost, rel=2e-3)


def test_an_empty_stream_has_used_its_byte():
    for check, stream in [(False, b"\0"), (True, b"\x40\0\0\0\0")]:
        assert fc.Encoder(check=check).finish() == stream
        assert fc.Decoder(stream).tell() == 8.0


@pytest.mark.parametrize("stream", [b"\x00\x01", b"\x05" + bytes(200), b"\x07" + b"\xff" * 20])
def test_tell_of_a_stream_that_cannot_be_entered_raises(stream):
    with pytest.raises(fc.StreamError):
        fc.Decoder(stream).tell()


def test_a_finished_decoder_tells_nothing_but_can_be_restored():
    decoder = fc.Decoder(stream_of([0, 1], [0, 1]))
    begin = decoder.snapshot()
    decoder.pull([0, 1], TABLE)
    decoder.finish()
    for call in (decoder.tell, decoder.snapshot):
        with pytest.raises(fc.ArgumentError) as caught:
            call()
        assert parse_error(caught.value)[0] == "decoder"
    decoder.restore(begin)
    assert decoder.pull([0, 1], TABLE).tolist() == [0, 1]
    decoder.finish()


def test_a_snapshot_of_another_stream_is_refused():
    stream, other = stream_of([0, 1], [0, 1]), stream_of([1, 1], [1, 1])
    decoder = fc.Decoder(stream)
    with pytest.raises(fc.ArgumentError) as caught:
        decoder.restore(fc.Decoder(other).snapshot())
    assert parse_error(caught.value)[0] == "snapshot"
    for value in (None, 1, decoder):
        with pytest.raises(fc.ArgumentTypeError) as caught:
            decoder.restore(value)
        parse_error(caught.value)
    twin = fc.Decoder(stream)  # over the same bytes object
    twin.pull([0], TABLE)
    decoder.restore(twin.snapshot())
    assert decoder.pull([1], TABLE).tolist() == [1]


def test_a_snapshot_keeps_the_stream_alive():
    decoder = fc.Decoder(bytearray(stream_of([0, 1], [0, 1])))
    place = decoder.snapshot()
    decoder.pull([0], TABLE)
    decoder.restore(place)
    assert decoder.pull([0, 1], TABLE).tolist() == [0, 1]


def test_a_search_over_guessed_indexes_finds_the_way():
    """Indexes that the decoder does not know are found by trying: the hash says which are right."""
    symbols, indexes = message(6, seed=3)
    decoder = fc.Decoder(stream_of(symbols, indexes))
    begin, found = decoder.snapshot(), []
    for guess in np.ndindex(*[2] * 6):
        decoder.restore(begin)
        try:
            decoder.pull(np.array(guess, np.uint8), TABLE)
            decoder.finish()
        except fc.StreamError:
            continue
        found.append(guess)
    assert tuple(indexes) in found
    assert len(found) == 1


# --- ranges --------------------------------------------------------------------------------------


def ranged(size: int = 200) -> tuple[np.ndarray, np.ndarray, bytes]:
    symbols, indexes = message(size)
    return symbols, indexes, fc.encode(symbols, indexes, TABLE, segment=64, lanes=4)


def test_only_the_segments_of_the_range_are_read(isa):
    """Every byte is damaged in turn; those of other segments' bodies do not matter."""
    symbols, indexes, stream = ranged()
    begin = 11 + len(reference.varint(200))
    parts = list(reference_positions.segments(stream[begin:], 200))
    assert [part.first for part in parts] == [0, 64, 128, 192]
    bodies = np.zeros(len(stream), int)  # 0: header, flags or length; else the segment and 1
    for number, part in enumerate(parts, 1):
        bodies[begin + part.begin : begin + part.end] = number
    for position in range(len(stream)):
        damaged = bytearray(stream)
        damaged[position] ^= 1 << position % 8
        for first, size, touched in [(70, 20, [2]), (100, 60, [2, 3]), (0, 10, [1])]:
            if bodies[position] not in (0, *touched):
                part = fc.decode_range(damaged, first, indexes, TABLE, count=size)
                np.testing.assert_array_equal(part, symbols[first : first + size])
            elif bodies[position] in touched:
                with pytest.raises(fc.StreamError):
                    fc.decode_range(damaged, first, indexes, TABLE, count=size)
            else:
                # The header, a flag or a length: this range may need it or not.
                with contextlib.suppress(fc.FastcoderError):
                    fc.decode_range(damaged, first, indexes, TABLE, count=size)


def test_a_segment_that_is_left_early_is_not_checked():
    """What the docstring says: without the other indexes there is nothing to check it with."""
    _, indexes, stream = ranged()
    damaged = bytearray(stream)
    damaged[-1] ^= 0x80
    with pytest.raises(fc.StreamError):
        fc.decode_range(damaged, 192, indexes[192:], TABLE)
    assert fc.decode_range(damaged, 192, indexes[192:194], TABLE).size == 2
    with pytest.raises(fc.StreamError):
        fc.decode_range(damaged, 192, indexes, TABLE, count=2)


def test_a_truncated_stream_raises_where_the_range_needs_more():
    symbols, indexes, stream = ranged()
    for end in range(len(stream)):
        with pytest.raises(fc.StreamError):
            fc.decode_range(stream[:end], 150, indexes, TABLE)
    assert (
        fc.decode_range(stream[:-1], 0, indexes, TABLE, count=64).tolist() == symbols[:64].tolist()
    )


def test_the_hash_counts_where_the_range_is_the_message():
    symbols, indexes, stream = ranged()
    damaged = bytearray(stream)
    damaged[7] ^= 1  # of the symbol hash
    with pytest.raises(fc.StreamError, match="hash"):
        fc.decode_range(damaged, 0, indexes, TABLE)
    part = fc.decode_range(damaged, 1, indexes, TABLE)
    np.testing.assert_array_equal(part, symbols[1:])


def test_a_range_of_a_table_of_one_row_begins_anywhere(isa):
    symbols = np.arange(100, dtype=np.int16).reshape(10, 10) % 4
    stream = fc.encode(symbols, None, ONE_ROW, segment=32)
    part = fc.decode_range(stream, 37, None, ONE_ROW, np.uint8, shape=(2, 5))
    assert part.dtype == np.uint8
    assert part.tolist() == symbols.ravel()[37:47].reshape(2, 5).tolist()
    zeros = np.zeros(10, np.uint16)
    assert fc.decode_range(stream, 37, zeros, ONE_ROW).tolist() == symbols.ravel()[37:47].tolist()


def test_shapes_of_ranges():
    symbols, indexes, stream = ranged(240)
    grid = indexes.reshape(12, 20)
    np.testing.assert_array_equal(fc.decode_range(stream, 0, grid, TABLE), symbols.reshape(12, 20))
    assert fc.decode_range(stream, 5, grid, TABLE).shape == (235,)
    assert fc.decode_range(stream, 64, indexes[64:124].reshape(3, 20), TABLE).shape == (3, 20)
    assert fc.decode_range(stream, 240, indexes[:0], TABLE).shape == (0,)
    assert fc.decode_range(stream, 17, indexes[:0].reshape(0, 3), TABLE).shape == (0, 3)
    empty = fc.encode([], [], TABLE)
    assert fc.decode_range(empty, 0, [], TABLE).size == 0


@pytest.mark.parametrize(
    ("first", "size", "options", "error", "argument"),
    [
        (-1, 4, {}, fc.ArgumentError, "first"),
        (201, 4, {}, fc.ArgumentError, "first"),
        (0.0, 4, {}, fc.ArgumentTypeError, "type(first)"),
        (37, 4, {}, fc.ArgumentError, "first"),
        (192, 9, {}, fc.ArgumentError, "indexes.shape"),
        (0, 4, {"count": 4}, fc.ShapeError, "indexes.size"),
        (0, 200, {"count": 201}, fc.ArgumentError, "count"),
        (0, 200, {"count": -1}, fc.ArgumentError, "count"),
        (0, 200, {"count": 1.0}, fc.ArgumentTypeError, "type(count)"),
        (0, 4, {"shape": 4}, fc.ArgumentError, "shape"),
        (0, 4, {"dtype": np.float32}, fc.ArgumentTypeError, "dtype"),
    ],
)
def test_a_range_that_cannot_be_is_refused(first, size, options, error, argument):
    _, indexes, stream = ranged()
    with pytest.raises(error) as caught:
        fc.decode_range(stream, first, indexes[:size], TABLE, **options)
    assert parse_error(caught.value)[0] == argument


def test_a_range_needs_a_shape_and_its_own_table():
    _, indexes, stream = ranged()
    plain = fc.encode([0, 1], None, ONE_ROW)
    with pytest.raises(fc.ArgumentError, match="shape"):
        fc.decode_range(plain, 0, None, ONE_ROW)
    with pytest.raises(fc.ArgumentError, match="shape"):
        fc.decode_range(plain, 0, None, ONE_ROW, shape=2**40)  # before any memory is asked for
    with pytest.raises(fc.StreamError, match="fingerprint"):
        fc.decode_range(stream, 0, np.zeros(4, np.uint8), ONE_ROW)
    with pytest.raises(fc.ArgumentTypeError):
        fc.decode_range(stream, 0, indexes, None)


def test_a_symbol_that_does_not_fit_names_its_place_in_the_range():
    symbols, indexes = message(100)
    symbols[70], indexes[70] = 1000, 0
    stream = fc.encode(symbols, indexes, TABLE, segment=16)
    with pytest.raises(fc.SymbolRangeError, match=r"^symbols\[20\] = 1000, "):
        fc.decode_range(stream, 50, indexes, TABLE, np.int8)
    part = fc.decode_range(stream, 50, indexes, TABLE, np.int8, count=20)  # checked to the 80th
    np.testing.assert_array_equal(part, symbols[50:70])
