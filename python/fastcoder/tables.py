# SPDX-License-Identifier: Apache-2.0
"""CdfTable: the distributions that symbols are coded with, as integers.

A table is data. It is built once, on one machine, shipped with its model, and named in every
stream by its fingerprint; the decoding side never builds it again.
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
    as_float,
    as_floats,
    as_integer,
    contiguous,
)
from .errors import ArgumentTypeError, IndexRangeError, ShapeError, TableError

__all__ = ["CdfTable"]

_DEFAULT_PRECISION = 14
_DEFAULT_TAIL_MASS = 2.0**-12


class CdfTable:
    """All rows of a model, immutable; each row is a distribution over consecutive integers.

    Slot ``k`` of row ``r`` stands for symbol ``offsets[r] + k`` and has probability
    ``(cdf[k + 1] - cdf[k]) / 2**precision``. If the table has an escape, the last slot of every row
    stands for "any other int32"; such symbols cost about twice the logarithm of their distance
    to the row, and are never an error.

    Make one with a class method: :meth:`gaussian`, :meth:`laplace`, :meth:`logistic`,
    :meth:`from_pmf`, :meth:`from_cdf` or :meth:`from_bytes`. Precision 14 is the default and the
    fastest; 15 and 16 use wider states. Tables compare equal if their bytes are equal.

    Example:
        >>> table = CdfTable.from_pmf([[0.25, 0.5, 0.25]], offsets=[-1], precision=8, escape=False)
        >>> table.cdf(0).tolist()
        [0, 64, 192, 256]
    """

    __slots__ = ("_native",)

    _native: _core.CdfTable

    def __init__(self, *_arguments: object, **_options: object) -> None:
        """Refuse: a table is made by a class method."""
        raise ArgumentTypeError("CdfTable() = no rows, expected CdfTable.gaussian or .from_pmf")

    @classmethod
    def _wrap(cls, native: _core.CdfTable) -> CdfTable:
        table = object.__new__(cls)
        table._native = native
        return table

    @classmethod
    def gaussian(
        cls,
        scales: ArrayInput,
        precision: SupportsIndex = _DEFAULT_PRECISION,
        tail_mass: float = _DEFAULT_TAIL_MASS,
    ) -> CdfTable:
        """Zero-mean Gaussians integrated over unit bins, one row per scale, with an escape.

        Row ``i`` holds the symbols ``-c..c`` with the smallest c that leaves at most ``tail_mass``
        outside ``+-c``. Source: Balle et al. 2018, equation (11), with a quantized scale.

        Args:
            scales: Standard deviations, shape ``(rows,)``, > 0 and finite.
            precision: Bits of a row's total, 1 to 16.
            tail_mass: Probability left to the escape, between 0 and 1.

        Returns:
            The table; the same integers on every machine.

        Raises:
            TableError: If an argument is outside its interval, or a row needs more than
                ``2**precision`` slots.

        Example:
            >>> CdfTable.gaussian([0.5], precision=8).cdf(0).tolist()
            [0, 1, 41, 214, 254, 255, 256]
        """
        return cls._from_scales("gaussian", scales, precision, tail_mass)

    @classmethod
    def laplace(
        cls,
        scales: ArrayInput,
        precision: SupportsIndex = _DEFAULT_PRECISION,
        tail_mass: float = _DEFAULT_TAIL_MASS,
    ) -> CdfTable:
        """Like :meth:`gaussian`, for the density ``exp(-|x| / s) / (2 s)`` of scale ``s``."""
        return cls._from_scales("laplace", scales, precision, tail_mass)

    @classmethod
    def logistic(
        cls,
        scales: ArrayInput,
        precision: SupportsIndex = _DEFAULT_PRECISION,
        tail_mass: float = _DEFAULT_TAIL_MASS,
    ) -> CdfTable:
        """Like :meth:`gaussian`, for the cdf ``1 / (1 + exp(-x / s))`` of scale ``s``."""
        return cls._from_scales("logistic", scales, precision, tail_mass)

    @classmethod
    def _from_scales(
        cls, distribution: str, scales: ArrayInput, precision: SupportsIndex, tail_mass: float
    ) -> CdfTable:
        values = as_floats(scales, "scales").astype(np.float64)
        if values.ndim != 1:
            raise ShapeError(f"scales.ndim = {values.ndim}, expected 1")
        bits = _as_precision(precision)
        tail = as_float(tail_mass, "tail_mass")
        return cls._wrap(_core.CdfTable.from_scales(distribution, values, bits, tail))

    @classmethod
    def from_pmf(
        cls,
        rows: ArrayInput | Sequence[ArrayInput],
        offsets: ArrayInput,
        *,
        precision: SupportsIndex = _DEFAULT_PRECISION,
        escape: bool = True,
        lengths: ArrayInput | None = None,
    ) -> CdfTable:
        """Quantize float distributions: every symbol keeps at least 1, at the least loss of rate.

        The integers maximize ``sum(pmf * log2(frequency))`` (the greedy optimum; ties go to the
        lower slot) and are the same on every machine.

        Args:
            rows: Probabilities: a ragged list of 1-D rows, or a 2-D array. Non-negative, finite,
                with a sum > 0.
            offsets: The symbol of each row's first value, int32, shape ``(rows,)``.
            precision: Bits of a row's total, 1 to 16.
            escape: Add a slot for every other symbol, of mass ``max(0, 1 - sum)``; a row whose sum
                exceeds 1 is normalized first. Without it rows are normalized.
            lengths: For a 2-D array: how many values of each row count, shape ``(rows,)``.

        Returns:
            The table.

        Raises:
            TableError: If a row is not a distribution or has more than ``2**precision`` slots; the
                message names row, position and value.
            ShapeError: If ``offsets`` or ``lengths`` do not fit the rows.
        """
        ragged = _rows_of(rows, lengths, "pmf")
        values = [as_floats(row, f"pmf[{r}]").astype(np.float64) for r, row in enumerate(ragged)]
        flat, sizes = _flatten(values, "pmf", np.float64)
        return cls._wrap(
            _core.CdfTable.from_pmf(
                flat,
                sizes,
                _as_offsets(offsets, len(values)),
                _as_precision(precision),
                as_flag(escape, "escape"),
            )
        )

    @classmethod
    def from_cdf(
        cls,
        rows: ArrayInput | Sequence[ArrayInput],
        offsets: ArrayInput,
        *,
        precision: SupportsIndex,
        escape: bool = True,
    ) -> CdfTable:
        """Take ready integer rows over, unchanged.

        Args:
            rows: A ragged list of 1-D integer rows, or a 2-D array; each starts with 0, increases
                strictly and ends with ``2**precision``.
            offsets: The symbol of each row's first slot, int32, shape ``(rows,)``.
            precision: Bits of a row's total, 1 to 16.
            escape: The last slot of every row **is** the escape.

        Returns:
            The table.

        Raises:
            TableError: If a row is not a cdf; the message names row, position and value.
            ShapeError: If ``offsets`` does not fit the rows.
        """
        values = [_as_cdf_row(row, r) for r, row in enumerate(_rows_of(rows, None, "cdf"))]
        flat, sizes = _flatten(values, "cdf", np.uint32)
        return cls._wrap(
            _core.CdfTable.from_cdf(
                flat,
                sizes - np.uint32(1),
                _as_offsets(offsets, len(values)),
                _as_precision(precision),
                as_flag(escape, "escape"),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> CdfTable:
        """Read what :meth:`to_bytes` wrote; the bytes may come from anywhere.

        Raises:
            TableError: If they are anything else; the message names the byte.
        """
        return cls._wrap(_core.CdfTable.from_bytes(as_bytes(data, "data")))

    def to_bytes(self) -> bytes:
        """The canonical bytes (docs/format.md 7): equal tables give equal bytes."""
        return self._native.to_bytes()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self._native.rows

    @property
    def precision(self) -> int:
        """Bits of a row's total."""
        return self._native.precision

    @property
    def escape(self) -> bool:
        """Whether the last slot of every row is the escape."""
        return self._native.escape

    @property
    def offsets(self) -> NDArray[np.int32]:
        """The symbol of each row's first slot, shape ``(rows,)``; read-only."""
        offsets = self._native.offsets()
        offsets.flags.writeable = False
        return offsets

    def cdf(self, row: SupportsIndex) -> NDArray[np.uint32]:
        """The integer cdf of a row, shape ``(slots + 1,)``; read-only.

        Raises:
            IndexRangeError: If there is no such row.
        """
        index = as_integer(row, "row")
        if not 0 <= index < self.rows:
            raise IndexRangeError(f"row = {index}, expected 0 <= row < {self.rows}")
        cdf = self._native.cdf(index)
        cdf.flags.writeable = False
        return cdf

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name the table: SipHash-2-4 of its canonical bytes."""
        return f"{self._native.fingerprint:016x}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CdfTable):
            return NotImplemented
        return self.fingerprint == other.fingerprint and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self._native.fingerprint)

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return CdfTable.from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        return (
            f"CdfTable(rows={self.rows}, precision={self.precision}, escape={self.escape}, "
            f"fingerprint='{self.fingerprint}')"
        )


def _as_precision(value: SupportsIndex) -> int:
    precision = as_integer(value, "precision")
    if not 1 <= precision <= 16:
        raise TableError(f"precision = {precision}, expected 1 <= precision <= 16")
    return precision


def _rows_of(rows: ArrayInput, lengths: ArrayInput | None, name: str) -> Sequence[ArrayInput]:
    """Rows as a sequence of 1-D array-likes, padding removed."""
    if isinstance(rows, Sequence) and not isinstance(rows, (bytes, str)) and lengths is None:
        return rows
    array = as_array(rows, name)
    if array.ndim != 2:
        raise ShapeError(f"{name}.ndim = {array.ndim}, expected 2, or a list of rows")
    if lengths is None:
        return list(array)
    sizes = as_array(lengths, "lengths")
    if sizes.dtype.kind not in "iu":
        raise ArgumentTypeError(f"lengths.dtype = {sizes.dtype}, expected integers")
    if sizes.shape != array.shape[:1]:
        raise ShapeError(f"lengths.shape = {sizes.shape}, expected {array.shape[:1]}")
    for r, size in enumerate(sizes.tolist()):
        if not 0 <= size <= array.shape[1]:
            raise ShapeError(f"lengths[{r}] = {size}, expected 0 <= length <= {array.shape[1]}")
    return [row[:size] for row, size in zip(array, sizes.tolist(), strict=True)]


def _flatten(
    rows: list[NDArray[Any]], name: str, dtype: DTypeLike
) -> tuple[NDArray[Any], NDArray[Any]]:
    for r, row in enumerate(rows):
        if row.ndim != 1:
            raise ShapeError(f"{name}[{r}].ndim = {row.ndim}, expected 1")
    sizes = np.array([row.size for row in rows], np.uint32)
    return (np.concatenate(rows) if rows else np.empty(0)).astype(dtype), sizes


def _as_cdf_row(value: ArrayInput, row: int) -> NDArray[Any]:
    array = as_array(value, f"cdf[{row}]")
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(f"cdf[{row}].dtype = {array.dtype}, expected integers")
    if array.size == 0:
        raise TableError(f"len(cdf[{row}]) = 0, expected at least 2")
    outside = (array < 0) | (array > 65536)
    if outside.any():
        position = int(np.argmax(outside))
        raise TableError(
            f"cdf[{row}][{position}] = {array.ravel()[position]}, expected 0 <= value <= 65536"
        )
    return array


def _as_offsets(value: ArrayInput, rows: int) -> NDArray[np.int32]:
    array = as_array(value, "offsets")
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(f"offsets.dtype = {array.dtype}, expected integers")
    if array.shape != (rows,):
        raise ShapeError(f"offsets.shape = {array.shape}, expected ({rows},)")
    for r, offset in enumerate(array.tolist()):
        if not -(2**31) <= offset < 2**31:
            raise TableError(f"offsets[{r}] = {offset}, expected -2**31 <= offset < 2**31")
    return contiguous(array.astype(np.int32))
