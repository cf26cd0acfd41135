# SPDX-License-Identifier: Apache-2.0
"""The bitstream as the threads of a GPU would read it: 32 lanes in lock step, one warp a segment.

Every operation below is one that all lanes of a warp do at the same time (NumPy arrays of 32), a
ballot, a population count, or a number that is the same for all of them (one shared word pointer,
one position in the escape bits). There is no loop over symbols: a warp takes one symbol per lane
and round. docs/format.md 3, "Lanes side by side".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tests import reference
from tests.reference import ESCAPES, HASHED, MORE, RESERVED, WIDE, Reader, mix, require

WARP = 32
LANE = np.arange(WARP)
BELOW = (1 << LANE.astype(np.uint64)) - np.uint64(1)  # bit mask of the lanes in front of each


def ballot(predicate: np.ndarray) -> int:
    """Bit i is set if lane i says so."""
    return int(np.dot(predicate.astype(np.uint64), np.uint64(1) << LANE.astype(np.uint64)))


def count_below(votes: int) -> np.ndarray:
    """For each lane the votes of the lanes in front of it: popc(votes & lanemask_lt)."""
    masked = np.uint64(votes) & BELOW
    return np.array([int(mask).bit_count() for mask in masked])


class Rows(NamedTuple):
    """All rows of a message in flat arrays, as they would lie in a GPU's memory."""

    cdf: np.ndarray  # of all rows, one after another
    begin: np.ndarray  # of each row in it
    slots: np.ndarray
    offset: np.ndarray
    escape: np.ndarray  # whether the last slot is one
    precision: np.ndarray
    interval: np.ndarray  # whether its symbols are intervals of no table


class Pull(NamedTuple):
    """Symbols with the rows of a table; or, if `precision` is given, intervals with given cdfs."""

    indexes: Sequence[int]
    table: reference.Table | Sequence[Sequence[int]]
    precision: int | None = None


def flatten(pulls: Sequence[Pull], bits: int) -> tuple[Rows, np.ndarray]:
    """Rows at their working precision, and the row of every symbol."""
    rows: list[tuple[Sequence[int], int, bool, int, bool]] = []
    of_symbol: list[int] = []
    for indexes, table, precision in pulls:
        if precision is None:
            found = [(row.cdf, row.offset, row.escape, bits, False) for row in table.rows(bits)]
        else:
            found = [(cdf, 0, False, precision, True) for cdf in table]
        require(all(0 <= index < len(found) for index in indexes), "indexes")
        of_symbol += [len(rows) + index for index in indexes]
        rows += found
    lengths = [len(row[0]) for row in rows]
    flat = [value for row in rows for value in row[0]]
    return (
        Rows(
            np.array(flat, np.int64),
            np.cumsum([0, *lengths[:-1]], dtype=np.int64),
            np.array(lengths, np.int64) - 1,
            np.array([row[1] for row in rows], np.int64),
            np.array([row[2] for row in rows], bool),
            np.array([row[3] for row in rows], np.int64),
            np.array([row[4] for row in rows], bool),
        ),
        np.array(of_symbol, np.int64),
    )


def search(rows: Rows, row: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The slot of each lane's value: as many steps as the longest row needs, the same for all."""
    low, span = np.zeros(WARP, np.int64), rows.slots[row] - 1
    for _ in range(int(span.max()).bit_length()):
        half = (span + 1) // 2
        low += np.where(rows.cdf[rows.begin[row] + low + half] <= value, half, 0)
        span -= half
    return low


class Warp:
    """The state of one segment."""

    def __init__(self, body: bytes, flags: int, wide: bool) -> None:
        self.lanes, self.escapes = 1 << (flags & 7), flags & ESCAPES != 0
        self.low, stored = (1 << 32, 6) if wide else (1 << 16, 4)
        self.body, self.pointer = np.frombuffer(body, np.uint8), self.lanes * stored
        self.escape_bits = 0
        require(len(body) >= self.pointer, "states: truncated")
        self.state = np.full(WARP, self.low, np.uint64)
        for lane in range(self.lanes):  # each lane loads its own
            loaded = int.from_bytes(body[lane * stored : (lane + 1) * stored], "little")
            require(loaded >= self.low, "stored state below its interval")
            self.state[lane] = loaded
        self.hash = np.full(WARP, 0x811C9DC5, np.uint32)

    def round(self, rows: Rows, row: np.ndarray, active: np.ndarray) -> np.ndarray:
        """One symbol of each active lane."""
        precision = rows.precision[row].astype(np.uint64)
        value = (self.state & ((np.uint64(1) << precision) - np.uint64(1))).astype(np.int64)
        slot = search(rows, row, value)
        start = rows.cdf[rows.begin[row] + slot]
        frequency = (rows.cdf[rows.begin[row] + slot + 1] - start).astype(np.uint64)
        popped = frequency * (self.state >> precision) + (value - start).astype(np.uint64)
        self.state = np.where(active, popped, self.state)
        self.refill(active)
        # An interval is its start, a symbol of a table its slot's.
        symbol = np.where(rows.interval[row], start, rows.offset[row] + slot)
        escaped = ballot(active & rows.escape[row] & (slot == rows.slots[row] - 1))
        while escaped:  # the lowest lane first; all lanes follow the same bits
            lane = (escaped & -escaped).bit_length() - 1
            symbol[lane] = self.read_escape(rows, int(row[lane]))
            escaped &= escaped - 1
        hashed = self.hash * np.uint32(0x2C9277B5) + (symbol & 0xFFFFFFFF).astype(np.uint32)
        self.hash = np.where(active, hashed, self.hash)
        return np.where(rows.interval[row], slot, symbol)

    def refill(self, active: np.ndarray) -> None:
        """Lanes below their interval take the next words, in lane order, one or two each.

        How many is known before any is read: a state takes a second word only if it is below L
        divided by 2^16, whatever the first one is (intervals of precision > 16 alone).
        """
        need_one = active & (self.state < self.low)
        need_two = need_one & (self.state < self.low >> 16)
        one, two = ballot(need_one), ballot(need_two)
        first = self.pointer + 2 * (count_below(one) + count_below(two))
        self.pointer += 2 * (one.bit_count() + two.bit_count())
        require(self.pointer <= len(self.body), "words: truncated")
        for need, address in ((need_one, first), (need_two, first + 2)):
            word = self.load(address, need)
            self.state = np.where(need, self.state << np.uint64(16) | word, self.state)

    def load(self, address: np.ndarray, need: np.ndarray) -> np.ndarray:
        safe = np.where(need, address, 0)
        return self.body[safe].astype(np.uint64) | self.body[safe + 1].astype(np.uint64) << 8

    def bit(self) -> int:
        require(self.escape_bits < 8 * len(self.body), "escape bits: truncated")
        byte = int(self.body[len(self.body) - 1 - self.escape_bits // 8])
        self.escape_bits += 1
        return byte >> (self.escape_bits - 1) % 8 & 1

    def read_escape(self, rows: Rows, row: int) -> int:
        require(self.escapes, "escape slot in a segment without the escape flag")
        m = 0
        while self.bit() == 0:
            m += 1
            require(m <= 32, "escape longer than any int32 symbol needs")
        distance = (1 << m) + sum(self.bit() << i for i in range(m))
        offset, symbols = int(rows.offset[row]), int(rows.slots[row]) - 1
        symbol = offset - distance if self.bit() else offset + symbols + distance - 1
        require(-(2**31) <= symbol < 2**31, "escaped symbol is not int32")
        return symbol

    def decode(self, rows: Rows, of_symbol: np.ndarray) -> np.ndarray:
        """All symbols of the segment: round r holds symbols r K to r K + K - 1."""
        count = of_symbol.size
        require(self.lanes <= count, f"{self.lanes} lanes for {count} symbols")
        symbols = np.empty(count, np.int64)
        for begin in range(0, count, self.lanes):
            active = (self.lanes > LANE) & (begin + LANE < count)
            row = of_symbol[np.where(active, begin + LANE, 0)]
            found = self.round(rows, row, active)
            symbols[begin : begin + self.lanes] = found[active]
        require(bool((self.state == self.low).all()), "final state")
        require(self.escapes == (self.escape_bits > 0), "escape flag without an escape")
        while self.escape_bits % 8:
            require(self.bit() == 0, "escape bits left over are not zero")
        require(self.pointer + self.escape_bits // 8 == len(self.body), "the cursors do not meet")
        return symbols


def decode_stream(stream: bytes, pulls: Sequence[Pull]) -> list[int]:
    """All symbols of a header-less stream, in order; of intervals the slots."""
    require(len(stream) >= 1, "a stream has at least one byte")
    first = stream[0]
    wide, hashed = first & WIDE != 0, first & HASHED != 0
    for indexes, table, precision in pulls:
        needs_wide = precision is not None or table.precision > 14
        require(wide or len(indexes) == 0 or not needs_wide, "a narrow stream")
    rows, of_symbol = flatten([pull for pull in pulls if len(pull.indexes)], 16 if wide else 14)
    end = len(stream) - 4 * hashed
    reader = Reader(stream[: max(end, 0)])
    if of_symbol.size == 0:
        require(reader.take(1)[0] & ~HASHED == 0, "the empty stream is a zero byte")
        require(reader.at == end and (not hashed or stream[end:] == bytes(4)), "symbols left")
        return []
    warps, size, more = [], of_symbol.size, True
    while more:
        flags = reader.integer(1)
        require(flags & 7 <= 5 and not flags & RESERVED, "reserved flags")
        require(not warps or not flags & (WIDE | HASHED), "flags of a later segment")
        more = flags & MORE != 0
        if more and not warps:
            s = reader.integer(1)
            require(4 <= s <= 30, f"s = {s}")
            size = 1 << s
        body = reader.take(reader.varint() if more else end - reader.at)
        warps.append((body, flags))
    require(len(warps) == -(-of_symbol.size // size), "number of segments")
    symbols, total = [], 0
    for number, (body, flags) in enumerate(warps):  # in any order, or all at once
        warp = Warp(body, flags, wide)
        symbols += warp.decode(rows, of_symbol[number * size : (number + 1) * size]).tolist()
        for lane in range(warp.lanes):
            total = mix(total ^ int(warp.hash[lane]))
    require(not hashed or stream[end:] == total.to_bytes(4, "little"), "symbol hash")
    return symbols


def decode(stream: bytes, indexes: Sequence[int], table: reference.Table) -> list[int]:
    """Symbols of a one-shot stream."""
    reader = Reader(stream)
    require(reader.take(3) == b"\xfa\x57\1", "magic or version")
    require(reader.integer(4) == table.fingerprint % 2**32, "fingerprint of another table")
    symbol_hash = reader.take(4)
    require(reader.varint() == len(indexes), "number of symbols")
    flags = reader.integer(1)
    require(not flags & HASHED, "a one-shot stream has its hash in the header")
    require(flags & WIDE == 0 or (table.precision > 14 and len(indexes) > 0), "wide without reason")
    rest = stream[reader.at :]
    return decode_stream(bytes([flags | HASHED]) + rest + symbol_hash, [Pull(indexes, table)])
