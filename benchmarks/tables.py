# SPDX-License-Identifier: Apache-2.0
"""The model of a workload as other libraries want it: probability rows, and 16-bit integers."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks.workloads import REFERENCE_SCALES, TAIL_MASS, Workload, gaussian_bits

Rows = list[NDArray[np.float64]]


def reference_rows(workload: Workload) -> tuple[Rows, NDArray[np.int32]]:
    """Return the rows that ``workload.indexes`` name, and the symbol of each row's first value.

    Gaussian workloads have one row for each of the 64 scales that CompressAI and TensorFlow
    Compression use, wide enough for a tail mass of 1e-9, as theirs are.
    """
    if workload.pmf is not None and workload.offsets is not None:
        return list(workload.pmf), workload.offsets
    reach = -NormalDist().inv_cdf(TAIL_MASS / 2)
    ends = [math.ceil(reach * scale) for scale in REFERENCE_SCALES]
    rows = []
    for end, scale in zip(ends, REFERENCE_SCALES, strict=True):
        symbols = np.arange(-end, end + 1, dtype=np.int32)
        sigma = np.full(symbols.size, scale)
        rows.append(np.exp2(-gaussian_bits(symbols, sigma)))
    return rows, np.array([-end for end in ends], np.int32)


def quantize(row: NDArray[np.float64], precision: int = 16) -> NDArray[np.int32]:
    """Return an integer cdf, shape ``(len(row) + 2,)``, whose last slot is the tail's.

    Every slot gets at least 1; what the rounding leaves over or short, the largest slots bear.
    """
    total = 1 << precision
    pmf = np.append(row, max(1.0 - float(row.sum()), 0.0))
    frequencies = np.maximum(1, np.rint(pmf * total)).astype(np.int64)
    while (excess := int(frequencies.sum()) - total) != 0:
        most = min(abs(excess), int((frequencies > 1).sum()))
        largest = np.argsort(-frequencies, kind="stable")[:most]
        frequencies[largest] -= np.sign(excess)
    return np.concatenate([[0], np.cumsum(frequencies)]).astype(np.int32)


def is_inside(workload: Workload) -> bool:
    """Say whether every symbol lies in its row, so that a coder without escapes can code it."""
    rows, offsets = reference_rows(workload)
    position = workload.symbols.astype(np.int64) - offsets[workload.indexes]
    lengths = np.array([row.size for row in rows])[workload.indexes]
    return bool((position >= 0).all() and (position < lengths).all())
