# SPDX-License-Identifier: Apache-2.0
"""The interval layer: symbols whose interval of ``[0, 2**precision)`` the caller knows.

What no table holds can be coded this way: raw bits, integers without a limit, distributions that
exist for one symbol only. :class:`fastcoder.Encoder` and :class:`fastcoder.Decoder` have these
methods beside ``push`` and ``pull``; the bytes are in docs/format.md 2.
"""

from __future__ import annotations

import abc
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _core
from ._arrays import ArrayInput, as_integer, as_shape, as_symbols
from ._locks import OwnedLock
from .codes import IntegerCode, as_unsigned, native_code
from .coding import Shape, _coding_arrays, _decoding_arrays
from .errors import ArgumentError, ShapeError
from .large_tables import LargeTable, native_large_table

__all__ = ["IntervalPulls", "IntervalPushes"]

MOST_PRECISION = 24
_MOST_BITS = 64


class IntervalPushes(abc.ABC):
    """What :class:`fastcoder.Encoder` offers beside tables."""

    _lock: OwnedLock

    @abc.abstractmethod
    def _open(self) -> _core.Encoder | _core.Stack: ...

    def push_intervals(
        self, starts: ArrayInput, frequencies: ArrayInput, precision: SupportsIndex
    ) -> None:
        """Append symbols that are intervals ``start <= x < start + frequency``, x < 2**precision.

        Each costs ``precision - log2(frequency)`` bits. A stream with intervals is a wide one.

        Args:
            starts: Integers, any shape, ``0 <= start < 2**precision``.
            frequencies: Integers, same shape, ``1 <= frequency <= 2**precision - start``.
            precision: 1 to 24, of all these symbols.

        Raises:
            ArgumentError: If an interval does not lie in ``[0, 2**precision)``; the message names
                the first one. Nothing was appended then.
            ArgumentTypeError, ShapeError: If the arrays are not integers of one shape.

        Example:
            >>> from fastcoder import Decoder, Encoder
            >>> encoder = Encoder()
            >>> encoder.push_intervals([0, 5], [5, 3], precision=3)
            >>> decoder = Decoder(encoder.finish())
            >>> decoder.peek(3) < 5
            True
            >>> decoder.advance(0, 5)
            >>> decoder.peek(3) >= 5
            True
            >>> decoder.advance(5, 3)
            >>> decoder.finish()
        """
        first = as_symbols(starts, "starts")
        second = as_symbols(frequencies, "frequencies")
        if first.shape != second.shape:
            raise ShapeError(f"frequencies.shape = {second.shape}, expected {first.shape}")
        bits = as_precision(precision)
        with self._lock:
            self._open().push_intervals(first, second, bits)

    def push_bits(self, values: ArrayInput, width: SupportsIndex) -> None:
        """Append numbers of ``width`` bits each, as they are.

        Args:
            values: Integers, any shape, ``0 <= value < 2**width``.
            width: 1 to 64.

        Raises:
            ArgumentError: If a value needs more bits; the message names the first one. Nothing was
                appended then.
            ArgumentTypeError: If the values are not integers.

        Example:
            >>> from fastcoder import Decoder, Encoder
            >>> encoder = Encoder()
            >>> encoder.push_bits([1, 1000], width=10)
            >>> Decoder(encoder.finish()).pull_bits(2, width=10).tolist()
            [1, 1000]
        """
        array = as_unsigned(values, "values")
        bits = as_width(width)
        with self._lock:
            self._open().push_bits(array, bits)

    def push_integers(self, values: ArrayInput, code: IntegerCode) -> None:
        """Append integers with a code of :mod:`fastcoder.codes`.

        Args:
            values: Integers of any dtype and shape, or Python integers, in ``[code.lowest,
                code.highest]``.
            code: For all of them.

        Raises:
            ArgumentError: If a value is outside; the message names the first one. Nothing was
                appended then.
            ArgumentTypeError: If the values are not integers.

        Example:
            >>> from fastcoder import Decoder, Encoder, codes
            >>> encoder, code = Encoder(), codes.Zipf(1.2)
            >>> encoder.push_integers([1, 3, 2**64 - 1], code)
            >>> Decoder(encoder.finish()).pull_integers(3, code).tolist()
            [1, 3, 18446744073709551615]
        """
        array = as_unsigned(values, "values")
        native = native_code(code)
        with self._lock:
            self._open().push_integers(array, native)

    def push_table(self, table: LargeTable) -> None:
        """Append the rows of a table: precision, offsets and frequencies, compactly.

        For a table that belongs to one message and that the decoder does not have.

        Example:
            >>> from fastcoder import Decoder, Encoder, LargeTable
            >>> table = LargeTable.from_pmf([[5.0, 2.0, 1.0]], [0], precision=20)
            >>> encoder = Encoder()
            >>> encoder.push_table(table)
            >>> encoder.push([2, 0, 0], None, table)
            >>> decoder = Decoder(encoder.finish())
            >>> decoder.pull(None, decoder.pull_table(), shape=3).tolist()
            [2, 0, 0]
        """
        native = native_large_table(table)
        with self._lock:
            self._open().push_table(native)

    def _push_large(
        self, symbols: ArrayInput, indexes: ArrayInput | None, table: LargeTable
    ) -> None:
        values, rows = _coding_arrays(symbols, indexes, table.rows)
        with self._lock:
            self._open().push_large(values, rows, table._native)


class IntervalPulls:
    """What :class:`fastcoder.Decoder` offers beside tables."""

    _native: _core.Decoder

    def peek(self, precision: SupportsIndex) -> int:
        """The number in ``[0, 2**precision)`` that the interval of the next symbol holds.

        Look up which interval that is, and take it with :meth:`advance`. A peek changes nothing.

        Args:
            precision: As it was pushed, 1 to 24.

        Raises:
            StreamError: If the stream has no intervals, or ends with the segment before. Within a
                segment the end shows when :meth:`advance` lacks bytes, or in :meth:`finish`.
            ArgumentError: If the precision is outside its interval.
        """
        bits = as_precision(precision)
        return self._native.peek(bits)

    def advance(self, start: SupportsIndex, frequency: SupportsIndex) -> None:
        """Take the symbol that was peeked at.

        Args:
            start: Of its interval; at most what :meth:`peek` returned.
            frequency: ``start + frequency`` is more than what :meth:`peek` returned.

        Raises:
            ArgumentError: If the interval does not hold the number, or nothing was peeked at.
            StreamError: If the stream ends too early. The decoder then stands where it stood.
        """
        self._native.advance(*as_interval(start, frequency))

    def pull_bits(self, shape: Shape, width: SupportsIndex) -> NDArray[Any]:
        """Decode numbers of ``width`` bits each.

        Args:
            shape: Of the result.
            width: As they were pushed, 1 to 64.

        Returns:
            The numbers, in the narrowest of uint8, uint16, uint32 and uint64 that holds ``width``
            bits.

        Raises:
            StreamError: If the stream ends early. The decoder then stands where it stood.
        """
        bits = as_width(width)
        out = unsigned_array(shape)
        self._native.pull_bits(bits, out)
        return narrowest(out, bits)

    def pull_integers(self, shape: Shape, code: IntegerCode) -> NDArray[np.uint64]:
        """Decode integers.

        Args:
            shape: Of the result.
            code: Equal to the one they were pushed with.

        Raises:
            StreamError: If the stream ends early or holds what the code has not. The decoder then
                stands where it stood.
        """
        native = native_code(code)
        out = unsigned_array(shape)
        self._native.pull_integers(native, out)
        return out

    def pull_table(self) -> LargeTable:
        """Decode a table that was pushed with :meth:`IntervalPushes.push_table`.

        Raises:
            StreamError: If these symbols are no table. The decoder then stands where it stood.
        """
        return LargeTable._wrap(self._native.pull_table())

    def _pull_large(
        self,
        indexes: ArrayInput | None,
        table: LargeTable,
        dtype: DTypeLike,
        out: NDArray[Any] | None,
        shape: Shape | None,
    ) -> NDArray[Any]:
        rows, result = _decoding_arrays(indexes, table.rows, dtype, shape, out)
        self._native.pull_large(rows, table._native, result)
        return result


def as_precision(value: SupportsIndex) -> int:
    """The precision of an interval."""
    precision = as_integer(value, "precision")
    if not 1 <= precision <= MOST_PRECISION:
        raise ArgumentError(f"precision = {precision}, expected 1 <= precision <= {MOST_PRECISION}")
    return precision


def as_interval(start: SupportsIndex, frequency: SupportsIndex) -> tuple[int, int]:
    """Start and frequency as the core takes them: what needs more than 64 bits is refused alike."""
    limit = 2**62
    first, second = as_integer(start, "start"), as_integer(frequency, "frequency")
    return max(-limit, min(first, limit)), max(-limit, min(second, limit))


def as_width(value: SupportsIndex) -> int:
    width = as_integer(value, "width")
    if not 1 <= width <= _MOST_BITS:
        raise ArgumentError(f"width = {width}, expected 1 <= width <= {_MOST_BITS}")
    return width


def unsigned_array(shape: Shape) -> NDArray[np.uint64]:
    """An empty uint64 array of a shape that a caller gave."""
    wanted = as_shape(shape)
    try:
        return np.empty(wanted, np.uint64)
    except (ValueError, MemoryError) as error:
        raise ShapeError(f"shape = {wanted}, expected one that fits memory ({error})") from error


def narrowest(values: NDArray[np.uint64], width: int) -> NDArray[Any]:
    """Numbers of ``width`` bits in the narrowest unsigned dtype."""
    dtype = next(d for d in ("u1", "u2", "u4", "u8") if 8 * np.dtype(d).itemsize >= width)
    return values.astype(dtype, copy=False)
