# SPDX-License-Identifier: Apache-2.0
"""fastcoder's models without tables: a Gaussian of its own for every symbol."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastcoder as fc
from benchmarks.adapters import Unsupported
from benchmarks.workloads import Workload
from fastcoder.parametric import Gaussian


class Parametric:
    """`push_parametric` and `pull_parametric`; making the models is a part of both calls."""

    label = "fastcoder parametric"
    knows_model = True

    def version(self) -> str:
        """Version of the package."""
        return fc.__version__

    def prepare(self, workload: Workload) -> None:
        """Choose a support that holds all symbols."""
        if workload.sigma is None:
            raise Unsupported("not a Gaussian workload")
        most = int(np.abs(workload.symbols).max())
        reach = max(256, 1 << most.bit_length())
        if reach > 2**15:
            raise Unsupported("a support holds at most 65,536 symbols")
        self._support = (-reach, reach - 1)
        self._symbols = workload.symbols
        self._sigma = workload.sigma

    def _model(self) -> Gaussian:
        return Gaussian(0.0, self._sigma, support=self._support)

    def encode(self) -> bytes:
        """Symbols to a stream."""
        encoder = fc.Encoder(check=True)
        encoder.push_parametric(self._symbols, self._model())
        return encoder.finish()

    def decode(self, data: bytes) -> NDArray[Any]:
        """A stream to int32 symbols."""
        decoder = fc.Decoder(data)
        symbols = decoder.pull_parametric(self._model())
        decoder.finish()
        return symbols
