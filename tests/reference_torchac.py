# SPDX-License-Identifier: Apache-2.0
"""The byte format of torchac in plain Python, bit by bit as it was published.

Written from a description of the format alone. The native coder keeps no pending bits, doubles its
interval many times at once and never divides; this one does what it is checked against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

HALF, QUARTER, TOP = 2**31, 2**30, 2**32 - 1


def integers(cdf: NDArray[np.floating], normalize: bool = True) -> NDArray[np.uint16]:
    """The rows of floats as 16-bit integers; 65536 becomes 0."""
    length = cdf.shape[-1]
    scale = 65536 - (length - 1) if normalize else 65536
    rounded = np.rint(cdf * cdf.dtype.type(scale)).astype(np.int64)
    if normalize:
        rounded += np.arange(length)
    return (rounded % 65536).astype(np.uint16)


def ends(row: Sequence[int], symbol: int) -> tuple[int, int]:
    """Where a symbol's slot starts and ends."""
    last = len(row) - 2
    return int(row[symbol]), 65536 if symbol == last else int(row[symbol + 1])


class Interval:
    """`low` and `high`, narrowed and doubled."""

    def __init__(self) -> None:
        self.low, self.high = 0, TOP

    def narrow(self, start: int, end: int) -> None:
        """To the part of a slot."""
        span = self.high - self.low + 1
        self.high = self.low - 1 + (span * end >> 16)
        self.low += span * start >> 16
        assert self.low < self.high

    def doublings(self) -> Iterator[int | None]:
        """0 or 1 for a bit of the stream, None for a pending one, until there is none."""
        while True:
            if self.high < HALF:
                bit: int | None = 0
            elif self.low >= HALF:
                bit = 1
            elif self.low >= QUARTER and self.high < 3 * QUARTER:
                bit = None
                self.low = (self.low << 1) & (HALF - 1)
                self.high = ((self.high << 1) | HALF | 1) & TOP
                yield bit
                continue
            else:
                return
            self.low = (self.low << 1) & TOP
            self.high = ((self.high << 1) | 1) & TOP
            yield bit


def encode(rows: NDArray[np.uint16], symbols: Sequence[int]) -> bytes:
    """One row of integers for each symbol."""
    interval, pending = Interval(), 0
    bits: list[int] = []

    def give(bit: int) -> None:
        nonlocal pending
        bits.extend([bit, *[1 - bit] * pending])
        pending = 0

    for row, symbol in zip(rows.tolist(), symbols, strict=True):
        interval.narrow(*ends(row, symbol))
        for bit in interval.doublings():
            if bit is None:
                pending += 1
            else:
                give(bit)
    pending += 1
    give(int(interval.low >= QUARTER))
    bits.extend([0] * (-len(bits) % 8))
    return bytes(int("".join(map(str, bits[i : i + 8])), 2) for i in range(0, len(bits), 8))


def decode(rows: NDArray[np.uint16], data: bytes) -> list[int]:
    """Zeros follow the end, and nothing is ever wrong."""
    interval, position = Interval(), 32
    stream = int.from_bytes(data, "big")
    stream, length = stream << 32, 8 * len(data) + 32

    def bit_at(index: int) -> int:
        return stream >> (length - 1 - index) & 1 if index < length else 0

    value = stream >> (length - 32)
    symbols = []
    for row in rows.tolist():
        span = interval.high - interval.low + 1
        count = (((value - interval.low + 1) << 16) - 1) // span & 0xFFFF
        left, right = 0, len(row) - 1
        while left + 1 < right:
            middle = (left + right) // 2
            if row[middle] <= count:
                left = middle
            else:
                right = middle
        symbols.append(left)
        interval.narrow(*ends(row, left))
        for bit in interval.doublings():
            base = QUARTER if bit is None else 0
            value = ((value - base) << 1 | bit_at(position)) & TOP
            position += 1
    return symbols
