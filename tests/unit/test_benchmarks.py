# SPDX-License-Identifier: Apache-2.0
"""The benchmarks measure what they say: files of workloads are exact, losses are noticed."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import adapters, report, runner, workloads


@pytest.mark.parametrize("name", ["W3", "W4", "W6"])
def test_a_workload_survives_its_file(tmp_path: Path, name: str) -> None:
    made = workloads.make(name)
    runner.save(made, tmp_path / "workload.npz")
    read = runner.read(tmp_path / "workload.npz")
    assert (read.name, read.exact_bits) == (made.name, made.exact_bits)
    for field in ("symbols", "indexes", "sigma", "offsets"):
        ours, theirs = getattr(read, field), getattr(made, field)
        assert (ours is None) == (theirs is None)
        assert ours is None or (ours.dtype == theirs.dtype and np.array_equal(ours, theirs))
    assert (read.pmf is None) == (made.pmf is None)
    for ours, theirs in zip(read.pmf or (), made.pmf or (), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("adapter", adapters.available())
def test_every_adapter_measures_a_small_message(adapter: str) -> None:
    result = runner.measure(adapter, workloads.make("W4"), budget=0.0)
    assert result["symbols"] == 2000
    assert result["encode"]["runs"] == result["decode"]["runs"] == 5
    assert 8 * result["bytes"] > 0.95 * result["exact_bits"]
    if result["knows_model"]:
        assert result["table_bits"] < 8 * result["bytes"] < result["table_bits"] * 1.002 + 8 * 24
    text = report.markdown({"machine": machine(), "measurements": [result]})
    assert f"| {result['label']} | {result['bytes']} (" in text


def test_a_loss_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = adapters.make("memcpy")
    monkeypatch.setattr(adapters, "make", lambda name: adapter)
    monkeypatch.setattr(adapter, "decode", lambda data: np.zeros(2000, np.int32))
    with pytest.raises(AssertionError, match="memcpy does not restore W4"):
        runner.measure("memcpy", workloads.make("W4"), budget=0.0)


def test_an_unknown_adapter_is_an_error() -> None:
    with pytest.raises(ValueError, match="adapter = 'nonesuch', expected one of fastcoder:"):
        adapters.make("nonesuch")


def machine() -> dict[str, object]:
    names = ("cpu", "cores", "system", "python", "numpy", "fastcoder", "compiler", "commit")
    return dict.fromkeys(names, "some")
