# SPDX-License-Identifier: Apache-2.0
"""Strings of CompressAI to streams of this library and back, without loss.

CompressAI's string of a tensor is decoded, checked and coded again as a one-shot stream, which
:func:`fastcoder.decode` reads. On the way back every string is the one that CompressAI wrote, byte
for byte. Files around the strings are the business of whoever wrote them.

Example:
    >>> import fastcoder as fc
    >>> from fastcoder import convert
    >>> cdfs = [[0, 16383, 32767, 49151, 65535, 65536], [0, 65535, 65536]]
    >>> table = convert.table_from_compressai(cdfs, [6, 3], [-1, 0])
    >>> string = bytes.fromhex("00800b0008000000")  # by CompressAI: 1, 0, 2 with rows 0, 1, 0
    >>> stream = convert.from_compressai(string, [0, 1, 0], table)
    >>> fc.decode(stream, [0, 1, 0], table).tolist()
    [1, 0, 2]
    >>> convert.to_compressai(stream, [0, 1, 0], table) == string
    True
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from . import coding
from ._arrays import ArrayInput, as_array, as_bytes, as_indexes
from .compat import compressai
from .errors import (
    ArgumentError,
    ArgumentTypeError,
    ShapeError,
    TableError,
)
from .tables import CdfTable

__all__ = ["from_compressai", "table_from_compressai", "to_compressai"]

_PRECISION = 16  # of every CompressAI stream

Bytes: TypeAlias = bytes | bytearray | memoryview
# Rows as CompressAI has them, or all three of its arguments in one.
Rows: TypeAlias = ArrayInput | CdfTable


def table_from_compressai(
    cdfs: ArrayInput, cdfs_sizes: ArrayInput, offsets: ArrayInput
) -> CdfTable:
    """Take the rows of a CompressAI entropy model over, unchanged.

    Args:
        cdfs: ``_quantized_cdf`` as a tensor, an array or lists: integer rows of precision 16, the
            last slot of each being the escape; what follows ``cdfs_sizes[k]`` values is padding.
        cdfs_sizes: ``_cdf_length``, integers, shape ``(rows,)``.
        offsets: ``_offset``, int32, shape ``(rows,)``.

    Returns:
        A table of precision 16 whose rows have the same integers.

    Raises:
        TableError: If a row is not strictly increasing from 0 to 65536, or its size is not in
            ``[2, len(row)]``; the message names the row. CompressAI itself codes with such rows as
            long as no symbol falls on an empty slot; see ``table`` of :func:`from_compressai`.
        ShapeError: If there are not as many sizes or offsets as rows, or a row is none.
        ArgumentTypeError: If a value is no integer.

    Example:
        >>> table_from_compressai([[0, 3, 65535, 65536, 0], [0, 65536, 0, 0, 0]], [4, 2], [0, 0])
        CdfTable(rows=2, precision=16, escape=True, fingerprint='73f8316d163f1ba6')
    """
    sizes = as_array(cdfs_sizes, "cdfs_sizes")
    if sizes.dtype.kind not in "iu" and sizes.size > 0:
        raise ArgumentTypeError(f"cdfs_sizes.dtype = {sizes.dtype}, expected integers")
    rows = cdfs if isinstance(cdfs, (list, tuple)) else as_array(cdfs, "cdfs")
    if isinstance(rows, np.ndarray) and rows.ndim != 2:
        raise ShapeError(f"cdfs.ndim = {rows.ndim}, expected 2")
    if sizes.shape != (len(rows),):
        raise ShapeError(f"cdfs_sizes.shape = {sizes.shape}, expected ({len(rows)},)")
    kept = []
    for r, (row, size) in enumerate(zip(rows, sizes.tolist(), strict=True)):
        if not isinstance(row, (list, tuple)):
            row = as_array(row, f"cdfs[{r}]")
            if row.ndim != 1:
                raise ShapeError(f"cdfs[{r}].ndim = {row.ndim}, expected 1")
        if not 2 <= size <= len(row):
            raise TableError(f"cdfs_sizes[{r}] = {size}, expected 2 <= size <= {len(row)}")
        kept.append(row[:size])
    return CdfTable.from_cdf(kept, offsets, precision=_PRECISION, escape=True)


@overload
def from_compressai(
    string: Bytes,
    indexes: ArrayInput,
    cdfs: Rows,
    cdfs_sizes: ArrayInput | None = ...,
    offsets: ArrayInput | None = ...,
    *,
    table: CdfTable | None = ...,
) -> bytes: ...
@overload
def from_compressai(
    string: Sequence[Bytes],
    indexes: Sequence[ArrayInput] | ArrayInput,
    cdfs: Rows,
    cdfs_sizes: ArrayInput | None = ...,
    offsets: ArrayInput | None = ...,
    *,
    table: CdfTable | None = ...,
) -> list[bytes]: ...
def from_compressai(
    string: Bytes | Sequence[Bytes],
    indexes: Sequence[ArrayInput] | ArrayInput,
    cdfs: Rows,
    cdfs_sizes: ArrayInput | None = None,
    offsets: ArrayInput | None = None,
    *,
    table: CdfTable | None = None,
) -> bytes | list[bytes]:
    """Code a CompressAI string again as a stream of :func:`fastcoder.encode`.

    Args:
        string: What ``RansEncoder`` returned; or a list of such, as ``EntropyModel.compress``
            returns for a batch.
        indexes: The row of each symbol, of any shape; for a list of strings a list of them, or an
            array whose first axis is the batch.
        cdfs: CompressAI's rows, as for :func:`table_from_compressai`; or its result, which is
            faster and needs no ``cdfs_sizes`` and ``offsets``.
        cdfs_sizes: How many values of each row count.
        offsets: The symbol of each row's first slot.
        table: Code with these rows instead, symbol ``i`` with row ``indexes[i]``; any table. By
            default the rows are the same.

    Returns:
        One stream per string, which ``fastcoder.decode(stream, indexes, table)`` reads; without
        ``table`` the table is that of :func:`table_from_compressai`.

    Raises:
        StreamError: If the string is damaged, or was written with other indexes or rows. CompressAI
            has no checksum: what is noticed is a final state or a length that does not come out.
        TableError: If our format cannot hold a row, as :func:`table_from_compressai`.
        FastcoderError: As :func:`fastcoder.encode`.
    """
    source, target = _tables(cdfs, cdfs_sizes, offsets, table)
    strings, rows, one = _messages(string, indexes, "string", target.rows)
    symbols = compressai.decode_many(strings, rows, *source)
    streams = coding.encode_many(symbols, rows, target)
    return streams[0] if one else streams


@overload
def to_compressai(
    stream: Bytes,
    indexes: ArrayInput,
    cdfs: Rows,
    cdfs_sizes: ArrayInput | None = ...,
    offsets: ArrayInput | None = ...,
    *,
    table: CdfTable | None = ...,
) -> bytes: ...
@overload
def to_compressai(
    stream: Sequence[Bytes],
    indexes: Sequence[ArrayInput] | ArrayInput,
    cdfs: Rows,
    cdfs_sizes: ArrayInput | None = ...,
    offsets: ArrayInput | None = ...,
    *,
    table: CdfTable | None = ...,
) -> list[bytes]: ...
def to_compressai(
    stream: Bytes | Sequence[Bytes],
    indexes: Sequence[ArrayInput] | ArrayInput,
    cdfs: Rows,
    cdfs_sizes: ArrayInput | None = None,
    offsets: ArrayInput | None = None,
    *,
    table: CdfTable | None = None,
) -> bytes | list[bytes]:
    """Code a stream of :func:`fastcoder.encode` again as a string that CompressAI reads.

    Args:
        stream: What :func:`fastcoder.encode` or :func:`from_compressai` returned; or a list.
        indexes: As for :func:`from_compressai`.
        cdfs: CompressAI's rows, or a table of precision 16 with an escape.
        cdfs_sizes: How many values of each row count.
        offsets: The symbol of each row's first slot.
        table: The table of the stream, if it is another.

    Returns:
        One string per stream.

    Raises:
        StreamError: If the bytes are not a stream for these indexes and this table.
        SymbolRangeError: If CompressAI's format cannot hold a symbol: it is further than 2**31 from
            its row, or on an empty slot.
        FastcoderError: As :func:`from_compressai`.
    """
    source, target = _tables(cdfs, cdfs_sizes, offsets, table)
    streams, rows, one = _messages(stream, indexes, "stream", target.rows)
    symbols = coding.decode_many(streams, rows, target)
    strings = compressai.encode_many(symbols, rows, *source)
    return strings[0] if one else strings


def _tables(
    cdfs: Rows,
    cdfs_sizes: ArrayInput | None,
    offsets: ArrayInput | None,
    table: CdfTable | None,
) -> tuple[tuple[Any, ...], CdfTable]:
    """Arguments of the foreign coder, and the table of our stream."""
    if table is not None and not isinstance(table, CdfTable):
        raise ArgumentTypeError(f"type(table) = {type(table).__name__}, expected CdfTable")
    if isinstance(cdfs, CdfTable):
        for name, value in (("cdfs_sizes", cdfs_sizes), ("offsets", offsets)):
            if value is not None:
                raise ArgumentError(f"{name} = {type(value).__name__}, expected None with a table")
        if cdfs.precision != _PRECISION or not cdfs.escape:
            raise TableError(f"cdfs = {cdfs!r}, expected precision=16, escape=True")
        return (cdfs,), cdfs if table is None else table
    for name, value in (("cdfs_sizes", cdfs_sizes), ("offsets", offsets)):
        if value is None:
            raise ArgumentTypeError(f"{name} = None, expected integers")
    if table is not None:
        return (cdfs, cdfs_sizes, offsets), table
    same = table_from_compressai(cdfs, cdfs_sizes, offsets)
    return (same,), same


def _messages(
    data: Bytes | Sequence[Bytes], indexes: Sequence[ArrayInput] | ArrayInput, name: str, count: int
) -> tuple[list[bytes], list[NDArray[Any]], bool]:
    """Messages and their indexes as lists, and whether it was one message without a list."""
    if not isinstance(data, (list, tuple)):
        return [as_bytes(data, name)], [_as_rows(indexes, count)], True
    messages = [as_bytes(one, f"{name}[{i}]") for i, one in enumerate(data)]
    each = indexes if isinstance(indexes, (list, tuple)) else as_array(indexes, "indexes")
    if len(each) != len(messages):
        raise ShapeError(f"len(indexes) = {len(each)}, expected {len(messages)}, as many as {name}")
    return messages, [_as_rows(one, count) for one in each], False


def _as_rows(indexes: ArrayInput, count: int) -> NDArray[Any]:
    rows = as_indexes(indexes, count)
    if rows is None:  # a string does not say how many symbols it has
        raise ArgumentError("indexes = None, expected an array")
    return rows
