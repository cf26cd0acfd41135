# SPDX-License-Identifier: Apache-2.0
"""Named, seeded inputs and what they cost under the exact model that made them. NumPy only.

====  ==========================================================================================
W1    hyperprior latents: 4 Mi symbols, Gaussian, median scale 0.4 (about 1.2 bits per symbol)
W2    the same at a middle rate: median scale 4 (about 4 bits)
W3    hyper-latents: 192 logistic channels of 64 x 64, one static row each (about 2.6 bits)
W4    a small message: 2,000 consecutive symbols of W1
W5    W1 with 0.1 % of its symbols replaced by magnitudes of 200 to 100,000 (escapes)
W6    4 Mi bytes from one static row (5.79 bits)
====  ==========================================================================================

`latents.py` makes W7, Y and Z from photographs. The scales here are like those of a picture: they
vary smoothly over space and differ between channels, and symbols follow the scale itself, not the
row that a coder rounds it to.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["NAMES", "REFERENCE_SCALES", "TAIL_MASS", "Workload", "make"]

NAMES = ("W1", "W2", "W3", "W4", "W5", "W6")

# The 64 scales that CompressAI and TensorFlow Compression use, for their index of each symbol.
REFERENCE_SCALES: NDArray[np.float64] = np.exp(np.linspace(math.log(0.11), math.log(256.0), 64))

# Of one row on both sides together, where a coder has to end its rows: CompressAI's value.
TAIL_MASS = 1e-9

_FIELD_SHAPE = (192, 128, 171)
_LATENT_COUNT = 4 * 1024 * 1024
_OUTLIER_RANGE = (200.0, 100_000.0)
_ESCAPE_BITS = 16.0  # what a coder with 16-bit tables pays at most before an outlier's own bits


@dataclasses.dataclass(frozen=True)
class Workload:
    """One input of the benchmarks.

    Attributes:
        name: One of `NAMES`, or of `latents.NAMES`.
        symbols: int32, shape ``(n,)``.
        indexes: uint8, shape ``(n,)``: the row of each symbol. With ``sigma`` the rows are
            `REFERENCE_SCALES` by the rule "smallest scale >= sigma"; else ``pmf`` has the rows.
        sigma: float32, shape ``(n,)``, the standard deviation of each symbol, or None.
        pmf: The rows if they are static: float64 arrays with a sum of 1 but for tails of about
            `TAIL_MASS`, or None.
        offsets: int32, shape ``(len(pmf),)``: the symbol of the first value of each row, or None.
        exact_bits: Cost of all symbols under the model that drew them, with nothing quantized.
        source: What it was made of, if not of random numbers.
    """

    name: str
    symbols: NDArray[np.int32]
    indexes: NDArray[np.uint8]
    sigma: NDArray[np.float32] | None
    pmf: tuple[NDArray[np.float64], ...] | None
    offsets: NDArray[np.int32] | None
    exact_bits: float
    source: str = ""


def make(name: str, seed: int = 1) -> Workload:
    """Return the workload ``name``.

    Args:
        name: One of `NAMES`.
        seed: Any integer >= 0; other seeds give other data of the same kind.

    Raises:
        ValueError: If there is no such workload.
    """
    if name in ("W1", "W2"):
        symbols, sigma, bits = _latents(name, seed)
        return Workload(name, symbols, ceil_indexes(sigma), sigma, None, None, bits)
    if name == "W3":
        return _hyper_latents(seed)
    if name == "W4":
        return _small_message(seed)
    if name == "W5":
        return _outliers(seed)
    if name == "W6":
        return _static_bytes(seed)
    raise ValueError(f"name = {name!r}, expected one of {', '.join(NAMES)}")


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, *name.encode()])


def _low_pass(length: int, width: float) -> NDArray[np.float64]:
    """Return the ``(length, length)`` matrix of a Gaussian filter with mirrored borders."""
    reach = math.ceil(4 * width)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / width) ** 2)
    matrix = np.zeros((length, length))
    for row in range(length):
        column = np.abs(row + offsets)
        column = np.where(column >= length, 2 * (length - 1) - column, column)
        np.add.at(matrix[row], column, weights / weights.sum())
    return matrix


def _smooth(noise: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Filter the last two axes and return the field with unit deviation."""
    height, columns = noise.shape[-2:]
    field: NDArray[np.float64] = _low_pass(height, width) @ noise @ _low_pass(columns, width).T
    return field / float(field.std())


def _sigma_field(
    generator: np.random.Generator, median: float, spread: float, cap: float
) -> NDArray[np.float32]:
    channels, height, width = _FIELD_SHAPE
    per_channel = generator.standard_normal((channels, 1, 1))
    shared = _smooth(generator.standard_normal((height, width)), 5.0)
    own = _smooth(generator.standard_normal(_FIELD_SHAPE), 2.0)
    field = 0.55 * per_channel + 0.60 * shared + 0.58 * own
    field = (field - np.median(field)) / field.std()
    sigma: NDArray[np.float64] = np.clip(median * np.exp(spread * field), 0.01, cap)
    return sigma.reshape(-1)[:_LATENT_COUNT].astype(np.float32)


def _erfc(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Complementary error function for x >= 0, relative error below 1e-13 up to x = 20.

    Below 1 the Maclaurin series of erf; above it the trapezoidal rule with step 1/2 for
    ``2 x exp(-x^2) / pi * integral_0^inf exp(-t^2) / (x^2 + t^2) dt`` and its residue.
    """
    out = np.empty_like(x)
    small = x < 1.0
    inner = x[small]
    square = inner * inner
    series = np.zeros_like(inner)
    for n in range(18, -1, -1):
        series = series * square + (-1.0) ** n / (math.factorial(n) * (2 * n + 1))
    out[small] = 1.0 - 2.0 / math.sqrt(math.pi) * inner * series
    outer = np.minimum(x[~small], 26.0)
    square = outer * outer
    series = 0.5 / square
    for n in range(1, 13):
        series += math.exp(-0.25 * n * n) / (square + 0.25 * n * n)
    residue = 2.0 / np.expm1(4.0 * math.pi * np.minimum(outer, 6.0))
    out[~small] = outer / math.pi * np.exp(-square) * series - np.where(outer < 6.0, residue, 0.0)
    return out


def gaussian_bits(symbols: NDArray[np.int32], sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return ``-log2 P(symbol)`` for rounded zero-mean Gaussians, shape ``(n,)``."""
    unit = 1.0 / (math.sqrt(2.0) * sigma.astype(np.float64))
    magnitude = np.abs(symbols.astype(np.float64))
    below = _erfc(np.maximum(magnitude - 0.5, 0.0) * unit)
    above = _erfc((magnitude + 0.5) * unit)
    mass = np.where(symbols == 0, 1.0 - above, 0.5 * (below - above))
    return -np.log2(mass)


def ceil_indexes(sigma: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the index of the smallest of `REFERENCE_SCALES` that is not below each sigma."""
    return np.searchsorted(REFERENCE_SCALES[:-1], sigma.astype(np.float64)).astype(np.uint8)


@functools.lru_cache(maxsize=1)
def _latents(name: str, seed: int) -> tuple[NDArray[np.int32], NDArray[np.float32], float]:
    """Return the symbols, scales and exact bits of W1 or W2; W4 and W5 are made from W1."""
    median, spread, cap = (0.4, 1.15, 30.0) if name == "W1" else (4.0, 0.70, 60.0)
    generator = _generator(name, seed)
    sigma = _sigma_field(generator, median, spread, cap)
    symbols = np.rint(sigma * generator.standard_normal(sigma.size)).astype(np.int32)
    symbols.flags.writeable = sigma.flags.writeable = False  # shared through the cache
    return symbols, sigma, float(gaussian_bits(symbols, sigma).sum())


def _small_message(seed: int) -> Workload:
    count = 2000
    symbols, sigma, _ = _latents("W1", seed)
    first = int(_generator("W4", seed).integers(symbols.size // 3 - count))
    part = slice(first, first + count)
    symbols, sigma = symbols[part], sigma[part]
    bits = float(gaussian_bits(symbols, sigma).sum())
    return Workload("W4", symbols, ceil_indexes(sigma), sigma, None, None, bits)


def _outliers(seed: int) -> Workload:
    """W1 with outliers; each costs its escape, its sign and its share of log-uniform magnitudes."""
    source, sigma, bits = _latents("W1", seed)
    generator = _generator("W5", seed)
    low, high = (math.log(limit) for limit in _OUTLIER_RANGE)
    places = generator.choice(source.size, source.size // 1000, replace=False)
    magnitudes = np.rint(np.exp(generator.uniform(low, high, places.size)))
    signs = generator.choice(np.array([-1, 1]), places.size)
    symbols = source.copy()
    symbols[places] = (signs * magnitudes).astype(np.int32)
    outlier_bits = _ESCAPE_BITS + 1.0 + np.log2(magnitudes * (high - low))
    bits += float(outlier_bits.sum() - gaussian_bits(source[places], sigma[places]).sum())
    return Workload("W5", symbols, ceil_indexes(sigma), sigma, None, None, bits)


def _logistic_mass(
    symbols: NDArray[np.float64], location: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mass of unit bins; mirrored to the side where the tails are small numbers."""
    distance = np.abs(symbols - location)
    inner = np.exp(-(distance - 0.5) / scale)
    outer = np.exp(-(distance + 0.5) / scale)
    return inner / (1.0 + inner) - outer / (1.0 + outer)


def _hyper_latents(seed: int) -> Workload:
    channels, per_channel = 192, 64 * 64
    generator = _generator("W3", seed)
    location = generator.uniform(-3.0, 3.0, (channels, 1))
    scale = np.clip(0.8 * np.exp(0.6 * generator.standard_normal((channels, 1))), 0.15, 4.0)
    uniform = generator.uniform(1e-12, 1.0 - 1e-12, (channels, per_channel))
    values = np.rint(location + scale * np.log(uniform / (1.0 - uniform)))
    bits = -np.log2(_logistic_mass(values, location, scale)).sum()
    reach = math.log(2.0 / TAIL_MASS - 1.0) * scale
    first = np.floor(location - reach).astype(np.int32).ravel()
    last = np.ceil(location + reach).astype(np.int32).ravel()
    pmf = tuple(
        _logistic_mass(np.arange(first[c], last[c] + 1.0), location[c], scale[c])
        for c in range(channels)
    )
    return Workload(
        "W3",
        values.astype(np.int32).ravel(),
        np.repeat(np.arange(channels, dtype=np.uint8), per_channel),
        None,
        pmf,
        first,
        float(bits),
    )


def _static_bytes(seed: int) -> Workload:
    k = np.arange(256)
    pmf = 0.97 * np.exp(-np.abs(k - 128) / 9.0) + 0.03 * 18.0 / 256.0
    pmf /= pmf.sum()
    draws = _generator("W6", seed).uniform(0.0, 1.0, _LATENT_COUNT)
    symbols = np.minimum(np.searchsorted(np.cumsum(pmf), draws, side="right"), 255)
    bits = float(-np.log2(pmf)[symbols].sum())
    return Workload(
        "W6",
        symbols.astype(np.int32),
        np.zeros(_LATENT_COUNT, np.uint8),
        None,
        (pmf,),
        np.zeros(1, np.int32),
        bits,
    )
