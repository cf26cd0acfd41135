# SPDX-License-Identifier: Apache-2.0
"""Thousands of damaged streams, in this process: an error of ours or symbols, never a crash.

The streams are written by the originals, which read most of these without a word or crash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchac as original_torchac
from compressai.ans import RansEncoder as OriginalEncoder

import fastcoder
from fastcoder.compat import compressai, torchac
from tests.compat import streams

MESSAGES, DAMAGES = 400, 12


def damaged(rng: np.random.Generator, stream: bytes) -> bytes:
    """The stream cut, longer, with other bits, bytes or words, or nothing of it."""
    kind = int(rng.integers(8))
    mutable = bytearray(stream)
    at = int(rng.integers(len(stream)))
    if kind == 0:
        return stream[:at]
    if kind == 1:
        return stream[: at // 4 * 4]
    if kind == 2:
        return stream + rng.bytes(int(rng.integers(1, 9)))
    if kind == 3:
        return stream + rng.bytes(4 * int(rng.integers(1, 9)))
    if kind == 4:
        mutable[at] ^= 1 << int(rng.integers(8))
        return bytes(mutable)
    if kind == 5:
        return rng.bytes(len(stream))
    if kind == 6:
        return b"\xff" * len(stream) if rng.random() < 0.5 else bytes(len(stream))
    middle = at // 4 * 4
    return stream[middle:] + stream[:middle]


def attempt(call: Callable[[], object], counts: Counter[str]) -> object | None:
    """What the call returns, None for an error; an error of another kind fails the test."""
    try:
        value = call()
    except fastcoder.FastcoderError as error:
        counts[type(error).__name__] += 1
        return None
    counts["symbols"] += 1
    return value


def test_compressai_streams(tell: Callable[[str], None]) -> None:
    rng = np.random.default_rng(31)
    counts: Counter[str] = Counter()
    continued: Counter[str] = Counter()
    unnoticed = 0
    for _ in range(MESSAGES):
        it = streams.message(rng)
        stream = OriginalEncoder().encode_with_indexes(it.symbols, it.indexes, *it.table)
        for _ in range(DAMAGES):
            wrong = damaged(rng, stream)
            if wrong == stream:
                continue
            values = attempt(
                lambda wrong=wrong, it=it: compressai.RansDecoder().decode_with_indexes(
                    wrong, it.indexes, *it.table
                ),
                counts,
            )
            if values is not None:
                # Another digit of an escape, or a narrow row: the stream of another message.
                unnoticed += 1
                again = compressai.RansEncoder().encode_with_indexes(values, it.indexes, *it.table)
                assert again == wrong
            decoder = compressai.RansDecoder()
            if attempt(lambda d=decoder, w=wrong: d.set_stream(w) or d, continued) is None:
                continue
            for part in streams.parts(rng, len(it.indexes)):
                attempt(
                    lambda d=decoder, it=it, part=part: d.decode_stream(
                        it.indexes[part], *it.table
                    ),
                    continued,
                )
    assert unnoticed < sum(counts.values()) // 50
    tell(
        f"damaged CompressAI streams: {sum(counts.values())} whole, {unnoticed} of them the stream "
        "of another message and the rest noticed; "
        f"{sum(continued.values())} calls on streams in pieces, "
        f"{sum(continued.values()) - continued['symbols']} noticed; no crash"
    )


def test_other_tables_and_indexes(tell: Callable[[str], None]) -> None:
    rng = np.random.default_rng(32)
    counts: Counter[str] = Counter()
    for _ in range(MESSAGES):
        it, other = streams.message(rng, rows=4), streams.message(rng, rows=4)
        stream = OriginalEncoder().encode_with_indexes(it.symbols, it.indexes, *it.table)
        few, many = it.indexes[:-1], [*it.indexes, 3]
        for indexes, table in (
            (it.indexes, other.table),
            (other.indexes, it.table),
            (few, it.table),
            (many, it.table),
            ([index + 1 for index in it.indexes], it.table),
            ([index - 1 for index in it.indexes], it.table),
            (it.indexes, (it.cdfs, [size + 5000 for size in it.sizes], it.offsets)),
            (it.indexes, (it.cdfs, [size - 60 for size in it.sizes], it.offsets)),
            (it.indexes, (it.cdfs, it.sizes[:3], it.offsets)),
            (it.indexes, (it.cdfs, it.sizes, it.offsets[:3])),
            (it.indexes, ([row[::-1] for row in it.cdfs], it.sizes, it.offsets)),
            (it.indexes, (it.cdfs, it.sizes, [offset + 2**31 for offset in it.offsets])),
        ):
            attempt(
                lambda i=indexes, t=table, s=stream: compressai.RansDecoder().decode_with_indexes(
                    s, i, *t
                ),
                counts,
            )
            symbols = (it.symbols * 2)[: len(indexes)]
            attempt(
                lambda i=indexes, t=table, v=symbols: compressai.RansEncoder().encode_with_indexes(
                    v, i, *t
                ),
                counts,
            )
    tell(
        f"CompressAI coder with wrong tables, sizes, offsets or indexes: {sum(counts.values())} "
        f"calls, {sum(counts.values()) - counts['symbols']} raised, no crash"
    )


@pytest.mark.parametrize("slots", [1, 2, 17, 257])
def test_torchac_streams(slots: int, tell: Callable[[str], None]) -> None:
    rng = np.random.default_rng(slots)
    counts: Counter[str] = Counter()
    for _ in range(MESSAGES // 4):
        weights = rng.random((40, slots)) ** 3 + 1e-6
        edges = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
        rows = np.concatenate((np.zeros((40, 1)), edges), axis=1).astype(np.float32).clip(0, 1)
        symbols = rng.integers(0, slots, 40).astype(np.int16)
        stream = original_torchac.encode_float_cdf(
            torch.from_numpy(rows), torch.from_numpy(symbols)
        )
        for _ in range(DAMAGES):
            wrong = damaged(rng, stream)
            values = attempt(lambda w=wrong, r=rows: torchac.decode_float_cdf(r, w), counts)
            if values is not None:
                assert values.shape == (40,)
                assert ((values >= 0) & (values < slots)).all()
            anything = rng.integers(-(2**15), 2**15, rows.shape).astype(np.int16)
            attempt(lambda w=wrong, r=anything: torchac.decode_int16_normalized_cdf(r, w), counts)
            attempt(lambda r=anything, s=symbols: torchac.encode_int16_normalized_cdf(r, s), counts)
    tell(
        f"damaged torchac streams and tables, {slots} symbols: {sum(counts.values())} calls, "
        f"{sum(counts.values()) - counts['symbols']} raised, no crash"
    )
