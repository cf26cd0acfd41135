# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Compression's range coder, through its eager operations."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_compression as tfc
from numpy.typing import NDArray

from benchmarks.tables import quantize, reference_rows
from benchmarks.workloads import Workload


class TensorFlowCompression:
    """`entropy_encode_index` and its inverse, 16-bit tables with its overflow code."""

    label = "TensorFlow Compression"
    knows_model = True

    def version(self) -> str:
        """Version of the package."""
        return version("tensorflow-compression")

    def prepare(self, workload: Workload) -> None:
        """Concatenate the rows; a negative precision asks for escapes."""
        rows, offsets = reference_rows(workload)
        parts = [part for row in rows for part in ([-16], quantize(row))]
        self._lookup = tf.constant(np.concatenate(parts), tf.int32)
        self._symbols = workload.symbols
        self._indexes = workload.indexes.astype(np.int32)
        self._offsets = offsets

    def encode(self) -> bytes:
        """Symbols to a stream."""
        values = self._symbols - self._offsets[self._indexes]
        handle = tfc.create_range_encoder([], self._lookup)
        handle = tfc.entropy_encode_index(handle, self._indexes, values)
        data: bytes = tfc.entropy_encode_finalize(handle).numpy()
        return data

    def decode(self, data: bytes) -> NDArray[Any]:
        """A stream to symbols."""
        handle = tfc.create_range_decoder(data, self._lookup)
        shape = self._indexes.shape
        handle, values = tfc.entropy_decode_index(handle, self._indexes, shape, tf.int32)
        if not tfc.entropy_decode_finalize(handle).numpy():
            raise RuntimeError("the decoder doubts the stream")
        symbols: NDArray[Any] = values.numpy() + self._offsets[self._indexes]
        return symbols
