# SPDX-License-Identifier: Apache-2.0
"""The benchmark of intervals measures what it says, and the page shows what it measured."""

from __future__ import annotations

import json

import pytest

from benchmarks import intervals, pages

SMALL = list(intervals.cases(seed=3, count=3000))


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case[0])
def test_every_row_comes_back_and_is_close_to_its_law(case):
    row = intervals.measure(case, runs=1)
    assert row["count"] == 3000
    assert -0.05 < row["loss"] < 0.4  # Exp-Golomb is made for another law
    assert row["encode"] > 0
    assert row["decode"] > 0


def test_a_row_that_does_not_come_back_is_an_error():
    name, ideal, numbers, encode, _ = SMALL[0]
    with pytest.raises(RuntimeError, match="survive"):
        intervals.measure((name, ideal, numbers, encode, lambda _: numbers[::-1]), runs=1)


def test_the_table_of_the_page_is_the_measured_one():
    measured = json.loads(intervals.RESULT.read_text())["measurements"]
    page = intervals.PAGE.read_text(encoding="utf-8")
    table = pages.between(page, intervals.MARKER)
    assert table.strip() == intervals.markdown(measured).strip()
