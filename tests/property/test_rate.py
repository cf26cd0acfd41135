# SPDX-License-Identifier: Apache-2.0
"""Sizes of streams against the cost of their symbols, with default lanes and segments.

Symbols that follow their table: at most cost / 8 * 1.002 + 8 bytes. Any symbols at all: 1.03 for a
narrow stream, 1.002 for a wide one. The one-shot header and the optional hash are not counted.
"""

from __future__ import annotations

import numpy as np
import pytest

import fastcoder as fc
from tests import generators, reference
from tests.generators import native_table

SIZES = (0, 1, 2, 3, 5, 10, 31, 32, 33, 64, 100, 333, 1000, 3333, 10**4, 10**5, 2**17 + 1, 10**6)


def binary_row(precision: int, probability: float) -> list[int]:
    rare = max(1, round(probability * 2**precision))
    return [2**precision - rare, rare]


def rows_by_entropy(precision: int) -> dict[str, list[int]]:
    """One row per rate between 0.005 and 12 bits per symbol."""
    rows = {
        "0.005": binary_row(precision, 0.00041),
        "0.02": binary_row(precision, 0.0019),
        "0.1": binary_row(precision, 0.013),
        "0.5": binary_row(precision, 0.11),
        "1": binary_row(precision, 0.5),
    }
    for bits in (2, 4, 8, 12):
        rows[f"flat {bits}"] = generators.row_frequencies("flat", 1 << bits, precision, 0)
    for slots in (3, 17, 200, 4000):
        rows[f"random {slots}"] = generators.row_frequencies("random", slots, precision, slots)
        rows[f"geometric {slots}"] = generators.row_frequencies("geometric", slots, precision, 0)
    rows["peaked"] = generators.row_frequencies("peaked", 2, precision, 0)
    return rows


def body_bytes(stream: bytes, size: int) -> int:
    """Bytes of a one-shot stream without its header: 11 bytes and the count, a varint."""
    return len(stream) - 11 - len(reference.varint(size))


def assert_bound(symbols: np.ndarray, indexes: np.ndarray, table: fc.CdfTable, factor: float):
    stream = fc.encode(symbols, indexes, table)
    bound = fc.cost(symbols, indexes, table) / 8 * factor + 8
    used = body_bytes(stream, symbols.size)
    assert used <= bound, f"{symbols.size} symbols: {used} bytes, at most {bound:.2f}"


@pytest.mark.parametrize("precision", [14, 16])
def test_entropies_cover_the_promised_range(precision):
    entropies = []
    for row in rows_by_entropy(precision).values():
        p = np.array(row) / 2**precision
        entropies.append(-(p * np.log2(p)).sum())
    assert min(entropies) < 0.0051
    assert max(entropies) == 12


@pytest.mark.parametrize("precision", [14, 16])
@pytest.mark.parametrize("name", rows_by_entropy(14))
def test_size_is_bounded_when_symbols_follow_the_table(isa, name, precision):
    reference_table = reference.Table(precision, False, [-5], [rows_by_entropy(precision)[name]])
    table = native_table(reference_table)
    indexes = np.zeros(max(SIZES), np.uint8)
    symbols = generators.follow_rows(reference_table, indexes, seed=precision)
    for number, size in enumerate(SIZES):
        # Small messages vary most: several of them, from different places.
        for begin in range(0, 20 * size, size) if 0 < size <= 1000 else [0]:
            part = slice(begin + number, begin + number + size)
            part = part if part.stop <= symbols.size else slice(0, size)
            assert_bound(symbols[part], indexes[part], table, 1.002)


@pytest.mark.parametrize("precision", [8, 14, 15, 16])
def test_size_is_bounded_when_symbols_follow_many_rows(isa, precision):
    most = min(4096, 2**precision)
    slots = [1, 2, 3, 10, 100, min(300, most), min(1000, most), most]
    reference_table = generators.table_of(precision, False, slots)
    table, rng = native_table(reference_table), np.random.default_rng(precision)
    for size in SIZES:
        indexes = rng.integers(len(slots), size=size).astype(np.uint8)
        symbols = generators.follow_rows(reference_table, indexes, seed=size)
        assert_bound(symbols, indexes, table, 1.002)


@pytest.mark.parametrize(("precision", "factor"), [(6, 1.03), (14, 1.03), (15, 1.002), (16, 1.002)])
def test_size_is_bounded_when_one_symbol_repeats(isa, precision, factor):
    """Every slot of a row, over and over: what a row did not expect."""
    row = generators.row_frequencies("geometric", 40, precision, 0)
    row_of_pairs = generators.row_frequencies("peaked", 2, precision, 0)
    table = native_table(reference.Table(precision, False, [0, 0], [row, row_of_pairs]))
    for index, slots in ((0, 40), (1, 2)):
        for symbol in range(slots):
            for size in (1, 2, 7, 33, 200, 5000) + ((10**6,) if symbol < 2 else ()):
                symbols = np.full(size, symbol, np.int32)
                assert_bound(symbols, np.full(size, index, np.uint8), table, factor)


@pytest.mark.parametrize(("precision", "factor"), [(6, 1.03), (14, 1.03), (15, 1.002), (16, 1.002)])
@pytest.mark.parametrize("share", [0.001, 0.1, 1.0])
def test_size_is_bounded_when_symbols_escape(isa, precision, factor, share):
    """Escapes of cost 1 + 2 bits beyond the slot up to 66 beyond it; all symbols, or some."""
    row = generators.row_frequencies("geometric", 20, precision, 0)
    table = native_table(reference.Table(precision, True, [0], [row]))
    rng = np.random.default_rng(precision)
    for far in (-1, 19, 1000, generators.INT32_MIN, generators.INT32_MAX):
        for size in SIZES:
            symbols = np.where(rng.random(size) < share, far, 0).astype(np.int32)
            assert_bound(symbols, np.zeros(size, np.uint8), table, factor)


@pytest.mark.parametrize(("precision", "factor"), [(14, 1.03), (16, 1.002)])
def test_size_is_bounded_when_symbols_take_turns(isa, precision, factor):
    """The likeliest and the rarest slot in turn: the states swing as far as they can."""
    row = generators.row_frequencies("peaked", 300, precision, 1)
    likely = int(np.argmax(row))
    table = native_table(reference.Table(precision, False, [0], [row]))
    for period in (2, 3, 32, 33, 100):
        for size in SIZES:
            symbols = np.full(size, likely, np.int32)
            symbols[::period] = (likely + 1) % 300
            assert_bound(symbols, np.zeros(size, np.uint8), table, factor)


def test_streams_without_header_keep_the_bound_too(isa):
    row = generators.row_frequencies("geometric", 50, 14, 0)
    reference_table = reference.Table(14, False, [0], [row])
    table = native_table(reference_table)
    for size in SIZES:
        indexes = np.zeros(size, np.uint8)
        symbols = generators.follow_rows(reference_table, indexes, seed=size)
        for check, extra in ((False, 0), (True, 4)):
            encoder = fc.Encoder(check=check)
            encoder.push(symbols, indexes, table)
            bound = fc.cost(symbols, indexes, table) / 8 * 1.002 + 8 + extra
            assert len(encoder.finish()) <= bound


def test_cost_is_the_sum_of_the_slots_and_their_escape_bits(rng):
    reference_table = generators.table_of(13, True, [1, 2, 30, 500], offset=-4)
    indexes = rng.integers(4, size=400).tolist()
    symbols = generators.draw_symbols(reference_table, indexes, "any", 3)
    symbols += [generators.INT32_MIN, generators.INT32_MAX]
    indexes += [0, 0]
    rows = reference_table.rows(13)
    expected = 0.0
    for symbol, index in zip(symbols, indexes, strict=True):
        k, escape_bits = reference.find_slot(symbol, rows[index])
        frequency = rows[index].cdf[k + 1] - rows[index].cdf[k]
        expected += 13 - np.log2(frequency) + len(escape_bits)
    cost = fc.cost(np.array(symbols), np.array(indexes), native_table(reference_table))
    assert cost == pytest.approx(expected, rel=1e-12)


def test_cost_of_a_single_symbol_row_is_zero():
    table = native_table(reference.Table(16, False, [7], [[65536]]))
    assert fc.cost(np.full(10, 7), np.zeros(10, np.uint8), table) == 0.0
    assert fc.cost(np.zeros(0, np.int32), np.zeros(0, np.uint8), table) == 0.0


def test_scale_mixture_reaches_its_conditional_entropy(isa, rng):
    """Why scales are sent: 8x8 blocks of standard deviation 0.3 or 8, and one bit for each block.

    Entropies of the rounded source, computed apart from this code: 2.7992 bits per symbol given
    the scale, 3.5609 without it; 1/64 bit tells the scale. Half of the blocks have each scale,
    and there are 2^22 symbols, so that the sample itself is within 0.02 % of its expectation.
    """
    blocks = rng.permutation(np.arange(2**16) % 2).reshape(256, 256).astype(np.uint8)
    indexes = np.kron(blocks, np.ones((8, 8), np.uint8))
    symbols = np.rint(np.array([0.3, 8.0])[indexes] * rng.standard_normal(indexes.shape))
    symbols = symbols.astype(np.int16)

    side = fc.CdfTable.from_pmf([[0.5, 0.5]], [0], escape=False)
    table = fc.CdfTable.gaussian([0.3, 8.0])
    encoder = fc.Encoder(check=True)
    encoder.push(blocks, None, side)
    encoder.push(symbols, indexes, table)
    stream = encoder.finish()
    assert 8 * len(stream) / symbols.size == pytest.approx(2.8148, rel=1e-3)
    decoder = fc.Decoder(stream)
    decoded_blocks = decoder.pull(None, side, shape=blocks.shape, dtype=np.uint8)
    decoded = decoder.pull(np.kron(decoded_blocks, np.ones((8, 8), np.uint8)), table)
    decoder.finish()
    np.testing.assert_array_equal(decoded, symbols)

    values, counts = np.unique(symbols, return_counts=True)
    histogram = np.zeros(int(values[-1] - values[0]) + 1)
    histogram[values - values[0]] = counts
    factorized = fc.CdfTable.from_pmf([histogram], [int(values[0])], precision=16, escape=False)
    bits = 8 * len(fc.encode(symbols, None, factorized)) / symbols.size
    assert bits == pytest.approx(3.5609, rel=1e-3)
    assert bits - 8 * len(stream) / symbols.size == pytest.approx(0.746, abs=5e-3)
