# SPDX-License-Identifier: Apache-2.0
"""Streams of CompressAI's coder that no encoder writes.

tests/compat damages thousands that the original wrote.
"""

from __future__ import annotations

import pytest

from fastcoder.compat import compressai
from fastcoder.errors import CorruptStreamError

ROW = ([[0, 16383, 32767, 49151, 65535, 65536]], [6], [0])
ESCAPE = 65535  # start of the last slot, which has frequency 1


def escaped(digits: list[int]) -> bytes:
    """The stream of one escape in ROW with these digits, least significant first."""
    state, words = 1 << 31, []
    for digit in reversed([len(digits), *digits]):
        if state >= 1 << 59:
            words.insert(0, state & 0xFFFFFFFF)
            state >>= 32
        state = 16 * state + digit
    if state >= 1 << 47:
        words.insert(0, state & 0xFFFFFFFF)
        state >>= 32
    state = (state << 16) + ESCAPE
    words = [state & 0xFFFFFFFF, state >> 32, *words]
    return b"".join(word.to_bytes(4, "little") for word in words)


@pytest.mark.parametrize(
    ("digits", "symbol"), [([], 4), ([2], 5), ([1, 1], -9), ([15] * 8, -(2**31))]
)
def test_digits_as_they_should_be(digits, symbol):
    stream = escaped(digits)
    assert compressai.RansEncoder().encode_with_indexes([symbol], [0], *ROW) == stream
    assert compressai.RansDecoder().decode_with_indexes(stream, [0], *ROW) == [symbol]


@pytest.mark.parametrize("digits", [[0], [2, 0], [1, 1, 0, 0], [0] * 8, [1] * 9, [0] * 14])
def test_digits_that_no_encoder_writes(digits):
    expected = r"symbols\[0\] = an escape, expected at most 8 digits, the last not 0"
    decoder = compressai.RansDecoder()
    with pytest.raises(CorruptStreamError, match=expected):
        decoder.decode_with_indexes(escaped(digits), [0], *ROW)
    decoder.set_stream(escaped(digits))
    with pytest.raises(CorruptStreamError, match=expected):
        decoder.decode_stream([0], *ROW)
    with pytest.raises(CorruptStreamError, match=expected):
        compressai.decode_many([escaped(digits)], [[0]], *ROW)
