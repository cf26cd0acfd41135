# SPDX-License-Identifier: Apache-2.0
"""The interval layer: symbols whose interval of ``[0, 2**precision)`` the caller knows.

What no table holds can be coded this way: raw bits, integers without a limit, distributions that
exist for one symbol only. :class:`fastcoder.Encoder` and :class:`fastcoder.Decoder` have these
methods beside ``push`` and ``pull``; the bytes are in docs/format.md 2.
"""

from __future__ import annotations

import abc
import threading
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import ArrayInput, as_array, as_integer, as_shape, as_symbols, contiguous
from .coding import Shape
from .errors import ArgumentError, ArgumentTypeError, ShapeError

__all__ = ["IntervalPulls", "IntervalPushes"]

MOST_PRECISION = 24
_MOST_BITS = 64
_MOST_VALUE = 2**64 - 1


class IntervalPushes(abc.ABC):
    """What :class:`fastcoder.Encoder` offers beside tables."""

    _lock: threading.Lock

    @abc.abstractmethod
    def _open(self) -> _core.Encoder: ...

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
        bits = _as_width(width)
        with self._lock:
            self._open().push_bits(array, bits)


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
        first, second = as_integer(start, "start"), as_integer(frequency, "frequency")
        # The core takes 64 bits, and anything beyond 24 is refused alike.
        limit = 2**62
        first, second = max(-limit, min(first, limit)), max(-limit, min(second, limit))
        self._native.advance(first, second)

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
        bits = _as_width(width)
        out = unsigned_array(shape)
        self._native.pull_bits(bits, out)
        dtype = next(d for d in ("u1", "u2", "u4", "u8") if 8 * np.dtype(d).itemsize >= bits)
        return out.astype(dtype, copy=False)


def as_precision(value: SupportsIndex) -> int:
    """The precision of an interval."""
    precision = as_integer(value, "precision")
    if not 1 <= precision <= MOST_PRECISION:
        raise ArgumentError(f"precision = {precision}, expected 1 <= precision <= {MOST_PRECISION}")
    return precision


def _as_width(value: SupportsIndex) -> int:
    width = as_integer(value, "width")
    if not 1 <= width <= _MOST_BITS:
        raise ArgumentError(f"width = {width}, expected 1 <= width <= {_MOST_BITS}")
    return width


def as_unsigned(value: ArrayInput, name: str) -> NDArray[np.uint64]:
    """Contiguous uint64 of any integers; one outside uint64 is an error with its position."""
    array = as_array(value, name)
    if isinstance(value, (list, tuple)) and array.dtype.kind in "fO":
        # NumPy has no dtype for Python integers on both sides of 2**63: it says float64 or object.
        array = np.asarray(value, dtype=object)
        if all(type(element) is int for element in array.ravel()):
            _check_outside((array < 0) | (array > _MOST_VALUE), array, name)
            return array.astype(np.uint64)
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(f"{name}.dtype = {array.dtype}, expected integers")
    if array.dtype.kind == "i":
        _check_outside(array < 0, array, name)
    return contiguous(array.astype(np.uint64, copy=False))


def _check_outside(outside: NDArray[Any], array: NDArray[Any], name: str) -> None:
    if outside.any():
        position = int(np.argmax(outside))
        value = array.ravel()[position]
        raise ArgumentError(f"{name}[{position}] = {value}, expected 0 <= value < 2**64")


def unsigned_array(shape: Shape) -> NDArray[np.uint64]:
    """An empty uint64 array of a shape that a caller gave."""
    wanted = as_shape(shape)
    try:
        return np.empty(wanted, np.uint64)
    except (ValueError, MemoryError) as error:
        raise ShapeError(f"shape = {wanted}, expected one that fits memory ({error})") from error
