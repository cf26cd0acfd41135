# SPDX-License-Identifier: Apache-2.0
"""Codes for integers that no table holds: up to 64 bits, and nothing has to be known of their size.

Give one to :meth:`fastcoder.Encoder.push_integers`, :meth:`fastcoder.Decoder.pull_integers` or the
methods of :class:`fastcoder.Stack`. The bytes are in docs/codes.md 1 and 2.

==================  =====================================  ====================================
code                legal integers                         bits of ``v``
==================  =====================================  ====================================
``Bits(w)``         ``0 <= v < 2**w``                      ``w``
``EliasGamma()``    ``1 <= v < 2**64``                     ``2 floor(log2 v) + 1``
``ExpGolomb(k)``    ``0 <= v < 2**64``                     ``2 floor(log2(v + 2**k)) + 1 - k``
``Zipf(s, most)``   ``1 <= v <= most``, at most 2**64 - 1  ``-log2 P(v)`` of the law, nearly
==================  =====================================  ====================================
"""

from __future__ import annotations

from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import ArrayInput, as_array, as_float, as_integer, contiguous
from .errors import ArgumentError, ArgumentTypeError

__all__ = ["Bits", "EliasGamma", "ExpGolomb", "IntegerCode", "Zipf"]

_MOST_VALUE = 2**64 - 1


class IntegerCode:
    """What the codes of this module share; make one of those."""

    __slots__ = ("_description", "_native")

    def __init__(self, native: _core.IntegerCode, description: str) -> None:
        self._native = native
        self._description = description

    @property
    def lowest(self) -> int:
        """The smallest integer that the code has."""
        return self._native.lowest

    @property
    def highest(self) -> int:
        """The largest integer that the code has."""
        return self._native.highest

    def cost(self, values: ArrayInput) -> float:
        """Bits that integers take, without coding them.

        Args:
            values: Integers in ``[lowest, highest]``, any shape.

        Raises:
            ArgumentError: If a value is outside; the message names the first one.

        Example:
            >>> EliasGamma().cost([1, 2, 3, 4])
            12.0
        """
        return self._native.cost(as_unsigned(values, "values"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntegerCode) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(self._description)

    def __repr__(self) -> str:
        return self._description


class Bits(IntegerCode):
    """Numbers of ``width`` bits, 1 to 64, as they are."""

    __slots__ = ()

    def __init__(self, width: SupportsIndex) -> None:
        bits = as_integer(width, "width")
        if not 1 <= bits <= 64:
            raise ArgumentError(f"width = {bits}, expected 1 <= width <= 64")
        super().__init__(_core.IntegerCode.bits(bits), f"Bits({bits})")


class EliasGamma(IntegerCode):
    """Elias 1975: the length in unary, then the number; right where ``P(v)`` is about ``1 / v**2``.

    Example:
        >>> from fastcoder import Decoder, Encoder
        >>> encoder = Encoder()
        >>> encoder.push_integers([1, 10**18], EliasGamma())
        >>> Decoder(encoder.finish()).pull_integers(2, EliasGamma()).tolist()
        [1, 1000000000000000000]
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_core.IntegerCode.elias_gamma(), "EliasGamma()")


class ExpGolomb(IntegerCode):
    """Exponential Golomb code of order ``k``, 0 to 63: like Elias-gamma from ``2**k`` on.

    Numbers below ``2**k`` cost ``k + 1`` bits.
    """

    __slots__ = ()

    def __init__(self, k: SupportsIndex) -> None:
        order = as_integer(k, "k")
        if not 0 <= order <= 63:
            raise ArgumentError(f"k = {order}, expected 0 <= k <= 63")
        super().__init__(_core.IntegerCode.exp_golomb(order), f"ExpGolomb({order})")


class Zipf(IntegerCode):
    """The law ``P(v)`` in proportion to ``v**-exponent`` on ``1 <= v <= most``.

    Buckets that grow with the integer, 32 to an octave, are coded by a table at precision 24, and
    the position in a bucket by raw bits. Integers that follow the law cost less than 0.002 bits
    more than its entropy each, if the exponent is at most 4.

    Args:
        exponent: 0 to 16.
        most: The largest integer, at most 2**64 - 1.

    Raises:
        ArgumentError: If an argument is outside its interval.

    Example:
        >>> code = Zipf(1.0, most=1000)
        >>> round(code.cost([1]), 2), round(code.cost([1000]), 2)
        (2.9, 12.87)
    """

    __slots__ = ()

    def __init__(self, exponent: SupportsFloat, most: SupportsIndex = _MOST_VALUE) -> None:
        power, highest = as_float(exponent, "exponent"), as_integer(most, "most")
        if not 1 <= highest <= _MOST_VALUE:
            raise ArgumentError(f"most = {highest}, expected 1 <= most < 2**64")
        super().__init__(_core.IntegerCode.zipf(power, highest), f"Zipf({power!r}, {highest})")


def native_code(code: IntegerCode) -> _core.IntegerCode:
    """What the core takes of a code."""
    if not isinstance(code, IntegerCode):
        raise ArgumentTypeError(f"type(code) = {type(code).__name__}, expected one of codes")
    return code._native


def as_unsigned(value: ArrayInput, name: str) -> NDArray[np.uint64]:
    """Contiguous uint64 of any integers; one outside uint64 is an error with its position."""
    array = as_array(value, name)
    if isinstance(value, (list, tuple)) and array.dtype.kind in ("f", "O"):
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
