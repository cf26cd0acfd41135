# SPDX-License-Identifier: Apache-2.0
"""The benchmark of fastcoder.compat on small inputs: it checks what it measures and says so."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import compat, compat_cases, pages, workloads
from benchmarks.runner import Effort

BRIEF = Effort(seconds=0.0, runs=3)
COUNT = 8 * 192


@pytest.fixture(scope="module")
def coded():
    rng = np.random.default_rng(5)
    sigma = np.exp(rng.normal(-1, 1.2, COUNT)).astype(np.float32)
    symbols = np.rint(sigma * rng.standard_normal(COUNT)).astype(np.int32)
    indexes = workloads.ceil_indexes(sigma)
    rows = workloads.Workload("small", symbols, indexes, sigma, None, None, 0.0)
    return {"symbols": symbols, "indexes": indexes.astype(np.int32), **compat.rows_of(rows)}


def test_every_way_to_call_codes_the_same_bytes(coded):
    names = ("lists", "arrays", "table", "pixels", "pixels arrays", "pixels table")
    rows = [compat_cases.measure(name, coded, BRIEF) for name in names]
    assert len({row["sha256"] for row in rows}) == 1
    assert {row["symbols"] for row in rows} == {COUNT}
    assert compat_cases.measure("convert", coded, BRIEF)["bytes"] > rows[0]["bytes"]
    parts = {name: coded[name].reshape(8, -1) for name in ("symbols", "indexes")}
    batches = [
        compat_cases.measure(name, {**coded, **parts}, BRIEF) for name in ("batch", "batch table")
    ]
    assert batches[0]["sha256"] == batches[1]["sha256"] != rows[0]["sha256"]


def test_torchac_rows_are_what_torchac_takes():
    data = compat.torchac_data(seed=3, count=500, entries=257)
    assert (data["float32"][:, 0] == 0).all()
    assert (data["float32"][:, -1] == 1).all()
    assert (np.diff(data["float32"]) >= 0).all()
    assert (np.diff(data["int16"][:, :-1].view(np.uint16).astype(int)) > 0).all()
    names = ("float32", "float32 numpy", "int16", "int16 numpy")
    rows = [compat_cases.measure(name, data, BRIEF) for name in names]
    assert len({row["sha256"] for row in rows}) == 1
    assert 2 < 8 * rows[0]["bytes"] / 500 < 7


def test_what_does_not_come_back_is_an_error(coded, monkeypatch):
    wrong = compat_cases.Case(lambda: b"", lambda _: np.zeros(COUNT), coded["symbols"])
    monkeypatch.setitem(compat_cases.CASES, "arrays", lambda _: wrong)
    with pytest.raises(AssertionError, match="arrays does not restore"):
        compat_cases.measure("arrays", coded, BRIEF)


def test_other_bytes_than_those_of_the_original_are_an_error(coded, monkeypatch):
    digests = iter("aaab")
    row = {"symbols": 1, "encode": {"median": 1.0}, "decode": {"median": 1.0}}
    monkeypatch.setattr(compat, "last_json", lambda *_: {**row, "sha256": next(digests)})
    with pytest.raises(RuntimeError, match="pixels table: other bytes"):
        list(compat.measure("pixels", coded, BRIEF))


def test_every_group_has_data_and_cases():
    for group, cases in compat.GROUPS.items():
        for original, replacements in cases.items():
            names = [*([original] if original else []), *replacements]
            assert set(names) <= set(compat_cases.CASES), group
            assert all(compat.library_of(name) != "fastcoder" for name in names if name == original)


def test_the_tables_of_the_page_are_the_measured_ones():
    page = compat.PAGE.read_text(encoding="utf-8")
    for name, text in compat.texts(json.loads(compat.RESULT.read_text())).items():
        assert pages.between(page, name).strip() == text.strip(), name
