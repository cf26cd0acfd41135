# SPDX-License-Identifier: Apache-2.0
"""The rate report: its parts add up, each is what it says, and it points at the right cause."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings

import fastcoder as fc
from tests import generators
from tests.generators import native_table, parse_error

TABLE = fc.CdfTable.gaussian([0.5, 2.0, 8.0])
SIGMA = np.array([0.5, 2.0, 8.0])


def gaussian_message(size: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    indexes = rng.integers(3, size=size).astype(np.uint8)
    return np.rint(rng.normal(0, SIGMA[indexes])).astype(np.int16), indexes


def entropy_bits(symbols: list[int], indexes: list[int]) -> dict[int, float]:
    """Counted symbol by symbol."""
    counts: dict[int, dict[int, int]] = {}
    for symbol, index in zip(symbols, indexes, strict=True):
        row = counts.setdefault(index, {})
        row[symbol] = row.get(symbol, 0) + 1
    return {
        index: -sum(c * np.log2(c / sum(row.values())) for c in row.values())
        for index, row in counts.items()
    }


@settings(max_examples=settings.default.max_examples // 2)
@given(generators.messages(generators.tables(most_slots=300)))
def test_every_bit_is_accounted_for(message):
    table = native_table(message.table)
    account = fc.report(message.symbols, message.indexes, table)
    stream = fc.encode(message.symbols, message.indexes, table)
    assert account.symbols == len(message.symbols)
    assert account.stream_bytes == len(stream)
    assert account.table_bits == fc.cost(message.symbols, message.indexes, table)
    parts = account.table_bits + account.state_bits + account.header_bits
    assert parts == pytest.approx(account.stream_bits)
    assert account.lost_bits == pytest.approx(account.stream_bits - account.ideal_bits)
    ideal = entropy_bits(message.symbols, message.indexes)
    assert account.ideal_bits == pytest.approx(sum(ideal.values()), abs=1e-6)

    rows = {row.row: row for row in account.worst_rows}
    assert set(rows) == set(message.indexes)  # ten are listed, and no table here has so many
    lost = [row.lost_bits for row in account.worst_rows]
    assert lost == sorted(lost, reverse=True)
    for index, row in rows.items():
        of_row = [s for s, i in zip(message.symbols, message.indexes, strict=True) if i == index]
        inside = message.table.offsets[index] + np.arange(
            len(message.table.frequencies[index]) - message.table.escape
        )
        outside = [s for s in of_row if s not in set(inside.tolist())]
        assert (row.symbols, row.escapes) == (len(of_row), len(outside))
        assert row.ideal_bits == pytest.approx(ideal[index], abs=1e-6)
        assert row.table_bits == pytest.approx(fc.cost(of_row, [index] * len(of_row), table))
        expected = fc.cost(outside, [index] * len(outside), table)
        assert row.escape_bits == pytest.approx(expected)
    assert account.escapes == sum(row.escapes for row in rows.values())
    assert account.escape_bits == pytest.approx(sum(row.escape_bits for row in rows.values()))
    assert json.loads(json.dumps(account.to_dict()))["symbols"] == len(message.symbols)
    assert f"= stream, {len(stream)} bytes" in str(account)


def test_probabilities_of_the_model_are_the_ideal():
    symbols, indexes = gaussian_message(5000)
    p = np.random.default_rng(2).uniform(0.01, 1.0, 5000)
    for given_p in (p, p.astype(np.float32)):
        account = fc.report(symbols, indexes, TABLE, given_p)
        assert account.ideal_bits == pytest.approx(-np.log2(p).sum(), rel=1e-6)
        for row in account.worst_rows:
            expected = -np.log2(p[indexes == row.row]).sum()
            assert row.ideal_bits == pytest.approx(expected, rel=1e-6)
    shaped = fc.report(
        symbols.reshape(50, 100), indexes.reshape(50, 100), TABLE, p.reshape(50, 100)
    )
    assert shaped == fc.report(symbols, indexes, TABLE, p)


def test_bits_of_the_model_are_the_ideal():
    symbols, indexes = gaussian_message(5000)
    account = fc.report(symbols, indexes, TABLE, 12345.5)
    assert account.ideal_bits == 12345.5
    assert account.table_bits - account.ideal_bits == account.table_bits - 12345.5
    assert fc.report(symbols, indexes, TABLE, np.float32(12345.5)) == account


def test_a_wrong_scale_shows_as_the_row_that_loses():
    """Row 1 is used for symbols four times as wide as it thinks."""
    rng = np.random.default_rng(3)
    symbols, indexes = gaussian_message(20_000)
    wrong = indexes == 1
    symbols[wrong] = np.rint(rng.normal(0, 8.0, wrong.sum()))
    account = fc.report(symbols, indexes, TABLE)
    assert account.worst_rows[0].row == 1
    assert account.worst_rows[0].lost_bits > 0.9 * (account.table_bits - account.ideal_bits)
    assert account.largest_loss == "table"


def test_outliers_show_as_escapes():
    symbols, indexes = gaussian_message(20_000)
    symbols[::1000] = 10_000
    account = fc.report(symbols, indexes, TABLE)
    assert account.escapes >= 20
    assert account.escape_bits > 20 * 2 * np.log2(5000)
    plain = fc.report(*gaussian_message(20_000), TABLE)
    assert account.table_bits - plain.table_bits == pytest.approx(
        account.escape_bits - plain.escape_bits, rel=0.2
    )


def test_the_header_is_the_loss_of_a_short_message():
    symbols, indexes = gaussian_message(20)
    account = fc.report(symbols, indexes, TABLE, fc.cost(symbols, indexes, TABLE))
    assert account.largest_loss == "header"
    assert account.header_bits == 8 * 12


def test_forced_lanes_show_as_states():
    symbols, indexes = gaussian_message(3000)
    few, many = (fc.report(symbols, indexes, TABLE, lanes=lanes) for lanes in (1, 32))
    assert many.state_bits > few.state_bits + 31 * 16 - 64
    assert many.largest_loss == "states"


@pytest.mark.parametrize(
    ("count", "size"), [(0, 1), (1, 1), (127, 1), (128, 2), (16383, 2), (16384, 3)]
)
def test_the_header_grows_with_the_count(count, size):
    table = fc.CdfTable.from_pmf([[1.0]], [0], escape=False)
    account = fc.report(np.zeros(count, np.int8), None, table)
    assert account.header_bits == 8 * (11 + size)
    assert account.ideal_bits == account.table_bits == 0
    str(account)


def test_as_many_rows_are_listed_as_asked_for():
    symbols, indexes = gaussian_message(300)
    for rows in (0, 1, 2, 3):
        account = fc.report(symbols, indexes, TABLE, rows=rows)
        assert len(account.worst_rows) == rows
        assert len(str(account).splitlines()) == 8 + (2 + rows if rows else 0)
    assert len(fc.report([1, 2], [0, 0], TABLE).worst_rows) == 1


@pytest.mark.parametrize(
    ("ideal", "error", "argument"),
    [
        (-1.0, fc.ArgumentError, "ideal"),
        (float("nan"), fc.ArgumentError, "ideal"),
        (float("inf"), fc.ArgumentError, "ideal"),
        ([0.5, 0.5, 0.5], fc.ShapeError, "ideal.shape"),
        ([0.5, 0.0], fc.ArgumentError, "ideal"),
        ([0.5, 1.1], fc.ArgumentError, "ideal"),
        ([0.5, float("nan")], fc.ArgumentError, "ideal"),
        (np.array([True, False]), fc.ArgumentTypeError, "ideal.dtype"),
        ("many", fc.ArgumentTypeError, "type(ideal)"),
    ],
)
def test_an_ideal_that_cannot_be_is_refused(ideal, error, argument):
    with pytest.raises(error) as caught:
        fc.report([0, 0], [0, 0], TABLE, ideal)
    assert parse_error(caught.value)[0] == argument


def test_other_arguments_are_checked_as_for_encode():
    for arguments, error in [
        (([0], [3], TABLE), fc.IndexRangeError),
        (([0], [0, 0], TABLE), fc.ShapeError),
        (([0.5], [0], TABLE), fc.ArgumentTypeError),
        (([0], [0], None), fc.ArgumentTypeError),
    ]:
        with pytest.raises(error):
            fc.report(*arguments)
    with pytest.raises(fc.ArgumentError, match="rows"):
        fc.report([0], [0], TABLE, rows=-1)
