# SPDX-License-Identifier: Apache-2.0
"""What needs no model: a copy of the memory (the floor) and compressors of the standard library."""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.workloads import Workload


class _Narrow:
    """Moves the symbols through the narrowest integers, as anybody would who compresses them so.

    The conversion is timed: all adapters start from int32 and end with int32.
    """

    knows_model = False

    def prepare(self, workload: Workload) -> None:
        self._symbols = workload.symbols
        low, high = int(self._symbols.min()), int(self._symbols.max())
        kinds = (np.uint8, np.int8, np.int16, np.int32)
        self._dtype = next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)

    def _narrow(self) -> bytes:
        return self._symbols.astype(self._dtype, copy=False).tobytes()

    def _widen(self, data: bytes) -> NDArray[Any]:
        return np.frombuffer(data, self._dtype).astype(np.int32)


class Copy(_Narrow):
    """The time to touch everything once."""

    label = "memcpy"

    def version(self) -> str:
        """Version of NumPy."""
        return str(np.__version__)

    def encode(self) -> bytes:
        """A narrower copy."""
        return self._narrow()

    def decode(self, data: bytes) -> NDArray[Any]:
        """A wider copy."""
        return self._widen(data)


class Zlib(_Narrow):
    """Deflate at its default level."""

    label = "zlib -6"

    def version(self) -> str:
        """Version of the library."""
        return zlib.ZLIB_RUNTIME_VERSION

    def encode(self) -> bytes:
        """Symbols to a zlib stream."""
        return zlib.compress(self._narrow(), 6)

    def decode(self, data: bytes) -> NDArray[Any]:
        """A zlib stream to symbols."""
        return self._widen(zlib.decompress(data))


class Zstd(_Narrow):
    """Zstandard at its default level, in the standard library since Python 3.14."""

    label = "zstd -3"

    def __init__(self) -> None:
        module = importlib.import_module("compression.zstd")
        self._compress: Callable[[bytes], bytes] = module.compress
        self._decompress: Callable[[bytes], bytes] = module.decompress

    def version(self) -> str:
        """Version of the interpreter that brings it."""
        return sys.version.split()[0]

    def encode(self) -> bytes:
        """Symbols to a Zstandard frame."""
        return self._compress(self._narrow())

    def decode(self, data: bytes) -> NDArray[Any]:
        """A Zstandard frame to symbols."""
        return self._widen(self._decompress(data))


ADAPTERS: dict[str, type[Copy] | type[Zlib] | type[Zstd]] = {
    "memcpy": Copy,
    "zlib": Zlib,
    "zstd": Zstd,
}
