# SPDX-License-Identifier: Apache-2.0
"""fastcoder's range coder, first in, first out, with the tables of `coder.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastcoder as fc
from benchmarks.adapters.coder import Fastcoder


class RangeCoder(Fastcoder):
    """`RangeEncoder` and `RangeDecoder`, one push and one pull."""

    def __init__(self, precision: str = "14") -> None:
        super().__init__(precision=precision)
        self.label = "fastcoder range coder"
        if precision != "14":
            self.label += f", precision {precision}"

    def encode(self) -> bytes:
        """Symbols to a stream."""
        encoder = fc.RangeEncoder()
        encoder.push(self._symbols, self._indexes, self._table)
        return encoder.finish()

    def decode(self, data: bytes) -> NDArray[Any]:
        """A stream to int32 symbols."""
        decoder = fc.RangeDecoder(data)
        out = np.empty(self._symbols.shape, np.int32)
        decoder.pull(self._indexes, self._table, out=out)
        decoder.finish()
        return out

    def details(self, data: bytes) -> dict[str, Any]:
        """Cost of the symbols under the quantized table."""
        return {"table_bits": fc.cost(self._symbols, self._indexes, self._table)}
