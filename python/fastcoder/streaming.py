# SPDX-License-Identifier: Apache-2.0
"""Streams that are written and read in pieces: several tables, one set of states.

Pieces of a codec (side information, slices, steps of a context model) share one stream, so that
the constant cost of a stream is paid once. How the symbols were split into pushes and pulls leaves
no trace in the bytes.
"""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _core
from ._arrays import ArrayInput, as_bytes, as_flag, symbol_dtype
from ._locks import OwnedLock
from .coding import Shape, _coding_arguments, _decoding_arguments, _options
from .errors import ArgumentError, ArgumentTypeError
from .intervals import IntervalPulls, IntervalPushes
from .large_tables import LargeTable
from .parametric import ParametricPulls, ParametricPushes
from .tables import CdfTable
from .threads import as_threads

__all__ = ["Decoder", "Encoder"]


class Encoder(IntervalPushes, ParametricPushes):
    """Collects symbols; ``finish`` codes them all, in order, into one header-less stream.

    Args:
        check: Append a 32-bit hash of the symbols, so that the decoder's ``finish`` notices a wrong
            symbol with probability 1 - 2**-32. Without it about 1 in 10,000 faults slips through.
        lanes: As for :func:`fastcoder.encode`.
        segment: As for :func:`fastcoder.encode`.

    Example:
        >>> z_table = CdfTable.from_pmf([[0.5, 0.5]], offsets=[0])
        >>> y_table = CdfTable.gaussian([0.5, 2.0])
        >>> encoder = Encoder(check=True)
        >>> encoder.push([0, 1, 1], None, z_table)
        >>> encoder.push([-1, 0, 5], [0, 0, 1], y_table)
        >>> stream = encoder.finish()
        >>> decoder = Decoder(stream)
        >>> decoder.pull(None, z_table, shape=3).tolist()
        [0, 1, 1]
        >>> decoder.pull([0, 0, 1], y_table).tolist()
        [-1, 0, 5]
        >>> decoder.finish()
    """

    def __init__(
        self,
        *,
        check: bool = False,
        lanes: SupportsIndex | None = None,
        segment: SupportsIndex | None = None,
    ) -> None:
        self._check = as_flag(check, "check")
        self._options = _options(lanes, segment)
        self._native: _core.Encoder | None = _core.Encoder()
        self._lock = OwnedLock()

    def push(
        self, symbols: ArrayInput, indexes: ArrayInput | None, table: CdfTable | LargeTable
    ) -> None:
        """Append symbols; they are checked and copied, and the caller's arrays are free again.

        Args:
            symbols: As for :func:`fastcoder.encode`.
            indexes: As for :func:`fastcoder.encode`.
            table: Of these symbols; every push may bring another one.

        Raises:
            FastcoderError: As :func:`fastcoder.encode`; nothing was appended then.
        """
        if isinstance(table, LargeTable):
            self._push_large(symbols, indexes, table)
            return
        arguments = _coding_arguments(symbols, indexes, table)
        with self._lock:
            self._open().push(*arguments)

    def finish(self, threads: SupportsIndex | None = None) -> bytes:
        """Code everything that was pushed and end the encoder.

        Args:
            threads: As for :func:`fastcoder.encode`.

        Returns:
            The stream, for :class:`Decoder`.

        Raises:
            ArgumentError: If the encoder is finished already.
        """
        count = as_threads(threads)
        with self._lock:
            stream = self._open().finish(*self._options, count, self._check)
            self._native = None
        return stream

    def _open(self) -> _core.Encoder:
        if self._native is None:
            raise ArgumentError("encoder = finished, expected one that is open")
        return self._native


class Decoder(IntervalPulls, ParametricPulls):
    """Reads a stream of :class:`Encoder` in pieces, in order, of any size.

    Args:
        stream: Any bytes; nothing in them is believed.

    Raises:
        StreamError: If the bytes cannot be the beginning of a stream.
    """

    def __init__(self, stream: bytes | bytearray | memoryview) -> None:
        self._native = _core.Decoder(as_bytes(stream, "stream"))

    def pull(
        self,
        indexes: ArrayInput | None,
        table: CdfTable | LargeTable,
        dtype: DTypeLike = np.int32,
        out: NDArray[Any] | None = None,
        *,
        shape: Shape | None = None,
    ) -> NDArray[Any]:
        """Decode the next symbols, one per index.

        Args:
            indexes: As they were pushed; or None for a table of one row.
            table: Equal to the table they were pushed with.
            dtype: Of the result, if ``out`` is not given.
            out: Where to put the symbols: a writable array in C order of the shape of ``indexes``.
            shape: Of the result if ``indexes`` and ``out`` are None.

        Returns:
            The symbols: ``out``, or a new array.

        Raises:
            StreamError: If the stream ends early or cannot hold these symbols.
            SymbolRangeError: If a symbol does not fit the dtype.
            FastcoderError: As :func:`fastcoder.decode`. After any of these the decoder stands where
                it stood before; the contents of ``out`` are unspecified.
        """
        if shape is None and type(table) is CdfTable:
            target = out
            if out is None and type(indexes) is np.ndarray:
                kind = np.int32 if dtype is np.int32 else symbol_dtype(dtype)
                target = np.empty(indexes.shape, kind)
            if target is not None and self._native.pull_direct(indexes, table._native, target):
                return target
        if isinstance(table, LargeTable):
            return self._pull_large(indexes, table, dtype, out, shape)
        rows, result = _decoding_arguments(indexes, table, dtype, shape, out)
        self._native.pull(rows, table._native, result)
        return result

    def tell(self) -> float:
        """How many bits of the stream the symbols that were pulled have used.

        Exactly: the bits that were read, in stream order, less the bits that the states still hold
        of them. Read are, as soon as a segment is entered, everything in front of its body and its
        stored states; then 16 bits per word and every escape bit. A state ``x`` with the lower
        bound ``L`` (2**16, or 2**32 in a wide stream) holds ``log2(x / L)`` bits. So the difference
        over a pull is what its symbols cost (``-log2`` of their quantized probabilities), up to the
        rounding of the states; entering a segment adds its flags and length and the ``log2 L`` bits
        of each state that hold nothing. Before the first pull it is that constant cost of the first
        segment; after the last, 8 times the bytes of the stream, without the symbol hash and up to
        7 bits of padding. It never decreases.

        Returns:
            Bits, in double precision; the same on every machine.

        Raises:
            StreamError: Before the first pull, if the first segment cannot be entered.
            ArgumentError: If the decoder is finished.

        Example:
            >>> table = CdfTable.from_pmf([[0.5, 0.25, 0.25]], [0], escape=False)
            >>> encoder = Encoder()
            >>> encoder.push([0, 1, 2, 0] * 50, None, table)
            >>> decoder = Decoder(encoder.finish())
            >>> before = decoder.tell()
            >>> _ = decoder.pull(None, table, shape=100)
            >>> round(decoder.tell() - before)
            150
        """
        return self._native.tell()

    def snapshot(self) -> _core.Snapshot:
        """Remember where the decoder stands, for :meth:`restore`; it costs less than a microsecond.

        A search tries several continuations from one place; speculative decoding pulls ahead with
        guessed indexes and goes back where a guess was wrong.

        Returns:
            An opaque object that keeps the stream alive. It may be restored any number of times.

        Raises:
            ArgumentError: If the decoder is finished.

        Example:
            >>> table = CdfTable.gaussian([0.5, 2.0])
            >>> encoder = Encoder()
            >>> encoder.push([0, 3, -1, 2], [0, 1, 1, 1], table)
            >>> decoder = Decoder(encoder.finish())
            >>> place = decoder.snapshot()
            >>> guess = decoder.pull([1], table)
            >>> decoder.restore(place)
            >>> decoder.pull([0, 1, 1, 1], table).tolist()
            [0, 3, -1, 2]
            >>> decoder.finish()
        """
        return self._native.snapshot()

    def restore(self, snapshot: _core.Snapshot) -> None:
        """Go back, or forward, to where :meth:`snapshot` was taken.

        A decoder that finished since is open again.

        Args:
            snapshot: Of this decoder, or of one over the very same ``bytes`` object.

        Raises:
            ArgumentTypeError: If it is no snapshot.
            ArgumentError: If it is one of another stream; the decoder stays where it is.
        """
        if not isinstance(snapshot, _core.Snapshot):
            raise ArgumentTypeError(
                f"type(snapshot) = {type(snapshot).__name__}, expected Snapshot"
            )
        self._native.restore(snapshot)

    def finish(self) -> None:
        """End the decoder, or raise if the stream was not read to its end.

        It cannot notice symbols that were not pulled if each of them costs 0 bits, unless the
        stream carries the symbol hash (``Encoder(check=True)``).

        Raises:
            StreamError: If symbols or bytes are left, or a state or the hash disagrees.
        """
        self._native.finish()
