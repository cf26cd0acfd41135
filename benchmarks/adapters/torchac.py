# SPDX-License-Identifier: Apache-2.0
"""torchac, as it is shipped: a module that it compiles on its first import, without optimization.

It wants the whole row once per symbol, so symbols are sorted by row and coded in pieces whose
repeated rows fit into 32 MiB; every piece is a byte string of its own.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torchac
from numpy.typing import NDArray

from benchmarks.adapters.by_row import ByRow
from benchmarks.tables import quantize
from benchmarks.workloads import Workload

_MOST_ENTRIES = 16 * 1024 * 1024  # of int16


class Torchac(ByRow):
    """`encode_int16_normalized_cdf` and its inverse."""

    label = "torchac"

    def version(self) -> str:
        """Version of the package."""
        return version("torchac")

    def prepare(self, workload: Workload) -> None:
        """Build int16 rows; the last entry, 2^16, wraps around to 0."""
        super().prepare(workload)
        wrapped = (quantize(row).astype(np.uint16).view(np.int16) for row in self.rows)
        self._cdfs = [torch.from_numpy(row) for row in wrapped]
        torch.set_num_threads(1)

    def _pieces(self, row: int, count: int) -> list[int]:
        most = _MOST_ENTRIES // self._cdfs[row].numel()
        return [min(most, count - first) for first in range(0, count, most)]

    def _repeated(self, row: int, count: int) -> torch.Tensor:
        return self._cdfs[row].expand(count, -1).contiguous()

    def encode(self) -> bytes:
        """Symbols to byte strings, each behind its length."""
        parts = []
        for row, values in self.split():
            symbols = torch.from_numpy(values.astype(np.int16))
            for piece in symbols.split(self._pieces(row, symbols.numel())):
                cdf = self._repeated(row, piece.numel())
                part = torchac.encode_int16_normalized_cdf(cdf, piece)
                parts += [len(part).to_bytes(4, "little"), part]
        return b"".join(parts)

    def decode(self, data: bytes) -> NDArray[Any]:
        """Byte strings to symbols."""
        order, counts = self.counts()
        values, position = [], 0
        for row, count in counts:
            for size in self._pieces(row, count):
                end = position + 4 + int.from_bytes(data[position : position + 4], "little")
                part = data[position + 4 : end]
                cdf = self._repeated(row, size)
                values.append(torchac.decode_int16_normalized_cdf(cdf, part).numpy())
                position = end
        return self.join(order, values)
