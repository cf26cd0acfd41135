# SPDX-License-Identifier: Apache-2.0
"""For libraries that code one distribution at a time: symbols sorted by their row, and back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.adapters import Unsupported
from benchmarks.tables import is_inside, reference_rows
from benchmarks.workloads import Workload


class ByRow:
    """Sorting, and its inverse, is a part of the timed calls: a codec's symbols come unsorted."""

    knows_model = True

    def prepare(self, workload: Workload) -> None:
        """Take the rows; refuse symbols that only an escape could carry."""
        if not is_inside(workload):
            raise Unsupported("no escape: symbols outside a row cannot be coded")
        self.rows, self._offsets = reference_rows(workload)
        self._symbols = workload.symbols
        self._indexes = workload.indexes

    def _sort(self) -> tuple[NDArray[np.intp], list[tuple[int, slice]]]:
        """Return an order of the symbols, and the rows that occur with their places in it."""
        order = np.argsort(self._indexes, kind="stable")  # a radix sort for uint8
        ends = np.cumsum(np.bincount(self._indexes, minlength=len(self.rows)))
        bounds = pairwise([0, *ends.tolist()])
        return order, [(row, slice(a, b)) for row, (a, b) in enumerate(bounds) if b > a]

    def split(self) -> list[tuple[int, NDArray[np.int32]]]:
        """Return each row that occurs with its symbols, counted from the first of the row."""
        order, places = self._sort()
        ordered = (self._symbols - self._offsets[self._indexes])[order]
        return [(row, ordered[place]) for row, place in places]

    def counts(self) -> tuple[NDArray[np.intp], list[tuple[int, int]]]:
        """Return an order for `join`, and each row that occurs with how many symbols it has."""
        order, places = self._sort()
        return order, [(row, place.stop - place.start) for row, place in places]

    def join(self, order: NDArray[np.intp], values: Sequence[NDArray[Any]]) -> NDArray[np.int32]:
        """Return the symbols of all rows in their first order."""
        symbols = np.empty(order.size, np.int32)
        symbols[order] = np.concatenate(values)
        symbols += self._offsets[self._indexes]
        return symbols
