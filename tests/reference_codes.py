# SPDX-License-Identifier: Apache-2.0
"""Integer codes, large rows and stacks of docs/codes.md in plain Python integers.

A `source` is anything with peek(precision) and advance(start, frequency, precision): the decoder of
tests/reference_intervals.py, or the Stack below.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from tests import reference
from tests.reference import INT32_MAX, INT32_MIN, Interval, require
from tests.reference_intervals import bits_intervals, bits_layout


def unary_intervals(m: int) -> list[Interval]:
    """m ones and a zero."""
    full, rest = divmod(m, 16)
    last = Interval(2**16 - 2 ** (16 - rest), 2 ** (15 - rest), 16)
    return [Interval(2**16 - 1, 1, 16)] * full + [last]


def golomb_intervals(value: int, k: int) -> list[Interval]:
    require(0 <= value < 2**64, f"integer {value}")
    m = (value + 2**k).bit_length() - 1
    low = value + 2**k - 2**m
    return unary_intervals(m - k) + (bits_intervals(low, m) if m > 0 else [])


def pull_bits(source: Any, width: int) -> int:
    value = 0
    for index, precision in enumerate(bits_layout(width) if width > 0 else []):
        piece = source.peek(precision)
        source.advance(piece, 1, precision)
        value |= piece << (16 * index)
    return value


def pull_unary(source: Any, most: int) -> int:
    m = 0
    while True:
        ones = f"{source.peek(16):016b}0".index("0")
        m += ones
        require(m <= most, "unary code is too long")
        source.advance(*unary_intervals(ones)[0])
        if ones < 16:
            return m


def pull_golomb(source: Any, k: int) -> int:
    m = k + pull_unary(source, 64 - k)
    value = 2**m + pull_bits(source, m) - 2**k
    require(value < 2**64, "integer of more than 64 bits")
    return value


def zipf_buckets(most: int) -> list[tuple[int, int]]:
    """(first integer, log2 of the size) of every bucket."""
    buckets, first = [], 1
    while first <= most:
        shift = max(0, first.bit_length() - 6)
        if first + 2**shift - 1 > most:  # the bucket is cut: powers of two, the largest first
            shift = (most - first + 1).bit_length() - 1
        buckets.append((first, shift))
        first += 2**shift
    return buckets


def zipf_intervals(value: int, most: int, cdf: Sequence[int]) -> list[Interval]:
    """`cdf` is the row of the buckets, at precision 24."""
    buckets = zipf_buckets(most)
    b = bisect_right(buckets, (value, 64)) - 1
    first, log2 = buckets[b]
    head = Interval(cdf[b], cdf[b + 1] - cdf[b], 24)
    return [head] + (bits_intervals(value - first, log2) if log2 > 0 else [])


def pull_slot(source: Any, cdf: Sequence[int], precision: int) -> int:
    k = bisect_right(cdf, source.peek(precision)) - 1
    source.advance(cdf[k], cdf[k + 1] - cdf[k], precision)
    return k


def pull_zipf(source: Any, most: int, cdf: Sequence[int]) -> int:
    first, log2 = zipf_buckets(most)[pull_slot(source, cdf, 24)]
    return first + pull_bits(source, log2)


# --- tables in a stream --------------------------------------------------------------------------


class FrequencyCode:
    def __init__(self, precision: int, slots: int) -> None:
        self.average = max(16, 16 * 2**precision // slots)

    @property
    def k(self) -> int:
        return (self.average // 32).bit_length()

    def saw(self, frequency: int) -> None:
        self.average += frequency - self.average // 16


def table_intervals(
    precision: int, offsets: Sequence[int], cdfs: Sequence[Sequence[int]]
) -> list[Interval]:
    intervals = bits_intervals(precision, 5) + golomb_intervals(len(cdfs) - 1, 0)
    for offset, cdf in zip(offsets, cdfs, strict=True):
        slots = len(cdf) - 1
        intervals += golomb_intervals(2 * offset if offset >= 0 else -2 * offset - 1, 0)
        intervals += golomb_intervals(slots - 1, 0)
        code = FrequencyCode(precision, slots)
        for k in range(slots - 1):
            intervals += golomb_intervals(cdf[k + 1] - cdf[k] - 1, code.k)
            code.saw(cdf[k + 1] - cdf[k])
    return intervals


def pull_table(source: Any) -> tuple[int, list[int], list[list[int]]]:
    """(precision, offsets, cdfs)."""
    precision = pull_bits(source, 5)
    require(1 <= precision <= 24, "precision")
    offsets, cdfs = [], []
    rows = pull_golomb(source, 0) + 1
    require(rows < 2**31, "rows")
    for _ in range(rows):
        zigzag, slots = pull_golomb(source, 0), pull_golomb(source, 0) + 1
        require(slots <= min(2**16, 2**precision) and zigzag < 2**32, "slots or offset")
        offset = -(zigzag + 1) // 2 if zigzag % 2 else zigzag // 2
        require(offset + slots - 1 <= INT32_MAX, "last symbol")
        code, cdf = FrequencyCode(precision, slots), [0]
        for k in range(slots - 1):
            frequency = pull_golomb(source, code.k) + 1
            require(cdf[-1] + frequency + slots - 1 - k <= 2**precision, "frequency")
            cdf.append(cdf[-1] + frequency)
            code.saw(frequency)
        offsets.append(offset)
        cdfs.append([*cdf, 2**precision])
    return precision, offsets, cdfs


# --- stack ---------------------------------------------------------------------------------------


class Stack:
    """Words are a list whose end is the top."""

    def __init__(self, initial: bytes = b"") -> None:
        self.x, self.words = 2**32, []
        if initial:
            padded = initial + b"\1"
            padded += bytes(max(4 - len(padded), len(padded) % 2))
            self.x += int.from_bytes(padded[:4], "little")
            rest = padded[4:]
            pairs = [rest[i : i + 2] for i in range(0, len(rest), 2)]
            self.words = [int.from_bytes(pair, "little") for pair in reversed(pairs)]

    def to_bytes(self) -> bytes:
        words = b"".join(word.to_bytes(2, "little") for word in reversed(self.words))
        return self.x.to_bytes(6, "little") + words

    def push(self, intervals: Sequence[Interval]) -> None:
        for start, frequency, precision in reversed(intervals):
            while self.x >= frequency << (48 - precision):
                self.words.append(self.x % 2**16)
                self.x >>= 16
            self.x = (self.x // frequency << precision) + self.x % frequency + start

    def peek(self, precision: int) -> int:
        return self.x % 2**precision

    def advance(self, start: int, frequency: int, precision: int) -> None:
        x, words = frequency * (self.x >> precision) + self.x % 2**precision - start, self.words[:]
        while x < 2**32:
            require(len(words) > 0, "the stack is empty")
            x = x << 16 | words.pop()
        self.x, self.words = x, words


def symbol_intervals(symbol: int, row: reference.Row) -> list[Interval]:
    """What a Stack holds of a symbol of a table; the row is at precision 16."""
    k = symbol - row.offset
    if 0 <= k < row.symbols:
        return [Interval(row.cdf[k], row.cdf[k + 1] - row.cdf[k], 16)]
    require(row.escape and INT32_MIN <= symbol <= INT32_MAX, "symbol")
    start = row.cdf[row.symbols]
    distance, side = (-k, 1) if k < 0 else (k - row.symbols + 1, 0)
    code = golomb_intervals(distance - 1, 0) + bits_intervals(side, 1)
    return [Interval(start, 2**16 - start, 16), *code]


def pop_symbol(source: Any, row: reference.Row) -> int:
    k = pull_slot(source, row.cdf, 16)
    if not row.escape or k < row.symbols:
        return row.offset + k
    distance = pull_golomb(source, 0) + 1
    require(distance <= 2**32, "escape")
    below = pull_bits(source, 1)
    symbol = row.offset - distance if below else row.offset + row.symbols + distance - 1
    require(INT32_MIN <= symbol <= INT32_MAX, "escaped symbol")
    return symbol
