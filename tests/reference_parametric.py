# SPDX-License-Identifier: Apache-2.0
"""The parametric distributions of docs/parametric.md a second time, in plain Python integers.

Written from that page: it shares no code with csrc. Section numbers are those of the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

TOTAL = 2**24
LIMIT = 2**19


def floor_log2(x: Fraction) -> int:
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if x >= Fraction(2) ** e else e - 1


# --- section 1: reals to fixed point -------------------------------------------------------------


def fix_mean(mean: float) -> int:
    assert -(2**20) <= mean <= 2**20
    return round(Fraction(mean) * 1024)  # half to even


def fix_scale(scale: float) -> int:
    assert 0 <= scale <= 2**20
    x = Fraction(scale)
    if x < Fraction(1, 1024):
        return 0
    e = floor_log2(x)
    fraction = (x / Fraction(2) ** e - 1) * 256
    return 256 * (e + 10) + math.floor(fraction + Fraction(1, 2))


def fix_weights(weights: Sequence[float]) -> list[int]:
    """Of one symbol; every sum, quotient and product in double precision, left to right."""
    total = 0.0
    for w in weights:
        total += w
    edges, below = [0], 0.0
    for w in weights:
        below += w
        edges.append(math.floor(below / total * 65536 + 0.5))
    return [b - a for a, b in pairwise(edges)]


# --- section 2: the cdf --------------------------------------------------------------------------


def gaussian(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def laplace(x: float) -> float:
    return 0.5 * math.exp(x) if x < 0 else 1 - 0.5 * math.exp(-x)


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


CDFS: dict[str, tuple[Callable[[float], float], int]] = {
    "gaussian": (gaussian, 256),
    "laplace": (laplace, 128),
    "logistic": (logistic, 128),
}


@lru_cache(maxsize=3)
def knots(family: str) -> list[int]:
    cdf, per_scale = CDFS[family]
    return [math.floor(2**30 * cdf((i - 2048) / per_scale) + 0.5) for i in range(4097)]


class Curve(NamedTuple):
    """One component: family, mean and scale in fixed point, weight of 65,536."""

    family: str
    mean: int
    scale: int
    weight: int = 65536

    def below(self, symbol: int) -> int:
        """T half a symbol below `symbol`."""
        reciprocal = (2**39 + 256 + self.scale % 256) // (2 * (256 + self.scale % 256))
        shift = self.scale // 256 + (6 if self.family == "gaussian" else 7)
        place = ((1024 * symbol - 512 - self.mean) * reciprocal >> shift) + 2048 * 65536
        i, rest = divmod(min(max(place, 0), 4096 * 65536), 65536)
        table = knots(self.family)
        return table[i] + ((table[i + 1] - table[i]) * rest >> 16 if rest else 0)


class Distribution(NamedTuple):
    """Of one symbol."""

    low: int
    high: int
    curves: tuple[Curve, ...]

    def start(self, symbol: int) -> int:
        """cdf(symbol) for low <= symbol <= high + 1."""
        size = self.high - self.low + 1
        if symbol == self.low:
            return 0
        if symbol == self.high + 1:
            return TOTAL
        knot = sum(curve.weight * curve.below(symbol) for curve in self.curves) >> 16
        return symbol - self.low + (knot * (TOTAL - size) >> 30)

    def interval(self, symbol: int) -> tuple[int, int]:
        start = self.start(symbol)
        return start, self.start(symbol + 1) - start

    def find(self, value: int) -> int:
        """The symbol whose interval holds `value`."""
        low, high = self.low, self.high
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.start(middle) <= value else (low, middle - 1)
        return low
