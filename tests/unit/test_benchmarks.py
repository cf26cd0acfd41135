# SPDX-License-Identifier: Apache-2.0
"""The benchmarks measure what they say: workloads are exact, losses are noticed, numbers agree."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastcoder as fc
from benchmarks import __main__ as program
from benchmarks import (
    adapters,
    chart,
    memory,
    operations,
    pages,
    peers,
    readme,
    report,
    runner,
    suite,
    tables,
    workloads,
)

BRIEF = runner.Effort(seconds=0.0, runs=3)
OTHERS = ("fastcoder-range", "zlib", "memcpy")
ISAS = [f"fastcoder:isa={isa}" for isa in fc.isa.available()]


@pytest.fixture(autouse=True)
def _the_isa_stays():
    former = fc.isa.active()
    yield
    fc.isa.use(former)


@pytest.mark.parametrize("name", ["W3", "W4", "W6"])
def test_a_workload_survives_its_file(tmp_path: Path, name: str) -> None:
    made = workloads.make(name)
    runner.save(made, tmp_path / "workload.npz")
    read = runner.read(tmp_path / "workload.npz")
    assert (read.name, read.exact_bits, read.source) == (made.name, made.exact_bits, made.source)
    for field in ("symbols", "indexes", "sigma", "offsets"):
        ours, theirs = getattr(read, field), getattr(made, field)
        assert (ours is None) == (theirs is None)
        assert ours is None or (ours.dtype == theirs.dtype and np.array_equal(ours, theirs))
    assert (read.pmf is None) == (made.pmf is None)
    for ours, theirs in zip(read.pmf or (), made.pmf or (), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["W3", "W4", "W6"])
def test_reference_rows_give_the_symbols_about_their_exact_cost(name: str) -> None:
    workload = workloads.make(name)
    rows, offsets = tables.reference_rows(workload)
    assert all(1 - 2 * workloads.TAIL_MASS < row.sum() < 1 + 1e-12 for row in rows)
    assert tables.is_inside(workload)
    bits = 0.0
    for index in np.unique(workload.indexes):
        cdf = tables.quantize(rows[index])
        assert (cdf[0], cdf[-1], cdf.size) == (0, 2**16, rows[index].size + 2)
        frequency = np.diff(cdf)
        assert frequency.min() >= 1
        here = workload.symbols[workload.indexes == index] - offsets[index]
        bits += (16 - np.log2(frequency[here])).sum()
    # 64 scales cost up to 0.4 % on average, and 2,000 symbols deviate from the average.
    assert 0.99 < bits / workload.exact_bits < (1.03 if name == "W4" else 1.002)


def test_a_symbol_outside_its_row_is_found() -> None:
    small = workloads.make("W4")
    symbols = small.symbols.copy()
    symbols[1000] = 5000
    outside = workloads.Workload("W4", symbols, small.indexes, small.sigma, None, None, 1.0)
    assert not tables.is_inside(outside)


@pytest.mark.parametrize("adapter", [*ISAS, f"{ISAS[0]}:precision=16", *OTHERS])
def test_every_adapter_measures_a_small_message(adapter: str) -> None:
    result = runner.measure(adapter, workloads.make("W4"), BRIEF)
    assert result["encode"]["runs"] == result["decode"]["runs"] == 3
    assert 8 * result["bytes"] > 0.95 * result["exact_bits"]
    if result["knows_model"]:
        assert result["table_bits"] < 8 * result["bytes"] < result["table_bits"] * 1.002 + 8 * 24
        assert result.get("lanes", 1) in (1, 2, 4, 8, 16, 32)


def test_parametric_models_cost_less_than_64_scales() -> None:
    workload = workloads.make("W4")
    result = runner.measure("fastcoder-parametric", workload, BRIEF)
    assert 0.99 * workload.exact_bits < 8 * result["bytes"] < 1.03 * workload.exact_bits + 80
    with pytest.raises(adapters.Unsupported, match="not a Gaussian workload"):
        runner.measure("fastcoder-parametric", workloads.make("W3"), BRIEF)


@pytest.mark.parametrize("adapter", ["compressai", "htscodecs", "zstd"])
def test_a_peer_is_measured_or_missing(tmp_path: Path, adapter: str) -> None:
    path = tmp_path / "W4.npz"
    runner.save(workloads.make("W4"), path)
    result = program.measure(suite.Job(adapter), path, BRIEF)
    assert result["status"] in ("measured", "missing"), result
    if result["status"] == "missing":
        assert "No module named" in result["reason"] or "libhtscodecs" in result["reason"]
    else:
        assert 8 * result["bytes"] > 0.95 * result["exact_bits"]


def test_a_loss_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = adapters.make("memcpy")
    monkeypatch.setattr(adapters, "make", lambda name: adapter)
    monkeypatch.setattr(adapter, "decode", lambda data: np.zeros(2000, np.int32))
    with pytest.raises(AssertionError, match="memcpy does not restore W4"):
        runner.measure("memcpy", workloads.make("W4"), BRIEF)


def test_a_process_that_fails_is_a_result_with_a_reason(tmp_path: Path) -> None:
    result = program.measure(suite.Job("memcpy"), tmp_path / "nonesuch.npz", BRIEF)
    assert result["status"] == "failed"
    assert "nonesuch.npz" in result["reason"]


def test_an_unknown_adapter_is_an_error() -> None:
    with pytest.raises(ValueError, match="adapter = 'nonesuch', expected one of fastcoder, "):
        adapters.make("nonesuch")


def test_more_cores_than_there_are_is_unsupported() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("no affinity here")
    allowed = os.sched_getaffinity(0)
    with pytest.raises(adapters.Unsupported, match="needs 5000 cores"):
        runner.pin(5000)
    assert os.sched_getaffinity(0) == allowed


def test_memory_of_a_call_is_its_growth() -> None:
    data, grown = memory.growth(lambda: np.ones(64 * 2**20, np.uint8))
    assert data.size == 64 * 2**20
    if grown is None:
        assert not Path("/proc/self/clear_refs").exists()
    else:
        assert 60 < grown < 72


def test_every_peer_has_pinned_versions_and_an_adapter() -> None:
    folder = Path(peers.__file__).parent
    assert {path.stem for path in folder.glob("*.txt")} == set(peers.PEERS)
    assert set(peers.PEERS) < set(adapters.REGISTRY)
    for name in peers.PEERS:
        lines = (folder / f"{name}.txt").read_text().splitlines()
        assert all("==" in line for line in lines if not line.startswith("#"))


def test_a_run_makes_a_report_and_a_chart(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--seconds",
        "0",
        "--runs",
        "3",
        "--workloads",
        "W3",
    ]
    command += ["--adapters", ISAS[0], "zlib", "--out", str(tmp_path)]
    subprocess.run(command, check=True, cwd=program.ROOT, capture_output=True)
    results = json.loads((tmp_path / "bench.json").read_text())
    assert [row["status"] for row in results["measurements"]] == ["measured"] * 2
    assert results["workloads"][0]["bits_per_symbol"] == pytest.approx(2.6, abs=0.1)
    text = (tmp_path / "bench.md").read_text()
    for row in results["measurements"]:
        assert f"{row['bytes']:,}" in text
        assert f"| {4 * report.speed(row, 'encode'):.0f} |" in text  # MB/s of int32
    assert (tmp_path / "speed.svg").stat().st_size > 1000


def test_ratios_and_absent_rows_are_reported(tmp_path: Path) -> None:
    results = sample_results()
    text = report.page(results)
    assert "| 20 / 10 |" in text  # fastcoder over CompressAI
    assert "| W1 | 100 / 100 | 190 / 190 | 200 / 200 | 0.95 / 0.95 |" in text
    assert "* torchac (W1) missing: not here" in text
    short = report.summary(results)
    assert "| fastcoder best | 20 / 10 |" in short
    assert "torchac" not in short
    assert [file.name for file in chart.draw(results, tmp_path / "a")] == ["a.svg", "a.png"]


def test_numbers_go_between_the_markers_of_their_name() -> None:
    page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n"
    assert pages.replace(page, "x", "new") == ("a\n<!-- x: begin -->\n\nnew\n<!-- x: end -->\nb\n")


def test_the_pages_have_the_numbers_of_the_results() -> None:
    for path, text in readme.pages().items():
        assert path.read_text() == text, f"{path.name}: run python -m benchmarks.readme"


def test_operations_are_timed() -> None:
    rows = operations.indexing(workloads.make("W4"), BRIEF)
    rows += operations.building(workloads.make("W4"), BRIEF)
    assert [row["items"] for row in rows] == [2000, 2000, 128, 128, 128, 64, 256]
    assert all(row["median"] > 0 for row in rows)


def sample_results() -> dict[str, object]:
    def row(adapter: str, label: str, encode: float, decode: float, cores: int = 1) -> object:
        times = ({"quartile_1": t, "median": t, "quartile_3": t} for t in (encode, decode))
        return {
            "adapter": adapter,
            "label": label,
            "workload": "W1",
            "status": "measured",
            "symbols": 10**6,
            "exact_bits": 8e6,
            "bytes": 10**6,
            "cores": list(range(cores)),
            "together": "processes" in label,
            "version": "1",
            "knows_model": True,
            **dict(zip(report.DIRECTIONS, times, strict=True)),
        }

    names = ("cpu", "cores", "system", "python", "numpy", "fastcoder", "compiler", "commit")
    absent = {"adapter": "torchac", "workload": "W1", "status": "missing", "reason": "not here"}
    inputs = {"name": "W1", "symbols": 10**6, "bits_per_symbol": 8.0, "least": 0, "greatest": 9}
    return {
        "machine": {**dict.fromkeys(names, "some"), "isas": ["best"]},
        "workloads": [{**inputs, "source": ""}],
        "measurements": [
            row("fastcoder:isa=best", "fastcoder best", 0.01, 0.01),
            row("fastcoder:isa=best:threads=2", "fastcoder best, 2 threads", 1 / 190, 1 / 190, 2),
            row("fastcoder:isa=best", "fastcoder best, 2 processes", 0.005, 0.005, 2),
            row("compressai", "CompressAI", 0.2, 0.1),
            absent,
        ],
        "operations": [],
    }
