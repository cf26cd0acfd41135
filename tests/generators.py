# SPDX-License-Identifier: Apache-2.0
"""Tables, symbols and array layouts that the tests share.

Everything is a function of a seed. The hypothesis strategies draw kinds, sizes and seeds, which
is what shrinks well; the numbers themselves come from NumPy, so that a row of 65,536 slots costs
one draw.
"""

from __future__ import annotations

import array
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from tests import reference

INT32_MIN, INT32_MAX = reference.INT32_MIN, reference.INT32_MAX
LANES = (1, 2, 4, 8, 16, 32)
SYMBOL_DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
INDEX_DTYPES = ("uint8", "uint16", "int32", "int64")
ROW_KINDS = ("flat", "peaked", "random", "geometric")
SYMBOL_KINDS = ("follow", "any", "constant", "escapes", "extremes")
MOST_SLOTS = 65536

# Around every lane count and around the first boundaries of segments of 16 and 64 symbols.
EDGE_SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128)


class Message(NamedTuple):
    """Symbols, the row of each, and the table, as the reference takes them."""

    symbols: list[int]
    indexes: list[int]
    table: reference.Table


# --- tables --------------------------------------------------------------------------------------


def row_frequencies(kind: str, slots: int, precision: int, seed: int) -> list[int]:
    """Frequencies of one row: `slots` numbers >= 1 with sum 2^precision."""
    total, rng = 1 << precision, np.random.default_rng(seed)
    if kind == "peaked":  # the largest probability that `slots` slots allow
        frequencies = np.ones(slots, np.int64)
        frequencies[rng.integers(slots)] = total - slots + 1
    elif kind == "flat":
        frequencies = np.full(slots, total // slots)
        frequencies[: total % slots] += 1
    elif kind == "geometric":
        weights = 0.6 ** np.arange(slots)
        frequencies = 1 + np.floor(weights / weights.sum() * (total - slots)).astype(np.int64)
        frequencies[0] += total - frequencies.sum()
    else:
        cuts = np.sort(rng.permutation(total - 1)[: slots - 1]) + 1
        frequencies = np.diff(cuts, prepend=0, append=total)
    return [int(frequency) for frequency in frequencies]


@st.composite
def tables(
    draw: st.DrawFn,
    precisions: st.SearchStrategy[int] | None = None,
    escape: bool | None = None,
    most_slots: int = MOST_SLOTS,
) -> reference.Table:
    precision = draw(st.integers(1, 16) if precisions is None else precisions)
    escape = draw(st.booleans()) if escape is None else escape
    most = min(1 << precision, most_slots)
    sizes = st.sampled_from(sorted({1, min(2, most), min(3, most), min(300, most)}))
    offsets, frequencies = [], []
    rows = draw(st.integers(1, 4))
    for number in range(rows):
        # At most one row of the largest size: it is the bytes of the table that cost time.
        slots = draw(st.one_of(sizes, st.integers(1, min(40, most)), st.just(most)))
        slots = min(slots, 300) if number else slots
        kind, seed = draw(st.sampled_from(ROW_KINDS)), draw(st.integers(0, 2**16))
        frequencies.append(row_frequencies(kind, slots, precision, seed))
        last = INT32_MAX - max(slots - escape - 1, 0)
        edges = st.sampled_from([0, 1, -(slots // 2), INT32_MIN, last])
        offsets.append(draw(st.one_of(edges, st.integers(INT32_MIN, last))))
    return reference.Table(precision, escape, offsets, frequencies)


def table_of(
    precision: int, escape: bool, slots: list[int], kind: str = "random", offset: int = 0
) -> reference.Table:
    """One row per entry of `slots`, each begins at `offset`."""
    rows = [row_frequencies(kind, count, precision, seed) for seed, count in enumerate(slots)]
    return reference.Table(precision, escape, [offset] * len(rows), rows)


def native_table(table: reference.Table) -> Any:
    """The same rows as a fastcoder.CdfTable."""
    import fastcoder

    rows = [np.cumsum([0, *row], dtype=np.uint32) for row in table.frequencies]
    return fastcoder.CdfTable.from_cdf(
        rows, list(table.offsets), precision=table.precision, escape=table.escape
    )


# --- symbols -------------------------------------------------------------------------------------


def outside_row(rng: np.random.Generator, offset: int, symbols: int, extreme: bool) -> int:
    """An int32 that is none of offset .. offset + symbols - 1."""
    near = [offset - 1, offset + symbols, offset - 2, offset + symbols + 1]
    far = [INT32_MIN, INT32_MAX]
    drawn = int(rng.integers(INT32_MIN, INT32_MAX + 1))
    candidates = far if extreme else [*near, *far, drawn]
    legal = [
        symbol
        for symbol in candidates
        if INT32_MIN <= symbol <= INT32_MAX and not offset <= symbol < offset + symbols
    ]
    return legal[int(rng.integers(len(legal)))]


def draw_symbols(table: reference.Table, indexes: list[int], kind: str, seed: int) -> list[int]:
    """Symbols of one kind for the rows that `indexes` name; escapes only if the table has them."""
    rng, drawn = np.random.default_rng(seed), []
    sums = [np.cumsum(row) for row in table.frequencies]
    constant = int(rng.integers(2**31))
    for index in indexes:
        offset, slots = table.offsets[index], len(table.frequencies[index])
        if kind == "follow":
            value = rng.integers(1 << table.precision)
            k = int(np.searchsorted(sums[index], value, side="right"))
        elif kind == "constant":
            k = constant % slots
        else:
            k = int(rng.integers(slots))
        if table.escape and (k == slots - 1 or kind in ("escapes", "extremes")):
            drawn.append(outside_row(rng, offset, slots - 1, kind == "extremes"))
        else:
            drawn.append(offset + k)
    return drawn


def follow_rows(table: reference.Table, indexes: np.ndarray, seed: int) -> np.ndarray:
    """int32 symbols that follow rows without escapes, for sizes where a loop is too slow."""
    rng, symbols = np.random.default_rng(seed), np.empty(indexes.shape, np.int32)
    values = rng.integers(1 << table.precision, size=indexes.shape)
    for index in np.unique(indexes):
        here = indexes == index
        slots = np.searchsorted(np.cumsum(table.frequencies[index]), values[here], side="right")
        symbols[here] = slots + table.offsets[index]
    return symbols


sizes = st.one_of(st.sampled_from(EDGE_SIZES), st.integers(0, 200))
lanes = st.sampled_from([None, *LANES])
segments = st.sampled_from([None, None, 16, 32, 64, 128])


@st.composite
def messages(
    draw: st.DrawFn, drawn_tables: st.SearchStrategy[reference.Table] | None = None
) -> Message:
    table = draw(tables() if drawn_tables is None else drawn_tables)
    size, seed = draw(sizes), draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    indexes = [int(index) for index in rng.integers(len(table.offsets), size=size)]
    kind = draw(st.sampled_from(SYMBOL_KINDS))
    return Message(draw_symbols(table, indexes, kind, seed), indexes, table)


# --- layouts -------------------------------------------------------------------------------------


class OnlyDlpack:
    """An array that speaks nothing but DLPack."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._values.__dlpack_device__()


def _strided(values: np.ndarray) -> np.ndarray:
    wide = np.full((*values.shape[:-1], 2 * values.shape[-1] + 1), 77, values.dtype)
    wide[..., 1::2] = values
    return wide[..., 1::2]


def _reversed(values: np.ndarray) -> np.ndarray:
    return np.flip(np.flip(values).copy())


def _read_only(values: np.ndarray) -> np.ndarray:
    copy = values.copy()
    copy.flags.writeable = False
    return copy


def _unaligned(values: np.ndarray) -> np.ndarray:
    raw = np.empty(values.nbytes + 1, np.uint8)
    view = raw[1:].view(values.dtype).reshape(values.shape)
    view[...] = values
    return view


def _byte_swapped(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder())


def _torch(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values.copy())


def _torch_transposed(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values.T.copy()).T


def _array(values: np.ndarray) -> array.array[int]:
    code = {"b": "b", "h": "h", "i": "i", "l": "q", "B": "B", "H": "H", "I": "I"}
    return array.array(code[values.dtype.char], values.ravel().tolist())


# Each takes a C-ordered 2-D array and gives the same elements in the same order, 1-D for "array".
LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "c": lambda values: values,
    "fortran": np.asfortranarray,
    "strided": _strided,
    "reversed": _reversed,
    "read_only": _read_only,
    "unaligned": _unaligned,
    "byte_swapped": _byte_swapped,
    "three_d": lambda values: values[:, None, :],
    "flat": lambda values: values.ravel(),
    "memoryview": lambda values: memoryview(values),
    "array": _array,
    "torch": _torch,
    "torch_transposed": _torch_transposed,
    "dlpack": OnlyDlpack,
}


# --- messages of errors --------------------------------------------------------------------------

# `<argument>[<position>] = <value>, expected <interval>`; the position is not always there.
ERROR_GRAMMAR = re.compile(
    r"(?P<argument>[\w.()\[\] ]+?)(?P<position>(\[\d+\])*) = (?P<value>.+?), "
    r"expected (?P<interval>.+)",
    re.DOTALL,
)


def parse_error(error: BaseException) -> tuple[str, str, str]:
    """(argument, position, value) of a message that follows the grammar, else AssertionError."""
    match = ERROR_GRAMMAR.fullmatch(str(error))
    assert match, f"{type(error).__name__}: {error}"
    return match["argument"], match["position"], match["value"]
