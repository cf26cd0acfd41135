# SPDX-License-Identifier: Apache-2.0
"""Speed and size of what is built on intervals: bits, integer codes, large alphabets, stacks.

Writes benchmarks/results/intervals.json and, with --write, the table of docs/codes.md. Times are
the fastest of several runs from Python, `push` and `finish` together; every row is decoded and
compared first. Loss is of the bytes, over the entropy of the law that drew the numbers.

    python -m benchmarks.intervals [--seed SEED] [--write]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastcoder as fc
from benchmarks import pages
from benchmarks.machine import machine
from benchmarks.pages import RESULTS, ROOT

RESULT = RESULTS / "intervals.json"
PAGE = ROOT / "docs" / "codes.md"
MARKER = "intervals"
COUNT = 1_000_000
RUNS = 7

Numbers = NDArray[Any]
# Name, ideal bits (None: no law), numbers, encode to bytes, decode.
Case = tuple[str, float | None, Numbers, Callable[[], bytes], Callable[[bytes], Numbers]]


def finished(fill: Callable[[fc.Encoder], None]) -> Callable[[], bytes]:
    """A function that fills an encoder and finishes it."""

    def encode() -> bytes:
        encoder = fc.Encoder()
        fill(encoder)
        return encoder.finish(threads=1)

    return encode


def integers(name: str, code: fc.codes.IntegerCode, values: Numbers, ideal: float) -> Case:
    """Integers through a stream."""
    return (
        name,
        ideal,
        values,
        finished(lambda encoder: encoder.push_integers(values, code)),
        lambda stream: fc.Decoder(stream).pull_integers(values.size, code),
    )


def entropy_of(law: Numbers, drawn: Numbers) -> float:
    """Bits of drawn positions under a law."""
    return float(-np.log2(law[drawn]).sum())


def cases(seed: int, count: int) -> Iterator[Case]:
    """All rows of the table."""
    rng = np.random.default_rng(seed)
    law = 1.0 / np.arange(1, 8193) ** 1.2
    law /= law.sum()
    codes = rng.choice(8192, size=count, p=law).astype(np.uint16)
    table = fc.LargeTable.from_pmf([law], [0], precision=20)
    cdf = table.cdf(0).astype(np.int64)
    starts, frequencies = cdf[codes].astype(np.uint32), np.diff(cdf)[codes].astype(np.uint32)

    yield (
        "intervals, precision 20 (decoded by LargeTable)",
        entropy_of(law, codes),
        codes,
        finished(lambda encoder: encoder.push_intervals(starts, frequencies, 20)),
        lambda stream: fc.Decoder(stream).pull(None, table, np.uint16, shape=count),
    )
    yield (
        "LargeTable of 8,192 symbols, precision 20",
        entropy_of(law, codes),
        codes,
        finished(lambda encoder: encoder.push(codes, None, table)),
        lambda stream: fc.Decoder(stream).pull(None, table, np.uint16, shape=count),
    )
    for width in (8, 24):
        values = rng.integers(0, 2**width, count, np.uint64)
        yield integers(f"{width} raw bits", fc.codes.Bits(width), values, float(width * count))
    geometric = (rng.geometric(0.02, count) - 1).astype(np.uint64)
    chances = 0.02 * 0.98 ** geometric.astype(np.float64)
    yield integers("Exp-Golomb(5)", fc.codes.ExpGolomb(5), geometric, -np.log2(chances).sum())
    most = 1 << 20
    zipf = np.arange(1, most + 1, dtype=np.float64) ** -1.1
    zipf /= zipf.sum()
    drawn = np.searchsorted(np.cumsum(zipf), rng.random(count)).clip(0, most - 1)
    values = (drawn + 1).astype(np.uint64)
    yield integers("Zipf(1.1, 2**20)", fc.codes.Zipf(1.1, most), values, entropy_of(zipf, drawn))

    def push_stack() -> bytes:
        stack = fc.Stack()
        stack.push(codes, None, table)
        return stack.to_bytes()

    yield (
        "Stack, LargeTable of 8,192 symbols",
        entropy_of(law, codes),
        codes,
        push_stack,
        lambda data: fc.Stack.from_bytes(data).pop(None, table, np.uint16, shape=count),
    )


def fastest(run: Callable[[], object], runs: int) -> float:
    """Seconds of the fastest run."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def measure(case: Case, runs: int = RUNS) -> dict[str, Any]:
    """One row; raises if the numbers do not come back."""
    name, ideal, numbers, encode, decode = case
    stream = encode()
    if not np.array_equal(decode(stream), numbers):
        raise RuntimeError(f"{name} did not survive")
    bits = 8.0 * len(stream) / numbers.size
    return {
        "name": name,
        "count": numbers.size,
        "bits": bits,
        "loss": bits - (ideal or 0.0) / numbers.size,
        "encode": numbers.size / fastest(encode, runs) / 1e6,
        "decode": numbers.size / fastest(lambda: decode(stream), runs) / 1e6,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table of the page."""
    lines = [
        "| coded | bits each | over the entropy | encode, M/s | decode, M/s |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        cells = [f"{row['bits']:.3f}", f"{row['loss']:+.4f}"]
        cells += [f"{row['encode']:.0f}", f"{row['decode']:.0f}"]
        lines.append(f"| {row['name']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="seed of the numbers (default 1)")
    parser.add_argument("--write", action="store_true", help="also write the table of the page")
    arguments = parser.parse_args()
    rows = [measure(case) for case in cases(arguments.seed, COUNT)]
    result = {"machine": machine(), "seed": arguments.seed, "measurements": rows}
    pages.keep(RESULT, result)
    print(markdown(rows))
    if arguments.write:
        pages.write(PAGE, MARKER, markdown(rows))


if __name__ == "__main__":
    main()
