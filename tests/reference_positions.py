# SPDX-License-Identifier: Apache-2.0
"""Where a decoder stands in a stream, and parts of a stream, in plain Python.

`bits_used` is `Decoder.tell` from its definition, `decode_part` is `decode_range`; both walk over
the segments of docs/format.md section 4 by themselves.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests import reference
from tests.reference import ESCAPES, HASHED, MORE, NARROW, WIDE, WIDE_STATES, Reader, require


class Segment(NamedTuple):
    """A segment as it stands in a stream: its body is bytes [begin, end)."""

    flags: int
    begin: int
    end: int
    first: int  # symbol
    last: int  # symbol behind it


def segments(stream: bytes, count: int) -> Iterator[Segment]:
    """The segments of a header-less stream of `count` symbols, read without decoding."""
    end = len(stream) - (4 if stream[0] & HASHED else 0)
    reader, first, size, more = Reader(stream[:end]), 0, count, count > 0
    while more:
        flags = reader.integer(1)
        more = flags & MORE != 0
        if first == 0 and more:
            size = 2 ** reader.integer(1)
        length = reader.varint() if more else end - reader.at
        begin = reader.at
        reader.take(length)
        last = min(first + size, count)
        yield Segment(flags, begin, reader.at, first, last)
        first = last
    require(first == count, "segments and symbols disagree")


def bits_used(stream: bytes, pulls: Sequence[reference.Pull]) -> list[float]:
    """Bits used before the first symbol, and after each of them."""
    width = WIDE_STATES if stream[0] & WIDE else NARROW
    rows, used = reference.attach_rows(pulls, width), []
    for segment in segments(stream, len(rows)):
        lanes = 1 << (segment.flags & 7)
        body = stream[segment.begin : segment.end]
        words, tail = Reader(body), reference.EscapeReader(body)
        states = [words.integer(width.stored) for _ in range(lanes)]

        def position(begin=segment.begin, words=words, tail=tail, states=states) -> float:
            held = sum(math.log2(x / width.low) for x in states)
            return 8 * (begin + words.at) + tail.count - held

        used += [position()] if segment.first == 0 else []
        for q, row in enumerate(rows[segment.first : segment.last]):
            x = states[q % lanes]
            k = bisect_right(row.cdf, x % 2**width.bits) - 1
            frequency = row.cdf[k + 1] - row.cdf[k]
            states[q % lanes] = reference.pop(
                x, row.cdf[k], frequency, width.bits, width.low, words
            )
            if row.escape and k == row.symbols:
                tail.symbol(row)
            used.append(position())
    return used or [8.0]


def decode_part(
    stream: bytes, first: int, count: int, indexes: Sequence[int], table: reference.Table
) -> list[int]:
    """Symbols [first, first + count) of a one-shot stream; `indexes` are of the whole message."""
    reader = Reader(stream)
    reader.take(11)
    require(reader.varint() == len(indexes), "another number of symbols")
    rest, part = stream[reader.at :], []
    width = WIDE_STATES if rest[0] & WIDE else NARROW
    rows = reference.attach_rows([(indexes, table)], width)
    for segment in segments(rest, len(rows)):
        if segment.last <= first or segment.first >= first + count:
            continue
        symbols = reference.decode_segment(
            rest[segment.begin : segment.end],
            rows[segment.first : segment.last],
            1 << (segment.flags & 7),
            segment.flags & ESCAPES != 0,
            width,
        )
        begin, end = max(first - segment.first, 0), first + count - segment.first
        part += symbols[begin:end]
    return part
