# SPDX-License-Identifier: Apache-2.0
"""The replacements of fastcoder.compat against the originals, each call in a process of its own.

Writes benchmarks/results/compat.json and, with --write, two tables of docs/coming-from.md; the
others there are made of bench.json by benchmarks.readme. The originals need
`python -m benchmarks.peers compressai torchac` and, with its models, `make test-compat`. Every way
to call must give their bytes.

    python -m benchmarks.compat [--only GROUP ...] [--seed SEED] [--write]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import pages, peers, report, tables, workloads
from benchmarks.__main__ import arguments, last_json
from benchmarks.compat_cases import PIXEL
from benchmarks.machine import machine
from benchmarks.pages import RESULTS, ROOT
from benchmarks.runner import Effort
from fastcoder.compat import compressai

RESULT = RESULTS / "compat.json"
PAGE = ROOT / "docs" / "coming-from.md"
MODELS = ROOT / "build" / "compat" / "venv" / "bin" / "python"

# Each original with the cases that are compared with it; "" for those without a counterpart.
Group = dict[str, tuple[str, ...]]
STRINGS: Group = {
    "original lists": ("lists",),
    "original arrays": ("arrays", "table"),
    "": ("convert",),
}
BATCH: Group = {"original batch": ("batch", "batch table")}
MODEL: Group = {"original model": ("model",)}
ROWS: Group = {
    "original float32": ("float32", "float32 numpy"),
    "original int16": ("int16", "int16 numpy"),
}
GROUPS: dict[str, Group] = {
    "W1": STRINGS,
    "W2": STRINGS,
    "W1 in 8 strings": BATCH,
    "8 images": BATCH,
    "model": MODEL,
    "model, 8 tensors": MODEL,
    "pixels": {"original pixels": ("pixels", "pixels arrays", "pixels table")},
    "torchac": ROWS,
    "torchac 65": ROWS,
}
_PIXELS = 200
_IMAGE = 1 << 20  # symbols of each of 8 images
_SIZES = {"torchac": (1 << 17, 257), "torchac 65": (1 << 19, 65)}  # rows and their entries

Arrays = dict[str, NDArray[Any]]


def rows_of(workload: workloads.Workload) -> Arrays:
    """Tables as CompressAI's entropy models keep them: quantized by its rule, padded with zeros."""
    rows, offsets = tables.reference_rows(workload)
    cdfs = []
    for row in rows:
        tail = max(1.0 - float(row.sum()), 0.0)
        cdfs.append(compressai.pmf_to_quantized_cdf([*row.tolist(), tail], 16))
    sizes = np.array([len(cdf) for cdf in cdfs], np.int32)
    padded = np.zeros((len(cdfs), int(sizes.max())), np.int32)
    for line, cdf in zip(padded, cdfs, strict=True):
        line[: len(cdf)] = cdf
    return {"cdfs": padded, "sizes": sizes, "offsets": offsets.astype(np.int32)}


def torchac_data(seed: int, count: int, entries: int) -> Arrays:
    """A discretized logistic distribution for every symbol, and the symbols."""
    rng = np.random.default_rng(seed)
    mean, scale = rng.uniform(0, entries - 1, (count, 1)), np.exp(rng.normal(1.0, 0.7, (count, 1)))
    edges = (np.arange(entries) - mean) / scale
    cdf = (1.0 / (1.0 + np.exp(-np.clip(edges, -60, 60)))).astype(np.float32)
    cdf[:, 0], cdf[:, -1] = 0.0, 1.0
    whole = np.rint(cdf * np.float32(65536 - (entries - 1))).astype(np.int64)
    whole += np.arange(entries)
    drawn = rng.integers(0, 65536, (count, 1))
    symbols = (whole <= drawn).sum(axis=1) - 1
    wrapped = whole.astype(np.uint16).view(np.int16)
    return {"float32": cdf, "int16": wrapped, "symbols": symbols.astype(np.int16)}


def data_of(group: str, seed: int) -> Arrays:
    """Symbols, indexes and tables of a group."""
    if group in _SIZES:
        return torchac_data(seed, *_SIZES[group])
    workload = workloads.make("W2" if group == "W2" else "W1", seed)
    symbols, indexes = workload.symbols, workload.indexes.astype(np.int32)
    if group == "model":
        symbols, indexes = symbols[None], indexes[None]
    elif group in ("W1 in 8 strings", "model, 8 tensors"):
        symbols, indexes = symbols.reshape(8, -1), indexes.reshape(8, -1)
    elif group == "8 images":
        images = [workloads.make("W1", seed + 1 + i) for i in range(8)]
        symbols = np.stack([image.symbols[:_IMAGE] for image in images])
        indexes = np.stack([image.indexes[:_IMAGE] for image in images]).astype(np.int32)
    elif group == "pixels":
        symbols, indexes = symbols[: _PIXELS * PIXEL], indexes[: _PIXELS * PIXEL]
    return {"symbols": symbols, "indexes": indexes, **rows_of(workload)}


def library_of(case: str) -> str:
    """Whose environment a case runs in."""
    if not case.startswith("original"):
        return "fastcoder"
    return "torchac" if case.endswith(("float32", "int16")) else "compressai"


def program_of(case: str) -> list[str]:
    """The interpreter: models run in the environment that `make test-compat` has made."""
    if not case.endswith("model"):
        return [str(peers.python_of(library_of(case)))]
    folders = [str(ROOT / "tests" / "compat" / "stubs"), os.environ.get("PYTHONPATH", "")]
    return ["env", f"PYTHONPATH={os.pathsep.join(filter(None, folders))}", str(MODELS)]


def measure(group: str, data: Arrays, effort: Effort) -> Iterator[dict[str, Any]]:
    """Measure the cases of a group one after another.

    Raises:
        RuntimeError: If a case fails, or does not give the bytes of the original.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, **data)
        for original, replacements in GROUPS[group].items():
            digest = None
            for case in filter(None, (original, *replacements)):
                command = [*program_of(case), "-m", "benchmarks.compat_cases", case, str(path)]
                row = last_json([*command, *arguments(effort)], library_of(case))
                if case == original:
                    digest = row["sha256"]
                elif original and row["sha256"] != digest:
                    raise RuntimeError(f"{group}, {case}: other bytes than the original")
                print(f"{group}, {case}: {speed(row, 'encode')} / {speed(row, 'decode')} Msym/s")
                yield {"group": group, "against": original if case != original else "", **row}


def speed(row: dict[str, Any], direction: str) -> str:
    """Million symbols per second."""
    return f"{report.speed(row, direction):.3g}"


# ---- the page --------------------------------------------------------------------------------


def _ratio(slow: dict[str, Any], fast: dict[str, Any], direction: str) -> str:
    return f"{slow[direction]['median'] / fast[direction]['median']:.3g}"


def _both(first: str, second: str) -> str:
    return f"{first} / {second}"


def _line(label: str, original: dict[str, Any], ours: dict[str, Any]) -> str:
    speeds = [_both(speed(row, "encode"), speed(row, "decode")) for row in (original, ours)]
    times = _both(_ratio(original, ours, "encode"), _ratio(original, ours, "decode"))
    return f"| {label} | {' | '.join(speeds)} | **{times}** |"


def _found(results: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["group"], row["case"]): row for row in results["measurements"]}


def compressai_table(results: dict[str, Any]) -> str:
    """The tables of CompressAI's coder."""
    found = _found(results)
    titles = {"W1 in 8 strings": "W1 as a batch of 8", "8 images": "8 images of 1 Mi symbols"}
    labels = {"table": "arrays and a `CdfTable`", "batch": "arrays"}
    labels["batch table"] = labels["table"]
    lines = [
        "Million symbols per second, encode / decode, on one core.",
        "",
        "| | CompressAI | fastcoder | times as fast |",
        "|---|---:|---:|---:|",
    ]
    for group in ("W1", "W2", *titles):
        for original, cases in GROUPS[group].items():
            for case in cases if original else ():
                label = f"{titles.get(group, group)}, {labels.get(case, case)}"
                lines.append(_line(label, found[group, original], found[group, case]))
    lines += [
        "",
        "With arrays the original's time has `.tolist()` in it, of the tables too, and `np.array`",
        "of the symbols, as its models do it on every call.",
        "",
        "| `GaussianConditional` in a model | CompressAI | `install()` | times as fast |",
        "|---|---:|---:|---:|",
        _line("W1, a tensor", found["model", "original model"], found["model", "model"]),
        _line(
            "W1, a tensor of 8",
            found["model, 8 tensors", "original model"],
            found["model, 8 tensors", "model"],
        ),
        "",
        f"| `decode_stream`, {PIXEL} symbols a call | CompressAI | fastcoder | times as fast |",
        "|---|---:|---:|---:|",
    ]
    original = found["pixels", "original pixels"]
    labels = {"pixels": "lists", "pixels arrays": "arrays", "pixels table": labels["table"]}
    for case, label in labels.items():
        ours = found["pixels", case]
        times = [f"{1e6 * _per_call(row):.4g} us" for row in (original, ours)]
        lines.append(f"| {label} | {' | '.join(times)} | **{_ratio(original, ours, 'decode')}** |")
    moved = found["W1", "convert"]
    lines += [
        "",
        f"`convert` moves {speed(moved, 'encode')} million symbols of W1 per second to our format,"
        f" and {speed(moved, 'decode')} back.",
    ]
    return "\n".join(lines) + "\n"


def _per_call(row: dict[str, Any]) -> float:
    return float(row["decode"]["median"] * PIXEL / row["symbols"])


def torchac_table(results: dict[str, Any]) -> str:
    """The table of torchac."""
    found = _found(results)
    lines = [
        "Million symbols per second, encode / decode, on one core.",
        "",
        "| rows | torchac built with -O3 | fastcoder | times as fast |",
        "|---|---:|---:|---:|",
    ]
    labels = {
        "float32": "float32 tensors",
        "int16": "int16 tensors",
        "float32 numpy": "float32 arrays",
        "int16 numpy": "int16 arrays",
    }
    for group, (count, entries) in _SIZES.items():
        for case, label in labels.items():
            original = found[group, "original " + case.split()[0]]
            label = f"{count:,} of {entries}, {label}"
            lines.append(_line(label, original, found[group, case]))
    lines += [
        "",
        "torchac has tensors in every line. As it is shipped, it is compiled without -O3.",
    ]
    return "\n".join(lines) + "\n"


def texts(results: dict[str, Any]) -> dict[str, str]:
    """Every generated part of the page by the name of its markers."""
    return {
        "compressai": compressai_table(results),
        "torchac": torchac_table(results),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=GROUPS, help="keep the others as they are")
    parser.add_argument("--seconds", type=float, default=1.0, help="least time per direction")
    parser.add_argument("--runs", type=int, default=5, help="least runs per direction")
    parser.add_argument("--seed", type=int, default=1, help="seed of the symbols (default 1)")
    parser.add_argument("--write", action="store_true", help="put it into docs/coming-from.md")
    options = parser.parse_args()
    groups = list(GROUPS) if options.only is None else options.only
    former = json.loads(RESULT.read_text())["measurements"] if RESULT.exists() else []
    rows = [row for row in former if row["group"] not in groups]
    for group in groups:
        rows += measure(group, data_of(group, options.seed), Effort(options.seconds, options.runs))
    result = {"machine": machine(), "seed": options.seed, "measurements": rows}
    pages.keep(RESULT, result)
    if {row["group"] for row in rows} != set(GROUPS):
        return  # the first runs, a group each
    for name, text in texts(result).items():
        print(text)
        if options.write:
            pages.write(PAGE, name, text)


if __name__ == "__main__":
    sys.exit(main())
