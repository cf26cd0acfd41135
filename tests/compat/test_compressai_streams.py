# SPDX-License-Identifier: Apache-2.0
"""10,000 random messages: the same bytes and symbols as the coder of the real CompressAI."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from compressai._CXX import pmf_to_quantized_cdf as original_quantized_cdf
from compressai.ans import (
    BufferedRansEncoder as OriginalBufferedEncoder,
)
from compressai.ans import (
    RansDecoder as OriginalDecoder,
)
from compressai.ans import (
    RansEncoder as OriginalEncoder,
)

import fastcoder
from fastcoder.compat import compressai as ours
from tests.compat import streams

CHUNKS, MESSAGES = 10, 1000
PMFS = 1000
BATCHES = 200


def test_the_original_is_the_original() -> None:
    assert OriginalEncoder.__module__ == "compressai.ans"
    assert original_quantized_cdf.__module__ == "compressai._CXX"


def check_values(values: object, expected: list[int], form: str, where: str) -> None:
    """A list for lists and tuples, else an int32 array."""
    if form in ("lists", "tuples", "rows"):
        assert values == expected, where
        assert type(values) is list, where
    else:
        assert isinstance(values, np.ndarray), where
        assert values.dtype == np.int32, where
        assert values.tolist() == expected, where


def check_one(it: streams.Message, form: str, where: str) -> bytes:
    """One call for all symbols, both ways."""
    stream = OriginalEncoder().encode_with_indexes(it.symbols, it.indexes, *it.table)
    assert OriginalDecoder().decode_with_indexes(stream, it.indexes, *it.table) == it.symbols, where
    symbols, indexes = (streams.spoken(values, form) for values in (it.symbols, it.indexes))
    table = streams.spoken_table(it, form)
    assert ours.RansEncoder().encode_with_indexes(symbols, indexes, *table) == stream, where
    values = ours.RansDecoder().decode_with_indexes(stream, indexes, *table)
    check_values(values, it.symbols, form, where)
    return bytes(stream)


def check_parts(rng: np.random.Generator, it: streams.Message, form: str, where: str) -> None:
    """The same message in parts: what one writes, the other reads, whatever the parts."""
    pair = (OriginalBufferedEncoder(), ours.BufferedRansEncoder())
    for part in streams.parts(rng, len(it.symbols)):
        pair[0].encode_with_indexes(it.symbols[part], it.indexes[part], *it.table)
        symbols, indexes = (
            streams.spoken(values[part], form) if values[part] else []
            for values in (it.symbols, it.indexes)
        )
        pair[1].encode_with_indexes(symbols, indexes, *streams.spoken_table(it, form))
    stream, written = pair[0].flush(), pair[1].flush()
    assert stream == written, where
    assert stream == ours.RansEncoder().encode_with_indexes(it.symbols, it.indexes, *it.table)
    decoders = (OriginalDecoder(), ours.RansDecoder())
    for decoder in decoders:
        decoder.set_stream(stream)
    for part in streams.parts(rng, len(it.symbols)):
        if not it.indexes[part]:
            continue
        original = decoders[0].decode_stream(it.indexes[part], *it.table)
        indexes = streams.spoken(it.indexes[part], form)
        values = decoders[1].decode_stream(indexes, *streams.spoken_table(it, form))
        check_values(values, original, form, where)
        assert original == it.symbols[part], where


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_messages(chunk: int, tell: Callable[[str], None]) -> None:
    rng = np.random.default_rng(chunk)
    escapes = tables = symbols = 0
    for number in range(MESSAGES):
        it = streams.message(rng)
        form = streams.FORMS[number % len(streams.FORMS)]
        where = f"seed {chunk}, message {number}, {form}"
        stream = check_one(it, form, where)
        symbols += len(it.symbols)
        escapes += sum(
            not 0 <= symbol - it.offsets[index] < it.sizes[index] - 2
            for symbol, index in zip(it.symbols, it.indexes, strict=True)
        )
        if number % 4 == 0:
            check_parts(rng, it, form, where)
        if it.canonical:
            tables += 1
            rows = [row[:size] for row, size in zip(it.cdfs, it.sizes, strict=True)]
            table = fastcoder.CdfTable.from_cdf(rows, it.offsets, precision=16, escape=True)
            encoded = ours.RansEncoder().encode_with_indexes(it.symbols, it.indexes, table)
            assert encoded == stream, where
            values = ours.RansDecoder().decode_with_indexes(stream, it.indexes, table)
            assert values == it.symbols, where
    assert tables > MESSAGES // 4
    assert escapes > symbols // 20
    tell(
        f"CompressAI streams, seed {chunk}: {MESSAGES} messages, {symbols} symbols, {escapes} "
        f"escapes, {tables} also with a CdfTable, 0 differences"
    )


def test_batches(tell: Callable[[str], None]) -> None:
    rng = np.random.default_rng(77)
    count = 0
    for number in range(BATCHES):
        it = streams.message(rng)
        # Streams of different lengths over one table, down to two symbols.
        batch = [it]
        for _ in range(int(rng.integers(0, 12))):
            order = rng.permutation(len(it.symbols))[: int(rng.integers(2, len(it.symbols) + 1))]
            symbols, indexes = [it.symbols[i] for i in order], [it.indexes[i] for i in order]
            batch.append(streams.Message(symbols, indexes, *it.table))
        expected = [
            OriginalEncoder().encode_with_indexes(one.symbols, one.indexes, *it.table)
            for one in batch
        ]
        form = streams.FORMS[number % len(streams.FORMS)]
        table = streams.spoken_table(it, form)
        symbols = [streams.spoken(one.symbols, form) for one in batch]
        indexes = [streams.spoken(one.indexes, form) for one in batch]
        assert ours.encode_many(symbols, indexes, *table) == expected, number
        decoded = ours.decode_many(expected, indexes, *table)
        for values, one in zip(decoded, batch, strict=True):
            check_values(values, one.symbols, form, f"batch {number}, {form}")
        count += len(batch)
    tell(f"CompressAI batches: {BATCHES} batches of {count} streams together, 0 differences")


def pmf(rng: np.random.Generator, precision: int) -> list[float]:
    """Probabilities of any kind; never more of them than there are counts to give."""
    count = int(min(rng.integers(2, 400), 1 << precision))
    kind = rng.integers(6)
    values = rng.random(count)
    if kind == 1:
        values **= rng.uniform(2, 60)
    elif kind == 2:
        values[rng.random(count) < 0.8] = 0
        values[rng.integers(count)] = 0.3
    elif kind == 3:
        values = np.exp(-0.5 * ((np.arange(count) - count / 2) / rng.uniform(0.05, 60)) ** 2)
    elif kind == 4:
        values = np.full(count, 1e-12)
        values[rng.integers(count)] = 1
    if kind != 5:  # which stays unnormalized, as the original takes it
        values /= max(values.sum(), 1e-30)
    if rng.random() < 0.5:
        values = values.astype(np.float32).astype(np.float64)
    return [float(value) for value in values]


def quantized(function: Callable[..., list[int]], *arguments: object) -> list[int] | None:
    """What it returns, None for a ValueError."""
    try:
        return function(*arguments)
    except ValueError:
        return None


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_quantized_cdf(chunk: int, tell: Callable[[str], None]) -> None:
    rng = np.random.default_rng(1000 + chunk)
    refused = 0
    for number in range(PMFS):
        precision = 16 if number % 2 else int(rng.integers(1, 17))
        probabilities = pmf(rng, precision)
        expected = quantized(original_quantized_cdf, probabilities, precision)
        where = f"seed {chunk}, pmf {number}"
        assert quantized(ours.pmf_to_quantized_cdf, probabilities, precision) == expected, where
        refused += expected is None
    assert refused < PMFS // 100  # at precision 1 every count may round to 0
    tell(f"pmf_to_quantized_cdf, seed {chunk}: {PMFS} rows, 0 differences")


@pytest.mark.parametrize("value", [-0.5, -1e-20, float("nan"), float("inf"), float("-inf")])
def test_quantized_cdf_errors(value: float) -> None:
    for function in (original_quantized_cdf, ours.pmf_to_quantized_cdf):
        with pytest.raises(ValueError, match="pmf"):
            function([0.5, value, 0.25], 16)
        with pytest.raises(ValueError, match="pmf"):
            function([0.0, 0.0], 16)
