# SPDX-License-Identifier: Apache-2.0
"""CompressAI's entropy coder: the same calls and the same bytes, fast, and safe on any input.

A program that uses CompressAI changes one line, before or after ``import compressai``::

    import fastcoder.compat.compressai
    fastcoder.compat.compressai.install()

and one that calls the coder itself imports it from here instead of from ``compressai.ans``. Streams
are the same in both directions, byte for byte, escapes included.

What a call may be given beyond the original:

* symbols and indexes as arrays or CPU tensors of any shape and any integer dtype but uint64,
  without conversion; lists and tuples as ever. Symbols come back as a list for a list or tuple of
  indexes, else as an int32 array in the shape of the indexes;
* ``cdfs`` as a two-dimensional array, padded as CompressAI pads it, or as a
  :class:`fastcoder.CdfTable` of precision 16 with an escape, which needs no ``cdfs_sizes`` and
  ``offsets``;
* keyword arguments.

Tables are recognized by their content, in one pass over ``cdfs[k][:cdfs_sizes[k]]``, and never by
the identity of a list, so that a list may change between two calls; what was prepared for the last
32 of them (at most 64 MiB) is kept. A ``CdfTable`` cannot change and is recognized without a pass.

Where the original crashes, hangs or returns noise, this coder works or raises a
:class:`fastcoder.FastcoderError`: messages of 0 or 1 symbols, rows of one slot and symbols as far
as 2**31 from their row work; symbols farther away, indexes without a row, streams that end early,
rows that are none, NaN in a pmf or a latent raise. Decoding a whole message checks that all of the
stream was used and that the coder ended where encoders begin, so that most damages and most wrong
tables are found; the format has no checksum that would find all.

Functions and methods release the GIL while they code; objects may be shared by threads.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .._arrays import (
    ArrayInput,
    as_array,
    as_bytes,
    as_floats,
    as_integer,
    as_sequence,
    as_symbols,
    contiguous,
)
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..tables import CdfTable
from ._compressai_hook import Hook

__all__ = [
    "BufferedRansEncoder",
    "RansDecoder",
    "RansEncoder",
    "decode_many",
    "encode_many",
    "install",
    "installed",
    "pmf_to_quantized_cdf",
    "uninstall",
]

Integers = list[int] | NDArray[Any]


class RansEncoder:
    """Encodes a message with one call; has no state.

    Example:
        >>> cdfs = [[0, 16383, 32767, 49151, 65535, 65536]]
        >>> RansEncoder().encode_with_indexes([1, 2, 3, 0], [0, 0, 0, 0], cdfs, [6], [0]).hex()
        '05400e0280000000'
    """

    __slots__ = ()

    def encode_with_indexes(
        self,
        symbols: ArrayInput,
        indexes: ArrayInput,
        cdfs: ArrayInput | Sequence[ArrayInput] | CdfTable,
        cdfs_sizes: ArrayInput | None = None,
        offsets: ArrayInput | None = None,
    ) -> bytes:
        """Encode symbol ``i`` with row ``indexes[i]``.

        Args:
            symbols: Integers, any shape. One outside its row is coded as the row's last slot and
                its distance, which may be up to 2**31.
            indexes: Integers in ``[0, rows)``, as many as symbols.
            cdfs: Rows of integers in [0, 65536] that never decrease, the last slot of each being
                its escape; or a table.
            cdfs_sizes: How many entries of each row count, 2 or more; the rest is never looked at.
            offsets: The symbol of each row's first slot.

        Returns:
            The stream, as CompressAI writes it.

        Raises:
            SymbolRangeError: If a symbol is too far from its row, or its slot is empty.
            IndexRangeError: If an index names no row.
            TableError: If a row is not as above.
            ShapeError: If there are not as many indexes as symbols.
            ArgumentTypeError: If something is not an integer.
        """
        table = _table_of(cdfs, cdfs_sizes, offsets)
        _check_shapes(symbols, indexes)
        stream = _core.rans64_encode(symbols, indexes, table)
        if stream is None:
            values, rows = _integers(symbols, "symbols"), _integers(indexes, "indexes")
            _check_shapes(values, rows)
            stream = _core.rans64_encode(values, rows, table)
        return _given(stream)


class BufferedRansEncoder:
    """Encodes a message in several parts, in the order in which they will be decoded.

    Example:
        >>> cdfs = [[0, 16383, 32767, 49151, 65535, 65536]]
        >>> encoder = BufferedRansEncoder()
        >>> encoder.encode_with_indexes([1, 2], [0, 0], cdfs, [6], [0])
        >>> encoder.encode_with_indexes([3, 0], [0, 0], cdfs, [6], [0])
        >>> encoder.flush().hex()
        '05400e0280000000'
    """

    __slots__ = ("_native",)

    def __init__(self) -> None:
        self._native = _core.Rans64Buffer()

    def encode_with_indexes(
        self,
        symbols: ArrayInput,
        indexes: ArrayInput,
        cdfs: ArrayInput | Sequence[ArrayInput] | CdfTable,
        cdfs_sizes: ArrayInput | None = None,
        offsets: ArrayInput | None = None,
    ) -> None:
        """Append symbols; arguments and errors as for :meth:`RansEncoder.encode_with_indexes`.

        Everything is copied. A call that raises appends nothing.
        """
        table = _table_of(cdfs, cdfs_sizes, offsets)
        _check_shapes(symbols, indexes)
        if not self._native.push(symbols, indexes, table):
            values, rows = _integers(symbols, "symbols"), _integers(indexes, "indexes")
            _check_shapes(values, rows)
            self._native.push(values, rows, table)

    def flush(self) -> bytes:
        """Return the stream of all symbols since the last flush, and begin another message."""
        return self._native.flush()


class RansDecoder:
    """Decodes a message with one call, or a stream in several parts.

    Example:
        >>> cdfs = [[0, 16383, 32767, 49151, 65535, 65536]]
        >>> stream = bytes.fromhex("05400e0280000000")
        >>> decoder = RansDecoder()
        >>> decoder.decode_with_indexes(stream, [0, 0, 0, 0], cdfs, [6], [0])
        [1, 2, 3, 0]
        >>> decoder.set_stream(stream)
        >>> decoder.decode_stream(np.zeros(3, int), cdfs, [6], [0])
        array([1, 2, 3], dtype=int32)
        >>> decoder.decode_stream([0], cdfs, [6], [0])
        [0]
    """

    __slots__ = ("_native",)

    def __init__(self) -> None:
        self._native = _core.Rans64Decoder()

    def decode_with_indexes(
        self,
        encoded: bytes | bytearray | memoryview,
        indexes: ArrayInput,
        cdfs: ArrayInput | Sequence[ArrayInput] | CdfTable,
        cdfs_sizes: ArrayInput | None = None,
        offsets: ArrayInput | None = None,
    ) -> Integers:
        """Decode a whole message: ``encoded`` must hold these symbols and nothing else.

        Does not touch what :meth:`set_stream` set.

        Args:
            encoded: The stream; any bytes.
            indexes: As given to the encoder.
            cdfs: As for the encoder.
            cdfs_sizes: As for the encoder.
            offsets: As for the encoder.

        Returns:
            The symbols: a list for a list or tuple of indexes, else an array in their shape. It is
            int32 unless a symbol does not fit, as only an escape of an int64 can; then int64.

        Raises:
            TruncatedStreamError: If the stream ends before its symbols do.
            CorruptStreamError: If no encoder makes such a stream for these indexes and tables.
            IndexRangeError: If an index names no row.
            TableError: As for the encoder.
            ArgumentTypeError: If something is not an integer, or ``encoded`` is not bytes.
        """
        table = _table_of(cdfs, cdfs_sizes, offsets)
        data = as_bytes(encoded, "encoded")
        symbols: Integers | None = _core.rans64_decode(data, indexes, table)
        if symbols is None:
            symbols = _core.rans64_decode(data, _integers(indexes, "indexes"), table)
        if symbols is None:
            raise _changing()
        return symbols

    def set_stream(self, encoded: bytes | bytearray | memoryview) -> None:
        """Begin to decode a stream, which :meth:`decode_stream` goes on with.

        Raises:
            StreamError: If these are not the first bytes of any stream; the decoder then keeps
                the stream that it had.
            ArgumentTypeError: If ``encoded`` is not bytes.
        """
        self._native.set_stream(as_bytes(encoded, "encoded"))

    def decode_stream(
        self,
        indexes: ArrayInput,
        cdfs: ArrayInput | Sequence[ArrayInput] | CdfTable,
        cdfs_sizes: ArrayInput | None = None,
        offsets: ArrayInput | None = None,
    ) -> Integers:
        """Decode the next symbols of the stream.

        Nothing says where a stream ends, so that what is left of it after the last call is not
        looked at.

        Args:
            indexes: Of the next symbols.
            cdfs: As for the encoder.
            cdfs_sizes: As for the encoder.
            offsets: As for the encoder.

        Returns:
            As :meth:`decode_with_indexes`.

        Raises:
            ArgumentError: If there was no :meth:`set_stream`.
            FastcoderError: As :meth:`decode_with_indexes`. The decoder stands where it stood.
        """
        table = _table_of(cdfs, cdfs_sizes, offsets)
        symbols: Integers | None = self._native.decode(indexes, table)
        if symbols is None:
            symbols = self._native.decode(_integers(indexes, "indexes"), table)
        if symbols is None:
            raise _changing()
        return symbols


def encode_many(
    symbols: Sequence[ArrayInput],
    indexes: Sequence[ArrayInput],
    cdfs: ArrayInput | Sequence[ArrayInput] | CdfTable,
    cdfs_sizes: ArrayInput | None = None,
    offsets: ArrayInput | None = None,
) -> list[bytes]:
    """:meth:`RansEncoder.encode_with_indexes` for many messages of the same tables at once.

    Several messages are coded in turns by one thread: each symbol waits for the one before it in
    its own message, and other messages fill that time.

    Args:
        symbols: One array or list per message.
        indexes: One array or list per message.
        cdfs: Shared by all messages.
        cdfs_sizes: As for one message.
        offsets: As for one message.

    Returns:
        One stream per message, the same as message by message.

    Raises:
        ShapeError: If there are not as many ``indexes`` as ``symbols``.
        FastcoderError: As for one message; the number of the message ends the text.

    Example:
        >>> cdfs = [[0, 16383, 32767, 49151, 65535, 65536]]
        >>> streams = encode_many([[1, 2, 3, 0], [5]], [[0, 0, 0, 0], [0]], cdfs, [6], [0])
        >>> [stream.hex() for stream in streams]
        ['05400e0280000000', 'ffff210000008000']
        >>> decode_many(streams, [[0, 0, 0, 0], [0]], cdfs, [6], [0])
        [[1, 2, 3, 0], [5]]
    """
    table = _table_of(cdfs, cdfs_sizes, offsets)
    _check_lengths(as_sequence(symbols, "symbols"), as_sequence(indexes, "indexes"), "symbols")
    for values, rows in zip(symbols, indexes, strict=True):
        _check_shapes(values, rows)
    streams = _core.rans64_encode_many(symbols, indexes, table)
    if streams is None:
        all_values = [_integers(values, f"symbols[{i}]") for i, values in enumerate(symbols)]
        all_rows = [_integers(rows, f"indexes[{i}]") for i, rows in enumerate(indexes)]
        for values, rows in zip(all_values, all_rows, strict=True):
            _check_shapes(values, rows)
        streams = _core.rans64_encode_many(all_values, all_rows, table)
    return _given(streams)


def decode_many(
    streams: Sequence[bytes | bytearray | memoryview],
    indexes: Sequence[ArrayInput],
    cdfs: ArrayInput | Sequence[ArrayInput] | CdfTable,
    cdfs_sizes: ArrayInput | None = None,
    offsets: ArrayInput | None = None,
) -> list[Integers]:
    """:meth:`RansDecoder.decode_with_indexes` for many streams of the same tables at once.

    Args:
        streams: One per message.
        indexes: One array or list per message.
        cdfs: Shared by all messages.
        cdfs_sizes: As for one message.
        offsets: As for one message.

    Returns:
        The symbols of each message.

    Raises:
        ShapeError: If there are not as many ``indexes`` as ``streams``.
        FastcoderError: As for one message; the number of the message ends the text.
    """
    table = _table_of(cdfs, cdfs_sizes, offsets)
    _check_lengths(as_sequence(streams, "streams"), as_sequence(indexes, "indexes"), "streams")
    data = [as_bytes(stream, f"streams[{i}]") for i, stream in enumerate(streams)]
    symbols = _core.rans64_decode_many(data, indexes, table)
    if symbols is None:
        rows = [_integers(rows, f"indexes[{i}]") for i, rows in enumerate(indexes)]
        symbols = _core.rans64_decode_many(data, rows, table)
    return _given(symbols)


def pmf_to_quantized_cdf(pmf: ArrayInput, precision: SupportsIndex) -> list[int]:
    """Integer row of a pmf by CompressAI's rule, integer for integer.

    Each value is rounded to float32 and then to a multiple of ``2**-precision``; the counts are
    scaled to the total and rounded down; the last slot gets what is missing; and every empty slot
    takes one count from the smallest slot that has more than one.

    Args:
        pmf: Probabilities, finite and >= 0, one dimension, at most ``2**precision``.
        precision: Bits of the row's total, 1 to 31. The coder's tables have 16.

    Returns:
        ``len(pmf) + 1`` integers from 0 to ``2**precision``, strictly increasing.

    Raises:
        TableError: If a value is negative or not finite, if all of them are 0 after rounding, or if
            there are more than the total has counts.
        ArgumentTypeError: If ``pmf`` does not hold numbers.

    Example:
        >>> pmf_to_quantized_cdf([0.25, 0.0, 0.75], 4)
        [0, 3, 4, 16]
    """
    bits = as_integer(precision, "precision")
    if not 1 <= bits <= 31:
        raise ArgumentError(f"precision = {bits}, expected 1 <= precision <= 31")
    values = as_floats(pmf, "pmf")
    if values.ndim != 1:
        raise ShapeError(f"pmf.ndim = {values.ndim}, expected 1")
    return _core.quantized_cdf(values.astype(np.float64), bits)


_Result = TypeVar("_Result")


def _given(value: _Result | None) -> _Result:
    if value is None:  # the arguments were converted: the core takes them
        raise _changing()
    return value


def _changing() -> ArgumentTypeError:
    return ArgumentTypeError("arguments = changing, expected sequences of integers at rest")


def _integers(value: ArrayInput, name: str) -> ArrayInput:
    """Lists and tuples as they are, which the core reads; contiguous arrays of all else."""
    if isinstance(value, (list, tuple)):
        return value
    return np.asarray(as_symbols(value, name))


def _size(value: ArrayInput) -> int | None:
    if isinstance(value, (list, tuple)):
        return len(value)
    return value.size if isinstance(value, np.ndarray) else None


def _check_shapes(symbols: ArrayInput, indexes: ArrayInput) -> None:
    if isinstance(symbols, np.ndarray) and isinstance(indexes, np.ndarray):
        if symbols.shape != indexes.shape:
            raise ShapeError(f"indexes.shape = {indexes.shape}, expected {symbols.shape}")
        return
    expected, found = _size(symbols), _size(indexes)
    if expected is not None and found is not None and found != expected:
        raise ShapeError(f"len(indexes) = {found}, expected {expected}, as many as symbols")


def _check_lengths(values: Sequence[Any], indexes: Sequence[Any], name: str) -> None:
    if len(indexes) != len(values):
        raise ShapeError(
            f"len(indexes) = {len(indexes)}, expected {len(values)}, as many as {name}"
        )


def _table_of(
    cdfs: ArrayInput | Sequence[ArrayInput] | CdfTable,
    cdfs_sizes: ArrayInput | None,
    offsets: ArrayInput | None,
) -> _core.Rans64Table:
    if isinstance(cdfs, CdfTable):
        _check_given(cdfs, cdfs_sizes, offsets)
        return _core.rans64_table_of(cdfs._native)
    if cdfs_sizes is None or offsets is None:
        name = "cdfs_sizes" if cdfs_sizes is None else "offsets"
        raise ArgumentTypeError(f"{name} = None, expected integers unless cdfs is a CdfTable")
    table = _core.rans64_table(cdfs, cdfs_sizes, offsets)
    if table is None:
        rows = (
            [_row(row, f"cdfs[{r}]") for r, row in enumerate(cdfs)]
            if isinstance(cdfs, (list, tuple))
            else _row(cdfs, "cdfs", 2)
        )
        sizes, starts = _integers(cdfs_sizes, "cdfs_sizes"), _integers(offsets, "offsets")
        table = _core.rans64_table(rows, sizes, starts)
    return _given(table)


def _row(value: ArrayInput, name: str, ndim: int = 1) -> ArrayInput:
    if ndim == 1 and isinstance(value, (list, tuple)):
        return value
    array = as_array(value, name)
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(f"{name}.dtype = {array.dtype}, expected integers")
    if array.ndim != ndim:
        raise ShapeError(f"{name}.ndim = {array.ndim}, expected {ndim}")
    # uint64 is the one integer that the core does not take.
    return contiguous(array.astype(np.int64) if array.dtype == np.uint64 else array)


def _check_given(
    table: CdfTable, cdfs_sizes: ArrayInput | None, offsets: ArrayInput | None
) -> None:
    """Sizes and offsets that go with a table may be left out; if not, they must be its own."""
    for name, value in (("cdfs_sizes", cdfs_sizes), ("offsets", offsets)):
        if value is None:
            continue
        own = (
            table.offsets
            if name == "offsets"
            else np.array([table.cdf(r).size for r in range(table.rows)])
        )
        if not np.array_equal(as_array(value, name), own):
            raise ArgumentError(f"{name} = other than the table's, expected None or its own")


# ---- inside CompressAI --------------------------------------------------------------------------


def install() -> AbstractContextManager[None]:
    """Make CompressAI use this coder: before ``import compressai`` or after it.

    Replaces ``compressai.ans`` and ``compressai._CXX`` (so that CompressAI runs without its
    compiled extension, too), every name that modules of CompressAI have taken from them, and
    ``EntropyModel.compress`` and ``.decompress``, which then hand tensors over as arrays and code
    all strings of a batch together. Strings and errors are the same. Models that were made before
    gain as well; an entropy coder other than "ans" is left alone. Modules outside of CompressAI
    that have imported its coder by name keep what they have.

    May be called any number of times, from any thread; the first :func:`uninstall` undoes it.

    Returns:
        A context manager that takes it out again, if this call has put it in.

    Example:
        >>> import sys
        >>> with install():
        ...     print(sys.modules["compressai.ans"].RansEncoder.__module__)
        fastcoder.compat.compressai
        >>> "compressai.ans" in sys.modules
        False
    """
    return _Installation(_HOOK.install())


def uninstall() -> None:
    """Put back exactly what :func:`install` found; nothing happens if it is not in place.

    Modules of CompressAI that were loaded meanwhile get the original coder, if there is one.
    Models that were made meanwhile keep the coder that they have; its bytes are the same.
    """
    _HOOK.uninstall()


@contextmanager
def installed() -> Iterator[None]:
    """Context manager: :func:`install`, and :func:`uninstall` at its end.

    Inside a program that has called :func:`install` it changes nothing.
    """
    with install():
        yield


class _Installation(AbstractContextManager[None]):
    def __init__(self, is_new: bool) -> None:
        self._is_new = is_new

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_exception: object) -> None:
        if self._is_new:
            uninstall()


def _uses_ans(model: Any) -> bool:  # noqa: ANN401 - CompressAI's types are not known here
    coder = getattr(model, "entropy_coder", None)
    return type(coder).__name__ == "_EntropyCoder" and getattr(coder, "name", None) == "ans"


def _model_table(model: Any) -> tuple[NDArray[Any], ...] | None:  # noqa: ANN401
    """The rows, sizes and offsets of a model whose update() was called."""
    tensors = model._quantized_cdf, model._cdf_length, model._offset
    if [tensor.dim() for tensor in tensors] != [2, 1, 1] or not all(t.numel() for t in tensors):
        return None
    return tuple(tensor.int().cpu().numpy() for tensor in tensors)


def _compress(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def compress(
        self: Any,  # noqa: ANN401
        inputs: Any,  # noqa: ANN401
        indexes: Any,  # noqa: ANN401
        means: Any = None,  # noqa: ANN401
    ) -> list[bytes]:
        # What is wrong with the arguments is the original's to say.
        table = _model_table(self) if _uses_ans(self) else None
        if table is None or inputs.dim() < 2 or inputs.size() != indexes.size():
            return list(original(self, inputs, indexes, means))
        _check_finite(inputs, "inputs")
        if means is not None:
            _check_finite(means, "means")
        symbols = self.quantize(inputs, "symbols", means)
        values, rows = (
            list(tensor.detach().int().cpu().flatten(1).numpy()) for tensor in (symbols, indexes)
        )
        return encode_many(values, rows, *table)

    return compress


def _check_finite(tensor: Any, name: str) -> None:  # noqa: ANN401
    """A NaN would become some integer or other, and be coded as it."""
    finite = tensor.isfinite()
    if not bool(finite.all()):
        position = (~finite).nonzero()[0].tolist()
        raise ArgumentError(
            f"{name}{position} = {float(tensor[tuple(position)])}, expected a finite number"
        )


def _decompress(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def decompress(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        call = signature.bind(*arguments, **options)
        call.apply_defaults()
        self, strings, indexes, dtype, means = call.args[:5]
        table = _model_table(self) if _uses_ans(self) else None
        if (
            table is None
            or not isinstance(strings, (list, tuple))
            or indexes.dim() < 2
            or len(strings) != indexes.size(0)
            or not _means_fit(means, indexes)
        ):
            return original(*arguments, **options)
        rows = list(indexes.int().cpu().flatten(1).numpy())
        decoded = decode_many(strings, rows, *table)
        outputs = self._quantized_cdf.new_empty(indexes.size())
        for output, symbols in zip(outputs, decoded, strict=True):
            flat = self._offset.new_tensor(symbols, device="cpu").reshape(output.size())
            output.copy_(flat)
        return self.dequantize(outputs, means, dtype)

    return decompress


def _means_fit(means: Any, indexes: Any) -> bool:  # noqa: ANN401
    if means is None or means.size() == indexes.size():
        return True
    return (
        means.dim() == indexes.dim()
        and means.size()[:2] == indexes.size()[:2]
        and all(size == 1 for size in means.size()[2:])
    )


_HOOK = Hook(
    {
        "compressai.ans": {
            "BufferedRansEncoder": BufferedRansEncoder,
            "RansDecoder": RansDecoder,
            "RansEncoder": RansEncoder,
        },
        "compressai._CXX": {"pmf_to_quantized_cdf": pmf_to_quantized_cdf},
    },
    {"compress": _compress, "decompress": _decompress},
)
