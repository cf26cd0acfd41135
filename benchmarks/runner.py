# SPDX-License-Identifier: Apache-2.0
"""One adapter, one workload, one process: checks the round trip, then times it.

Started by `benchmarks/__main__.py`, with the Python of the library's environment; prints one JSON
object as its last line. NumPy only, but for what the adapter imports.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import adapters, memory
from benchmarks.workloads import Workload


class Effort(NamedTuple):
    """How long to measure one direction: as many runs as fit the seconds, but at least so many."""

    seconds: float
    runs: int = 5


def save(workload: Workload, path: Path) -> None:
    """Write a workload to a file, so that it is made once and not once per process."""
    arrays: dict[str, Any] = {"symbols": workload.symbols, "indexes": workload.indexes}
    if workload.sigma is not None:
        arrays["sigma"] = workload.sigma
    if workload.pmf is not None:
        arrays["lengths"] = np.array([row.size for row in workload.pmf])
        arrays["pmf"] = np.concatenate(workload.pmf)
        arrays["offsets"] = workload.offsets
    arrays.update(name=workload.name, source=workload.source, exact_bits=workload.exact_bits)
    np.savez(path, **arrays)


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
        str(arrays["source"]),
    )


def durations(function: Callable[[], object], effort: Effort) -> list[float]:
    """Seconds of each call. The first call of all, with what it warms up, is the caller's."""
    result: list[float] = []
    end = time.perf_counter() + effort.seconds
    while len(result) < effort.runs or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        result.append(time.perf_counter() - start)
    return result


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, quartiles and number of the runs."""
    low, middle, high = statistics.quantiles(seconds, n=4)
    return {"median": middle, "quartile_1": low, "quartile_3": high, "runs": len(seconds)}


def pin(cores: int) -> list[int]:
    """Stay on that many cores (the last ones allowed) and return them; [] if that is impossible.

    Raises:
        adapters.Unsupported: If there are not so many.
    """
    if not hasattr(os, "sched_setaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < cores:
        raise adapters.Unsupported(f"needs {cores} cores, {len(allowed)} allowed")
    os.sched_setaffinity(0, allowed[-cores:])
    return allowed[-cores:]


def measure(spec: str, workload: Workload, effort: Effort) -> dict[str, Any]:
    """Run one adapter on one workload.

    Raises:
        adapters.Missing: If the library is not here.
        adapters.Unsupported: If it cannot code this workload.
        AssertionError: If the symbols do not come back.
    """
    adapter = adapters.make(spec)
    adapter.prepare(workload)
    data, encode_mib = memory.growth(adapter.encode)
    symbols, decode_mib = memory.growth(lambda: adapter.decode(data))
    _check(symbols, workload, adapter.label)
    del symbols
    details = getattr(adapter, "details", None)
    return {
        "label": adapter.label,
        "version": adapter.version(),
        "knows_model": adapter.knows_model,
        "exact_bits": workload.exact_bits,
        "bytes": len(data),
        "encode": {**summary(durations(adapter.encode, effort)), "peak_mib": encode_mib},
        "decode": {
            **summary(durations(lambda: adapter.decode(data), effort)),
            "peak_mib": decode_mib,
        },
        **(details(data) if details is not None else {}),
    }


def measure_together(spec: str, path: Path, effort: Effort, cores: list[int]) -> dict[str, Any]:
    """Run one process per core at the same time, each with the whole workload.

    Times are those of a message when all processes share the work: 1 / (sum of 1 / time).
    """
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(len(cores)), context.SimpleQueue()
    processes = [
        context.Process(target=_one_of_many, args=(spec, path, effort, core, barrier, queue))
        for core in cores
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a process failed")
    parts = [queue.get() for _ in processes]
    result = {**parts[0], "label": parts[0]["label"] + f", {len(cores)} processes"}
    for direction in ("encode", "decode"):
        names = ("median", "quartile_1", "quartile_3")
        shared = {n: 1 / sum(1 / part[direction][n] for part in parts) for n in names}
        runs = min(part[direction]["runs"] for part in parts)
        result[direction] = {**shared, "runs": runs}
    return result


def _one_of_many(
    spec: str,
    path: Path,
    effort: Effort,
    core: int,
    barrier: Barrier,
    queue: SimpleQueue[dict[str, Any]],
) -> None:
    os.sched_setaffinity(0, {core})
    workload = read(path)
    adapter = adapters.make(spec)
    adapter.prepare(workload)
    data = adapter.encode()
    _check(adapter.decode(data), workload, adapter.label)
    barrier.wait()
    encode = summary(durations(adapter.encode, effort))
    barrier.wait()
    decode = summary(durations(lambda: adapter.decode(data), effort))
    result = {"label": adapter.label, "version": adapter.version(), "knows_model": True}
    sizes = {"exact_bits": workload.exact_bits, "bytes": len(data)}
    queue.put({**result, **sizes, "encode": encode, "decode": decode})


def _check(symbols: NDArray[Any], workload: Workload, label: str) -> None:
    if not np.array_equal(symbols, workload.symbols):
        raise AssertionError(f"{label} does not restore {workload.name}")


def main() -> None:
    """Measure and print; a library that is missing or cannot do this is a result, not a failure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("adapter")
    parser.add_argument("workload", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--together", action="store_true", help="one process per core")
    options = parser.parse_args()
    effort = Effort(options.seconds, options.runs)
    try:
        cores = pin(options.cores)
        if options.together:
            result = measure_together(options.adapter, options.workload, effort, cores)
        else:
            result = measure(options.adapter, read(options.workload), effort)
        result = {"status": "measured", **result, "cores": cores}
    except adapters.Missing as error:
        result = {"status": "missing", "reason": str(error)}
    except adapters.Unsupported as error:
        result = {"status": "unsupported", "reason": str(error)}
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
