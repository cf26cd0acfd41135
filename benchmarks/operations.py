# SPDX-License-Identifier: Apache-2.0
"""What a codec does beside coding: the row of every scale, and building tables.

Started by `benchmarks/__main__.py` in a process of its own; prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

import fastcoder as fc
from benchmarks.runner import Effort, durations, pin, read, summary
from benchmarks.workloads import Workload

Array: TypeAlias = NDArray[Any]

_MESSAGE = 65_536  # symbols of the coding call after a table was built
_BUILDERS: dict[str, Callable[[Array], fc.CdfTable]] = {
    "gaussian": fc.CdfTable.gaussian,
    "laplace": fc.CdfTable.laplace,
    "logistic": fc.CdfTable.logistic,
}


def indexing(workload: Workload, effort: Effort) -> list[dict[str, Any]]:
    """Time `scale_indexes` on the scales of a Gaussian workload."""
    rules: list[tuple[int, Literal["nearest", "ceil"]]] = [(128, "nearest"), (64, "ceil")]
    result = []
    for levels, rule in rules:
        run = partial(fc.scale_indexes, _sigma(workload), fc.scale_table(levels=levels), rule)
        name = f"scale_indexes, float32, {levels} levels, {rule}"
        time = _timed(run, effort)
        result.append({"name": name, "items": workload.symbols.size, **time})
    return result


def building(workload: Workload, effort: Effort) -> list[dict[str, Any]]:
    """Time tables of 64 to 256 rows, and what the first coding call with one still builds.

    ``first_use`` is the time of building and coding, less that of building, less that of coding
    with a table that was used before.
    """
    result = []
    cases = [*((kind, 128) for kind in _BUILDERS), ("gaussian", 64), ("gaussian", 256)]
    for kind, levels in cases:
        build = partial(_BUILDERS[kind], fc.scale_table(levels=levels))
        message = _message(workload, levels)
        alone = _timed(build, effort)
        with_first = _timed(partial(_build_and_code, build, message), effort)
        again = _timed(partial(_code, build(), message), effort)
        lazily = with_first["median"] - alone["median"] - again["median"]
        name = f"CdfTable.{kind}, {levels} rows"
        result.append({"name": name, "items": levels, **alone, "first_use": lazily})
    return result


def _timed(function: Callable[[], object], effort: Effort) -> dict[str, float]:
    function()
    return summary(durations(function, effort))


def _message(workload: Workload, levels: int) -> tuple[Array, Array]:
    indexes = fc.scale_indexes(_sigma(workload)[:_MESSAGE], fc.scale_table(levels=levels))
    return workload.symbols[:_MESSAGE], indexes


def _sigma(workload: Workload) -> Array:
    if workload.sigma is None:
        raise ValueError(f"workload = {workload.name}, expected one with sigma")
    return workload.sigma


def _code(table: fc.CdfTable, message: tuple[Array, Array]) -> None:
    fc.decode(fc.encode(*message, table), message[1], table)


def _build_and_code(build: Callable[[], fc.CdfTable], message: tuple[Array, Array]) -> None:
    _code(build(), message)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", type=Path, help="a Gaussian one")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--runs", type=int, required=True)
    options = parser.parse_args()
    pin(1)
    workload = read(options.workload)
    effort = Effort(options.seconds, options.runs)
    rows = indexing(workload, effort) + building(workload, effort)
    print("\n" + json.dumps(rows))


if __name__ == "__main__":
    main()
