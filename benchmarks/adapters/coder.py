# SPDX-License-Identifier: Apache-2.0
"""The coder as a codec uses it: default tables, one-shot streams, one thread."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

import fastcoder as fc
from benchmarks.workloads import Workload


class Fastcoder:
    """One instruction set of this build."""

    knows_model = True

    def __init__(self, isa: str) -> None:
        fc.isa.use(isa)
        self.label = f"fastcoder {isa}"

    def version(self) -> str:
        """Version of the package."""
        return fc.__version__

    def prepare(self, workload: Workload) -> None:
        """Build the table, and for Gaussian workloads choose the row of every symbol."""
        self._symbols = workload.symbols
        self._indexes: NDArray[Any] | None = workload.indexes
        if workload.sigma is not None:
            scales = fc.scale_table()
            self._table = fc.CdfTable.gaussian(scales)
            self._indexes = fc.scale_indexes(workload.sigma, scales)
            return
        if workload.pmf is None or workload.offsets is None:
            raise ValueError(f"{workload.name} = no distribution, expected sigma or pmf")
        complete = all(float(row.sum()) > 1 - 1e-9 for row in workload.pmf)
        self._table = fc.CdfTable.from_pmf(
            list(workload.pmf), workload.offsets, escape=not complete
        )
        if self._table.rows == 1:
            self._indexes = None

    def encode(self) -> bytes:
        """Symbols to a one-shot stream."""
        return fc.encode(self._symbols, self._indexes, self._table)

    def decode(self, data: bytes) -> NDArray[Any]:
        """A one-shot stream to int32 symbols."""
        return fc.decode(data, self._indexes, self._table, shape=self._symbols.shape)

    def table_bits(self) -> float:
        """Cost of the symbols under the quantized table."""
        return fc.cost(self._symbols, self._indexes, self._table)
