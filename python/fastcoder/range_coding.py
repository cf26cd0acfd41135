# SPDX-License-Identifier: Apache-2.0
"""Streams in the order of their symbols: written, sent and read while they grow.

``Encoder`` codes nothing before its ``finish``, because an rANS stream is written last to first.
A range coder codes at once: it needs no memory for symbols, its bytes can leave while more symbols
come, and its rows may follow the symbols. It is several times slower (docs/range-coder.md).

A little over 400 lines, most of them docstrings: the adaptive table and the two coders explain each
other, in examples too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _core
from ._arrays import (
    ArrayInput,
    as_array,
    as_bytes,
    as_flag,
    as_indexes,
    as_integer,
    as_sequence,
    as_symbols,
)
from .coding import Shape, _decoding_arrays
from .errors import ArgumentError, ArgumentTypeError, ShapeError, TableError
from .tables import CdfTable

__all__ = ["AdaptiveTable", "RangeDecoder", "RangeEncoder"]

_UINT32_MAX = 2**32 - 1


class AdaptiveTable:
    """Rows that learn: every symbol coded with a row makes that symbol more likely in it.

    The probability of a slot is its count divided by the sum of its row's counts. After a symbol
    was coded, ``increment`` is added to its count; if the sum then exceeds ``limit``, every count
    of the row is halved, rounded up. All of it is integers and part of the format, so an encoder
    and a decoder that begin with equal tables stay equal. A table is changed by the pushes or
    pulls that use it: give each side its own.

    The defaults, counts of 1 and an increment of 2, are the estimator of R. Krichevsky and
    V. Trofimov ("The performance of universal encoding", IEEE Transactions on Information Theory
    27(2), 1981): half a symbol seen of each kind. A smaller limit forgets faster.

    Args:
        counts: First counts: one sequence of integers >= 1 per row, or a 2-D array. Rows may have
            different lengths. A row's sum is at most ``limit``.
        offsets: The symbol of each row's first slot, int32; or one integer for all rows.
        increment: What a coded symbol adds, ``1 <= increment < limit``.
        limit: The largest sum of a row, at most 65536. A row has at most ``limit - increment``
            slots.
        escape: The last slot of every row stands for all symbols outside the row.

    Raises:
        TableError: If an argument is outside its interval; the message names row and position.
        ArgumentTypeError: If something is not an integer.

    Example:
        >>> table = AdaptiveTable([[1, 1, 1]])
        >>> encoder = RangeEncoder()
        >>> encoder.push([2, 2, 0, 2], None, table)
        >>> table.counts(0).tolist()
        [3, 1, 7]
        >>> decoder = RangeDecoder(encoder.finish())
        >>> decoder.pull(None, AdaptiveTable([[1, 1, 1]]), shape=4).tolist()
        [2, 2, 0, 2]
    """

    def __init__(
        self,
        counts: Sequence[ArrayInput] | NDArray[Any],
        offsets: SupportsIndex | ArrayInput = 0,
        *,
        increment: SupportsIndex = 2,
        limit: SupportsIndex = 65536,
        escape: bool = False,
    ) -> None:
        if not isinstance(counts, np.ndarray):
            counts = as_sequence(counts, "counts")
        elif counts.ndim != 2:
            raise ShapeError(f"counts.ndim = {counts.ndim}, expected 2")
        rows = [_count_row(row, f"counts[{r}]") for r, row in enumerate(counts)]
        if len(rows) == 0:
            raise TableError("len(counts) = 0, expected at least 1 row")
        self._native = _core.AdaptiveTable(
            np.concatenate(rows),
            np.array([row.size for row in rows], np.uint32),
            _offsets(offsets, len(rows)),
            _uint32(increment, "increment"),
            _uint32(limit, "limit"),
            as_flag(escape, "escape"),
        )

    @classmethod
    def uniform(
        cls,
        symbols: SupportsIndex,
        rows: SupportsIndex = 1,
        offset: SupportsIndex = 0,
        *,
        increment: SupportsIndex = 2,
        limit: SupportsIndex = 65536,
        escape: bool = False,
    ) -> AdaptiveTable:
        """Rows that know nothing yet: every count is 1.

        Args:
            symbols: Symbols of each row, 1 to 65535.
            rows: Contexts: an index chooses one for each symbol.
            offset: The first symbol of every row.
            increment: As for the class.
            limit: As for the class.
            escape: As for the class; the escape is a slot more.

        Raises:
            TableError: As for the class.

        Example:
            >>> table = AdaptiveTable.uniform(256, rows=4)
            >>> table.rows, int(table.counts(3).sum())
            (4, 256)
        """
        slots = as_integer(symbols, "symbols")
        count = as_integer(rows, "rows")
        if not 1 <= slots <= 65535:
            raise TableError(f"symbols = {slots}, expected 1 <= symbols <= 65535")
        if not 1 <= count < 2**31:
            raise TableError(f"rows = {count}, expected 1 <= rows < 2147483648")
        counts = np.ones((count, slots + as_flag(escape, "escape")), np.uint32)
        return cls(counts, offset, increment=increment, limit=limit, escape=escape)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self._native.rows

    @property
    def increment(self) -> int:
        """What a coded symbol adds to its count."""
        return self._native.increment

    @property
    def limit(self) -> int:
        """The largest sum of a row."""
        return self._native.limit

    @property
    def escape(self) -> bool:
        """Whether the last slot of every row is the escape."""
        return self._native.escape

    @property
    def offsets(self) -> NDArray[np.int32]:
        """The symbol of each row's first slot, shape ``(rows,)``."""
        return self._native.offsets()

    def counts(self, row: SupportsIndex) -> NDArray[np.uint32]:
        """The counts of a row as they are now, the escape's last.

        Args:
            row: ``0 <= row < rows``.

        Raises:
            ArgumentError: If there is no such row.
        """
        number = as_integer(row, "row")
        if not 0 <= number < self.rows:
            raise ArgumentError(f"row = {number}, expected 0 <= row < {self.rows}")
        return self._native.counts(number)

    def copy(self) -> AdaptiveTable:
        """A table with the same counts that goes its own way from here.

        Example:
            >>> table = AdaptiveTable([[1, 5]])
            >>> RangeEncoder().push(0, None, table.copy())
            >>> table.counts(0).tolist()
            [1, 5]
        """
        result = AdaptiveTable.__new__(AdaptiveTable)
        result._native = _core.AdaptiveTable(self._native)
        return result

    def __repr__(self) -> str:
        return (
            f"AdaptiveTable(rows={self.rows}, increment={self.increment}, limit={self.limit}, "
            f"escape={self.escape})"
        )


class RangeEncoder:
    """Codes symbols as they come, first in, first out, into one stream.

    It holds no symbols: a push becomes bytes at once, and ``take`` hands out those that are final.
    The stream is the same however the symbols were split into pushes and whenever bytes were
    taken. It takes less than ``cost / 8 + 4`` bytes and a few millionths of the cost, 2 bytes more
    with ``check``.

    Args:
        check: End with 32 bits of the symbol hash instead of 16, so that the decoder's ``finish``
            notices a wrong symbol with probability 1 - 2**-32 instead of 1 - 2**-16.

    Example:
        >>> table = CdfTable.from_pmf([[0.25, 0.5, 0.25]], offsets=[-1])
        >>> encoder = RangeEncoder()
        >>> stream = b""
        >>> for part in ([0, -1, 0], [1, 0], [9, 0]):
        ...     encoder.push(part, None, table)
        ...     stream += encoder.take()
        >>> stream += encoder.finish()
        >>> decoder = RangeDecoder(stream)
        >>> decoder.pull(None, table, shape=7).tolist()
        [0, -1, 0, 1, 0, 9, 0]
        >>> decoder.finish()
    """

    def __init__(self, *, check: bool = False) -> None:
        self._native = _core.RangeEncoder(as_flag(check, "check"))

    def push(
        self, symbols: ArrayInput, indexes: ArrayInput | None, table: CdfTable | AdaptiveTable
    ) -> None:
        """Code symbols, in C order; the caller's arrays are free again.

        Args:
            symbols: As for :func:`fastcoder.encode`; one symbol may be an int.
            indexes: As for :func:`fastcoder.encode`; an int if ``symbols`` is one.
            table: Of these symbols; every push may bring another one. An adaptive table has
                counted them when this returns.

        Raises:
            FastcoderError: As :func:`fastcoder.encode`; nothing was coded or counted then.
        """
        native = _native_table(table)
        if self._native.push_direct(symbols, indexes, native):
            return
        values = as_symbols(symbols)
        rows = as_indexes(indexes, table.rows)
        if rows is not None and rows.shape != values.shape:
            raise ShapeError(f"indexes.shape = {rows.shape}, expected {values.shape}")
        self._native.push(values, rows, native)

    def take(self) -> bytes:
        """The bytes that became final since the last call, perhaps none.

        They are, as a rule, at most 7 bytes fewer than what was pushed costs: 6 that belong to the
        interval that is still being narrowed, and one that a carry can reach. Each byte 0xFF before
        that one (1 in 256 is) waits with it.

        Raises:
            ArgumentError: If the encoder is finished already.
        """
        return self._native.take()

    def finish(self) -> bytes:
        """End the stream.

        Returns:
            The rest of its bytes: all of them if none were taken.

        Raises:
            ArgumentError: If the encoder is finished already.
        """
        return self._native.finish()


class RangeDecoder:
    """Reads a stream of :class:`RangeEncoder` in pieces of any size, also while it arrives.

    A symbol can be decoded when the bytes that it cost have arrived and 8 bytes more (docs/
    range-coder.md 5). A pull that needs others raises :class:`fastcoder.NeedMoreBytesError` and
    changes nothing: feed, and pull again. After ``feed(..., last=True)`` there is nothing to wait
    for, and the same pull succeeds or is a :class:`fastcoder.TruncatedStreamError`.

    Args:
        stream: A whole stream; or None if its bytes will be fed.

    Raises:
        StreamError: If the bytes cannot be the beginning of such a stream.

    Example:
        >>> import fastcoder
        >>> table = CdfTable.from_pmf([[0.5, 0.25, 0.25]], offsets=[0])
        >>> encoder = RangeEncoder()
        >>> encoder.push([0, 2, 1] * 40, None, table)
        >>> stream = encoder.finish()
        >>> decoder = RangeDecoder()
        >>> decoder.feed(stream[:6])
        >>> decoder.needed
        3
        >>> try:
        ...     decoder.pull(None, table, shape=3)
        ... except fastcoder.NeedMoreBytesError as error:
        ...     print(error)
        symbols[0] = nothing, expected more bytes to be fed
        >>> decoder.feed(stream[6:], last=True)
        >>> decoder.pull(None, table, shape=120)[:6].tolist()
        [0, 2, 1, 0, 2, 1]
        >>> decoder.finish()
    """

    def __init__(self, stream: bytes | bytearray | memoryview | None = None) -> None:
        self._native = _core.RangeDecoder()
        if stream is not None:
            self._native.feed(as_bytes(stream, "stream"), True)

    def feed(self, data: bytes | bytearray | memoryview, last: bool = False) -> None:
        """Append the next bytes of the stream; they are copied.

        Args:
            data: Any bytes, perhaps none; nothing in them is believed.
            last: Whether these are the stream's last bytes.

        Raises:
            StreamError: If the first byte of all is not that of such a stream; nothing was
                appended then.
            ArgumentError: If the last bytes were fed before.
        """
        self._native.feed(as_bytes(data, "data"), as_flag(last, "last"))

    @property
    def needed(self) -> int:
        """Bytes that have to be fed before one more symbol can be decoded.

        0 if it can be decoded now, or if the last bytes were fed. An escaped symbol can need up to
        12 bytes more than this says.
        """
        return self._native.needed

    def pull(
        self,
        indexes: ArrayInput | None,
        table: CdfTable | AdaptiveTable,
        dtype: DTypeLike = np.int32,
        out: NDArray[Any] | None = None,
        *,
        shape: Shape | None = None,
    ) -> NDArray[Any]:
        """Decode the next symbols, one per index.

        Args:
            indexes: As they were pushed; or None for a table of one row.
            table: Equal to the table they were pushed with, as it was before that push. An
                adaptive table has counted the symbols when this returns.
            dtype: Of the result, if ``out`` is not given.
            out: Where to put the symbols: a writable array in C order of the shape of ``indexes``.
            shape: Of the result if ``indexes`` and ``out`` are None.

        Returns:
            The symbols: ``out``, or a new array.

        Raises:
            NeedMoreBytesError: If bytes that these symbols need were not fed yet.
            StreamError: If the stream ends early or cannot hold these symbols.
            SymbolRangeError: If a symbol does not fit the dtype.
            FastcoderError: As :func:`fastcoder.decode`. After any of these the decoder and the
                table stand where they stood before; the contents of ``out`` are unspecified.
        """
        native = _native_table(table)
        if out is not None and shape is None and self._native.pull_direct(indexes, native, out):
            return out
        rows, result = _decoding_arrays(indexes, table.rows, dtype, shape, out)
        self._native.pull(rows, native, result)
        return result

    def finish(self) -> None:
        """End the decoder, or raise unless the stream was read to its end and is whole.

        Raises:
            NeedMoreBytesError: If the last bytes were not fed yet.
            StreamError: If symbols or bytes are left or missing, or the hash disagrees. A wrong
                symbol goes unnoticed with a probability of 2**-16, or 2**-32 if the stream was
                written with ``check``.
            ArgumentError: If the decoder is finished already.
        """
        self._native.finish()


def _native_table(table: CdfTable | AdaptiveTable) -> _core.CdfTable | _core.AdaptiveTable:
    if not isinstance(table, (CdfTable, AdaptiveTable)):
        raise ArgumentTypeError(
            f"type(table) = {type(table).__name__}, expected CdfTable or AdaptiveTable"
        )
    return table._native


def _uint32(value: SupportsIndex, name: str) -> int:
    """An integer as the core takes it: what does not fit is out of every interval anyway."""
    number = as_integer(value, name)
    return number if 0 <= number <= _UINT32_MAX else 0 if number < 0 else _UINT32_MAX


def _count_row(value: ArrayInput, name: str) -> NDArray[np.uint32]:
    row = as_array(value, name)
    if row.dtype.kind not in "iu":
        raise ArgumentTypeError(f"{name}.dtype = {row.dtype}, expected integers")
    if row.ndim != 1:
        raise ShapeError(f"{name}.ndim = {row.ndim}, expected 1")
    for position in np.flatnonzero((row < 1) | (row > 65536))[:1]:
        raise TableError(f"{name}[{position}] = {row[position]}, expected 1 <= count <= 65536")
    return row.astype(np.uint32)


def _offsets(value: SupportsIndex | ArrayInput, rows: int) -> NDArray[np.int32]:
    offsets = as_array(value, "offsets")
    if offsets.dtype.kind not in "iu":
        raise ArgumentTypeError(f"offsets.dtype = {offsets.dtype}, expected integers")
    if offsets.ndim == 0:
        offsets = np.full(rows, offsets)
    if offsets.shape != (rows,):
        raise ShapeError(f"offsets.shape = {offsets.shape}, expected ({rows},)")
    info = np.iinfo(np.int32)
    for position in np.flatnonzero((offsets < info.min) | (offsets > info.max))[:1]:
        raise TableError(
            f"offsets[{position}] = {offsets[position]}, "
            f"expected {info.min} <= offset <= {info.max}"
        )
    return offsets.astype(np.int32)
