# SPDX-License-Identifier: Apache-2.0
"""Parametric coding: a Gaussian of its own for every symbol, here and in constriction.

Writes benchmarks/results/parametric.json and, with --write, the table of docs/parametric.md. Each
coder runs in a process and an environment of its own (benchmarks/peers), on one thread, after a
round trip. Timed is everything from arrays to bytes and back, making the models included.

    python -m benchmarks.parametric [--seed SEED] [--runs RUNS] [--write]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import pages, workloads
from benchmarks.pages import RESULTS, ROOT
from benchmarks.peers import environment_of, python_of

RESULT = RESULTS / "parametric.json"
PAGE = ROOT / "docs" / "parametric.md"
MARKER = "parametric"
SUPPORT = (-256, 255)
WORKLOADS = ("W1", "W2")

Coder = tuple[Callable[[], bytes], Callable[[bytes], NDArray[Any]]]


def with_fastcoder(symbols: NDArray[np.int32], sigma: NDArray[np.float64]) -> Coder:
    """Encode and decode through push_parametric and pull_parametric."""
    import fastcoder as fc

    def model() -> fc.parametric.Gaussian:
        return fc.parametric.Gaussian(0.0, sigma, support=SUPPORT)

    def encode() -> bytes:
        encoder = fc.Encoder()
        encoder.push_parametric(symbols, model())
        return encoder.finish(threads=1)

    def decode(stream: bytes) -> NDArray[Any]:
        decoder = fc.Decoder(stream)
        decoded = decoder.pull_parametric(model())
        decoder.finish()
        return decoded

    return encode, decode


def with_constriction(symbols: NDArray[np.int32], sigma: NDArray[np.float64]) -> Coder:
    """Encode and decode with its ANS coder and QuantizedGaussian."""
    import constriction

    family = constriction.stream.model.QuantizedGaussian(*SUPPORT)
    mean = np.zeros(sigma.size)

    def encode() -> bytes:
        coder = constriction.stream.stack.AnsCoder()
        coder.encode_reverse(symbols, family, mean, sigma)
        data: bytes = coder.get_compressed().tobytes()
        return data

    def decode(stream: bytes) -> NDArray[Any]:
        coder = constriction.stream.stack.AnsCoder(np.frombuffer(stream, np.uint32))
        decoded: NDArray[Any] = coder.decode(family, mean, sigma)
        return decoded

    return encode, decode


CODERS = {"fastcoder": with_fastcoder, "constriction": with_constriction}


def measure(coder: str, workload: str, seed: int, runs: int) -> dict[str, Any]:
    """Median seconds of both directions, and bytes against the exact model."""
    data = workloads.make(workload, seed)
    if data.sigma is None:
        raise ValueError(f"workload = {workload}, expected one with scales")
    encode, decode = CODERS[coder](data.symbols, data.sigma.astype(np.float64))
    stream = encode()
    if not np.array_equal(decode(stream), data.symbols):
        raise RuntimeError(f"{coder} does not give {workload} back")
    seconds: dict[str, list[float]] = {"encode": [], "decode": []}
    for _ in range(runs):
        for name, task in (("encode", encode), ("decode", lambda: decode(stream))):
            begin = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - begin)
    return {
        "coder": coder,
        "workload": workload,
        "symbols": int(data.symbols.size),
        "bytes": len(stream),
        "exact_bits": data.exact_bits,
        **{f"{name}_seconds": statistics.median(times) for name, times in seconds.items()},
    }


def in_its_environment(coder: str, workload: str, seed: int, runs: int) -> dict[str, Any] | None:
    """The same in a process of its own, or None if the library is not there."""
    command = [str(python_of(coder)), "-m", "benchmarks.parametric", "--one", coder, workload]
    command += ["--seed", str(seed), "--runs", str(runs)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment_of(coder), capture_output=True, text=True
    )
    if done.returncode != 0:
        if "No module named 'constriction'" in done.stderr:
            return None
        raise RuntimeError(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table of the page."""
    lines = [
        "| workload | coder | encode, Msymbols/s | decode, Msymbols/s | bytes over the model |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        speeds = [row["symbols"] / row[f"{way}_seconds"] / 1e6 for way in ("encode", "decode")]
        over = 100 * (8 * row["bytes"] / row["exact_bits"] - 1)
        lines.append(
            f"| {row['workload']} | {row['coder']} | {speeds[0]:.0f} | {speeds[1]:.0f} "
            f"| {over:+.3f} % |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="seed of the data (default 1)")
    parser.add_argument("--runs", type=int, default=7, help="timed runs of each (default 7)")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    parser.add_argument("--one", nargs=2, metavar=("CODER", "WORKLOAD"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one, options.seed, options.runs)))
        return
    from benchmarks.machine import machine

    rows = []
    for workload in WORKLOADS:
        for coder in CODERS:
            row = in_its_environment(coder, workload, options.seed, options.runs)
            if row is None:
                print(f"{coder} is missing: python -m benchmarks.peers {coder}")
            else:
                rows.append(row)
    table = markdown(rows)
    print(table, end="")
    result = {"machine": machine(), "seed": options.seed, "measurements": rows}
    pages.keep(RESULT, result)
    if options.write:
        pages.write(PAGE, MARKER, table)


if __name__ == "__main__":
    main()
