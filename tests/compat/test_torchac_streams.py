# SPDX-License-Identifier: Apache-2.0
"""2,000 random messages: the same bytes and symbols as the real torchac.

torchac is under GPL-3.0. Nothing of it is read, linked or copied: it is called and its bytes are
compared.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchac as original

import fastcoder
from fastcoder.compat import torchac as ours

CHUNKS, MESSAGES = 4, 500


def cdf_rows(rng: np.random.Generator, count: int, slots: int) -> np.ndarray:
    """float32 of shape (count, slots + 1): random, peaked, with empty slots, or even."""
    kind = rng.integers(5)
    weights = rng.random((count, slots)) + 1e-6
    if kind == 1:
        weights **= 30
    elif kind == 2:
        weights[rng.random(weights.shape) < 0.7] = 0
        weights[:, rng.integers(slots)] += 1e-3
    elif kind == 3:
        weights[:] = 1
    elif kind == 4:
        weights = np.repeat(weights[:1], count, axis=0) ** 6
    edges = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    rows = np.concatenate((np.zeros((count, 1)), edges), axis=1).astype(np.float32)
    if rng.random() < 0.8:
        rows[:, -1] = 1
    else:  # the last edge is not looked at: the last slot ends at 65536 whatever it says
        rows[:, -1] = np.maximum(rows[:, -2], rng.random(count, dtype=np.float32))
    return np.minimum(rows, np.float32(1))


def integer_rows(rng: np.random.Generator, count: int, slots: int) -> np.ndarray:
    """int16 of shape (count, slots + 1), wrapped at 2**16, each slot at least 1 wide."""
    edges = np.sort(
        np.stack([rng.choice(65535, slots - 1, replace=False) + 1 for _ in range(count)])
        if slots > 1
        else np.zeros((count, 0), np.int64),
        axis=1,
    )
    zeros, ends = np.zeros((count, 1), np.int64), np.full((count, 1), 65536)
    return np.concatenate((zeros, edges, ends), axis=1).astype(np.uint16).view(np.int16)


def shape_of(rng: np.random.Generator, count: int) -> tuple[int, ...]:
    """One to three axes with about that many elements."""
    axes = int(rng.integers(1, 4))
    if axes == 1:
        return (count,)
    first = int(rng.integers(1, 6))
    return (first, max(count // first, 1)) if axes == 2 else (1, first, max(count // first, 1))


def drawn(rng: np.random.Generator, edges: np.ndarray) -> np.ndarray:
    """int16 symbols by their probabilities; `edges` are integers up to 65536."""
    at = rng.integers(0, 65536, edges.shape[:-1])[..., None]
    slots = (edges[..., :-1] <= at).sum(axis=-1) - 1
    return np.clip(slots, 0, edges.shape[-1] - 2).astype(np.int16)


def check_float(rng: np.random.Generator, where: str) -> int:
    """`encode_float_cdf` and `decode_float_cdf`, torch and NumPy arguments."""
    slots = int(rng.choice([1, 2, 3, 17, 65, 257]))
    shape = shape_of(rng, int(rng.integers(1, 60)))
    rows = cdf_rows(rng, int(np.prod(shape)), slots).reshape(*shape, slots + 1)
    # Normalization makes every slot at least 1 wide; without it only such slots can be coded.
    edges = np.round(rows.astype(np.float64) * 65536).astype(np.int64)
    edges[..., 0], edges[..., -1] = 0, 65536
    plain = bool(rng.random() < 0.3) and bool((np.diff(edges, axis=-1) > 0).all())
    if rng.random() < 0.5:
        symbols = drawn(rng, edges)
    else:
        symbols = rng.integers(0, slots, shape).astype(np.int16)
    tensors = torch.from_numpy(rows), torch.from_numpy(symbols)
    normalize = {"needs_normalization": not plain}
    stream = original.encode_float_cdf(*tensors, **normalize)
    back = original.decode_float_cdf(tensors[0], stream, **normalize)
    assert torch.equal(back, tensors[1]), where
    assert ours.encode_float_cdf(*tensors, **normalize) == stream, where
    assert ours.encode_float_cdf(rows, symbols, **normalize) == stream, where
    values = ours.decode_float_cdf(tensors[0], stream, **normalize)
    assert isinstance(values, torch.Tensor), where
    assert values.dtype == torch.int16, where
    assert torch.equal(values, back), where
    values = ours.decode_float_cdf(rows, stream, **normalize)
    assert isinstance(values, np.ndarray), where
    assert values.dtype == np.int16, where
    assert np.array_equal(values, symbols), where
    return symbols.size


def check_integer(rng: np.random.Generator, where: str) -> int:
    """The entry points for tables that are integers already."""
    slots = int(rng.choice([1, 2, 3, 17, 65, 257, 3000], p=[0.1, 0.2, 0.2, 0.2, 0.15, 0.1, 0.05]))
    shape = shape_of(rng, int(rng.integers(1, 60)))
    rows = integer_rows(rng, int(np.prod(shape)), slots).reshape(*shape, slots + 1)
    edges = rows.view(np.uint16).astype(np.int64)
    edges[..., -1] = 65536
    symbols = drawn(rng, edges)
    tensors = torch.from_numpy(rows), torch.from_numpy(symbols)
    stream = original.encode_int16_normalized_cdf(*tensors)
    assert torch.equal(original.decode_int16_normalized_cdf(tensors[0], stream), tensors[1]), where
    assert ours.encode_int16_normalized_cdf(*tensors) == stream, where
    assert ours.encode_int16_normalized_cdf(rows, symbols) == stream, where
    assert torch.equal(ours.decode_int16_normalized_cdf(tensors[0], stream), tensors[1]), where
    assert np.array_equal(ours.decode_int16_normalized_cdf(rows, stream), symbols), where
    return symbols.size


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_messages(chunk: int, tell: Callable[[str], None]) -> None:
    rng = np.random.default_rng(chunk)
    symbols = 0
    for number in range(MESSAGES):
        check = check_integer if number % 3 == 0 else check_float
        symbols += check(rng, f"seed {chunk}, message {number}")
    tell(
        f"torchac streams, seed {chunk}: {MESSAGES} messages, {symbols} symbols, torch and NumPy "
        "arguments, 0 differences"
    )


def test_long_message(tell: Callable[[str], None]) -> None:
    rng = np.random.default_rng(9)
    rows = torch.from_numpy(cdf_rows(rng, 40_000, 33))
    symbols = torch.from_numpy(rng.integers(0, 33, 40_000).astype(np.int16))
    stream = original.encode_float_cdf(rows, symbols)
    assert ours.encode_float_cdf(rows, symbols) == stream
    assert torch.equal(ours.decode_float_cdf(rows, stream), symbols)
    tell(f"torchac stream of 40000 symbols, {len(stream)} bytes: 0 differences")


def test_rows_of_float64() -> None:
    rng = np.random.default_rng(10)
    for slots in (1, 2, 5, 60, 257):
        rows = torch.from_numpy(cdf_rows(rng, 40, slots)).double().mul(1 - 1e-9)
        symbols = torch.from_numpy(rng.integers(0, slots, 40).astype(np.int16))
        stream = original.encode_float_cdf(rows, symbols)
        assert ours.encode_float_cdf(rows, symbols) == stream
        assert torch.equal(ours.decode_float_cdf(rows, stream), symbols)


def test_strided_arguments() -> None:
    # The original reads strided rows as if they were contiguous, and cannot decode what it writes.
    rng = np.random.default_rng(11)
    rows = torch.from_numpy(cdf_rows(rng, 36, 9).reshape(4, 9, 10)).transpose(0, 1)
    symbols = torch.from_numpy(rng.integers(0, 9, (4, 9)).astype(np.int16)).t()
    stream = original.encode_float_cdf(rows.contiguous(), symbols.contiguous())
    assert ours.encode_float_cdf(rows, symbols) == stream
    assert torch.equal(ours.decode_float_cdf(rows, stream), symbols)
    assert ours.encode_float_cdf(rows.numpy(), symbols.numpy()) == stream
    assert np.array_equal(ours.decode_float_cdf(rows.numpy(), stream), symbols.numpy())


ROWS, SYMBOLS = torch.linspace(0, 1, 5).repeat(3, 1), torch.zeros(3, dtype=torch.int16)
CHECKED = {"check_input_bounds": True}


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("encode_float_cdf", (ROWS, SYMBOLS.int()), {}),
        ("encode_float_cdf", (ROWS, SYMBOLS[:2]), {}),
        ("encode_float_cdf", (ROWS + 1, SYMBOLS), CHECKED),
        ("encode_float_cdf", (ROWS - 1, SYMBOLS), CHECKED),
        ("encode_float_cdf", (ROWS, SYMBOLS + 4), CHECKED),
        ("encode_int16_normalized_cdf", (ROWS.short(), SYMBOLS.int()), {}),
        ("encode_int16_normalized_cdf", (ROWS.short(), SYMBOLS[:2]), {}),
    ],
)
def test_same_errors(
    name: str, arguments: tuple[torch.Tensor, torch.Tensor], options: dict[str, bool]
) -> None:
    for module in (original, ours):
        with pytest.raises(ValueError):  # noqa: PT011 - each says it in its words
            getattr(module, name)(*arguments, **options)


def test_errors_of_our_own() -> None:
    # The original codes a symbol of -1 as something else, and calls a wrong table RuntimeError.
    with pytest.raises(fastcoder.FastcoderError):
        ours.encode_float_cdf(ROWS, SYMBOLS - 1)
    with pytest.raises(fastcoder.FastcoderError):
        ours.encode_int16_normalized_cdf(ROWS, SYMBOLS)
