# SPDX-License-Identifier: Apache-2.0
"""One adapter, one workload, one process: checks the round trip, then times it.

Started by `benchmarks/__main__.py`; prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import adapters
from benchmarks.workloads import Workload

_LEAST_RUNS = 5


def save(workload: Workload, path: Path) -> None:
    """Write a workload to a file, so that it is made once and not once per process."""
    arrays: dict[str, Any] = {"symbols": workload.symbols, "indexes": workload.indexes}
    if workload.sigma is not None:
        arrays["sigma"] = workload.sigma
    if workload.pmf is not None:
        arrays["lengths"] = np.array([row.size for row in workload.pmf])
        arrays["pmf"] = np.concatenate(workload.pmf)
        arrays["offsets"] = workload.offsets
    np.savez(path, name=workload.name, exact_bits=workload.exact_bits, **arrays)


def read(path: Path) -> Workload:
    """Read what `save` wrote."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    pmf = None
    if "pmf" in arrays:
        pmf = tuple(np.split(arrays["pmf"], np.cumsum(arrays["lengths"])[:-1]))
    return Workload(
        str(arrays["name"]),
        arrays["symbols"],
        arrays["indexes"],
        arrays.get("sigma"),
        pmf,
        arrays.get("offsets"),
        float(arrays["exact_bits"]),
    )


def durations(function: Callable[[], object], budget: float) -> list[float]:
    """Seconds of each call: at least 5 and as many as fit the budget, after a warm-up."""
    function()
    result: list[float] = []
    end = time.perf_counter() + budget
    while len(result) < _LEAST_RUNS or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        result.append(time.perf_counter() - start)
    return result


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, quartiles and number of the runs."""
    low, middle, high = statistics.quantiles(seconds, n=4)
    return {"median": middle, "quartile_1": low, "quartile_3": high, "runs": len(seconds)}


def pin() -> int | None:
    """Stay on one core (the last one allowed), where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def measure(adapter_name: str, workload: Workload, budget: float) -> dict[str, Any]:
    """Run one adapter on one workload.

    Raises:
        AssertionError: If the symbols do not come back.
    """
    adapter = adapters.make(adapter_name)
    adapter.prepare(workload)
    data = adapter.encode()
    if not np.array_equal(adapter.decode(data), workload.symbols):
        raise AssertionError(f"{adapter.label} does not restore {workload.name}")
    table_bits = getattr(adapter, "table_bits", None)
    return {
        "adapter": adapter_name,
        "label": adapter.label,
        "version": adapter.version(),
        "knows_model": adapter.knows_model,
        "workload": workload.name,
        "symbols": workload.symbols.size,
        "exact_bits": workload.exact_bits,
        "table_bits": table_bits() if table_bits is not None else None,
        "bytes": len(data),
        "encode": summary(durations(adapter.encode, budget)),
        "decode": summary(durations(lambda: adapter.decode(data), budget)),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("adapter")
    parser.add_argument("workload", type=Path)
    parser.add_argument("budget", type=float)
    arguments = parser.parse_args()
    core = pin()
    result = measure(arguments.adapter, read(arguments.workload), arguments.budget)
    json.dump({**result, "core": core}, sys.stdout)


if __name__ == "__main__":
    main()
