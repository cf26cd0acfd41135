# SPDX-License-Identifier: Apache-2.0
"""The shared randomness of docs/random.md a second time, in NumPy alone.

Written from that page: it shares no code with csrc. The cells of the normal variates come from
Python's own quantile function and are rounded to integers, where its last digits do not matter.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

MASK = np.uint64(0xFFFFFFFF)


def philox(counter: NDArray[np.uint64], key: int) -> NDArray[np.uint64]:
    """Ten rounds; the last axis of `counter` is four words."""
    c0, c1, c2, c3 = (counter[..., i].astype(np.uint64) & MASK for i in range(4))
    key0, key1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        product0 = np.uint64(0xD2511F53) * c0
        product1 = np.uint64(0xCD9E8D57) * c2
        high0, high1 = product0 >> np.uint64(32), product1 >> np.uint64(32)
        c0, c1 = high1 ^ c1 ^ np.uint64(key0), product1 & MASK
        c2, c3 = high0 ^ c3 ^ np.uint64(key1), product0 & MASK
        key0, key1 = (key0 + 0x9E3779B9) % 2**32, (key1 + 0xBB67AE85) % 2**32
    return np.stack([c0, c1, c2, c3], axis=-1)


def words(count: int, seed: int, offset: int = 0, candidate: int = 0) -> NDArray[np.uint32]:
    """Words `offset` to `offset + count - 1` of a candidate."""
    blocks = range(offset // 4, (offset + count + 3) // 4)
    parts = [(b % 2**32, b >> 32, candidate % 2**32, candidate >> 32) for b in blocks]
    made = philox(np.array(parts, np.uint64).reshape(-1, 4), seed).ravel()
    return made[offset % 4 :][:count].astype(np.uint32)


def uniforms(w: NDArray[np.uint32], dtype: type) -> NDArray[np.floating]:
    """Inside (0, 1); every operation is exact."""
    if dtype is np.float32:
        return ((w >> 9).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23)
    return (w.astype(np.float64) + 0.5) * 2.0**-32


def nearest(x: float) -> int:
    return math.floor(x + 0.5)


@lru_cache(maxsize=1)
def normal_cells() -> NDArray[np.int64]:
    """c0 to c3 of the 2,048 cells."""
    quantile = NormalDist().inv_cdf

    def node(i: int) -> float:
        return -quantile(2.0 ** (i // 64 - 33) * (1 + i % 64 / 64)) if i < 2048 else 0.0

    def slope(z: float, octave: int) -> int:
        return nearest(
            -(2.0 ** (octave - 39)) * math.sqrt(2 * math.pi) * math.exp(z * z / 2) * 2**32
        )

    rows = []
    for i in range(2048):
        z0, z1 = node(i), node(i + 1)
        v0, v1, d0, d1 = (
            nearest(z0 * 2**32),
            nearest(z1 * 2**32),
            slope(z0, i // 64),
            slope(z1, i // 64),
        )
        rows.append([v0, d0, 3 * (v1 - v0) - 2 * d0 - d1, 2 * (v0 - v1) + d0 + d1])
    return np.array(rows, np.int64)


def normals_fixed(w: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Standard normal variates in units of 2^-32."""
    word = w.astype(np.int64)
    upper = word >> 31
    a = 2 * np.where(upper == 1, 2**32 - 1 - word, word) + 1
    octave = np.frexp(a.astype(np.float64))[1].astype(np.int64) - 1
    aligned = a << (31 - octave)
    c = normal_cells()[64 * octave + (aligned >> 25 & 63)]
    f = aligned & (2**25 - 1)
    z = c[:, 0] + ((c[:, 1] + ((c[:, 2] + (c[:, 3] * f >> 25)) * f >> 25)) * f >> 25)
    return np.where(upper == 1, z, -z)
