# SPDX-License-Identifier: Apache-2.0
"""constriction's ANS coder with one categorical model per row, symbols sorted by row."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from benchmarks.adapters.by_row import ByRow
from benchmarks.workloads import Workload


class Constriction(ByRow):
    """The faster of its two coders, driven the fastest way that it has."""

    label = "constriction"

    def version(self) -> str:
        """Version of the package."""
        return version("constriction")

    def prepare(self, workload: Workload) -> None:
        """Make a model of every row."""
        super().prepare(workload)
        kind = constriction.stream.model.Categorical
        self._models = [kind(row, perfect=False) for row in self.rows]

    def encode(self) -> bytes:
        """Symbols to a stack of words; what is pushed last comes back first."""
        coder = constriction.stream.stack.AnsCoder()
        for row, values in reversed(self.split()):
            coder.encode_reverse(values, self._models[row])
        data: bytes = coder.get_compressed().tobytes()
        return data

    def decode(self, data: bytes) -> NDArray[Any]:
        """A stack of words to symbols."""
        coder = constriction.stream.stack.AnsCoder(np.frombuffer(data, np.uint32))
        order, counts = self.counts()
        return self.join(order, [coder.decode(self._models[row], n) for row, n in counts])
