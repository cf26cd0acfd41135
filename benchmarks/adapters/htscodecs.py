# SPDX-License-Identifier: Apache-2.0
"""htscodecs: static rANS of order 0 on bytes, 32 states, SIMD. It counts its own distribution.

Wider integers are their bytes to it, one after the other.

From the system's shared library (Debian: libhtscodecs2); only its documented C functions are used.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.adapters.general import Narrow

_LIBRARY = ctypes.CDLL("libhtscodecs.so.2")
_ORDER_0_X32 = 4
_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_uint
_LIBRARY.htscodecs_version.restype = ctypes.c_char_p
_LIBRARY.rans_compress_bound_4x16.restype = _SIZE
_LIBRARY.rans_compress_to_4x16.restype = _POINTER
_LIBRARY.rans_compress_to_4x16.argtypes = [_POINTER, _SIZE, _POINTER, _POINTER, ctypes.c_int]
_LIBRARY.rans_uncompress_to_4x16.restype = _POINTER
_LIBRARY.rans_uncompress_to_4x16.argtypes = [_POINTER, _SIZE, _POINTER, _POINTER]


class Htscodecs(Narrow):
    """Order 0, 32-way, the library's own choice of instruction set."""

    label = "htscodecs order 0"

    def version(self) -> str:
        """Version of the library."""
        version: bytes = _LIBRARY.htscodecs_version()
        return version.decode()

    def encode(self) -> bytes:
        """Symbols to a stream."""
        data = self.narrow().view(np.uint8)
        size = _SIZE(_LIBRARY.rans_compress_bound_4x16(data.size, _ORDER_0_X32))
        out = np.empty(size.value, np.uint8)
        arguments = data.ctypes.data, data.size, out.ctypes.data, ctypes.byref(size)
        if not _LIBRARY.rans_compress_to_4x16(*arguments, _ORDER_0_X32):
            raise RuntimeError("rans_compress_to_4x16 failed")
        return out[: size.value].tobytes()

    def decode(self, data: bytes) -> NDArray[Any]:
        """A stream to symbols."""
        size = _SIZE(self._symbols.size * np.dtype(self._dtype).itemsize)
        out = np.empty(size.value, np.uint8)
        arguments = data, len(data), out.ctypes.data, ctypes.byref(size)
        if not _LIBRARY.rans_uncompress_to_4x16(*arguments):
            raise RuntimeError("rans_uncompress_to_4x16 failed")
        return self.widen(out)
