# SPDX-License-Identifier: Apache-2.0
"""What holds for every table: rows that are distributions, the best integers, canonical bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcoder as fc
from tests import generators, reference
from tests.generators import native_table

PMF_KINDS = ("dirichlet", "geometric", "flat", "ties", "with zeros", "one", "tiny", "huge")


def draw_pmf(kind: str, size: int, seed: int) -> np.ndarray:
    """`size` weights; only their ratios matter without an escape."""
    rng = np.random.default_rng(seed)
    if kind == "dirichlet":
        return rng.dirichlet(np.full(size, 0.3)) + 1e-300
    if kind == "geometric":
        return 0.9 ** np.arange(size)
    if kind == "ties":
        return rng.integers(1, 4, size).astype(float)
    if kind == "with zeros":
        weights = rng.random(size) * (rng.random(size) < 0.5)
        weights[rng.integers(size)] = 1.0
        return weights
    if kind == "one":
        return np.eye(1, size, int(rng.integers(size)))[0]
    if kind == "tiny":
        return rng.random(size) * 1e-200 + 1e-210
    if kind == "huge":
        return rng.random(size) * 1e200 + 1.0
    return np.ones(size)


@st.composite
def pmf_rows(draw: st.DrawFn) -> tuple[list[np.ndarray], int, bool]:
    """Rows, precision and escape; a row and its escape fit 2^precision slots."""
    precision, escape = draw(st.integers(1, 16)), draw(st.booleans())
    most = (1 << precision) - escape
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.one_of(st.integers(1, min(most, 60)), st.just(min(most, 3000))))
        row = draw_pmf(draw(st.sampled_from(PMF_KINDS)), size, draw(st.integers(0, 2**16)))
        # Sums below, at and above 1: the escape's mass is what is missing to 1.
        rows.append(row / row.sum() * draw(st.sampled_from([1.0, 0.5, 0.999, 2.0])))
    return rows, precision, escape


@given(pmf_rows())
def test_rows_from_pmf_are_the_best_that_integers_allow(drawn):
    rows, precision, escape = drawn
    table = fc.CdfTable.from_pmf(rows, [0] * len(rows), precision=precision, escape=escape)
    assert (table.rows, table.precision, table.escape) == (len(rows), precision, escape)
    for number, row in enumerate(rows):
        cdf = table.cdf(number)
        assert cdf.dtype == np.uint32
        assert cdf.size == row.size + escape + 1
        assert cdf[0] == 0
        assert cdf[-1] == 1 << precision
        frequencies = np.diff(cdf.astype(np.int64))
        assert frequencies.min() >= 1
        row = row / max(row.sum(), 1.0) if escape else row / row.sum()
        mass = np.append(row, max(0.0, 1.0 - row.sum())) if escape else row
        assert_no_exchange_helps(mass, frequencies)


def assert_no_exchange_helps(mass: np.ndarray, frequencies: np.ndarray) -> None:
    """Moving one count between any two slots does not lower sum(-mass * log2(frequency)).

    The sum is concave in each frequency, so an allocation that no single exchange improves is the
    best one.
    """
    gain = mass * np.log2((frequencies + 1) / frequencies)
    movable = frequencies >= 2
    if frequencies.size < 2 or not movable.any():
        return
    loss = mass[movable] * np.log2(frequencies[movable] / (frequencies[movable] - 1))
    assert gain.max() <= loss.min() * (1 + 1e-9) + 1e-15


@given(st.integers(1, 14), st.integers(2, 200), st.integers(0, 2**16))
def test_equal_probabilities_differ_by_at_most_one_count_and_the_lower_slot_has_it(
    precision, size, seed
):
    size = min(size, 1 << precision)
    weights = draw_pmf("ties", size, seed)
    table = fc.CdfTable.from_pmf([weights], [0], precision=precision, escape=False)
    frequencies = np.diff(table.cdf(0).astype(np.int64))
    for weight in np.unique(weights):
        same = frequencies[weights == weight]
        assert same.max() - same.min() <= 1
        assert (np.diff(same) <= 0).all()


@given(pmf_rows(), st.randoms(use_true_random=False))
def test_padded_rows_equal_ragged_rows(drawn, random):
    rows, precision, escape = drawn
    offsets = [random.randint(-1000, 1000) for _ in rows]
    options = {"precision": precision, "escape": escape}
    table = fc.CdfTable.from_pmf(rows, offsets, **options)
    lengths = [row.size for row in rows]
    padded = np.full((len(rows), max(lengths) + 2), np.nan)  # what lies beyond is not looked at
    for number, row in enumerate(rows):
        padded[number, : row.size] = row
    again = fc.CdfTable.from_pmf(padded, offsets, lengths=lengths, **options)
    assert again == table
    assert again.to_bytes() == table.to_bytes()


@given(generators.tables())
def test_rows_from_cdf_are_taken_over(table):
    native = native_table(table)
    assert (native.rows, native.precision, native.escape) == (
        len(table.offsets),
        table.precision,
        table.escape,
    )
    assert native.offsets.tolist() == list(table.offsets)
    assert native.offsets.dtype == np.int32
    for number, row in enumerate(table.rows(table.precision)):
        assert native.cdf(number).tolist() == list(row.cdf)


@given(generators.tables())
def test_bytes_and_fingerprint_equal_the_reference(table):
    native = native_table(table)
    data = native.to_bytes()
    assert data == table.to_bytes()
    assert native.fingerprint == f"{table.fingerprint:016x}"
    again = fc.CdfTable.from_bytes(data)
    assert again == native
    assert again.to_bytes() == data
    assert again.fingerprint == native.fingerprint
    assert reference.Table.from_bytes(data).frequencies == table.frequencies


@settings(max_examples=30)
@given(generators.tables(most_slots=60), st.data())
def test_a_changed_byte_raises_or_changes_the_fingerprint(table, data):
    content = native_table(table).to_bytes()
    for _ in range(40):
        position = data.draw(st.integers(0, len(content) - 1))
        byte = (content[position] + data.draw(st.integers(1, 255))) % 256
        damaged = content[:position] + bytes([byte]) + content[position + 1 :]
        with pytest.raises(fc.TableError):
            fc.CdfTable.from_bytes(damaged)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_table_for_both_or_for_neither(content, with_head):
    if with_head:
        content = b"FCT\1" + content
    forged = content + reference.siphash24(content).to_bytes(8, "little")
    try:
        expected = reference.Table.from_bytes(forged)
    except reference.FormatError:
        with pytest.raises(fc.TableError):
            fc.CdfTable.from_bytes(forged)
    else:
        assert fc.CdfTable.from_bytes(forged).to_bytes() == expected.to_bytes() == forged


@given(generators.tables(most_slots=200), generators.tables(most_slots=200))
def test_tables_are_equal_exactly_if_their_bytes_are(left, right):
    a, b = native_table(left), native_table(right)
    assert (a == b) == (left.to_bytes() == right.to_bytes())
    assert (a.fingerprint == b.fingerprint) == (left.to_bytes() == right.to_bytes())
    assert a == native_table(left)
    assert hash(a) == hash(native_table(left))
