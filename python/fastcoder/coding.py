# SPDX-License-Identifier: Apache-2.0
"""Whole arrays to self-checking streams and back.

Over 400 lines, more than half of them docstrings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _core
from ._arrays import (
    ArrayInput,
    as_bytes,
    as_count,
    as_indexes,
    as_integer,
    as_sequence,
    as_shape,
    as_symbols,
    symbol_dtype,
)
from .errors import ArgumentError, ArgumentTypeError, ShapeError
from .tables import CdfTable
from .threads import as_threads

__all__ = ["cost", "decode", "decode_many", "decode_range", "encode", "encode_many"]

Shape = SupportsIndex | Sequence[SupportsIndex]


def encode(
    symbols: ArrayInput,
    indexes: ArrayInput | None,
    table: CdfTable,
    threads: SupportsIndex | None = None,
    *,
    lanes: SupportsIndex | None = None,
    segment: SupportsIndex | None = None,
) -> bytes:
    """Encode integer symbols into one self-contained, self-checking stream.

    Symbol ``i`` is coded with row ``indexes[i]`` of ``table``. The ideal cost of a symbol is
    ``-log2(p)`` bits with ``p`` its quantized probability in that row; the stream adds at most
    0.2 % and 8 bytes to their sum, and a header of at most 16 bytes that names the table and
    holds a hash of the symbols. Symbols outside a row are legal if the table has an escape.

    Args:
        symbols: int8, int16, int32, int64, uint8, uint16 or uint32, any shape and layout, with
            values in int32.
        indexes: uint8, uint16, int32 or int64, in ``[0, table.rows)``, same shape as ``symbols``;
            or None for a table of one row.
        table: Quantized rows. The decoder needs an equal table.
        threads: Segments of a large message are spread over so many threads, 1 to 1024; 0 means
            one per processor, None what :func:`fastcoder.get_threads` says (1 unless changed).
        lanes: 1, 2, 4, 8, 16 or 32 states that take turns; chosen by the size of the result.
        segment: Symbols per independently decodable segment, a power of two >= 16; chosen likewise.

    Returns:
        The stream. Its bytes depend on the symbols, indexes, table, lanes and segment alone.

    Raises:
        ArgumentTypeError: If an argument has the wrong type or dtype.
        ShapeError: If the shapes of ``symbols`` and ``indexes`` differ.
        IndexRangeError: If an index names no row; the message names the first one.
        SymbolRangeError: If a symbol is outside int32, or outside its row without an escape.
        ArgumentError: If another argument is outside its interval.

    Example:
        >>> table = CdfTable.from_pmf([[0.25, 0.5, 0.25]], offsets=[-1], precision=8)
        >>> stream = encode([-1, 0, 0, 1000], None, table)
        >>> decode(stream, None, table, shape=4).tolist()
        [-1, 0, 0, 1000]
    """
    options = (*_options(lanes, segment), as_threads(threads))
    if type(table) is CdfTable:
        # What needs no conversion: the helpers below take as long as a thousand symbols.
        stream = _core.encode_direct(symbols, indexes, table._native, *options)
        if stream is not None:
            return stream
    values, rows, native = _coding_arguments(symbols, indexes, table)
    return _core.encode(values, rows, native, *options)


def decode(
    stream: bytes | bytearray | memoryview,
    indexes: ArrayInput | None,
    table: CdfTable,
    dtype: DTypeLike = np.int32,
    threads: SupportsIndex | None = None,
    *,
    shape: Shape | None = None,
) -> NDArray[Any]:
    """Decode what :func:`encode` returned, or raise.

    Args:
        stream: Any bytes; nothing in them is believed.
        indexes: As given to :func:`encode`; or None for a table of one row.
        table: Equal to the encoder's.
        dtype: Of the result: int8, int16, int32, int64, uint8, uint16 or uint32.
        threads: Segments of a large stream are spread over so many threads; as for
            :func:`encode`.
        shape: Of the result if ``indexes`` is None.

    Returns:
        The symbols, in the shape of ``indexes``.

    Raises:
        StreamError: If the bytes are not a stream of this many symbols for these indexes and this
            table. A damage goes unnoticed with a probability of 2**-32.
        SymbolRangeError: If a symbol does not fit ``dtype``; the message names the first one.
        ArgumentTypeError, ArgumentError, IndexRangeError: As for :func:`encode`.
    """
    data = as_bytes(stream, "stream")
    if (
        type(indexes) is np.ndarray
        and type(table) is CdfTable
        and (shape is None or (type(shape) is tuple and shape == indexes.shape))
    ):
        # What needs no conversion: the helpers below take as long as a thousand symbols.
        out = np.empty(indexes.shape, np.int32 if dtype is np.int32 else symbol_dtype(dtype))
        if _core.decode_direct(data, indexes, table._native, out, as_threads(threads)):
            return out
    _check_claim(data, indexes, table, shape)
    rows, out = _decoding_arguments(indexes, table, dtype, shape, None)
    _core.decode(data, rows, table._native, out, as_threads(threads))
    return out


def decode_range(
    stream: bytes | bytearray | memoryview,
    first: SupportsIndex,
    indexes: ArrayInput | None,
    table: CdfTable,
    dtype: DTypeLike = np.int32,
    *,
    count: SupportsIndex | None = None,
    shape: Shape | None = None,
) -> NDArray[Any]:
    """Decode symbols ``first``, ``first + 1``, ... of what :func:`encode` returned.

    Of the segments outside the range nothing is read but their flags and lengths; ``segment=`` of
    :func:`encode` says how long segments are. A segment is decoded from its beginning, and for the
    symbols in front of the range their indexes are needed, too. So ``indexes`` are either

    * those of the range alone: then ``first`` must be where a segment begins (a multiple of the
      segment size), unless the table has one row;
    * or those of the whole message: then ``first`` may be anything.

    What is checked: with the indexes of the whole message every segment that the range touches is
    decoded to its end, and its final states, words and escape bits must come out even. That finds
    all but about 1 in 10,000 damages of these segments (with many lanes far fewer escape); a damage
    in other segments is of no concern. With the indexes of the range alone the same holds for the
    segments that the range contains, but a segment that it leaves early is not checked at all: its
    damage gives wrong symbols. The hash over all symbols is compared if the range is the whole
    message.

    Args:
        stream: Any bytes; nothing in them is believed.
        first: The first symbol wanted, counted in C order.
        indexes: As above; an array with as many elements as the message has symbols is taken for
            the whole message's. None for a table of one row.
        table: Equal to the encoder's.
        dtype: Of the result, as for :func:`decode`.
        count: How many symbols, where ``indexes`` are of the whole message; by default all from
            ``first`` on.
        shape: Of the result if ``indexes`` is None.

    Returns:
        The symbols: in the shape of ``indexes`` if these are of the range alone, or the range is
        the whole message; in ``shape``; else with ``count`` elements in one dimension.

    Raises:
        ArgumentError: If the message has no such range, or ``first`` is inside a segment and the
            indexes before it are not there.
        FastcoderError: As :func:`decode`.

    Example:
        >>> table = CdfTable.gaussian([0.5, 2.0])
        >>> symbols, indexes = np.arange(100) % 5 - 2, np.arange(100) % 2
        >>> stream = encode(symbols, indexes, table, segment=32)
        >>> decode_range(stream, 64, indexes[64:70], table).tolist()
        [2, -2, -1, 0, 1, 2]
        >>> decode_range(stream, 50, indexes, table, count=5).tolist()
        [-2, -1, 0, 1, 2]
    """
    data, native = as_bytes(stream, "stream"), _native(table)
    rows = as_indexes(indexes, table.rows)
    start = as_integer(first, "first")
    claimed = _core.symbols_claimed(data, native)
    if not 0 <= start <= claimed:
        raise ArgumentError(f"first = {start}, expected 0 <= first <= {claimed}")
    left = claimed - start
    wanted = None if shape is None else as_shape(shape)
    whole = rows is not None and rows.size == claimed
    if rows is None:
        if wanted is None:
            raise ArgumentError("shape = None, expected a shape where indexes is None")
    elif wanted is not None:
        raise ArgumentError(f"shape = {wanted}, expected None where indexes are given")
    elif count is not None or (whole and start > 0):
        if not whole:
            raise ShapeError(f"indexes.size = {rows.size}, expected {claimed} where count is given")
        wanted = (left if count is None else as_integer(count, "count"),)
    else:
        wanted = rows.shape
    if min(wanted, default=0) < 0 or math.prod(wanted) > left:
        name = "count" if count is not None else "indexes.shape" if rows is not None else "shape"
        raise ArgumentError(f"{name} = {wanted}, expected at most {left} symbols from {start} on")
    out = _new_symbols(wanted, dtype)
    _core.decode_range(data, start, rows, whole, native, out)
    return out


def encode_many(
    symbols: Sequence[ArrayInput],
    indexes: Sequence[ArrayInput | None] | None,
    table: CdfTable,
    threads: SupportsIndex | None = None,
    *,
    lanes: SupportsIndex | None = None,
    segment: SupportsIndex | None = None,
) -> list[bytes]:
    """:func:`encode` many messages with one call, spread over threads.

    Short messages are interleaved: with one lane a symbol waits for the one before it, and several
    messages share that time. Lists of contiguous NumPy arrays cost no Python call per message.

    Args:
        symbols: One array per message.
        indexes: One array, or None, per message; or None for all of them.
        table: Shared by all messages.
        threads: Messages are spread over so many threads; as for :func:`encode`.
        lanes: As for :func:`encode`.
        segment: As for :func:`encode`.

    Returns:
        One stream per message, equal to what :func:`encode` returns for it.

    Raises:
        ShapeError: If there are not as many ``indexes`` as ``symbols``.
        FastcoderError: As :func:`encode`, for the first message at fault; its number ends the
            message.

    Example:
        >>> table = CdfTable.from_pmf([[0.25, 0.5, 0.25]], offsets=[-1], precision=8)
        >>> messages = [np.array([-1, 0, 0], np.int8), np.array([1, 0, 1000, 0, 0])]
        >>> streams = encode_many(messages, None, table)
        >>> streams == [encode(message, None, table) for message in messages]
        True
        >>> [out.tolist() for out in decode_many(streams, None, table, shapes=[3, 5])]
        [[-1, 0, 0], [1, 0, 1000, 0, 0]]
    """
    all_indexes = _same_length(indexes, len(as_sequence(symbols, "symbols")), "symbols")
    options = *_options(lanes, segment), as_threads(threads)
    # What needs no conversion: a thousand messages take as long there as thirty below.
    streams = _core.encode_many_direct(symbols, all_indexes, _native(table), *options)
    if streams is not None:
        return streams
    arguments = [_coding_arguments(s, i, table) for s, i in zip(symbols, all_indexes, strict=True)]
    return _core.encode_many(
        [values for values, _, _ in arguments],
        [rows for _, rows, _ in arguments],
        _native(table),
        *options,
    )


def decode_many(
    streams: Sequence[bytes | bytearray | memoryview],
    indexes: Sequence[ArrayInput | None] | None,
    table: CdfTable,
    dtype: DTypeLike = np.int32,
    threads: SupportsIndex | None = None,
    *,
    shapes: Sequence[Shape] | None = None,
) -> list[NDArray[Any]]:
    """:func:`decode` many streams with one call, spread over threads, short ones interleaved.

    Args:
        streams: One stream per message.
        indexes: One array, or None, per message; or None for all of them.
        table: Shared by all messages.
        dtype: Of the results.
        threads: Messages are spread over so many threads; as for :func:`encode`.
        shapes: One shape per message where ``indexes`` is None.

    Returns:
        One array per message.

    Raises:
        ShapeError: If there are not as many ``indexes`` or ``shapes`` as ``streams``.
        FastcoderError: As :func:`decode`, for the first message at fault; its number ends the
            message.

    Example:
        >>> table = CdfTable.gaussian([0.5, 2.0])
        >>> indexes = [np.array([0, 1, 1]), np.array([1, 0])]
        >>> streams = encode_many([np.array([0, 3, -2]), np.array([1, 0])], indexes, table)
        >>> [out.tolist() for out in decode_many(streams, indexes, table, dtype=np.int16)]
        [[0, 3, -2], [1, 0]]
    """
    all_indexes = _same_length(indexes, len(as_sequence(streams, "streams")), "streams")
    if indexes is not None and shapes is None:
        kind, number = symbol_dtype(dtype), as_threads(threads)
        decoded = _core.decode_many_direct(streams, all_indexes, _native(table), kind, number)
        if decoded is not None:
            return decoded
    all_shapes = _same_length(shapes, len(streams), "streams", "shapes")
    data = [as_bytes(stream, f"streams[{i}]") for i, stream in enumerate(streams)]
    arguments = []
    for stream, rows, shape in zip(data, all_indexes, all_shapes, strict=True):
        _check_claim(stream, rows, table, shape)
        arguments.append(_decoding_arguments(rows, table, dtype, shape, None))
    out = [array for _, array in arguments]
    _core.decode_many(
        data,
        [rows for rows, _ in arguments],
        _native(table),
        out,
        as_threads(threads),
    )
    return out


def cost(symbols: ArrayInput, indexes: ArrayInput | None, table: CdfTable) -> float:
    """Bits that the symbols take under the quantized table, escapes included, without coding them.

    A stream is never much shorter than this and, with default options, at most 0.2 % and 8 bytes
    longer (header not counted).

    Args:
        symbols: As for :func:`encode`.
        indexes: As for :func:`encode`.
        table: As for :func:`encode`.

    Returns:
        The sum of ``-log2(frequency / 2**precision)``, plus the escape bits.

    Raises:
        FastcoderError: As :func:`encode`.

    Example:
        >>> table = CdfTable.from_pmf([[0.25, 0.5, 0.25]], offsets=[-1], escape=False)
        >>> cost([-1, 0, 0, 1], None, table)
        6.0
    """
    return _core.cost(*_coding_arguments(symbols, indexes, table))


def _native(table: CdfTable) -> _core.CdfTable:
    if not isinstance(table, CdfTable):
        raise ArgumentTypeError(f"type(table) = {type(table).__name__}, expected CdfTable")
    return table._native


def _options(lanes: SupportsIndex | None, segment: SupportsIndex | None) -> tuple[int, int]:
    """Lanes and segment as the core takes them: checked, 0 for None."""
    if lanes is None and segment is None:
        return 0, 0
    options = as_count(lanes, "lanes", 1, 32), as_count(segment, "segment", 16, 2**30)
    _core.check_options(*options)
    return options


def _coding_arguments(
    symbols: ArrayInput, indexes: ArrayInput | None, table: CdfTable
) -> tuple[NDArray[Any], NDArray[Any] | None, _core.CdfTable]:
    native = _native(table)
    values, rows = _coding_arrays(symbols, indexes, table.rows)
    return values, rows, native


def _coding_arrays(
    symbols: ArrayInput, indexes: ArrayInput | None, row_count: int
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    values = as_symbols(symbols)
    rows = as_indexes(indexes, row_count)
    if rows is not None and rows.shape != values.shape:
        raise ShapeError(f"indexes.shape = {rows.shape}, expected {values.shape}")
    return values, rows


def _decoding_arguments(
    indexes: ArrayInput | None,
    table: CdfTable,
    dtype: DTypeLike,
    shape: Shape | None,
    out: NDArray[Any] | None,
) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    """Contiguous indexes and the array that the symbols go to."""
    _native(table)
    return _decoding_arrays(indexes, table.rows, dtype, shape, out)


def _decoding_arrays(
    indexes: ArrayInput | None,
    row_count: int,
    dtype: DTypeLike,
    shape: Shape | None,
    out: NDArray[Any] | None,
) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    rows = as_indexes(indexes, row_count)
    wanted = None if shape is None else as_shape(shape)
    if rows is not None:
        if wanted is not None and wanted != rows.shape:
            raise ShapeError(f"shape = {wanted}, expected {rows.shape}, the shape of indexes")
        wanted = rows.shape
    if out is not None:
        return rows, _checked_out(out, rows, wanted)
    if wanted is None:
        raise ArgumentError("shape = None, expected a shape where indexes is None")
    return rows, _new_symbols(wanted, dtype)


def _new_symbols(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    kind = symbol_dtype(dtype)
    try:
        return np.empty(shape, kind)
    except ValueError as error:
        raise ShapeError(f"shape = {shape}, expected one that NumPy has ({error})") from error


def _check_claim(
    stream: bytes, indexes: ArrayInput | None, table: CdfTable, shape: Shape | None
) -> None:
    """Compare a shape with what the stream says, before memory is taken for it."""
    if indexes is None and table.rows == 1 and shape is not None:
        _core.check_stream(stream, _native(table), min(math.prod(as_shape(shape)), 2**63))


def _checked_out(
    out: NDArray[Any], indexes: NDArray[Any] | None, shape: tuple[int, ...] | None
) -> NDArray[Any]:
    if not isinstance(out, np.ndarray):
        raise ArgumentTypeError(f"type(out) = {type(out).__name__}, expected ndarray")
    symbol_dtype(out.dtype)
    if shape is not None and out.shape != shape:
        raise ShapeError(f"out.shape = {out.shape}, expected {shape}")
    if not out.flags.writeable:
        raise ArgumentError("out.flags.writeable = False, expected True")
    if not (out.flags.c_contiguous and out.flags.aligned):
        raise ArgumentError(f"out.strides = {out.strides}, expected those of an array in C order")
    if indexes is not None and np.may_share_memory(out, indexes):
        raise ArgumentError("out = memory of indexes, expected an array of its own")
    return out


def _same_length(
    values: Sequence[Any] | None, count: int, other: str, name: str = "indexes"
) -> Sequence[Any]:
    if values is None:
        return [None] * count
    if len(as_sequence(values, name)) != count:
        raise ShapeError(f"len({name}) = {len(values)}, expected {count}, as many as {other}")
    return values
