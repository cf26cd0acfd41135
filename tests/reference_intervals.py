# SPDX-License-Identifier: Apache-2.0
"""A decoder of docs/format.md that is asked for one symbol at a time, in plain Python integers.

`reference.decode_stream` is told all rows beforehand. Integer codes are not like that: how many
intervals a number takes shows while it is read. Section numbers are those of the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from tests import reference
from tests.reference import HASHED, MORE, WIDE, WIDE_STATES, Interval, Reader, mix, pop, require


class IntervalDecoder:
    """Reads a wide stream that holds nothing but intervals."""

    def __init__(self, stream: bytes) -> None:
        require(len(stream) >= 1, "a stream has at least one byte")
        self.hashed, self.hash = stream[0] & HASHED != 0, 0
        end = len(stream) - (4 if self.hashed else 0)
        self.reader, self.tail = Reader(stream[: max(end, 0)]), stream[max(end, 0) :]
        self.flags, self.size, self.count, self.lanes = None, None, 0, 0

    def _enter(self) -> None:
        """Stand before a symbol: sections 3 and 4."""
        if self.flags is not None and self.count == self.size and self.flags & MORE:
            self._leave()
        if self.flags is None or self.lanes == 0:
            first = self.flags is None
            require(not first or len(self.reader.data) > 1, "the empty stream")
            flags = self.flags = self.reader.integer(1)
            require(flags & 7 <= 5 and not flags & reference.RESERVED, "reserved flags")
            require((flags & WIDE != 0) == first, "an interval in a narrow stream")
            require(first or not flags & HASHED, "flags of a later segment")
            if first and flags & MORE:
                s = self.reader.integer(1)
                require(4 <= s <= 30, f"s = {s}")
                self.size = 2**s
            left = len(self.reader.data) - self.reader.at
            length = self.reader.varint() if flags & MORE else left
            self.words, self.count = Reader(self.reader.take(length)), 0
            self.lanes = 1 << (flags & 7)
            self.states = [self.words.integer(6) for _ in range(self.lanes)]
            require(min(self.states) >= WIDE_STATES.low, "stored state below its interval")
            self.hashes = [0x811C9DC5] * self.lanes
        require(self.count != self.size, "symbols left in the stream")

    def _leave(self) -> None:
        require(self.lanes <= self.count, f"{self.lanes} lanes for {self.count} symbols")
        require(all(x == WIDE_STATES.low for x in self.states), "final state")
        require(self.words.at == len(self.words.data), "bytes left")
        require(not self.flags & reference.ESCAPES, "escape flag without an escape")
        for h in self.hashes:
            self.hash = mix(self.hash ^ h)
        self.lanes = 0

    def peek(self, precision: int) -> int:
        self._enter()
        return self.states[self.count % self.lanes] % 2**precision

    def advance(self, start: int, frequency: int, precision: int) -> None:
        value = self.peek(precision)
        assert start <= value < start + frequency
        lane = self.count % self.lanes
        self.states[lane] = pop(
            self.states[lane], start, frequency, precision, WIDE_STATES.low, self.words
        )
        self.hashes[lane] = (self.hashes[lane] * 0x2C9277B5 + start) % 2**32
        self.count += 1

    def bits(self, width: int) -> int:
        """Section 2: raw bits."""
        value = 0
        for interval, shift in zip(bits_layout(width), range(0, 64, 16), strict=False):
            piece = self.peek(interval)
            self.advance(piece, 1, interval)
            value |= piece << shift
        return value

    def finish(self) -> None:
        if self.flags is None:
            require(self.reader.take(1)[0] & ~HASHED == 0, "the empty stream is a zero byte")
        else:
            require(not self.flags & MORE, "segments left")
            self._leave()
        require(self.reader.at == len(self.reader.data), "bytes left")
        require(not self.hashed or self.tail == self.hash.to_bytes(4, "little"), "symbol hash")


def bits_layout(width: int) -> Iterator[int]:
    """Precisions of the pieces of a number of `width` bits."""
    yield from repeat(16, (width - 1) // 16)
    yield (width - 1) % 16 + 1


def bits_intervals(value: int, width: int) -> list[Interval]:
    """The intervals of a number of `width` bits."""
    pieces = []
    for precision in bits_layout(width):
        pieces.append(Interval(value % 2**precision, 1, precision))
        value >>= precision
    return pieces


def encode_intervals(intervals: list[Interval], **options: object) -> bytes:
    """A header-less stream of intervals alone."""
    starts = [interval.start for interval in intervals]
    return reference.encode_stream([(starts, intervals, None)], **options)
