# SPDX-License-Identifier: Apache-2.0
"""The counts of benchmarks.damage, small: nothing with a symbol hash is ever silently wrong."""

from __future__ import annotations

import json

import pytest

from benchmarks import damage, fuzzing, pages


@pytest.fixture(scope="module")
def counts(request: pytest.FixtureRequest) -> dict[str, dict[str, dict[str, int]]]:
    pytest.importorskip("torch")
    return damage.measure(trials=150, seed=5)["counts"]


@pytest.mark.parametrize("name", ["one-shot", "hash", "file", "sealed file"])
def test_no_damage_is_silent(counts, name):
    for kind, tally in counts[name].items():
        assert tally["silent"] == 0, kind
        assert tally["error"] + tally["original"] == tally["trials"] >= 10, kind
    assert sum(tally["by_hash"] for tally in counts[name].values()) > 0


def test_the_final_state_alone_notices_nearly_everything(counts):
    """Two in a thousand are far more than the one in 10,000 that is to be expected."""
    bare = counts["bare"].values()
    assert sum(tally["silent"] for tally in bare) * 500 < sum(tally["trials"] for tally in bare)
    assert sum(tally["by_hash"] for tally in bare) == 0


def test_only_the_highest_bits_of_extreme_symbols_can_cancel(counts):
    """About 1 in 30,000 of a kind of damage that is made for it."""
    tally = counts["extremes"]["two bits flipped"]
    assert tally["trials"] == 1500
    assert tally["silent"] <= 2


def test_a_decoder_that_believes_everything_would_be_noticed():
    """The tally is what the tests above stand on."""
    tally = damage.Tally()
    tally.count(b"right", lambda: b"wrong", "hash")
    tally.count(b"right", lambda: b"right", "hash")
    assert (tally.trials, tally.silent, tally.original, tally.error) == (2, 1, 1, 0)


def test_the_page_shows_what_was_measured():
    result = json.loads(damage.RESULT.read_text())
    page = damage.PAGE.read_text(encoding="utf-8")
    assert pages.between(page, "damage").strip() == damage.table_of(result)
    for name in ("one-shot", "hash", "file", "sealed file"):
        assert sum(tally["silent"] for tally in result["counts"][name].values()) == 0
    assert sum(tally["trials"] for tally in result["counts"]["one-shot"].values()) >= 100_000


def test_the_page_counts_executions_of_every_target():
    result = json.loads(fuzzing.RESULT.read_text())
    page = fuzzing.PAGE.read_text(encoding="utf-8")
    assert pages.between(page, "fuzzing").strip() == fuzzing.table_of(result)
    corpora = (pages.ROOT / "tests" / "fuzz" / "corpus").glob("*.txt")
    assert {corpus.stem for corpus in corpora} == set(fuzzing.WHAT) == set(result["executions"])
    assert sum(sum(count.values()) for count in result["executions"].values()) >= 10**8


def test_logs_of_fuzzing_are_added_up_and_failures_are_not_overlooked():
    log = [
        "stack: 500 executions in 0.3 s, 2 inputs in the corpus, 0 failures",
        "stack: 20 executions in 0.3 s, 2 inputs in the corpus, 0 failures",
        "==> fuzz_pulls, 20 s",
        "stat::number_of_executed_units: 1234",
        "stat::slowest_unit_time_sec:    0",
    ]
    counts = fuzzing.counts_of(log)
    assert counts["stack"] == {"replayed": 520, "sanitized": 0}
    assert counts["pulls"] == {"replayed": 0, "sanitized": 1234}
    for line in ("SUMMARY: AddressSanitizer: heap", "stat::slowest_unit_time_sec:    3"):
        with pytest.raises(SystemExit):
            fuzzing.counts_of([*log, line])


@pytest.mark.slow
def test_no_damage_is_silent_in_100000_trials():
    counts = damage.measure(trials=10_000, seed=6)["counts"]
    one_shot = counts["one-shot"].values()
    assert sum(tally["trials"] for tally in one_shot) > 100_000
    for name in ("one-shot", "hash", "file", "sealed file"):
        assert sum(tally["silent"] for tally in counts[name].values()) == 0
