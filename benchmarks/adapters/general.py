# SPDX-License-Identifier: Apache-2.0
"""What needs no model: a copy of the memory (the floor) and general compressors."""

from __future__ import annotations

import importlib
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.workloads import Workload


class Narrow:
    """Moves the symbols through the narrowest integers, as anybody would who compresses them so.

    The conversion is timed: all adapters start from int32 and end with int32.
    """

    knows_model = False

    def prepare(self, workload: Workload) -> None:
        """Choose the integers."""
        self._symbols = workload.symbols
        low, high = int(self._symbols.min()), int(self._symbols.max())
        kinds = (np.uint8, np.int8, np.int16, np.int32)
        self._dtype = next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)

    def narrow(self) -> NDArray[Any]:
        """Symbols to small integers."""
        return self._symbols.astype(self._dtype, copy=False)

    def widen(self, data: bytes | NDArray[Any]) -> NDArray[Any]:
        """Small integers to symbols."""
        return np.frombuffer(data, self._dtype).astype(np.int32)


class Copy(Narrow):
    """The time to touch everything once."""

    label = "memcpy"

    def version(self) -> str:
        """Version of NumPy."""
        return str(np.__version__)

    def encode(self) -> bytes:
        """A narrower copy."""
        return self.narrow().tobytes()

    def decode(self, data: bytes) -> NDArray[Any]:
        """A wider copy."""
        return self.widen(data)


class Zlib(Narrow):
    """Deflate at its default level."""

    label = "zlib -6"

    def version(self) -> str:
        """Version of the library."""
        return zlib.ZLIB_RUNTIME_VERSION

    def encode(self) -> bytes:
        """Symbols to a zlib stream."""
        return zlib.compress(self.narrow().data, 6)

    def decode(self, data: bytes) -> NDArray[Any]:
        """A zlib stream to symbols."""
        return self.widen(zlib.decompress(data))


class Zstd(Narrow):
    """Zstandard at its default level, through the package `zstandard`."""

    label = "zstd -3"

    def __init__(self) -> None:
        self._module = importlib.import_module("zstandard")

    def version(self) -> str:
        """Version of the package."""
        return str(self._module.__version__)

    def encode(self) -> bytes:
        """Symbols to a Zstandard frame."""
        data: bytes = self._module.ZstdCompressor(level=3).compress(self.narrow())
        return data

    def decode(self, data: bytes) -> NDArray[Any]:
        """A Zstandard frame to symbols."""
        return self.widen(self._module.ZstdDecompressor().decompress(data))
