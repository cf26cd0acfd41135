# SPDX-License-Identifier: Apache-2.0
"""The counts of benchmarks.damage, small: nothing with a symbol hash is ever silently wrong."""

from __future__ import annotations

import pytest

from benchmarks import damage


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


@pytest.mark.slow
def test_no_damage_is_silent_in_100000_trials():
    counts = damage.measure(trials=10_000, seed=6)["counts"]
    one_shot = counts["one-shot"].values()
    assert sum(tally["trials"] for tally in one_shot) > 100_000
    for name in ("one-shot", "hash", "file", "sealed file"):
        assert sum(tally["silent"] for tally in counts[name].values()) == 0
