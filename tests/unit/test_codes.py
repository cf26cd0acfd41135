# SPDX-License-Identifier: Apache-2.0
"""Integer codes: lengths, limits, redundancy of the Zipf code, damaged streams."""

from __future__ import annotations

import numpy as np
import pytest

import fastcoder as fc
from fastcoder import codes
from tests import reference, reference_codes
from tests.generators import parse_error
from tests.reference_intervals import encode_intervals


def roundtrip(values, code: codes.IntegerCode, **options) -> bytes:
    encoder = fc.Encoder(**options)
    encoder.push_integers(values, code)
    stream = encoder.finish()
    decoder = fc.Decoder(stream)
    result = decoder.pull_integers(np.shape(values), code)
    decoder.finish()
    assert result.dtype == np.uint64
    assert result.tolist() == np.asarray(values, dtype=object).tolist()
    return stream


def edges(code: codes.IntegerCode) -> list[int]:
    """Around every power of two that the code has, and its ends."""
    near = {2**e + d for e in range(64) for d in (-2, -1, 0, 1)} | {code.lowest, code.highest}
    return sorted(v for v in near if code.lowest <= v <= code.highest)


ALL = [
    codes.Bits(1),
    codes.Bits(17),
    codes.Bits(64),
    codes.EliasGamma(),
    *[codes.ExpGolomb(k) for k in (0, 1, 15, 16, 62, 63)],
    *[codes.Zipf(s) for s in (0.0, 0.5, 1.0, 1.2, 2.0, 16.0)],
    *[codes.Zipf(1.0, most) for most in (1, 2, 63, 64, 65, 127, 129, 1000, 65537, 2**40 + 12345)],
]


@pytest.mark.parametrize("code", ALL, ids=repr)
def test_the_whole_range_of_a_code_comes_back(code):
    values = edges(code)
    stream = roundtrip(values, code)
    assert len(stream) <= code.cost(values) / 8 * 1.002 + 8
    encoder = fc.Encoder(check=True)
    encoder.push_integers([], code)
    assert encoder.finish() == b"\x40\0\0\0\0"


@pytest.mark.parametrize("code", ALL, ids=repr)
def test_an_integer_outside_is_refused_with_its_position(code):
    encoder = fc.Encoder()
    wrong = [v for v in (code.lowest - 1, code.highest + 1, -(2**70), 2**70)]
    for value in wrong:
        with pytest.raises(fc.ArgumentError) as caught:
            encoder.push_integers([code.lowest, value], code)
        assert parse_error(caught.value) == ("values", "[1]", str(value))
    for value in ([0.5], ["a"], [None], 1.5):
        with pytest.raises(fc.ArgumentTypeError):
            encoder.push_integers(value, code)
    assert encoder.finish() == b"\0"


def test_lengths_are_those_of_the_published_codes():
    for value in [1, 2, 3, 4, 7, 8, 1000, 2**40, 2**64 - 1]:
        log2 = value.bit_length() - 1
        assert codes.EliasGamma().cost([value]) == 2 * log2 + 1
        for k in (0, 3, 40):
            log2 = (value + 2**k).bit_length() - 1
            assert codes.ExpGolomb(k).cost([value]) == 2 * log2 + 1 - k
    assert codes.ExpGolomb(63).cost([2**64 - 1]) == 2 * 64 + 1 - 63
    assert codes.Bits(40).cost([0, 2**40 - 1]) == 80


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.0, 1.1, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("most", [1000, 65537, 3_000_000])
def test_redundancy_of_the_zipf_code(exponent, most):
    """Expected length less entropy, summed over the whole law in float64."""
    code = codes.Zipf(exponent, most)
    values = np.arange(1, most + 1, dtype=np.float64)
    law = values**-exponent
    law /= law.sum()
    buckets = reference_codes.zipf_buckets(most)
    firsts = np.array([first for first, _ in buckets])
    assert firsts.tolist() == code._native.bucket_firsts().tolist()
    frequencies = np.diff(code._native.bucket_table().cdf(0).astype(np.int64))
    lengths = 24 - np.log2(frequencies) + np.array([log2 for _, log2 in buckets])
    assert code.cost([1, most]) == pytest.approx(lengths[0] + lengths[-1])
    sizes = 2 ** np.array([log2 for _, log2 in buckets])
    redundancy = float(np.sum(law * (np.repeat(lengths, sizes) + np.log2(law))))
    assert -1e-9 < redundancy < 0.002


@pytest.mark.parametrize(("exponent", "most"), [(1.0, 10**6), (1.3, 2**64 - 1), (2.0, 2**64 - 1)])
def test_zipf_streams_are_as_long_as_the_law_says(exponent, most, rng):
    """Samples, real bytes; drawn by inverting the integral of the law."""
    u = rng.random(200_000)
    if exponent == 1.0:
        values = np.floor(most**u)
    else:
        tail = float(most) ** (1 - exponent)
        values = np.floor((1 - u * (1 - tail)) ** (1 / (1 - exponent)))
    values = np.clip(values, 1, most * (1 - 2.0**-50)).astype(np.uint64)
    v = values.astype(np.float64)
    if exponent == 1.0:
        p = np.log1p(1 / v) / np.log(most)
    else:
        p = (v ** (1 - exponent) - (v + 1) ** (1 - exponent)) / (1 - tail)
    # The code models v**-s, the samples follow its integral over [v, v + 1): close, and both known.
    n = np.arange(1.0, 10**6 + 1)
    norm = np.sum(n**-exponent)
    if most > 10**6:
        norm += (10**6 + 0.5) ** (1 - exponent) / (exponent - 1)
    modelled = exponent * np.log2(v) + np.log2(norm)
    code = codes.Zipf(exponent, most)
    bits = 8 * len(roundtrip(values, code))
    assert abs(bits / v.size - modelled.mean()) < 0.002 * max(1.0, modelled.mean()) + 0.002
    assert abs(code.cost(values) / v.size - modelled.mean()) < 0.002
    assert -np.log2(p[p > 0]).mean() < bits / v.size


@pytest.mark.parametrize("code", ALL, ids=repr)
def test_damage_raises_or_gives_integers_of_the_code(code, rng):
    values = edges(code)[:40] * 2
    encoder = fc.Encoder(check=True)
    encoder.push_integers(values, code)
    stream = encoder.finish()
    for length in range(len(stream)):
        with pytest.raises(fc.StreamError):
            read(stream[:length], len(values), code)
    for position in range(len(stream)):
        damaged = bytearray(stream)
        damaged[position] ^= 1 << int(rng.integers(8))
        with pytest.raises(fc.StreamError) as caught:
            read(bytes(damaged), len(values), code)
        parse_error(caught.value)
    for _ in range(50):
        noise = bytes([int(rng.integers(6)) | reference.WIDE]) + rng.bytes(300)
        decoder = fc.Decoder(noise)
        for _ in range(200):
            try:
                [value] = decoder.pull_integers(1, code).tolist()
            except fc.StreamError:
                break
            assert code.lowest <= value <= code.highest


def read(stream: bytes, count: int, code: codes.IntegerCode) -> list[int]:
    decoder = fc.Decoder(stream)
    values = decoder.pull_integers(count, code).tolist()
    decoder.finish()
    return values


def test_a_unary_code_without_end_raises():
    """All ones: nothing but the limit of 64 stops it."""
    ones = [reference.Interval(2**16 - 1, 1, 16)] * 100
    stream = encode_intervals(ones)
    for code in (codes.EliasGamma(), codes.ExpGolomb(0), codes.ExpGolomb(63)):
        decoder = fc.Decoder(stream)
        with pytest.raises(fc.CorruptStreamError) as caught:
            decoder.pull_integers(1, code)
        parse_error(caught.value)
        assert decoder.peek(16) == 2**16 - 1  # it stands where it stood


def test_integers_beyond_64_bits_raise():
    for k in (0, 1, 63):
        too_large = reference_codes.unary_intervals(64 - k)
        too_large += reference_codes.bits_intervals(2**k, 64)
        decoder = fc.Decoder(encode_intervals(too_large))
        with pytest.raises(fc.CorruptStreamError):
            decoder.pull_integers(1, codes.ExpGolomb(k))
    largest = reference_codes.golomb_intervals(2**64 - 1, 0)
    with pytest.raises(fc.CorruptStreamError):  # Elias-gamma is one more
        fc.Decoder(encode_intervals(largest)).pull_integers(1, codes.EliasGamma())


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: codes.Bits(0), fc.ArgumentError),
        (lambda: codes.Bits(65), fc.ArgumentError),
        (lambda: codes.Bits(1.0), fc.ArgumentTypeError),
        (lambda: codes.ExpGolomb(-1), fc.ArgumentError),
        (lambda: codes.ExpGolomb(64), fc.ArgumentError),
        (lambda: codes.Zipf(-0.1), fc.ArgumentError),
        (lambda: codes.Zipf(16.1), fc.ArgumentError),
        (lambda: codes.Zipf(float("nan")), fc.ArgumentError),
        (lambda: codes.Zipf("1"), fc.ArgumentTypeError),
        (lambda: codes.Zipf(1.0, 0), fc.ArgumentError),
        (lambda: codes.Zipf(1.0, 2**64), fc.ArgumentError),
    ],
)
def test_codes_with_bad_arguments_are_refused(make, error):
    with pytest.raises(error) as caught:
        make()
    parse_error(caught.value)


def test_codes_compare_by_what_they_are():
    assert codes.ExpGolomb(3) == codes.ExpGolomb(3) != codes.ExpGolomb(4)
    assert len({codes.Zipf(1.0), codes.Zipf(1.0), codes.Zipf(1.0, 5), codes.EliasGamma()}) == 3
    assert codes.EliasGamma() != codes.ExpGolomb(0)
