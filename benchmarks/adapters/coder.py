# SPDX-License-Identifier: Apache-2.0
"""fastcoder as a codec uses it: default tables, one-shot streams."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastcoder as fc
from benchmarks.workloads import Workload

_TAIL_MASS = 2.0**-12  # what fastcoder's own tables leave to the escape


class Fastcoder:
    """One-shot streams: one instruction set of this build, one precision, a number of threads."""

    knows_model = True

    def __init__(self, isa: str = "", precision: str = "14", threads: str = "1") -> None:
        if isa:
            fc.isa.use(isa)
        self._precision = int(precision)
        self._threads = int(threads)
        self.label = f"fastcoder {fc.isa.active()}"
        if self._precision != 14:
            self.label += f", precision {precision}"
        if self._threads > 1:
            self.label += f", {threads} threads"

    def version(self) -> str:
        """Version of the package."""
        return fc.__version__

    def prepare(self, workload: Workload) -> None:
        """Build the table, and for Gaussian workloads choose the row of every symbol."""
        self._symbols = workload.symbols
        self._indexes: NDArray[Any] | None = workload.indexes
        if workload.sigma is not None:
            scales = fc.scale_table()
            self._table = fc.CdfTable.gaussian(scales, precision=self._precision)
            self._indexes = fc.scale_indexes(workload.sigma, scales)
            return
        if workload.pmf is None or workload.offsets is None:
            raise ValueError(f"{workload.name} = no distribution, expected sigma or pmf")
        rows, offsets = list(workload.pmf), workload.offsets
        escape = any(float(row.sum()) < 1 - 1e-12 for row in rows)
        if escape:
            cut = [_without_tails(row) for row in rows]
            rows = [row for _, row in cut]
            offsets = offsets + np.array([first for first, _ in cut], np.int32)
        self._table = fc.CdfTable.from_pmf(rows, offsets, escape=escape, precision=self._precision)
        if self._table.rows == 1:
            self._indexes = None

    def encode(self) -> bytes:
        """Symbols to a one-shot stream."""
        return fc.encode(self._symbols, self._indexes, self._table, self._threads)

    def decode(self, data: bytes) -> NDArray[Any]:
        """A one-shot stream to int32 symbols."""
        shape = self._symbols.shape
        return fc.decode(data, self._indexes, self._table, threads=self._threads, shape=shape)

    def details(self, data: bytes) -> dict[str, Any]:
        """Cost of the symbols under the quantized table, and the lanes that the coder chose."""
        arguments = self._symbols, self._indexes, self._table
        equal = (k for k in (32, 16, 8, 4, 2, 1) if fc.encode(*arguments, lanes=k) == data)
        return {"table_bits": fc.cost(*arguments), "lanes": next(equal, None)}


def _without_tails(row: NDArray[np.float64]) -> tuple[int, NDArray[np.float64]]:
    """Return how many symbols were cut from the front, and the row without its tails."""
    first = int(np.searchsorted(np.cumsum(row), _TAIL_MASS / 2))
    last = row.size - int(np.searchsorted(np.cumsum(row[::-1]), _TAIL_MASS / 2))
    return first, row[first:last]
