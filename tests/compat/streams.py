# SPDX-License-Identifier: Apache-2.0
"""Random messages and tables in CompressAI's form, within what the original survives.

CompressAI 1.2.8 crashes, hangs or divides by zero on fewer than two symbols, on a slot of all
65536, on symbols of width zero and on distances of 2**27 and more from the row; tests/unit has
those.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch

TOTAL = 1 << 16
FORMS = ("lists", "tuples", "int32", "narrow", "int64", "strided", "tensors", "rows")


@dataclass(frozen=True)
class Message:
    """The five arguments of `encode_with_indexes`, as Python lists."""

    symbols: list[int]
    indexes: list[int]
    cdfs: list[list[int]]
    sizes: list[int]
    offsets: list[int]

    @property
    def table(self) -> tuple[list[list[int]], list[int], list[int]]:
        """The last three arguments."""
        return self.cdfs, self.sizes, self.offsets

    @property
    def canonical(self) -> bool:
        """Whether each row starts at 0, ends at 65536 and has no slot of width zero."""
        used = [row[:size] for row, size in zip(self.cdfs, self.sizes, strict=True)]
        return all(row[0] == 0 and row[-1] == TOTAL and all(np.diff(row) > 0) for row in used)


def _widths(rng: np.random.Generator, slots: int) -> np.ndarray:
    """Widths of at least 1 that sum to 65536: even, random, or nearly all in one slot."""
    kind = rng.integers(3)
    if kind == 0:
        weights = rng.random(slots) + 0.5
    elif kind == 1:
        weights = rng.random(slots) ** rng.uniform(1, 20) + 1e-9
    else:
        weights = np.full(slots, 1e-9)
        weights[rng.integers(slots)] = 1.0
    free = TOTAL - slots
    widths = np.floor(weights / weights.sum() * free).astype(np.int64) + 1
    widths[int(np.argmax(widths))] += TOTAL - widths.sum()
    return widths


def _row(rng: np.random.Generator) -> list[int]:
    """The edges of a row, two in three of them as CompressAI makes them, the others legal too."""
    slots = int(rng.integers(2, 60)) if rng.random() < 0.9 else int(rng.integers(2, 3200))
    edges = np.concatenate(([0], np.cumsum(_widths(rng, slots))))
    kind = rng.integers(12)
    if kind == 0:  # some slots have no width; nobody codes them
        edges[1:-1] = np.sort(rng.choice(edges[1:-1], slots - 1))
    elif kind == 1:  # the last slots of the 65536 belong to nobody
        edges = edges[: int(rng.integers(2, slots + 1))]
    elif kind == 2:  # so do the first
        edges[0] = rng.integers(0, edges[1])
    return [int(edge) for edge in edges]


def _symbol(rng: np.random.Generator, row: list[int], escapes: float) -> int:
    """A symbol of the row, without its offset: by its probability, or far outside."""
    slots = len(row) - 1
    if rng.random() < escapes and row[-1] > row[-2]:
        distance = int(2 ** rng.uniform(0, 27)) - 1
        return slots - 1 + distance if rng.random() < 0.5 else -1 - min(distance, 2**27 - 2)
    slot = int(np.searchsorted(row, rng.integers(row[0], row[-1]), side="right")) - 1
    # The last slot is the escape; a symbol of that value takes it too.
    return slot


def message(rng: np.random.Generator, rows: int | None = None) -> Message:
    """A message with a random table."""
    rows = rows or int(rng.choice([1, 2, 3, 5, 8, 40], p=[0.25, 0.2, 0.2, 0.2, 0.1, 0.05]))
    table = [_row(rng) for _ in range(rows)]
    offsets = [int(v) for v in rng.integers(-300, 300, rows)]
    if rng.random() < 0.1:
        offsets = [int(v) for v in rng.integers(-(2**29), 2**29, rows)]
    sizes = [len(row) for row in table]
    cdfs = table
    if rng.random() < 0.7:  # padded to one width, with anything
        width = max(sizes) + int(rng.integers(3))
        anything = 0 if rng.random() < 0.5 else int(rng.integers(-(2**31), 2**31))
        cdfs = [row + [anything] * (width - len(row)) for row in table]
    count = int(rng.integers(2, 120)) if rng.random() < 0.97 else int(rng.integers(120, 4000))
    indexes = [int(i) for i in rng.integers(0, rows, count)]
    escapes = float(rng.choice([0.0, 0.03, 0.5, 1.0], p=[0.4, 0.4, 0.15, 0.05]))
    symbols = [_symbol(rng, table[i], escapes) + offsets[i] for i in indexes]
    return Message(symbols, indexes, cdfs, sizes, offsets)


def _narrow(values: list[int]) -> np.ndarray:
    """The narrowest NumPy type that holds them."""
    low, high = min(values), max(values)
    for kind in (np.uint8, np.int8, np.uint16, np.int16):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return np.array(values, kind)
    return np.array(values, np.int32)


def _strided(values: list[int]) -> np.ndarray:
    wide = np.full((len(values), 3), -7, np.int32)
    wide[:, 1] = values
    return wide[:, 1]


def spoken(values: list[int], form: str) -> object:
    """Integers in one of FORMS."""
    if form == "tuples":
        return tuple(values)
    if form in ("lists", "rows"):
        return values
    if form == "narrow":
        return _narrow(values)
    if form == "strided":
        return _strided(values)
    if form == "tensors":
        return torch.tensor(values, dtype=torch.int32)
    return np.array(values, {"int32": np.int32, "int64": np.int64}[form])


def spoken_table(it: Message, form: str) -> tuple[object, object, object]:
    """`cdfs`, `cdfs_sizes` and `offsets` in one of FORMS; ragged rows have no array."""
    if form == "rows":
        rows = [np.array(row, np.int32) for row in it.cdfs]
        return rows, np.array(it.sizes, np.int32), np.array(it.offsets, np.int32)
    sizes, offsets = spoken(it.sizes, form), spoken(it.offsets, form)
    if form == "tuples":
        return tuple(tuple(row) for row in it.cdfs), sizes, offsets
    if form == "lists" or len({len(row) for row in it.cdfs}) > 1:
        return it.cdfs, sizes, offsets
    if form == "tensors":
        return torch.tensor(it.cdfs, dtype=torch.int32), sizes, offsets
    if form == "strided":
        return np.asfortranarray(np.array(it.cdfs, np.int32)), sizes, offsets
    return np.array(it.cdfs, np.int64 if form == "int64" else np.int32), sizes, offsets


def parts(rng: np.random.Generator, count: int) -> list[slice]:
    """The message cut at random places; parts may be empty."""
    cuts = np.sort(rng.integers(0, count + 1, int(rng.integers(1, 5))))
    edges = [0, *(int(cut) for cut in cuts), count]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]
