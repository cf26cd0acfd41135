# SPDX-License-Identifier: Apache-2.0
"""CompressAI's coder in plain Python integers: slow, and the same bytes.

Written from the description of the format in csrc/compat/rans64_step.h, without any of the
preparations of the native coder: divisions are divisions, and a slot is found by looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LOWER = 2**31


@dataclass(frozen=True)
class Table:
    cdfs: list[list[int]]
    cdfs_sizes: list[int]
    offsets: list[int]

    @property
    def arguments(self) -> tuple[list[list[int]], list[int], list[int]]:
        return self.cdfs, self.cdfs_sizes, self.offsets


class NotCodable(ValueError):
    pass


def _digits(raw: int) -> list[int]:
    digits = []
    while raw:
        digits.append(raw % 16)
        raw //= 16
    return digits


def steps_of(table: Table, symbols: Sequence[int], indexes: Sequence[int]) -> list[tuple[int, int]]:
    """(start, frequency) of each push; a digit has the frequency 0."""
    steps = []
    for symbol, index in zip(symbols, indexes, strict=True):
        row = table.cdfs[index][: table.cdfs_sizes[index]]
        value, escape = symbol - table.offsets[index], len(row) - 2
        raw = -1
        if value < 0:
            raw = -2 * value - 1
        elif value >= escape:
            raw = 2 * (value - escape)
        if raw >= 2**32:
            raise NotCodable(symbol)
        slot = value if raw < 0 else escape
        if row[slot + 1] == row[slot]:
            raise NotCodable(symbol)
        steps.append((row[slot], row[slot + 1] - row[slot]))
        if raw >= 0:
            digits = _digits(raw)
            steps += [(digit, 0) for digit in [len(digits), *digits]]
    return steps


def encode(table: Table, symbols: Sequence[int], indexes: Sequence[int]) -> bytes:
    x, words = LOWER, []
    for start, frequency in reversed(steps_of(table, symbols, indexes)):
        if x >= (frequency << 47 if frequency else 1 << 59):
            words.append(x % 2**32)
            x >>= 32
        x = (x // frequency << 16) + x % frequency + start if frequency else 16 * x + start
    words += [x >> 32, x % 2**32]
    return b"".join(word.to_bytes(4, "little") for word in reversed(words))


def decode(table: Table, stream: bytes, indexes: Sequence[int]) -> list[int]:
    words = [int.from_bytes(stream[i : i + 4], "little") for i in range(0, len(stream), 4)]
    x, words = words[0] + (words[1] << 32), words[2:]

    def refilled(state: int) -> int:
        return state << 32 | words.pop(0) if state < LOWER else state

    def digit() -> int:
        nonlocal x
        value, x = x % 16, refilled(x >> 4)
        return value

    symbols = []
    for index in indexes:
        row = table.cdfs[index][: table.cdfs_sizes[index]]
        value = x % 65536
        slot = max(s for s in range(len(row)) if row[s] <= value)
        x = refilled((row[slot + 1] - row[slot]) * (x >> 16) + value - row[slot])
        symbol = slot
        if slot == len(row) - 2:
            raw = sum(digit() << 4 * i for i in range(digit()))
            symbol = -(raw >> 1) - 1 if raw % 2 else (raw >> 1) + slot
        symbols.append(symbol + table.offsets[index])
    assert (x, words) == (LOWER, [])
    return symbols


def quantized_cdf(pmf: Sequence[float], precision: int) -> list[int]:
    """By repeated donations, one at a time, as the rule says."""
    import numpy as np

    counts = [int(np.floor(np.float64(np.float32(p)) * 2**precision + 0.5)) for p in pmf]
    cdf = [0]
    for count in counts:
        cdf.append(cdf[-1] + 2**precision * count // sum(counts))
    cdf[-1] = 2**precision
    for i in range(len(pmf)):
        if cdf[i] != cdf[i + 1]:
            continue
        wide = [(cdf[k + 1] - cdf[k], k) for k in range(len(pmf)) if cdf[k + 1] - cdf[k] > 1]
        j = min(wide)[1]
        if j < i:
            cdf[j + 1 : i + 1] = [value - 1 for value in cdf[j + 1 : i + 1]]
        else:
            cdf[i + 1 : j + 1] = [value + 1 for value in cdf[i + 1 : j + 1]]
    return cdf
