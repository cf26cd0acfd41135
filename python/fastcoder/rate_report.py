# SPDX-License-Identifier: Apache-2.0
"""Why real bits are above the estimate: where each of them goes, and which rows lose most."""

from __future__ import annotations

import dataclasses
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import ArrayInput, as_count, as_float, as_floats
from .coding import _coding_arguments, encode
from .errors import ArgumentError, ShapeError
from .tables import CdfTable

__all__ = ["RateReport", "RowLoss", "report"]

_EMPIRICAL = "entropy of the symbols given their rows"
_GIVEN_BITS = "bits given"
_GIVEN_PROBABILITIES = "probabilities given"

# The sums of a float32 softmax leave 1 by a few units in the last place.
_MOST_PROBABILITY = 1.0 + 1e-5


@dataclasses.dataclass(frozen=True)
class RowLoss:
    """What the symbols of one row cost.

    Attributes:
        row: Its index.
        symbols: How many were coded with it.
        ideal_bits: What they cost ideally. If only the bits of the whole message were given, the
            entropy of the row's symbols.
        table_bits: What they cost under the quantized row, escapes included.
        escapes: How many of them lie outside the row.
        escape_bits: What those cost, of ``table_bits``.
    """

    row: int
    symbols: int
    ideal_bits: float
    table_bits: float
    escapes: int
    escape_bits: float

    @property
    def lost_bits(self) -> float:
        """``table_bits - ideal_bits``; below 0 where the row knows more than the ideal."""
        return self.table_bits - self.ideal_bits


@dataclasses.dataclass(frozen=True)
class RateReport:
    """Where the bits of a message go; made by :func:`report`, printed by ``print``.

    ``stream_bits = ideal_bits + (table_bits - ideal_bits) + state_bits + header_bits``.

    Attributes:
        symbols: How many there are.
        precision: Of the table, in bits.
        ideal: What ``ideal_bits`` are: the bits or probabilities that were given, or the entropy.
        ideal_bits: What the symbols cost ideally.
        table_bits: What they cost under the quantized table: :func:`fastcoder.cost`.
        escapes: How many symbols lie outside their rows.
        escape_bits: What those cost, of ``table_bits``: escape slots and the codes behind them.
        state_bits: What the stream without its header takes more than ``table_bits``: the final
            states, flags, padding, and the rounding of the states.
        header_bits: Of the one-shot header.
        stream_bytes: Of the real stream.
        worst_rows: The rows that lose most, the worst first.
    """

    symbols: int
    precision: int
    ideal: str
    ideal_bits: float
    table_bits: float
    escapes: int
    escape_bits: float
    state_bits: float
    header_bits: int
    stream_bytes: int
    worst_rows: tuple[RowLoss, ...]

    @property
    def stream_bits(self) -> int:
        """``8 * stream_bytes``."""
        return 8 * self.stream_bytes

    @property
    def lost_bits(self) -> float:
        """``stream_bits - ideal_bits``."""
        return self.stream_bits - self.ideal_bits

    @property
    def largest_loss(self) -> str:
        """``"table"``, ``"states"`` or ``"header"``; ``"none"`` if nothing is lost."""
        losses = {
            "table": self.table_bits - self.ideal_bits,
            "states": self.state_bits,
            "header": float(self.header_bits),
        }
        name = max(losses, key=losses.__getitem__)
        return name if losses[name] > 0 else "none"

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain Python objects, ready for JSON."""
        result = dataclasses.asdict(self)
        result["worst_rows"] = [
            {**dataclasses.asdict(row), "lost_bits": row.lost_bits} for row in self.worst_rows
        ]
        result.update(
            stream_bits=self.stream_bits, lost_bits=self.lost_bits, largest_loss=self.largest_loss
        )
        return result

    def __str__(self) -> str:
        lines = [
            f"{self.symbols} symbols, precision {self.precision}; ideal: {self.ideal}",
            f"{'':<34}{'bits':>14}{'bits/symbol':>14}{'of ideal':>12}",
            self._line("ideal", self.ideal_bits),
            self._line("+ table", self.table_bits - self.ideal_bits),
            self._line(f"    of which {self.escapes} escapes cost", self.escape_bits),
            self._line("+ states, flags, padding", self.state_bits),
            self._line("+ header", self.header_bits),
            self._line(f"= stream, {self.stream_bytes} bytes", self.stream_bits),
        ]
        if self.worst_rows:
            names = ("row", "symbols", "ideal bits", "table bits", "lost bits", "escapes")
            lines += ["rows that lose most", "".join(f"{name:>14}" for name in names)]
            lines += [
                f"{row.row:>14}{row.symbols:>14}{row.ideal_bits:>14.1f}{row.table_bits:>14.1f}"
                f"{row.lost_bits:>+14.1f}{row.escapes:>14}"
                for row in self.worst_rows
            ]
        return "\n".join(lines)

    def _line(self, name: str, bits: float) -> str:
        share = f"{100 * bits / self.ideal_bits:.3f} %" if self.ideal_bits > 0 else "-"
        return f"{name:<34}{bits:>14.1f}{bits / max(self.symbols, 1):>14.5f}{share:>12}"


def report(
    symbols: ArrayInput,
    indexes: ArrayInput | None,
    table: CdfTable,
    ideal: ArrayInput | None = None,
    *,
    rows: SupportsIndex = 10,
    threads: SupportsIndex | None = None,
    lanes: SupportsIndex | None = None,
    segment: SupportsIndex | None = None,
) -> RateReport:
    """Account for every bit of a message: ideal, quantized table, escapes, states, header.

    Args:
        symbols: As for :func:`fastcoder.encode`.
        indexes: As for :func:`fastcoder.encode`.
        table: As for :func:`fastcoder.encode`.
        ideal: What the float model says: an array of the shape of ``symbols`` with the probability
            of each, in (0, 1] (the likelihoods that an entropy model returns in training); or one
            number, the estimated bits of the whole message. None compares with the entropy of the
            symbols given their rows: what rows fitted to these very symbols would take, which is
            less than any table can promise for symbols that it has not seen.
        rows: How many of the rows that lose most to list, at most 2**31 - 1.
        threads: As for :func:`fastcoder.encode`.
        lanes: As for :func:`fastcoder.encode`.
        segment: As for :func:`fastcoder.encode`.

    Returns:
        The account; ``print`` shows it as a table, ``to_dict()`` gives plain numbers.

    Raises:
        ShapeError: If ``ideal`` is an array of another shape than ``symbols``.
        ArgumentError: If a probability is not in (0, 1], or the bits are negative or not finite.
        FastcoderError: As :func:`fastcoder.encode`.

    Example:
        >>> table = CdfTable.from_pmf([[0.25, 0.5, 0.25]], [-1], precision=8, escape=False)
        >>> symbols = np.array([-1, 0, 0, 1] * 1000)
        >>> account = report(symbols, None, table)
        >>> account.table_bits, account.stream_bytes, account.largest_loss
        (6000.0, 770, 'header')
        >>> print(report(symbols, None, table, ideal=5900))
        4000 symbols, precision 8; ideal: bits given
                                                    bits   bits/symbol    of ideal
        ideal                                     5900.0       1.47500   100.000 %
        + table                                    100.0       0.02500     1.695 %
            of which 0 escapes cost                  0.0       0.00000     0.000 %
        + states, flags, padding                    56.0       0.01400     0.949 %
        + header                                   104.0       0.02600     1.763 %
        = stream, 770 bytes                       6160.0       1.54000   104.407 %
        rows that lose most
                   row       symbols    ideal bits    table bits     lost bits       escapes
                     0          4000        6000.0        6000.0          +0.0             0
    """
    values, row_of, native = _coding_arguments(symbols, indexes, table)
    wanted = as_count(rows, "rows", 0, 2**31 - 1)
    # One row each for the symbols, escapes, bits and escape code bits of every row of the table.
    counts, escapes, slot_bits, code_bits = _core.cost_of_rows(values, row_of, native)
    ideal_of_row, ideal_bits, meaning = _ideal(values, row_of, table.rows, ideal)
    table_of_row = slot_bits + code_bits
    escape_of_row = code_bits + escapes * _escape_slot_bits(table, escapes)
    table_bits = _core.cost(values, row_of, native)
    stream = encode(values, row_of, table, threads, lanes=lanes, segment=segment)
    header_bits = 8 * (11 + max(1, -(-values.size.bit_length() // 7)))
    lost = table_of_row - ideal_of_row
    used = np.flatnonzero(counts)
    worst = used[np.argsort(-lost[used], kind="stable")][:wanted]
    return RateReport(
        symbols=values.size,
        precision=table.precision,
        ideal=meaning,
        ideal_bits=ideal_bits,
        table_bits=table_bits,
        escapes=int(escapes.sum()),
        escape_bits=float(escape_of_row.sum()),
        state_bits=8 * len(stream) - header_bits - table_bits,
        header_bits=header_bits,
        stream_bytes=len(stream),
        worst_rows=tuple(
            RowLoss(
                row=int(r),
                symbols=int(counts[r]),
                ideal_bits=float(ideal_of_row[r]),
                table_bits=float(table_of_row[r]),
                escapes=int(escapes[r]),
                escape_bits=float(escape_of_row[r]),
            )
            for r in worst
        ),
    )


def _escape_slot_bits(table: CdfTable, escapes: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Bits of the escape slot of every row that used it, 0 for the others."""
    bits = np.zeros(table.rows)
    for row in np.flatnonzero(escapes):
        cdf = table.cdf(int(row))
        bits[row] = table.precision - np.log2(float(cdf[-1]) - float(cdf[-2]))
    return bits


def _ideal(
    symbols: NDArray[Any],
    indexes: NDArray[Any] | None,
    rows: int,
    ideal: ArrayInput | None,
) -> tuple[NDArray[np.float64], float, str]:
    """Ideal bits of every row, of the message, and what they are."""
    row_of = np.zeros(symbols.size, np.int64) if indexes is None else indexes.ravel()
    if ideal is None:
        bits = _empirical_bits(symbols.ravel(), row_of, rows)
        return bits, float(bits.sum()), _EMPIRICAL
    if np.ndim(ideal) == 0 and symbols.ndim > 0:
        total = as_float(ideal, "ideal")
        if not 0.0 <= total < np.inf:
            raise ArgumentError(f"ideal = {total}, expected 0 <= bits < inf")
        return _empirical_bits(symbols.ravel(), row_of, rows), total, _GIVEN_BITS
    values = as_floats(ideal, "ideal")
    if values.shape != symbols.shape:
        raise ShapeError(f"ideal.shape = {values.shape}, expected {symbols.shape}")
    values = values.ravel().astype(np.float64)
    wrong = np.flatnonzero(~((values > 0.0) & (values <= _MOST_PROBABILITY)))
    if wrong.size > 0:
        position = int(wrong[0])
        raise ArgumentError(
            f"ideal[{position}] = {values[position]}, expected 0 < probability <= 1"
        )
    each = -np.log2(np.minimum(values, 1.0))
    of_row = np.bincount(row_of, weights=each, minlength=rows).astype(np.float64)
    return of_row, float(each.sum()), _GIVEN_PROBABILITIES


def _empirical_bits(symbols: NDArray[Any], row_of: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Symbols of a row times their entropy, for every row."""
    pairs = row_of.astype(np.int64) << 32 | (symbols.astype(np.int64) + 2**31)
    found, counts = np.unique(pairs, return_counts=True)
    weights = counts * np.log2(counts)
    row_counts = np.bincount(row_of, minlength=rows)
    totals = row_counts * np.log2(np.maximum(row_counts, 1))
    bits = totals - np.bincount(found >> 32, weights=weights, minlength=rows)
    return np.asarray(np.maximum(bits, 0.0), np.float64)
