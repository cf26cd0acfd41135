# SPDX-License-Identifier: Apache-2.0
"""The range coder of docs/range-coder.md a second time, in plain Python integers.

Written from that page alone. The fraction is one integer without a bound, so that there are no
words to give, no carries and nothing to hold back: what the native coder does about those is
checked against a program that does not have the problem. Section numbers are those of the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests import reference
from tests.reference import INT32_MAX, INT32_MIN, require

MARK, CHECKED = 7, 0x40


class AdaptiveTable:
    """Section 4."""

    def __init__(
        self,
        counts: Sequence[Sequence[int]],
        offsets: Sequence[int],
        increment: int = 2,
        limit: int = 65536,
        escape: bool = False,
    ) -> None:
        self.counts, self.offsets = [list(row) for row in counts], list(offsets)
        self.increment, self.limit, self.escape = increment, limit, escape

    def update(self, index: int, slot: int) -> None:
        row = self.counts[index]
        row[slot] += self.increment
        if sum(row) > self.limit:
            self.counts[index] = [count - count // 2 for count in row]


Table = reference.Table | AdaptiveTable


class Row(NamedTuple):
    """A row as it is used for one symbol: scaled, or counted so far."""

    offset: int
    frequencies: Sequence[int]
    escape: bool

    @property
    def symbols(self) -> int:
        return len(self.frequencies) - self.escape


def row_of(table: Table, index: int) -> Row:
    if isinstance(table, AdaptiveTable):
        return Row(table.offsets[index], table.counts[index], table.escape)
    scale = 2 ** ((14 if table.precision <= 14 else 16) - table.precision)
    scaled = [frequency * scale for frequency in table.frequencies[index]]
    return Row(table.offsets[index], scaled, table.escape)


def symbol_hash(symbols: Sequence[int]) -> int:
    return reference.hash_segment(0, symbols, 1) if symbols else 0


class Encoder:
    """Sections 2 and 3; `low` is never cut."""

    def __init__(self) -> None:
        self.low, self.range, self.words = 0, 2**64 - 1, 0
        self.symbols: list[int] = []

    def step(self, total: int, start: int, frequency: int) -> None:
        if self.range < 2**32:
            self.low, self.range, self.words = self.low << 32, self.range << 32, self.words + 1
        unit = self.range // total
        self.low += unit * start
        self.range = unit * frequency

    def raw(self, value: int, bits: int) -> None:
        self.step(2**bits, value, 1)

    def push(self, symbols: Sequence[int], indexes: Sequence[int], table: Table) -> None:
        for symbol, index in zip(symbols, indexes, strict=True):
            row = row_of(table, index)
            slot = symbol - row.offset
            escaped = not 0 <= slot < row.symbols
            require(row.escape or not escaped, f"symbol {symbol} has no slot")
            slot = row.symbols if escaped else slot
            start = sum(row.frequencies[:slot])
            self.step(sum(row.frequencies), start, row.frequencies[slot])
            if escaped:
                self.escape(symbol - row.offset, row.symbols)
            if isinstance(table, AdaptiveTable):
                table.update(index, slot)
            self.symbols.append(symbol)

    def escape(self, slot: int, symbols: int) -> None:
        distance, side = (-slot, 1) if slot < 0 else (slot - symbols + 1, 0)
        bits = distance.bit_length() - 1
        for _ in range(bits):
            self.raw(0, 1)
        self.raw(1, 1)
        low = distance - 2**bits
        for done in range(0, bits, 16):
            self.raw(low >> done & 0xFFFF, min(16, bits - done))
        self.raw(side, 1)

    def finish(self, check: bool = False) -> bytes:
        value = symbol_hash(self.symbols)
        self.raw(value % 2**16, 16)
        if check:
            self.raw(value >> 16, 16)
        number, kept = tail(self.low, self.range)
        fraction = number.to_bytes(4 * self.words + 8, "big")[: 4 * self.words + kept]
        return bytes([MARK | 1 << 3 | (CHECKED if check else 0)]) + fraction


def tail(low: int, size: int) -> tuple[int, int]:
    """The number in [low, low + size) that ends a stream, and how many of its 8 bytes are kept."""
    for k in range(64, -1, -8):
        number = -(-low >> k) << k  # rounded up
        if number < low + size:
            return number, 8 - k // 8
    raise AssertionError("k = 0 always has one")


class Decoder:
    """Sections 2, 3 and 5, of a whole stream."""

    def __init__(self, stream: bytes) -> None:
        require(len(stream) >= 1, "a stream has at least one byte")
        flags = stream[0]
        require(flags & 7 == MARK and flags & 0x80 == 0, "not a range-coded stream")
        require(flags >> 3 & 7 == 1, "version")
        self.checked, self.fraction = flags & CHECKED != 0, stream[1:]
        self.words, self.range = 0, 2**64 - 1
        self.code = self.window()
        self.symbols: list[int] = []

    def window(self) -> int:
        """The 64 bits after which the next word begins; zeros are understood."""
        begin = 4 * self.words
        return int.from_bytes(self.fraction[begin : begin + 8].ljust(8, b"\0"), "big")

    def step(self, total: int) -> tuple[int, int]:
        """(value, unit)"""
        if self.range < 2**32:
            self.words += 1
            require(4 * self.words <= len(self.fraction), "truncated")
            self.code = (self.code << 32) + self.window() % 2**32
            self.range <<= 32
        unit = self.range // total
        require(self.code // unit < total, "a value outside the total")
        return self.code // unit, unit

    def narrow(self, unit: int, start: int, frequency: int) -> None:
        self.code -= unit * start
        self.range = unit * frequency

    def raw(self, bits: int) -> int:
        value, unit = self.step(2**bits)
        self.narrow(unit, value, 1)
        return value

    def pull(self, indexes: Sequence[int], table: Table) -> list[int]:
        pulled = []
        for index in indexes:
            row = row_of(table, index)
            value, unit = self.step(sum(row.frequencies))
            slot = start = 0
            while start + row.frequencies[slot] <= value:
                start += row.frequencies[slot]
                slot += 1
            self.narrow(unit, start, row.frequencies[slot])
            escaped = row.escape and slot == row.symbols
            pulled.append(row.offset + (self.escape(row.symbols) if escaped else slot))
            require(INT32_MIN <= pulled[-1] <= INT32_MAX, "a symbol outside int32")
            if isinstance(table, AdaptiveTable):
                table.update(index, slot)
        self.symbols += pulled
        return pulled

    def escape(self, symbols: int) -> int:
        """The symbol minus its row's offset."""
        bits = 0
        while self.raw(1) == 0:
            bits += 1
            require(bits <= 32, "escape longer than any int32 symbol needs")
        distance = 2**bits
        for done in range(0, bits, 16):
            distance += self.raw(min(16, bits - done)) << done
        return -distance if self.raw(1) else symbols + distance - 1

    def finish(self) -> None:
        stored = self.raw(16)
        expected = symbol_hash(self.symbols)
        if self.checked:
            stored += self.raw(16) << 16
        require(stored == expected % 2 ** (32 if self.checked else 16), "hash")
        low = (self.window() - self.code) % 2**64
        number, kept = tail(low, self.range)
        require(self.code == number - low, "not the number that ends a stream")
        require(len(self.fraction) == 4 * self.words + kept, "length of the stream")
