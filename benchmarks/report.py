# SPDX-License-Identifier: Apache-2.0
"""Measurements to Markdown: no number in a table is typed by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SMALL = 10_000  # symbols; below it a call is what counts, in microseconds


def markdown(results: dict[str, Any]) -> str:
    """Return the tables of one run of `python -m benchmarks`."""
    machine = results["machine"]
    rows = results["measurements"]
    commit = machine["commit"] or "unknown"
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores; {machine['system']}; "
        f"Python {machine['python']}, NumPy {machine['numpy']}; "
        f"fastcoder {machine['fastcoder']} ({machine['compiler']}), commit {commit}.",
        "",
        "Speed in million symbols per second, encode / decode, from NumPy array to bytes and back, "
        "one core; where it says us: microseconds per call. Median, and half the distance of the "
        "quartiles in percent.",
        "",
        *_table(rows, _speed),
        "",
        "W1: latents of a hyperprior, 1.2 bits per symbol; W2: the same at 4 bits; W3: one static "
        "row for each of 192 channels; W4: 2,000 symbols of W1; W5: W1 with 0.1 % outliers; W6: "
        "bytes, one row. 4 Mi symbols but for W3 (0.75 Mi) and W4.",
        "",
        "Bytes, and what they are over the exact model (header, hash and states included).",
        "",
        *_table(rows, _size),
    ]
    return "\n".join(lines) + "\n"


def _table(rows: list[dict[str, Any]], cell: Callable[[dict[str, Any]], str]) -> list[str]:
    workloads = list(dict.fromkeys(row["workload"] for row in rows))
    found = {(row["label"], row["workload"]): row for row in rows}
    labels: dict[tuple[str, ...], str] = {}  # adapters with equal cells share a line
    for label in dict.fromkeys(row["label"] for row in rows):
        cells = tuple(cell(found[label, w]) if (label, w) in found else "" for w in workloads)
        labels[cells] = f"{labels[cells]}, {label.split()[-1]}" if cells in labels else label
    lines = ["| | " + " | ".join(workloads) + " |", "|---" * (len(workloads) + 1) + "|"]
    lines += [f"| {label} | " + " | ".join(cells) + " |" for cells, label in labels.items()]
    return lines


def _speed(row: dict[str, Any]) -> str:
    parts = []
    for direction in ("encode", "decode"):
        time = row[direction]
        spread = 50 * (time["quartile_3"] - time["quartile_1"]) / time["median"]
        if row["symbols"] < SMALL:
            parts.append(f"{1e6 * time['median']:.1f} us ({spread:.0f} %)")
        else:
            speed = row["symbols"] / time["median"] / 1e6
            parts.append(f"{speed:.3g} ({spread:.0f} %)" if speed < 1000 else f"{speed:.0f}")
    return " / ".join(parts)


def _size(row: dict[str, Any]) -> str:
    over = 100 * (8 * row["bytes"] / row["exact_bits"] - 1)
    return f"{row['bytes']} ({over:+.3f} %)"
