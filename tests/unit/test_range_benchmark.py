# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the range coder on few symbols: it checks what it measures."""

from __future__ import annotations

import pytest

from benchmarks import adapters, range_coding, workloads


def test_every_measurement_gives_its_symbols_back():
    rows = [range_coding.adaptive(16, seed=3, count=3000), range_coding.one_by_one(3, count=100)]
    for row in rows:
        assert row["symbols"] in (3000, 100)
        assert 8 * row["bytes"] > 0.9 * row["table_bits"]
    lines = range_coding.markdown(rows).splitlines()
    assert len(lines) == 4
    assert "16 adaptive rows of 16" in lines[2]


@pytest.mark.parametrize("precision", ["14", "16"])
def test_the_adapter_codes_a_workload(precision):
    adapter = adapters.make(f"fastcoder-range:precision={precision}")
    workload = workloads.make("W4", seed=5)
    adapter.prepare(workload)
    stream = adapter.encode()
    assert adapter.decode(stream).tolist() == workload.symbols.tolist()
    assert 8 * len(stream) < adapter.details(stream)["table_bits"] + 32
