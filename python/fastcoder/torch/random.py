# SPDX-License-Identifier: Apache-2.0
"""The numbers of :mod:`fastcoder.random`, made where the tensors are.

Only int64 additions, products below 2**63, shifts and masks: the same on every device, and nothing
that a compiler could fuse or round differently. Words are int64 tensors, since torch has no full
set of operations on uint32.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from .. import _core
from .._arrays import as_integer, as_shape
from ..errors import ArgumentError, ArgumentTypeError, ShapeError

__all__ = ["normal", "philox", "uint32", "uniform"]

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LIMIT = 2**64


def uint32(
    shape: int | Sequence[int],
    seed: int,
    *,
    offset: int = 0,
    candidate: int | Sequence[int] = 0,
    device: torch.device | str | None = None,
) -> Tensor:
    """Random words, as :func:`fastcoder.random.uint32` gives them.

    Args:
        shape: Of the result; its elements, in C order, are elements ``offset``, ``offset + 1``, ...
        seed: 0 to 2**64 - 1.
        offset: Of the first element; all of them are below 2**63.
        candidate: 0 to 2**64 - 1. A sequence of n puts an axis of n in front of ``shape``.
        device: Where the numbers are made.

    Returns:
        An int64 tensor of integers 0 to 2**32 - 1.

    Raises:
        ArgumentError: If an argument lies outside its interval.
        ArgumentTypeError, ShapeError: If an argument has another type or shape.

    Example:
        >>> import fastcoder.random
        >>> words = uint32((2, 3), seed=1, offset=5)
        >>> words.tolist() == fastcoder.random.uint32((2, 3), seed=1, offset=5).tolist()
        True
    """
    sizes = as_shape(shape)
    key = _as_word64(seed, "seed")
    first = _as_word64(offset, "offset")
    alone = isinstance(candidate, int)
    candidates = [candidate] if isinstance(candidate, int) else list(candidate)
    halves = [_as_word64(c, f"candidate[{i}]") for i, c in enumerate(candidates)]
    count = 1
    for size in sizes:
        count *= size
    if first + count > _LIMIT // 2:
        raise ArgumentError(f"offset = {first}, expected all elements below 2**63")
    low_block = first // 4
    blocks = (first + count + 3) // 4 - low_block if count > 0 else 0
    block = torch.arange(low_block, low_block + blocks, dtype=torch.int64, device=device)
    counter = torch.empty((len(halves), blocks, 4), dtype=torch.int64, device=device)
    counter[..., 0] = block & _MASK
    counter[..., 1] = block >> 32
    for i, half in enumerate(halves):
        counter[i, :, 2] = half & _MASK
        counter[i, :, 3] = half >> 32
    words = philox(counter, key).reshape(len(halves), 4 * blocks)
    words = words[:, first % 4 : first % 4 + count]
    return words.reshape(sizes if alone else (len(halves), *sizes))


def uniform(
    shape: int | Sequence[int],
    seed: int,
    *,
    offset: int = 0,
    candidate: int | Sequence[int] = 0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Random numbers between 0 and 1, as :func:`fastcoder.random.uniform` gives them.

    Args:
        shape: As for :func:`uint32`.
        seed: As for :func:`uint32`.
        offset: As for :func:`uint32`.
        candidate: As for :func:`uint32`.
        dtype: torch.float32 or torch.float64.
        device: As for :func:`uint32`.

    Returns:
        A tensor, the same bits on every device.

    Raises:
        FastcoderError: As :func:`uint32`.

    Example:
        >>> uniform((2, 2), seed=3).shape
        torch.Size([2, 2])
    """
    _check_real(dtype)
    words = uint32(shape, seed, offset=offset, candidate=candidate, device=device)
    # An odd integer below 2**24 or 2**33 times a power of two: nothing is rounded.
    if dtype == torch.float32:
        return ((words >> 9) * 2 + 1).to(dtype) * 2.0**-24
    return (words * 2 + 1).to(dtype) * 2.0**-33


def normal(
    shape: int | Sequence[int],
    seed: int,
    *,
    offset: int = 0,
    candidate: int | Sequence[int] = 0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Standard normal numbers, as :func:`fastcoder.random.normal` gives them.

    Args:
        shape: As for :func:`uint32`.
        seed: As for :func:`uint32`.
        offset: As for :func:`uint32`.
        candidate: As for :func:`uint32`.
        dtype: torch.float32 or torch.float64.
        device: As for :func:`uint32`.

    Returns:
        A tensor, the same bits on every device.

    Raises:
        FastcoderError: As :func:`uint32`.

    Example:
        >>> import fastcoder.random
        >>> numbers = normal(4, seed=3, dtype=torch.float64)
        >>> numbers.tolist() == fastcoder.random.normal(4, seed=3).tolist()
        True
    """
    _check_real(dtype)
    words = uint32(shape, seed, offset=offset, candidate=candidate, device=device)
    upper = words >> 31
    odd = 2 * (words ^ (_MASK * upper)) + 1
    # The place of the highest bit, by halves; `aligned` has it at bit 31.
    octave = torch.zeros_like(odd)
    rest = odd
    for step in (16, 8, 4, 2, 1):
        above = (rest >> step != 0).to(torch.int64)
        octave = octave + step * above
        rest = rest >> (step * above)
    aligned = odd << (31 - octave)
    cells = _cells(words.device)[octave * 64 + (aligned >> 25 & 63)]
    f = aligned & ((1 << 25) - 1)
    z = cells[..., 3] * f >> 25
    z = (cells[..., 2] + z) * f >> 25
    z = (cells[..., 1] + z) * f >> 25
    z = (cells[..., 0] + z) * (2 * upper - 1)
    # A conversion rounds once; the power of two does not.
    return z.to(dtype) * 2.0**-32


def philox(counter: Tensor, key: int) -> Tensor:
    """Philox4x32-10 itself: four words for a counter of four words.

    Args:
        counter: int64, values 0 to 2**32 - 1, last axis 4; on any device.
        key: 0 to 2**64 - 1.

    Returns:
        The blocks, int64, in the shape of ``counter``.

    Raises:
        ArgumentError: If the key lies outside its interval.
        ArgumentTypeError, ShapeError: If the counter has another dtype or shape.

    Example:
        >>> [f"{word:08x}" for word in philox(torch.zeros(4, dtype=torch.int64), key=0).tolist()]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    if counter.dtype != torch.int64:
        raise ArgumentTypeError(f"counter.dtype = {counter.dtype}, expected torch.int64")
    if counter.ndim == 0 or counter.shape[-1] != 4:
        raise ShapeError(f"counter.shape = {tuple(counter.shape)}, expected 4 words last")
    word = _as_word64(key, "key")
    key0, key1 = word & _MASK, word >> 32
    c0, c1, c2, c3 = (counter[..., i] & _MASK for i in range(4))
    for _ in range(10):
        high0, low0 = _product(_MULTIPLIERS[0], c0)
        high1, low1 = _product(_MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0
        key0 = (key0 + _WEYL[0]) & _MASK
        key1 = (key1 + _WEYL[1]) & _MASK
    return torch.stack((c0, c1, c2, c3), dim=-1)


def _product(multiplier: int, words: Tensor) -> tuple[Tensor, Tensor]:
    """High and low 32 bits, by halves of 16 bits, so that no product passes 2**49."""
    low = multiplier * (words & 0xFFFF)
    high = multiplier * (words >> 16) + (low >> 16)
    return high >> 16, (high & 0xFFFF) << 16 | low & 0xFFFF


@functools.lru_cache(maxsize=8)
def _cells(device: torch.device) -> Tensor:
    return torch.from_numpy(_core.normal_cells()).to(device)


def _check_real(dtype: torch.dtype) -> None:
    if dtype not in (torch.float32, torch.float64):
        raise ArgumentTypeError(f"dtype = {dtype}, expected torch.float32 or torch.float64")


def _as_word64(value: int, name: str) -> int:
    result = as_integer(value, name)
    if not 0 <= result < _LIMIT:
        raise ArgumentError(f"{name} = {result}, expected 0 <= {name} < 2**64")
    return result
