# SPDX-License-Identifier: Apache-2.0
"""Intervals and raw bits of Encoder and Decoder: values, errors, and what errors leave behind."""

from __future__ import annotations

import numpy as np
import pytest

import fastcoder as fc
from tests import generators, reference
from tests.generators import native_table, parse_error

NARROW = native_table(reference.Table(10, True, [-2, 0], [[1000, 20, 2, 1, 1], [512, 512]]))


def take(decoder: fc.Decoder, start: int, frequency: int, precision: int) -> None:
    value = decoder.peek(precision)
    assert start <= value < start + frequency
    assert decoder.peek(precision) == value  # a peek changes nothing
    decoder.advance(start, frequency)


def test_intervals_bits_and_tables_share_one_stream(isa):
    encoder = fc.Encoder(check=True)
    encoder.push([-2, 0, 500], [0, 1, 0], NARROW)
    encoder.push_intervals(np.array([[0], [7]], np.int16), np.array([[7], [9]], np.uint8), 4)
    encoder.push_bits([2**64 - 1, 0], 64)
    encoder.push([1, 0], [1, 0], NARROW)
    stream = encoder.finish()
    assert stream[0] & reference.WIDE
    decoder = fc.Decoder(stream)
    assert decoder.pull([0, 1, 0], NARROW).tolist() == [-2, 0, 500]
    take(decoder, 0, 7, 4)
    take(decoder, 7, 9, 4)
    assert decoder.pull_bits(2, 64).tolist() == [2**64 - 1, 0]
    assert decoder.pull([1, 0], NARROW).tolist() == [1, 0]
    decoder.finish()


def test_empty_pushes_do_nothing(isa):
    encoder = fc.Encoder()
    encoder.push_intervals([], [], 24)
    encoder.push_bits(np.zeros((0, 3), np.uint8), 8)
    assert encoder.finish() == b"\0"
    decoder = fc.Decoder(b"\0")
    assert decoder.pull_bits((0, 3), 8).shape == (0, 3)
    decoder.finish()


@pytest.mark.parametrize(
    ("width", "dtype"), [(1, "u1"), (8, "u1"), (9, "u2"), (16, "u2"), (17, "u4"), (33, "u8")]
)
def test_bits_come_back_in_the_narrowest_dtype(isa, width, dtype):
    values = np.arange(2**width - 6, 2**width).reshape(2, 3) % 2**width
    encoder = fc.Encoder()
    encoder.push_bits(values, width)
    result = fc.Decoder(encoder.finish()).pull_bits((2, 3), width)
    assert result.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(result, values)


@pytest.mark.parametrize("width", [1, 7, 16, 20, 64])
def test_bits_cost_their_width(isa, width, rng):
    values = rng.integers(0, 2**width - 1, 4000, np.uint64, endpoint=True)
    encoder = fc.Encoder()
    encoder.push_bits(values, width)
    ideal = values.size * width / 8
    assert ideal <= len(encoder.finish()) <= ideal * 1.002 + 8


@pytest.mark.parametrize("precision", [1, 8, 14, 16, 17, 20, 24])
def test_intervals_cost_the_logarithm_of_their_share(isa, precision, rng):
    """Symbols that follow a distribution: no more than the bound of docs/format.md 8."""
    total = 2**precision
    cuts = np.unique(np.concatenate([[0, total], rng.integers(0, total, 300)]))
    slots = np.searchsorted(cuts, rng.integers(0, total, 20_000), side="right") - 1
    frequencies = np.diff(cuts)[slots]
    encoder = fc.Encoder()
    encoder.push_intervals(cuts[slots], frequencies, precision)
    ideal = float(np.sum(precision - np.log2(frequencies))) / 8
    size = len(encoder.finish())
    assert size <= ideal * 1.002 + 8
    assert size >= ideal * 0.999


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "argument", "position", "value"),
    [
        (([0, 16], [1, 1], 4), fc.ArgumentError, "starts", "[1]", "16"),
        (([0, -1], [1, 1], 4), fc.ArgumentError, "starts", "[1]", "-1"),
        (([0, 0], [1, 0], 4), fc.ArgumentError, "frequencies", "[1]", "0"),
        (([0, 0], [1, -5], 4), fc.ArgumentError, "frequencies", "[1]", "-5"),
        (([0, 3], [16, 14], 4), fc.ArgumentError, "frequencies", "[1]", "14"),
        (([2**40], [1], 24), fc.ArgumentError, "starts", "[0]", str(2**40)),
        (([0], [2**40], 24), fc.ArgumentError, "frequencies", "[0]", str(2**40)),
        (([0], [1], 0), fc.ArgumentError, "precision", "", "0"),
        (([0], [1], 25), fc.ArgumentError, "precision", "", "25"),
        (([0], [1, 2], 4), fc.ShapeError, "frequencies.shape", "", "(2,)"),
        (([0.0], [1], 4), fc.ArgumentTypeError, "starts.dtype", "", "float64"),
        (([0], [1.0], 4), fc.ArgumentTypeError, "frequencies.dtype", "", "float64"),
        (([0], [1], 4.0), fc.ArgumentTypeError, "type(precision)", "", "float"),
    ],
)
def test_a_bad_interval_is_refused_and_nothing_is_appended(
    isa, arguments, error, argument, position, value
):
    encoder = fc.Encoder()
    with pytest.raises(error) as caught:
        encoder.push_intervals(*arguments)
    assert parse_error(caught.value) == (argument, position, value)
    assert encoder.finish() == b"\0"


@pytest.mark.parametrize(
    ("values", "width", "error"),
    [
        ([1, 2, 4], 2, fc.ArgumentError),
        ([-1], 64, fc.ArgumentError),
        ([0], 0, fc.ArgumentError),
        ([0], 65, fc.ArgumentError),
        ([0.5], 3, fc.ArgumentTypeError),
        ([0, 2**64], 64, fc.ArgumentError),
        ([0, 2**64 - 1, -1], 64, fc.ArgumentError),
        ([2**64 - 1, 0.5], 64, fc.ArgumentTypeError),
        (np.array([1, "a"], object), 64, fc.ArgumentTypeError),
    ],
)
def test_bad_bits_are_refused(isa, values, width, error):
    encoder = fc.Encoder()
    with pytest.raises(error) as caught:
        encoder.push_bits(values, width)
    parse_error(caught.value)
    assert encoder.finish() == b"\0"


def test_advance_wants_a_peek_and_an_interval_that_holds_it(isa):
    encoder = fc.Encoder()
    encoder.push_intervals([3, 3], [5, 5], 4)
    encoder.push([0], [1], NARROW)
    decoder = fc.Decoder(encoder.finish())
    with pytest.raises(fc.ArgumentError, match="peek"):
        decoder.advance(3, 5)
    value = decoder.peek(4)
    for start, frequency in [(value + 1, 1), (0, value), (-1, 16), (3, 14), (0, 0), (2**80, 1)]:
        with pytest.raises(fc.ArgumentError) as caught:
            decoder.advance(start, frequency)
        parse_error(caught.value)
    decoder.advance(3, 5)
    with pytest.raises(fc.ArgumentError, match="peek"):
        decoder.advance(3, 5)
    take(decoder, 3, 5, 4)
    decoder.peek(4)  # and then something else is pulled
    assert decoder.pull([1], NARROW).tolist() == [0]
    with pytest.raises(fc.ArgumentError, match="peek"):
        decoder.advance(0, 16)
    decoder.finish()


def test_a_finished_encoder_and_decoder_are_closed(isa):
    encoder = fc.Encoder()
    encoder.push_bits([1], 1)
    decoder = fc.Decoder(encoder.finish())
    decoder.pull_bits(1, 1)
    decoder.finish()
    for call in (
        lambda: encoder.push_bits([1], 1),
        lambda: encoder.push_intervals([0], [1], 1),
        lambda: decoder.peek(1),
        lambda: decoder.advance(0, 1),
        lambda: decoder.pull_bits(1, 1),
    ):
        with pytest.raises(fc.ArgumentError, match="finished"):
            call()


# --- streams that are something else -------------------------------------------------------------


def test_a_narrow_stream_has_no_intervals(isa):
    encoder = fc.Encoder()
    encoder.push([0, 1], [0, 1], NARROW)
    decoder = fc.Decoder(encoder.finish())
    for call in (lambda: decoder.peek(1), lambda: decoder.pull_bits(1, 1)):
        with pytest.raises(fc.CorruptStreamError):
            call()
    assert decoder.pull([0, 1], NARROW).tolist() == [0, 1]
    decoder.finish()


def test_a_pull_past_the_end_raises_and_changes_nothing(isa):
    values = np.arange(1000) % 97
    encoder = fc.Encoder(segment=64)
    encoder.push_bits(values, 7)
    decoder = fc.Decoder(encoder.finish())
    np.testing.assert_array_equal(decoder.pull_bits(10, 7), values[:10])
    with pytest.raises(fc.TruncatedStreamError) as caught:
        decoder.pull_bits(991, 7)
    parse_error(caught.value)
    np.testing.assert_array_equal(decoder.pull_bits(990, 7), values[10:])
    decoder.peek(16)  # a stream does not know its last symbol
    with pytest.raises(fc.TruncatedStreamError) as caught:
        decoder.advance(0, 1)
    parse_error(caught.value)
    decoder.finish()
    with pytest.raises(fc.TruncatedStreamError):
        fc.Decoder(b"\0").peek(3)


@pytest.mark.parametrize("segment", [None, 16])
@pytest.mark.parametrize("check", [False, True])
def test_damage_raises_or_gives_bits(isa, check, segment, rng):
    values = rng.integers(0, 2**20, 40, np.uint64)
    encoder = fc.Encoder(check=check, segment=segment)
    encoder.push_bits(values, 20)
    stream = encoder.finish()
    unnoticed = 0
    for length in range(len(stream)):
        with pytest.raises(fc.StreamError):
            read_bits(stream[:length], 40, 20)
    for position in range(len(stream)):
        for bit in range(8):
            damaged = bytearray(stream)
            damaged[position] ^= 1 << bit
            try:
                result = read_bits(bytes(damaged), 40, 20)
            except fc.StreamError as error:
                parse_error(error)
            else:
                unnoticed += 1
                assert not np.array_equal(result, values)
    # Raw bits are all the redundancy that there is: damage of a word is another legal number.
    assert (unnoticed == 0) == check


def read_bits(stream: bytes, count: int, width: int) -> np.ndarray:
    decoder = fc.Decoder(stream)
    result = decoder.pull_bits(count, width)
    decoder.finish()
    return result


def test_random_bytes_raise_or_give_intervals(isa, rng):
    for _ in range(300):
        stream = bytes([int(rng.integers(64)) | reference.WIDE]) + rng.bytes(int(rng.integers(80)))
        try:
            decoder = fc.Decoder(stream)
            for _ in range(100):
                precision = int(rng.integers(1, 25))
                value = decoder.peek(precision)
                start = int(rng.integers(value + 1))
                decoder.advance(
                    start, int(rng.integers(value - start + 1, 2**precision - start + 1))
                )
            decoder.finish()
        except fc.StreamError as error:
            parse_error(error)


@pytest.mark.parametrize("lanes", generators.LANES)
def test_lane_counts_can_be_forced(isa, lanes, rng):
    values = rng.integers(0, 1000, 77)
    encoder = fc.Encoder(lanes=lanes)
    encoder.push_bits(values, 10)
    stream = encoder.finish()
    assert 1 << (stream[0] & 7) == lanes
    np.testing.assert_array_equal(read_bits(stream, 77, 10), values)
