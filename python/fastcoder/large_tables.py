# SPDX-License-Identifier: Apache-2.0
"""LargeTable: rows of up to 65,536 symbols at a precision that leaves each its share.

The codes of vector quantizers and tokens have thousands of symbols. At precision 16 every one of
8,192 symbols takes at least an eighth of a thousandth of the mass whether it occurs or not; at 20
to 24 that costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import ArrayInput, as_array, as_bytes, as_floats, as_integer
from .errors import ArgumentTypeError, IndexRangeError, ShapeError, TableError
from .tables import _as_offsets, _flatten, _rows_of

__all__ = ["LargeTable"]

_DEFAULT_PRECISION = 20
_MOST_PRECISION = 24


class LargeTable:
    """Rows of up to 65,536 symbols at precision 1 to 24, immutable, without escapes.

    It goes where a :class:`fastcoder.CdfTable` goes in ``push`` and ``pull`` of Encoder and Decoder
    and ``push`` and ``pop`` of Stack; streams with it are wide ones. Slot ``k`` of row ``r`` stands
    for symbol ``offsets[r] + k``.

    Example:
        >>> from fastcoder import Decoder, Encoder
        >>> table = LargeTable.from_pmf([1.0 / np.arange(1, 8193)], [0], precision=20)
        >>> encoder = Encoder()
        >>> encoder.push([0, 17, 8191], None, table)
        >>> Decoder(encoder.finish()).pull(None, table, shape=3).tolist()
        [0, 17, 8191]
    """

    __slots__ = ("_native",)

    _native: _core.LargeTable

    def __init__(self, *_arguments: object, **_options: object) -> None:
        """Refuse: a table is made by a class method."""
        raise ArgumentTypeError("LargeTable() = no rows, expected LargeTable.from_pmf or .from_cdf")

    @classmethod
    def _wrap(cls, native: _core.LargeTable) -> LargeTable:
        table = object.__new__(cls)
        table._native = native
        return table

    @classmethod
    def from_pmf(
        cls,
        rows: ArrayInput | Sequence[ArrayInput],
        offsets: ArrayInput,
        *,
        precision: SupportsIndex = _DEFAULT_PRECISION,
        lengths: ArrayInput | None = None,
    ) -> LargeTable:
        """Quantize distributions, or counts: rows are normalized and every symbol keeps at least 1.

        Args:
            rows: A ragged list of 1-D rows, or a 2-D array. Non-negative, finite, with a sum > 0.
            offsets: The symbol of each row's first value, int32, shape ``(rows,)``.
            precision: Bits of a row's total, 1 to 24.
            lengths: For a 2-D array: how many values of each row count, shape ``(rows,)``.

        Returns:
            The table; the same integers on every machine.

        Raises:
            TableError: If a row is not a distribution, or has more than 65,536 values or more than
                ``2**precision``; the message names row, position and value.
            ShapeError: If ``offsets`` or ``lengths`` do not fit the rows.
        """
        ragged = _rows_of(rows, lengths, "pmf")
        values = [as_floats(row, f"pmf[{r}]").astype(np.float64) for r, row in enumerate(ragged)]
        flat, sizes = _flatten(values, "pmf", np.float64)
        bits = _as_large_precision(precision)
        firsts = _as_offsets(offsets, len(values))
        return cls._wrap(_core.LargeTable.from_pmf(flat, sizes, firsts, bits))

    @classmethod
    def from_cdf(
        cls,
        rows: ArrayInput | Sequence[ArrayInput],
        offsets: ArrayInput,
        *,
        precision: SupportsIndex,
    ) -> LargeTable:
        """Take ready integer rows over, unchanged.

        Args:
            rows: A ragged list of 1-D integer rows, or a 2-D array; each starts with 0, increases
                strictly and ends with ``2**precision``.
            offsets: The symbol of each row's first slot, int32, shape ``(rows,)``.
            precision: Bits of a row's total, 1 to 24.

        Raises:
            TableError: If a row is not a cdf; the message names row, position and value.
            ShapeError: If ``offsets`` does not fit the rows.
        """
        bits = _as_large_precision(precision)
        cdfs = [_as_large_cdf(row, r, bits) for r, row in enumerate(_rows_of(rows, None, "cdf"))]
        flat, sizes = _flatten([np.diff(cdf) for cdf in cdfs], "cdf", np.uint32)
        firsts = _as_offsets(offsets, len(cdfs))
        return cls._wrap(_core.LargeTable.from_frequencies(flat, sizes, firsts, bits))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self._native.rows

    @property
    def precision(self) -> int:
        """Bits of a row's total."""
        return self._native.precision

    @property
    def offsets(self) -> NDArray[np.int32]:
        """The symbol of each row's first slot, shape ``(rows,)``."""
        return self._native.offsets()

    def cdf(self, row: SupportsIndex) -> NDArray[np.uint32]:
        """The integer cdf of a row, shape ``(slots + 1,)``.

        Raises:
            IndexRangeError: If there is no such row.
        """
        index = as_integer(row, "row")
        if not 0 <= index < self.rows:
            raise IndexRangeError(f"row = {index}, expected 0 <= row < {self.rows}")
        return self._native.cdf(index)

    def to_bytes(self) -> bytes:
        """Canonical, compact bytes (docs/codes.md 4) that carry a hash of their content."""
        return self._native.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> LargeTable:
        """Read what :meth:`to_bytes` wrote; the bytes may come from anywhere.

        Raises:
            TableError: If they are anything else.

        Example:
            >>> table = LargeTable.from_pmf([[1, 2, 3, 4]], [0], precision=8)
            >>> len(table.to_bytes()), LargeTable.from_bytes(table.to_bytes()) == table
            (19, True)
        """
        return cls._wrap(_core.LargeTable.from_bytes(as_bytes(data, "data")))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LargeTable):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return LargeTable.from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        return f"LargeTable(rows={self.rows}, precision={self.precision})"


def native_large_table(table: LargeTable) -> _core.LargeTable:
    """What the core takes of a table."""
    if not isinstance(table, LargeTable):
        raise ArgumentTypeError(f"type(table) = {type(table).__name__}, expected LargeTable")
    return table._native


def _as_large_precision(value: SupportsIndex) -> int:
    precision = as_integer(value, "precision")
    if not 1 <= precision <= _MOST_PRECISION:
        raise TableError(f"precision = {precision}, expected 1 <= precision <= {_MOST_PRECISION}")
    return precision


def _as_large_cdf(value: ArrayInput, row: int, precision: int) -> NDArray[np.int64]:
    array = as_array(value, f"cdf[{row}]")
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(f"cdf[{row}].dtype = {array.dtype}, expected integers")
    if array.ndim != 1:
        raise ShapeError(f"cdf[{row}].ndim = {array.ndim}, expected 1")
    if array.size < 2:
        raise TableError(f"len(cdf[{row}]) = {array.size}, expected at least 2")
    outside = (array < 0) | (array > 2**precision)
    if outside.any():
        at = int(np.argmax(outside))
        raise TableError(f"cdf[{row}][{at}] = {array[at]}, expected 0 <= value <= 2**{precision}")
    cdf = array.astype(np.int64)
    for at, expected in ((0, 0), (cdf.size - 1, 2**precision)):
        if cdf[at] != expected:
            raise TableError(f"cdf[{row}][{at}] = {cdf[at]}, expected {expected}")
    steps = np.diff(cdf)
    if steps.min() < 1:
        at = int(np.argmax(steps < 1)) + 1
        raise TableError(f"cdf[{row}][{at}] = {cdf[at]}, expected more than {cdf[at - 1]}")
    return cdf
