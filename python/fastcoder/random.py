# SPDX-License-Identifier: Apache-2.0
"""Randomness that an encoder and a decoder share, with random access (docs/random.md).

A number depends on the seed, the position of its element and its candidate, and on nothing else:
not on the shape that was asked for, the machine, the number of threads, or what was drawn before.
:mod:`fastcoder.torch.random` gives the same numbers on any device. The generator is Philox4x32-10
(Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).

For codecs, not for secrets: whoever knows the seed knows the numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _core
from ._arrays import ArrayInput, as_array, as_integer, as_shape, contiguous
from .coding import Shape
from .errors import ArgumentError, ArgumentTypeError, ShapeError

__all__ = ["normal", "philox", "uint32", "uniform"]

_LIMIT = 2**64


def uint32(
    shape: Shape,
    seed: SupportsIndex,
    *,
    offset: SupportsIndex = 0,
    candidate: SupportsIndex | ArrayInput = 0,
) -> NDArray[np.uint32]:
    """Random words.

    Args:
        shape: Of the result. Its elements, in C order, are elements ``offset``, ``offset + 1``, ...
        seed: 0 to 2**64 - 1.
        offset: Of the first element; all of them are below 2**64.
        candidate: 0 to 2**64 - 1. An array of n candidates puts an axis of n in front of ``shape``.

    Returns:
        Independent uniform integers, 0 to 2**32 - 1.

    Raises:
        ArgumentError: If an argument lies outside its interval.
        ArgumentTypeError, ShapeError: If an argument has another type or shape.

    Example:
        >>> words = uint32(6, seed=1)
        >>> uint32((2, 2), seed=1, offset=2).ravel().tolist() == words[2:].tolist()
        True
        >>> bool((uint32(6, seed=1, candidate=[5, 0])[1] == words).all())
        True
    """
    return _generate(_core.random_words, np.dtype(np.uint32), shape, seed, offset, candidate)


def uniform(
    shape: Shape,
    seed: SupportsIndex,
    *,
    offset: SupportsIndex = 0,
    candidate: SupportsIndex | ArrayInput = 0,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """Random numbers between 0 and 1, never 0 or 1.

    Args:
        shape: As for :func:`uint32`.
        seed: As for :func:`uint32`.
        offset: As for :func:`uint32`.
        candidate: As for :func:`uint32`.
        dtype: float64, of 32 random bits ``(word + 1/2) / 2**32``; or float32, of the upper 23
            ``(word // 2**9 + 1/2) / 2**23``.

    Returns:
        Exactly those numbers, the same bits on every machine.

    Raises:
        FastcoderError: As :func:`uint32`.

    Example:
        >>> dither = uniform(3, seed=7) - 0.5
        >>> bool((abs(dither) < 0.5).all())
        True
    """
    return _generate(_core.random_uniforms, _as_real(dtype), shape, seed, offset, candidate)


def normal(
    shape: Shape,
    seed: SupportsIndex,
    *,
    offset: SupportsIndex = 0,
    candidate: SupportsIndex | ArrayInput = 0,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """Random numbers of the standard normal distribution.

    Each is the quantile of one word, ``Phi^-1((word + 1/2) / 2**32)``, with an error below 1e-9;
    the largest are 6.34. A cubic in integer arithmetic, no libm: nothing can change a bit.

    Args:
        shape: As for :func:`uint32`.
        seed: As for :func:`uint32`.
        offset: As for :func:`uint32`.
        candidate: As for :func:`uint32`.
        dtype: float64: multiples of 2**-32; or float32: the same, rounded to nearest.

    Returns:
        Exactly those numbers, the same bits on every machine.

    Raises:
        FastcoderError: As :func:`uint32`.

    Example:
        >>> normal(3, seed=7).round(4).tolist() == normal(4, seed=7)[:3].round(4).tolist()
        True
    """
    return _generate(_core.random_normals, _as_real(dtype), shape, seed, offset, candidate)


def philox(counter: ArrayInput, key: SupportsIndex) -> NDArray[np.uint32]:
    """Philox4x32-10 itself: four words for a counter of four words.

    Args:
        counter: Integers 0 to 2**32 - 1, last axis 4.
        key: 0 to 2**64 - 1, the low word first in the paper's notation.

    Returns:
        The blocks, in the shape of ``counter``.

    Raises:
        ArgumentError: If a value lies outside its interval.
        ArgumentTypeError, ShapeError: If an argument has another type or shape.

    Example:
        >>> [f"{word:08x}" for word in philox([0, 0, 0, 0], key=0)]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    array = as_array(counter, "counter")
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(f"counter.dtype = {array.dtype}, expected integers")
    if array.ndim == 0 or array.shape[-1] != 4:
        raise ShapeError(f"counter.shape = {array.shape}, expected 4 words last")
    outside = (array < 0) | (array > 2**32 - 1)
    if outside.any():
        position = int(np.argmax(outside.ravel()))
        raise ArgumentError(
            f"counter[{position}] = {array.ravel()[position]}, expected 0 <= word < 2**32"
        )
    blocks = np.array(array, np.uint32, order="C")
    _core.philox(blocks, _as_word64(key, "key"))
    return blocks


def _generate(
    fill: Callable[[int, int, NDArray[np.uint64], NDArray[Any]], None],
    dtype: np.dtype[Any],
    shape: Shape,
    seed: SupportsIndex,
    offset: SupportsIndex,
    candidate: SupportsIndex | ArrayInput,
) -> NDArray[Any]:
    sizes = as_shape(shape)
    key = _as_word64(seed, "seed")
    first = _as_word64(offset, "offset")
    candidates = _as_candidates(candidate)
    try:
        out = np.empty((*candidates.shape, *sizes), dtype)
    except (ValueError, MemoryError) as error:
        raise ShapeError(f"shape = {sizes}, expected one that fits memory ({error})") from error
    rows = candidates.reshape(-1)
    if rows.size > 0 and first + out.size // rows.size > _LIMIT:
        raise ArgumentError(f"offset = {first}, expected all elements below 2**64")
    fill(key, first, rows, out)
    return out


def _as_word64(value: SupportsIndex, name: str) -> int:
    result = as_integer(value, name)
    if not 0 <= result < _LIMIT:
        raise ArgumentError(f"{name} = {result}, expected 0 <= {name} < 2**64")
    return result


def _as_candidates(candidate: SupportsIndex | ArrayInput) -> NDArray[np.uint64]:
    """A 0-d array for one candidate, else a 1-d array."""
    if hasattr(candidate, "__index__") and getattr(candidate, "ndim", 0) == 0:
        return np.asarray(_as_word64(candidate, "candidate"), np.uint64)
    array = as_array(candidate, "candidate")
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(f"candidate.dtype = {array.dtype}, expected integers")
    if array.ndim != 1:
        raise ShapeError(f"candidate.ndim = {array.ndim}, expected 0 or 1")
    if array.dtype.kind == "i" and (array < 0).any():
        position = int(np.argmax(array < 0))
        raise ArgumentError(
            f"candidate[{position}] = {array[position]}, expected 0 <= candidate < 2**64"
        )
    return contiguous(array.astype(np.uint64))


def _as_real(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        result = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(f"dtype = {dtype!r}, expected float32 or float64") from error
    if result.name not in ("float32", "float64") or not result.isnative:
        raise ArgumentTypeError(f"dtype = {result}, expected float32 or float64")
    return result
