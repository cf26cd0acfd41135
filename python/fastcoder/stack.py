# SPDX-License-Identifier: Apache-2.0
"""Stack: bits-back coding. Push and pop on one state, last in, first out.

A pop of symbols that nobody pushed decodes the bits that are there, as a sample of the table it is
popped with; pushing the sample back restores the bits. So latent variables cost nothing but what
the model says (Townsend, Bird and Barber 2019, "Practical lossless compression with latent
variables using bits back coding"): the net length of a sample is the negative evidence lower bound.
"""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _core
from ._arrays import ArrayInput, as_bytes
from ._locks import OwnedLock
from .codes import IntegerCode, native_code
from .coding import Shape, _coding_arguments, _decoding_arrays, _native
from .intervals import (
    IntervalPushes,
    as_interval,
    as_precision,
    as_width,
    narrowest,
    unsigned_array,
)
from .large_tables import LargeTable
from .tables import CdfTable

__all__ = ["Stack"]


class Stack(IntervalPushes):
    """Symbols on one state, last in, first out.

    An array is pushed last element first, so that a pop of as many returns it. What was pushed can
    also be popped in pieces, and with anything pushed on top in between. Tables are used at the
    precision of wide streams, escapes included.

    Args:
        initial: Content to pop from before anything was pushed: any bytes. They should look random,
            for the first symbols that are popped are made of them; :meth:`initial` gives them back
            to the receiver.

    Example:
        >>> prior = CdfTable.from_pmf([[0.5, 0.5]], [0], escape=False)
        >>> given_z = CdfTable.from_pmf([[0.9, 0.1], [0.2, 0.8]], [0, 0], escape=False)
        >>> given_x = CdfTable.from_pmf([[9 / 11, 2 / 11], [1 / 9, 8 / 9]], [0, 0], escape=False)
        >>> x, stack = [0, 1, 1, 0], Stack(b"any bytes")
        >>> z = stack.pop(x, given_x)             # a sample of p(z | x): bits come back
        >>> stack.push(x, z, given_z)
        >>> stack.push(z, None, prior)
        >>> receiver = Stack.from_bytes(stack.to_bytes())
        >>> z = receiver.pop(None, prior, shape=4)
        >>> x = receiver.pop(z, given_z)
        >>> receiver.push(z, x, given_x)
        >>> x.tolist(), receiver.initial()
        ([0, 1, 1, 0], b'any bytes')
    """

    def __init__(self, initial: bytes | bytearray | memoryview = b"") -> None:
        self._begin(_core.Stack(as_bytes(initial, "initial")))

    def _begin(self, native: _core.Stack) -> None:
        self._native = native
        self._lock = OwnedLock()
        self._bits_before = native.bits()

    def _open(self) -> _core.Stack:
        return self._native

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Stack:
        """The stack that :meth:`to_bytes` wrote.

        Raises:
            StreamError: If the bytes cannot be a stack. A stack has no checksum: other damage shows
                in :meth:`initial` at the earliest.
        """
        stack = object.__new__(cls)
        stack._begin(_core.Stack.from_bytes(as_bytes(data, "data")))
        return stack

    def to_bytes(self) -> bytes:
        """State and words (docs/codes.md 3): 6 bytes and the content."""
        with self._lock:
            return self._native.to_bytes()

    def initial(self) -> bytes:
        """The bytes that the stack was made of.

        Raises:
            CorruptStreamError: Unless everything that was pushed has been popped and the other way
                round.
        """
        with self._lock:
            return self._native.initial()

    def copy(self) -> Stack:
        """An independent stack of the same content; its ``net_bits`` begin at 0."""
        stack = object.__new__(type(self))
        with self._lock:
            stack._begin(self._native.copy())
        return stack

    @property
    def bits(self) -> float:
        """The content in bits: 16 for each word, and what the state holds beyond 32 bits."""
        with self._lock:
            return self._native.bits()

    @property
    def net_bits(self) -> float:
        """Bits pushed less bits popped since the stack was made, rounding of states included."""
        return self.bits - self._bits_before

    def push(
        self, symbols: ArrayInput, indexes: ArrayInput | None, table: CdfTable | LargeTable
    ) -> None:
        """Push symbols; as :meth:`fastcoder.Encoder.push`."""
        if isinstance(table, LargeTable):
            self._push_large(symbols, indexes, table)
            return
        values, rows, native = _coding_arguments(symbols, indexes, table)
        with self._lock:
            self._native.push(values, rows, native)

    def pop(
        self,
        indexes: ArrayInput | None,
        table: CdfTable | LargeTable,
        dtype: DTypeLike = np.int32,
        out: NDArray[Any] | None = None,
        *,
        shape: Shape | None = None,
    ) -> NDArray[Any]:
        """Pop symbols; arguments and result as for :meth:`fastcoder.Decoder.pull`.

        Raises:
            TruncatedStreamError: If the content runs out.
            StreamError: If an escape is none.
            FastcoderError: As :func:`fastcoder.decode`. After any of these the stack is what it was
                before.
        """
        if isinstance(table, LargeTable):
            rows, result = _decoding_arrays(indexes, table.rows, dtype, shape, out)
            with self._lock:
                self._native.pop_large(rows, table._native, result)
            return result
        native = _native(table)
        rows, result = _decoding_arrays(indexes, table.rows, dtype, shape, out)
        with self._lock:
            self._native.pop(rows, native, result)
        return result

    def peek(self, precision: SupportsIndex) -> int:
        """As :meth:`fastcoder.Decoder.peek`; it never fails, for every state holds a number."""
        bits = as_precision(precision)
        with self._lock:
            return self._native.peek(bits)

    def advance(self, start: SupportsIndex, frequency: SupportsIndex) -> None:
        """As :meth:`fastcoder.Decoder.advance`."""
        interval = as_interval(start, frequency)
        with self._lock:
            self._native.advance(*interval)

    def pop_bits(self, shape: Shape, width: SupportsIndex) -> NDArray[Any]:
        """As :meth:`fastcoder.Decoder.pull_bits`."""
        bits = as_width(width)
        out = unsigned_array(shape)
        with self._lock:
            self._native.pop_bits(bits, out)
        return narrowest(out, bits)

    def pop_integers(self, shape: Shape, code: IntegerCode) -> NDArray[np.uint64]:
        """As :meth:`fastcoder.Decoder.pull_integers`."""
        native = native_code(code)
        out = unsigned_array(shape)
        with self._lock:
            self._native.pop_integers(native, out)
        return out
