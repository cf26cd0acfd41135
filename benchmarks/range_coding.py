# SPDX-License-Identifier: Apache-2.0
"""The range coder: static rows, rows that learn, and a new table for every symbol.

Writes benchmarks/results/range.json and, with --write, the table of docs/range-coder.md. How it
does against others: `python -m benchmarks --adapters fastcoder-range compressai`.

    python -m benchmarks.range_coding [--seed SEED] [--write]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastcoder as fc
from benchmarks import pages, workloads
from benchmarks.adapters.range_coder import RangeCoder
from benchmarks.machine import machine
from benchmarks.pages import RESULTS, ROOT

RESULT = RESULTS / "range.json"
PAGE = ROOT / "docs" / "range-coder.md"
MARKER = "range"
RUNS = 7


def fastest(function: Callable[[], object], runs: int = RUNS) -> float:
    """Seconds of the fastest of several calls."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def static(name: str, seed: int) -> dict[str, Any]:
    """One push and one pull of a whole workload."""
    workload, coder = workloads.make(name, seed), RangeCoder()
    coder.prepare(workload)
    stream = coder.encode()
    if not np.array_equal(coder.decode(stream), workload.symbols):
        raise RuntimeError(f"{name} did not survive")
    return {
        "name": f"{name}, static rows",
        "symbols": int(workload.symbols.size),
        "bytes": len(stream),
        "table_bits": coder.details(stream)["table_bits"],
        "encode_seconds": fastest(coder.encode),
        "decode_seconds": fastest(lambda: coder.decode(stream)),
    }


def adaptive(symbols: int, seed: int, count: int = 1 << 19) -> dict[str, Any]:
    """Geometric symbols in 16 contexts; the cost is that of the rows that drew them."""
    rng = np.random.default_rng(seed)
    indexes = rng.integers(16, size=count).astype(np.uint8)
    pmf = np.exp(-np.outer(0.02 + np.arange(16) / 12, np.arange(symbols)))
    pmf /= pmf.sum(axis=1, keepdims=True)
    sums, draws = np.cumsum(pmf, axis=1), rng.random(count)
    values = np.empty(count, np.int32)
    for row in range(16):
        here = indexes == row
        values[here] = np.searchsorted(sums[row], draws[here])
    values = np.minimum(values, symbols - 1)
    start = fc.AdaptiveTable.uniform(symbols, rows=16)

    def encode() -> bytes:
        encoder = fc.RangeEncoder()
        encoder.push(values, indexes, start.copy())
        return encoder.finish()

    stream = encode()

    def decode() -> np.ndarray:
        decoder = fc.RangeDecoder(stream)
        result = decoder.pull(indexes, start.copy())
        decoder.finish()
        return result

    if not np.array_equal(decode(), values):
        raise RuntimeError("the adaptive symbols did not survive")
    return {
        "name": f"16 adaptive rows of {symbols}",
        "symbols": count,
        "bytes": len(stream),
        "table_bits": float(-np.log2(pmf[indexes, values]).sum()),
        "encode_seconds": fastest(encode),
        "decode_seconds": fastest(decode),
    }


def one_by_one(seed: int, count: int = 20_000) -> dict[str, Any]:
    """A push and a pull per symbol, each with another table of 40 slots."""
    rng = np.random.default_rng(seed)
    rows = [rng.dirichlet(np.full(40, 0.3)) for _ in range(64)]
    tables = [fc.CdfTable.from_pmf([row], [0], escape=False) for row in rows]
    order = [tables[i] for i in rng.integers(64, size=count)]
    values = rng.integers(40, size=count).tolist()

    def encode() -> bytes:
        encoder = fc.RangeEncoder()
        push = encoder.push
        for symbol, table in zip(values, order, strict=True):
            push(symbol, None, table)
        return encoder.finish()

    stream = encode()
    out = np.empty(1, np.int32)

    def decode() -> list[int]:
        decoder = fc.RangeDecoder(stream)
        pull, result = decoder.pull, []
        for table in order:
            result.append(int(pull(None, table, out=out)[0]))
        decoder.finish()
        return result

    if decode() != values:
        raise RuntimeError("the symbols did not survive one by one")
    cost = sum(fc.cost([s], None, table) for s, table in zip(values, order, strict=True))
    return {
        "name": "a table and a call per symbol",
        "symbols": count,
        "bytes": len(stream),
        "table_bits": cost,
        "encode_seconds": fastest(encode),
        "decode_seconds": fastest(decode),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table of the page."""
    lines = [
        "| | bits/symbol | bytes | over the model | encode | decode |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['name']} | {row['table_bits'] / row['symbols']:.3f} | {row['bytes']} "
            f"| {100 * (8 * row['bytes'] / row['table_bits'] - 1):+.4f} % "
            f"| {speed(row, 'encode')} | {speed(row, 'decode')} |"
        )
    return "\n".join(lines) + "\n"


def speed(row: dict[str, Any], direction: str) -> str:
    """Millions of symbols per second and nanoseconds of one."""
    seconds = row[f"{direction}_seconds"] / row["symbols"]
    return f"{1e-6 / seconds:.3g} M/s, {1e9 * seconds:.3g} ns"


def main() -> None:
    """Measure, print, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="seed of the symbols (default 1)")
    parser.add_argument("--write", action="store_true", help="put it into docs/range-coder.md")
    options = parser.parse_args()
    rows = [static(name, options.seed) for name in ("W1", "W2", "W3", "W6")]
    rows += [adaptive(symbols, options.seed) for symbols in (2, 16, 256)]
    rows += [one_by_one(options.seed)]
    table = markdown(rows)
    print(table, end="")
    result = {"machine": machine(), "seed": options.seed, "measurements": rows}
    pages.keep(RESULT, result)
    if options.write:
        pages.write(PAGE, MARKER, table)


if __name__ == "__main__":
    main()
