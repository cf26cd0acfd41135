# SPDX-License-Identifier: Apache-2.0
"""CompressAI's rANS coder, with tables by its own rule.

Driven as its `EntropyModel` does: everything becomes Python lists on every call, the tables
included. The two extension modules are loaded without the package around them, whose import needs
PyTorch and torchvision and has no part in coding.
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import reference_rows
from benchmarks.workloads import Workload


def _extension(name: str) -> ModuleType:
    package = importlib.util.find_spec("compressai")
    if package is None or package.origin is None:
        raise ImportError("No module named 'compressai'")
    path = next(Path(package.origin).parent.glob(f"{name}.*"))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no extension module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_ANS, _OPS = _extension("ans"), _extension("_CXX")


class CompressAI:
    """`RansEncoder.encode_with_indexes` and its inverse, 16-bit tables."""

    label = "CompressAI"
    knows_model = True

    def version(self) -> str:
        """Version of the package."""
        return version("compressai")

    def prepare(self, workload: Workload) -> None:
        """Build the tables as its entropy models keep them: padded int32 rows."""
        rows, self._offsets = reference_rows(workload)
        cdfs = []
        for row in rows:
            tail = max(1.0 - float(row.sum()), 0.0)
            cdfs.append(_OPS.pmf_to_quantized_cdf([*row.tolist(), tail], 16))
        self._lengths = np.array([len(cdf) for cdf in cdfs], np.int32)
        self._cdfs = np.zeros((len(cdfs), int(self._lengths.max())), np.int32)
        for padded, cdf in zip(self._cdfs, cdfs, strict=True):
            padded[: len(cdf)] = cdf
        self._symbols = workload.symbols
        self._indexes = workload.indexes.astype(np.int32)

    def _model(self) -> tuple[list[Any], list[list[int]], list[int], list[int]]:
        arrays = self._indexes, self._cdfs, self._lengths, self._offsets
        return tuple(array.tolist() for array in arrays)

    def encode(self) -> bytes:
        """Symbols to a stream."""
        encoder = _ANS.RansEncoder()
        data: bytes = encoder.encode_with_indexes(self._symbols.tolist(), *self._model())
        return data

    def decode(self, data: bytes) -> NDArray[Any]:
        """A stream to symbols."""
        values = _ANS.RansDecoder().decode_with_indexes(data, *self._model())
        return np.array(values, np.int32)
