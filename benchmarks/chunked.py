# SPDX-License-Identifier: Apache-2.0
"""Decoding in steps: what a pull costs where each needs the symbols of those before.

Writes benchmarks/results/chunked.json and, with --write, the table of docs/streaming.md. Each model
of benchmarks.context_models decodes a latent of 32 x 48 positions and 192 channels. Its pulls are
timed alone, with the rows at hand, after a decode with the real context function that must give the
symbols back; `one pull` is the same stream with all rows known.

    python -m benchmarks.chunked [--seed SEED] [--write]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import fastcoder as fc
from benchmarks import context_models, pages
from benchmarks.machine import machine
from benchmarks.pages import RESULTS, ROOT

RESULT = RESULTS / "chunked.json"
PAGE = ROOT / "docs" / "streaming.md"
MARKER = "chunked"
SHAPE = (32, 48, 192)  # of a Kodak image, 16 times smaller
RUNS = 9


def measure(
    kind: type[context_models.Model],
    seed: int,
    shape: tuple[int, int, int] = SHAPE,
    runs: int = RUNS,
) -> dict[str, Any]:
    """Times in seconds, the fastest of several runs."""
    model, table = kind(*shape), context_models.table()
    symbols = context_models.draw(model, seed)
    stream = context_models.encode(model, symbols, table)
    begin = time.perf_counter()
    decoded = context_models.decode(model, stream, table)
    with_contexts = time.perf_counter() - begin
    parts = list(context_models.pushes(model, symbols))
    for step, (values, _) in enumerate(parts):
        if not np.array_equal(model.place(decoded, step), values):
            raise RuntimeError(f"{model.name} did not survive at step {step}")
    outs = [np.empty(values.shape, np.int32) for values, _ in parts]
    flat = [np.concatenate([part[i].ravel() for part in parts]) for i in (0, 1)]
    whole = np.empty(flat[0].size, np.int32)
    in_steps, at_once = [], []
    for _ in range(runs):
        pull = fc.Decoder(stream).pull
        begin = time.perf_counter()
        for (_, rows), out in zip(parts, outs, strict=True):
            pull(rows, table, out=out)
        in_steps.append(time.perf_counter() - begin)
        decoder = fc.Decoder(stream)
        begin = time.perf_counter()
        decoder.pull(flat[1], table, out=whole)
        at_once.append(time.perf_counter() - begin)
    if not np.array_equal(whole, flat[0]):
        raise RuntimeError(f"{model.name} did not survive in one pull")
    cost = fc.cost(*flat, table)
    return {
        "model": model.name,
        "pulls": model.steps,
        "symbols": int(whole.size),
        "bytes": len(stream),
        "table_bits": cost,
        "pulls_seconds": min(in_steps),
        "one_pull_seconds": min(at_once),
        "with_contexts_seconds": with_contexts,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table of the page."""
    lines = [
        "| model | pulls of | bytes | over the table | all pulls | one pull | each pull on top |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        on_top = (row["pulls_seconds"] - row["one_pull_seconds"]) / row["pulls"]
        lines.append(
            f"| {row['model']} | {row['pulls']} x {row['symbols'] // row['pulls']} "
            f"| {row['bytes']} | {100 * (8 * row['bytes'] / row['table_bits'] - 1):+.3f} % "
            f"| {1e3 * row['pulls_seconds']:.2f} ms | {1e3 * row['one_pull_seconds']:.2f} ms "
            f"| {1e6 * on_top:.2f} us |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="seed of the symbols (default 1)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/streaming.md")
    options = parser.parse_args()
    rows = [measure(kind, options.seed) for kind in context_models.MODELS]
    table = markdown(rows)
    print(table, end="")
    result = {"machine": machine(), "seed": options.seed, "measurements": rows}
    pages.keep(RESULT, result)
    if options.write:
        pages.write(PAGE, MARKER, table)


if __name__ == "__main__":
    main()
