# SPDX-License-Identifier: Apache-2.0
"""CompressAI's coder: its bytes, both ways; what it takes; what it refuses; how it gets in."""

from __future__ import annotations

import numpy as np
import pytest

from fastcoder.compat import compressai

ROW = ([[0, 16383, 32767, 49151, 65535, 65536]], [6], [0])

# Written by CompressAI 1.2.8, for ROW.
GOLDEN = [
    ([1, 2, 3, 0], "05400e0280000000"),
    ([5], "ffff210000008000"),
    ([100000, -100000], "fffff50000800000380df3fff5d33000"),
    ([4, 4, 0, -1], "ffff080002000000f0ff2f0070048204"),
    ([0, 1, 2, 3] * 4, "a00a0880000000004a4ece78"),
    ([2**27 - 1], "ffff070000800000f6ffff0f"),
    ([-(2**27)], "ffff070000800000ffffff0f"),
]


@pytest.mark.parametrize("kind", [list, tuple, np.array])
@pytest.mark.parametrize(("symbols", "stream"), GOLDEN)
def test_streams_are_those_of_compressai(symbols, stream, kind):
    indexes = kind([0] * len(symbols))
    data = compressai.RansEncoder().encode_with_indexes(kind(symbols), indexes, *ROW)
    assert data.hex() == stream
    decoded = compressai.RansDecoder().decode_with_indexes(data, indexes, *ROW)
    assert type(decoded) is (np.ndarray if kind is np.array else list)
    assert list(decoded) == symbols


def test_a_second_row_is_that_of_compressai():
    table = ([[0, 65535, 65536]], [3], [0])
    data = compressai.RansEncoder().encode_with_indexes([0] * 5, [0] * 5, *table)
    assert data.hex() == "0680028000000000"
