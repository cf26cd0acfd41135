# SPDX-License-Identifier: Apache-2.0
"""The bitstream of docs/format.md a second time: an encoder and a decoder in plain Python integers.

Written from that page alone: it shares no code with csrc and imports nothing but the standard
library. It is slow (some microseconds per symbol) and meant to be read in one sitting beside the
page, which is why it is one file, a little longer than others. Section numbers are those of the
page.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
ESCAPES, WIDE, MORE, HASHED, RESERVED = 0x08, 0x10, 0x20, 0x40, 0x80  # bits 3 to 7 of the flags


class FormatError(ValueError):
    """Bytes that the page forbids, or symbols that it cannot express."""


def require(condition: bool, message: str) -> None:
    if not condition:
        raise FormatError(message)


def varint(value: int) -> bytes:
    require(0 <= value < 2**35, f"{value} does not fit a varint")
    low = b""
    while value >= 0x80:
        low += bytes([value & 0x7F | 0x80])
        value >>= 7
    return low + bytes([value])


class Reader:
    """Takes bytes from the front; never past the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = bytes(data), 0

    def take(self, count: int) -> bytes:
        require(count <= len(self.data) - self.at, f"{count} bytes wanted at {self.at}: truncated")
        self.at += count
        return self.data[self.at - count : self.at]

    def integer(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def varint(self) -> int:
        value = 0
        for position in range(5):
            byte = self.integer(1)
            value |= (byte & 0x7F) << (7 * position)
            if byte < 0x80:
                require(byte != 0 or position == 0, "varint is not minimal")
                return value
        raise FormatError("varint is longer than five bytes")


# --- section 7: tables ---------------------------------------------------------------------------


def siphash24(data: bytes, key: tuple[int, int] = (0, 0)) -> int:
    """SipHash-2-4 of Aumasson and Bernstein, 64-bit result."""
    mask = 2**64 - 1
    a, b = key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D
    c, d = key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573

    def rotate(x: int, bits: int) -> int:
        return (x << bits | x >> (64 - bits)) & mask

    def rounds(count: int) -> None:
        nonlocal a, b, c, d
        for _ in range(count):
            a, c = (a + b) & mask, (c + d) & mask
            b, d = rotate(b, 13) ^ a, rotate(d, 16) ^ c
            a = rotate(a, 32)
            c, a = (c + b) & mask, (a + d) & mask
            b, d = rotate(b, 17) ^ c, rotate(d, 21) ^ a
            c = rotate(c, 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for begin in range(0, len(padded), 8):
        block = int.from_bytes(padded[begin : begin + 8], "little")
        d ^= block
        rounds(2)
        a ^= block
    c ^= 0xFF
    rounds(4)
    return a ^ b ^ c ^ d


class Row(NamedTuple):
    """One distribution: slot k holds [cdf[k], cdf[k + 1]); it is offset + k, or the escape."""

    offset: int
    cdf: tuple[int, ...]
    escape: bool

    @property
    def symbols(self) -> int:
        return len(self.cdf) - 1 - self.escape


class Interval(NamedTuple):
    """A symbol without a table: section 2. It stands where another symbol's row does."""

    start: int
    frequency: int
    precision: int


class Table:
    """Rows of one precision; `frequencies` has one list per row, the escape's at its end."""

    def __init__(
        self,
        precision: int,
        escape: bool,
        offsets: Sequence[int],
        frequencies: Sequence[Sequence[int]],
    ) -> None:
        require(1 <= precision <= 16, f"precision = {precision}")
        require(len(frequencies) == len(offsets) >= 1, "a table has at least one row")
        for offset, row in zip(offsets, frequencies, strict=True):
            require(1 <= len(row) <= 2**precision, f"{len(row)} slots")
            require(min(row) >= 1 and sum(row) == 2**precision, "not a distribution")
            require(offset >= INT32_MIN, f"offset = {offset}")
            require(max(offset, offset + len(row) - 1 - escape) <= INT32_MAX, f"offset = {offset}")
        self.precision, self.escape = precision, escape
        self.offsets, self.frequencies = tuple(offsets), tuple(map(tuple, frequencies))
        content = b"FCT" + bytes([1, precision, escape]) + varint(len(offsets))
        for offset, row in zip(offsets, frequencies, strict=True):
            content += varint(2 * offset if offset >= 0 else -2 * offset - 1) + varint(len(row))
            content += b"".join(varint(frequency - 1) for frequency in row)
        self.fingerprint = siphash24(content)
        self._bytes = content + self.fingerprint.to_bytes(8, "little")

    def to_bytes(self) -> bytes:
        return self._bytes

    @staticmethod
    def from_bytes(data: bytes) -> Table:
        reader = Reader(data)
        require(reader.take(4) == b"FCT\1", "not a table, or of another version")
        precision, escape = reader.integer(1), reader.integer(1)
        require(1 <= precision <= 16 and escape <= 1, "precision or escape flag")
        offsets, frequencies = [], []
        for _ in range(reader.varint()):
            zigzag, slots = reader.varint(), reader.varint()
            offsets.append(-(zigzag + 1) // 2 if zigzag % 2 else zigzag // 2)
            require(1 <= slots <= 2**precision, f"{slots} slots")
            frequencies.append([reader.varint() + 1 for _ in range(slots)])
        require(reader.integer(8) == siphash24(data[: reader.at - 8]), "fingerprint")
        require(reader.at == len(data), "bytes after the fingerprint")
        return Table(precision, escape == 1, offsets, frequencies)

    def rows(self, precision: int) -> list[Row]:
        """Rows as they are used at a working precision: section 1."""
        scale = 1 << (precision - self.precision)
        return [
            Row(offset, tuple(accumulate((f * scale for f in row), initial=0)), self.escape)
            for offset, row in zip(self.offsets, self.frequencies, strict=True)
        ]


# --- sections 1 to 3: one segment ----------------------------------------------------------------


class Width(NamedTuple):
    """Section 1: L, W and S."""

    low: int
    bits: int
    stored: int


NARROW, WIDE_STATES = Width(2**16, 14, 4), Width(2**32, 16, 6)


class Segment(NamedTuple):
    """An encoded segment; payload is what section 8 measures."""

    lanes: int
    escapes: bool
    body: bytes
    payload: int
    symbols: Sequence[int]

    def bits(self, width: Width) -> int:
        """Bits of a probe."""
        states = [self.body[k * width.stored :][: width.stored] for k in range(self.lanes)]
        grown = [int.from_bytes(state, "little") // width.low for state in states]
        return 8 * self.payload + sum(ratio.bit_length() - 1 for ratio in grown)


def find_slot(symbol: int, row: Row) -> tuple[int, str]:
    """Slot of a symbol and its escape bits, first bit first ("" if it needs none)."""
    k = symbol - row.offset
    if 0 <= k < row.symbols:
        return k, ""
    require(row.escape, f"symbol {symbol} is outside its row, which has no escape")
    require(INT32_MIN <= symbol <= INT32_MAX, f"symbol {symbol} is not int32")
    distance, side = (-k, "1") if k < 0 else (k - row.symbols + 1, "0")
    low_bits = f"{distance:b}"[:0:-1]  # without the leading one, low bit first
    return row.symbols, "0" * len(low_bits) + "1" + low_bits + side


def find_interval(symbol: int, row: Row | Interval, width: Width) -> tuple[Interval, str]:
    """What is pushed for a symbol, and its escape bits."""
    if isinstance(row, Interval):
        require(width is WIDE_STATES and 1 <= row.precision <= 24, "precision of an interval")
        require(0 <= row.start < row.start + row.frequency <= 2**row.precision, "interval")
        return row, ""
    slot, escape = find_slot(symbol, row)
    return Interval(row.cdf[slot], row.cdf[slot + 1] - row.cdf[slot], width.bits), escape


def encode_segment(
    symbols: Sequence[int], rows: Sequence[Row | Interval], lanes: int, width: Width
) -> Segment:
    states, words = [width.low] * lanes, []
    intervals, escapes = zip(
        *(find_interval(symbol, row, width) for symbol, row in zip(symbols, rows, strict=True)),
        strict=True,
    )
    for q in reversed(range(len(symbols))):
        x, (start, frequency, precision) = states[q % lanes], intervals[q]
        while x >= frequency * (width.low * 2**16 >> precision):
            words.append(x % 2**16)
            x >>= 16
        states[q % lanes] = (x // frequency << precision) + x % frequency + start
    bits = "".join(escapes)
    tail = int(bits[::-1] or "0", 2).to_bytes((len(bits) + 7) // 8, "big")  # first bit: last byte
    body = b"".join(x.to_bytes(width.stored, "little") for x in states)
    body += b"".join(word.to_bytes(2, "little") for word in reversed(words)) + tail
    return Segment(lanes, bits != "", body, 2 * len(words) + len(tail), symbols)


class EscapeReader:
    """Escape bits, backwards from the last byte."""

    def __init__(self, data: bytes) -> None:
        self.data, self.count = data, 0

    def bit(self) -> int:
        require(self.count < 8 * len(self.data), "escape bits: truncated")
        self.count += 1
        return self.data[-1 - (self.count - 1) // 8] >> (self.count - 1) % 8 & 1

    def symbol(self, row: Row) -> int:
        m = 0
        while self.bit() == 0:
            m += 1
            require(m <= 32, "escape longer than any int32 symbol needs")
        distance = 2**m + sum(self.bit() << i for i in range(m))
        symbol = row.offset - distance if self.bit() else row.offset + row.symbols + distance - 1
        require(INT32_MIN <= symbol <= INT32_MAX, f"escaped symbol {symbol} is not int32")
        return symbol


def pop(x: int, start: int, frequency: int, precision: int, low: int, words: Reader) -> int:
    """The renormalized state after an interval that holds x mod 2^precision."""
    x = frequency * (x >> precision) + x % 2**precision - start
    while x < low:
        x = (x << 16) + words.integer(2)
    return x


def decode_segment(
    body: bytes, rows: Sequence[Row | Interval], lanes: int, escapes: bool, width: Width
) -> list[int]:
    require(lanes <= len(rows), f"{lanes} lanes for {len(rows)} symbols")
    words, tail = Reader(body), EscapeReader(body[lanes * width.stored :])
    states = [words.integer(width.stored) for _ in range(lanes)]
    require(min(states) >= width.low, "stored state below its interval")
    symbols = []
    for q, row in enumerate(rows):
        x = states[q % lanes]
        if isinstance(row, Interval):
            require(width is WIDE_STATES, "an interval in a narrow stream")
            require(0 <= x % 2**row.precision - row.start < row.frequency, "another interval")
            states[q % lanes] = pop(x, *row, width.low, words)
            symbols.append(row.start)
            continue
        k = bisect_right(row.cdf, x % 2**width.bits) - 1
        frequency = row.cdf[k + 1] - row.cdf[k]
        states[q % lanes] = pop(x, row.cdf[k], frequency, width.bits, width.low, words)
        escaped = row.escape and k == row.symbols
        require(escapes or not escaped, "escape slot in a segment without the escape flag")
        symbols.append(tail.symbol(row) if escaped else row.offset + k)
    require(all(x == width.low for x in states), "final state")
    require(escapes == (tail.count > 0), "escape flag without an escape")
    while tail.count % 8:
        require(tail.bit() == 0, "escape bits left over are not zero")
    require(words.at + tail.count // 8 == len(body), "words and escape bits do not meet")
    return symbols


# --- section 5: symbol hash ----------------------------------------------------------------------


def mix(t: int) -> int:
    t = (t ^ t >> 16) * 0x85EBCA6B % 2**32
    t = (t ^ t >> 13) * 0xC2B2AE35 % 2**32
    return t ^ t >> 16


def hash_segment(t: int, symbols: Sequence[int], lanes: int) -> int:
    """The hash `t` of the segments so far, continued over one more."""
    for lane in range(lanes):
        h = 0x811C9DC5
        for symbol in symbols[lane::lanes]:
            h = (h * 0x2C9277B5 + symbol) % 2**32
        t = mix(t ^ h)
    return t


# --- section 8: choices of the encoder -----------------------------------------------------------


def choose_lanes(
    symbols: Sequence[int], rows: Sequence[Row | Interval], width: Width, forced: int | None
) -> Segment:
    most = 1 << (min(forced or 32, len(symbols)).bit_length() - 1)
    tried = 1 if forced is None and len(symbols) <= 2048 else most
    segment = encode_segment(symbols, rows, tried, width)

    def holds(lanes: int) -> bool:
        return 1 + lanes * width.stored + segment.escapes <= 8 + segment.payload // 640

    lanes = most
    while forced is None and lanes > 1 and not holds(lanes):
        lanes //= 2
    return segment if lanes == tried else encode_segment(symbols, rows, lanes, width)


def choose_segments(
    symbols: Sequence[int],
    rows: Sequence[Row | Interval],
    width: Width,
    lanes: int | None,
    segment: int | None,
) -> tuple[int, list[Segment]]:
    """(s, segments); s means nothing when there is one segment."""
    n, most, s = len(symbols), lanes or 32, 16

    def cut(size: int) -> list[Segment]:
        parts = [slice(begin, begin + size) for begin in range(0, n, size)]
        return [choose_lanes(symbols[part], rows[part], width, lanes) for part in parts]

    def affordable(payload: int) -> bool:
        return -(-n // 2**s) * (most * width.stored + 4) * 2000 <= payload

    if segment is not None:
        return segment.bit_length() - 1, cut(segment)
    if n <= 2**16:
        return s, cut(n)
    begins = [i * (n - 2**9) // 127 for i in range(128)]
    probes = [slice(begin, begin + 2**9) for begin in begins]
    total = sum(encode_segment(symbols[p], rows[p], most, width).bits(width) for p in probes)
    while 2**s < n and not affordable(total * n // 2**19):
        s += 1
    segments = cut(2**s)
    while 2**s < n and not affordable(sum(part.payload for part in segments)):
        s += 1
        segments = cut(2**s)
    return s, segments


# --- sections 4 and 6: streams -------------------------------------------------------------------


# Indexes and their table; or intervals, which need none.
Pull = tuple[Sequence[int] | Sequence[Interval], Table | None]


def attach_rows(pulls: Iterable[Pull], width: Width) -> list[Row | Interval]:
    """The row of every symbol, or its interval."""
    attached: list[Row | Interval] = []
    for indexes, table in pulls:
        if table is None:
            attached += indexes
            continue
        require(all(0 <= index < len(table.offsets) for index in indexes), "indexes")
        rows = table.rows(width.bits) if len(indexes) > 0 else []
        attached += [rows[index] for index in indexes]
    return attached


def needs_wide(pulls: Iterable[Pull]) -> bool:
    return any(
        len(indexes) > 0 and (table is None or table.precision > 14) for indexes, table in pulls
    )


def encode_stream(
    pushes: Sequence[tuple[Sequence[int], Sequence[int] | Sequence[Interval], Table | None]],
    *,
    check: bool = False,
    lanes: int | None = None,
    segment: int | None = None,
) -> bytes:
    """Header-less stream of several pushes of (symbols, indexes, table) or, of intervals,
    (starts, intervals, None).
    """
    pulls = [(indexes, table) for _, indexes, table in pushes]
    width = WIDE_STATES if needs_wide(pulls) else NARROW
    symbols, rows = [s for part, _, _ in pushes for s in part], attach_rows(pulls, width)
    s, segments = choose_segments(symbols, rows, width, lanes, segment) if symbols else (0, [])
    stream, symbol_hash = bytearray() if segments else bytearray(1), 0
    for number, part in enumerate(segments):
        more = number + 1 < len(segments)
        wide = width is WIDE_STATES and number == 0
        log2_lanes = part.lanes.bit_length() - 1
        stream.append(log2_lanes | ESCAPES * part.escapes | WIDE * wide | MORE * more)
        stream += bytes([s]) if number == 0 and more else b""
        stream += (varint(len(part.body)) if more else b"") + part.body
        symbol_hash = hash_segment(symbol_hash, part.symbols, part.lanes)
    if check:
        stream[0] |= HASHED
        stream += symbol_hash.to_bytes(4, "little")
    return bytes(stream)


def decode_stream(stream: bytes, pulls: Sequence[Pull]) -> list[int]:
    """All symbols of a header-less stream; the page's errors, and one if symbols are left over."""
    require(len(stream) >= 1, "a stream has at least one byte")
    first, symbols, symbol_hash, size = stream[0], [], 0, None
    width = WIDE_STATES if first & WIDE else NARROW
    require(width is WIDE_STATES or not needs_wide(pulls), "precision > 14 in a narrow stream")
    rows = attach_rows(pulls, width)
    end = len(stream) - (4 if first & HASHED else 0)
    reader = Reader(stream[: max(end, 0)])
    more = len(rows) > 0
    if not more:
        require(reader.take(1)[0] & ~HASHED == 0, "the empty stream is a zero byte")
    while more:
        flags = reader.integer(1)
        require(flags & 7 <= 5 and not flags & RESERVED, "reserved flags")
        require(reader.at == 1 or not flags & (WIDE | HASHED), "flags of a later segment")
        lanes, escapes, more = 1 << (flags & 7), flags & ESCAPES != 0, flags & MORE != 0
        if more and reader.at == 1:
            s = reader.integer(1)
            require(4 <= s <= 30, f"s = {s}")
            size = 2**s
        body = reader.take(reader.varint() if more else end - reader.at)
        rest = rows[len(symbols) :]
        if size is not None:
            require((len(rest) > size) == more and len(rest) > 0, "number of symbols")
        part = decode_segment(body, rest[:size], lanes, escapes, width)
        symbol_hash = hash_segment(symbol_hash, part, lanes)
        symbols += part
    require(reader.at == end, "symbols left in the stream")
    require(not first & HASHED or stream[end:] == symbol_hash.to_bytes(4, "little"), "symbol hash")
    return symbols


def encode(
    symbols: Sequence[int],
    indexes: Sequence[int],
    table: Table,
    *,
    lanes: int | None = None,
    segment: int | None = None,
) -> bytes:
    """One-shot stream."""
    pushes = [(symbols, indexes, table)]
    hashed = encode_stream(pushes, check=True, lanes=lanes, segment=segment)
    header = b"\xfa\x57\1" + (table.fingerprint % 2**32).to_bytes(4, "little") + hashed[-4:]
    return header + varint(len(symbols)) + bytes([hashed[0] & ~HASHED]) + hashed[1:-4]


def decode(stream: bytes, indexes: Sequence[int], table: Table) -> list[int]:
    """Symbols of a one-shot stream."""
    reader = Reader(stream)
    require(reader.take(2) == b"\xfa\x57", "magic")
    require(reader.integer(1) == 1, "version")
    require(reader.integer(4) == table.fingerprint % 2**32, "fingerprint of another table")
    symbol_hash, count = reader.take(4), reader.varint()
    require(count == len(indexes), f"{count} symbols in the stream, {len(indexes)} expected")
    flags = reader.integer(1)
    require(not flags & HASHED, "a one-shot stream has its hash in the header")
    require(not flags & WIDE or needs_wide([(indexes, table)]), "wide without a reason")
    rest = reader.take(len(stream) - reader.at)
    return decode_stream(bytes([flags | HASHED]) + rest + symbol_hash, [(indexes, table)])
