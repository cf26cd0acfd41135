# SPDX-License-Identifier: Apache-2.0
"""Any sequence of pushes and pops: the stack is the reference's, and everything comes back."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import fastcoder as fc
from tests import generators, reference, reference_codes
from tests.generators import native_table
from tests.reference import Interval

TABLES = [
    generators.table_of(12, True, [4, 30, 1], "geometric", offset=-2),
    generators.table_of(16, False, [9, 200], offset=5),
    generators.table_of(1, False, [2]),
]
NATIVE = [native_table(table) for table in TABLES]
ROWS = [table.rows(16) for table in TABLES]
LARGE = fc.LargeTable.from_pmf([np.arange(1.0, 5000.0), [1.0, 0.0, 3.0]], [-7, 0], precision=24)
LARGE_CDFS = [LARGE.cdf(row).tolist() for row in range(2)]
CODES = {
    fc.codes.EliasGamma(): (lambda v: reference_codes.golomb_intervals(v - 1, 0), None),
    fc.codes.ExpGolomb(5): (lambda v: reference_codes.golomb_intervals(v, 5), None),
    fc.codes.Bits(37): (lambda v: reference_codes.bits_intervals(v, 37), None),
}
seeds = st.integers(0, 2**16)
counts = st.integers(0, 20)


class StackMachine(RuleBasedStateMachine):
    """Every operation is remembered with its inverse; at the end all are undone."""

    @initialize(initial=st.one_of(st.just(b""), st.binary(max_size=200)))
    def begin(self, initial: bytes) -> None:
        self.initial = initial
        self.stack, self.slow = fc.Stack(initial), reference_codes.Stack(initial)
        self.undo: list = []
        self.ideal = 0.0

    def both_push(self, native_push, intervals: list[Interval]) -> None:
        native_push()
        self.slow.push(intervals)

    def both_pop(self, native_pop, slow_pop) -> np.ndarray | None:
        """The same values from both, or an error from both and no change."""
        before = self.slow.to_bytes()
        slow = reference_codes.Stack()
        slow.x, slow.words = self.slow.x, self.slow.words
        try:
            expected = slow_pop(slow)
        except reference.FormatError:
            expected = None
        try:
            found = native_pop()
        except fc.StreamError:
            found = None
            assert self.stack.to_bytes() == before
        assert (None if found is None else found.tolist()) == expected
        if found is not None:
            self.slow = slow
        return found

    def table_intervals(self, number: int, symbols, indexes) -> list[Interval]:
        pairs = zip(symbols, indexes, strict=True)
        return [
            interval
            for symbol, index in pairs
            for interval in reference_codes.symbol_intervals(int(symbol), ROWS[number][index])
        ]

    @rule(number=st.integers(0, 2), count=counts, kind=st.sampled_from(["follow", "any"]), s=seeds)
    def push_symbols(self, number: int, count: int, kind: str, s: int) -> None:
        table = TABLES[number]
        indexes = np.random.default_rng(s).integers(len(table.offsets), size=count).tolist()
        symbols = generators.draw_symbols(table, indexes, kind, s)
        intervals = self.table_intervals(number, symbols, indexes)
        values, rows = np.array(symbols, np.int32), np.array(indexes, np.uint8)
        self.both_push(lambda: self.stack.push(values, rows, NATIVE[number]), intervals)

        def undo() -> None:
            assert self.stack.pop(rows, NATIVE[number]).tolist() == symbols

        self.undo.append(undo)

    @rule(number=st.integers(0, 2), count=counts, s=seeds)
    def pop_symbols(self, number: int, count: int, s: int) -> None:
        """Of whatever is there: what bits-back does."""
        rows = np.random.default_rng(s).integers(len(TABLES[number].offsets), size=count)
        found = self.both_pop(
            lambda: self.stack.pop(rows, NATIVE[number]),
            lambda slow: [reference_codes.pop_symbol(slow, ROWS[number][row]) for row in rows],
        )
        if found is not None:
            self.undo.append(lambda: self.stack.push(found, rows, NATIVE[number]))

    @rule(count=counts, s=seeds)
    def push_large(self, count: int, s: int) -> None:
        rng = np.random.default_rng(s)
        rows = rng.integers(2, size=count)
        slots = [int(rng.integers(len(LARGE_CDFS[row]) - 1)) for row in rows]
        symbols = np.array(slots, np.int64) + LARGE.offsets[rows]
        intervals = []
        for row, slot in zip(rows, slots, strict=True):
            start, end = LARGE_CDFS[row][slot : slot + 2]
            intervals.append(Interval(start, end - start, 24))
        self.both_push(lambda: self.stack.push(symbols, rows, LARGE), intervals)

        def undo() -> None:
            np.testing.assert_array_equal(self.stack.pop(rows, LARGE), symbols)

        self.undo.append(undo)

    @rule(count=counts, s=seeds)
    def pop_large(self, count: int, s: int) -> None:
        rows = np.random.default_rng(s).integers(2, size=count)
        found = self.both_pop(
            lambda: self.stack.pop(rows, LARGE) - LARGE.offsets[rows],
            lambda slow: [reference_codes.pull_slot(slow, LARGE_CDFS[row], 24) for row in rows],
        )
        if found is not None:
            symbols = found + LARGE.offsets[rows]
            self.undo.append(lambda: self.stack.push(symbols, rows, LARGE))

    @rule(code=st.sampled_from(list(CODES)), count=counts, s=seeds)
    def push_integers(self, code, count: int, s: int) -> None:
        shifts = np.random.default_rng(s).integers(64, size=count)
        values = [max(code.lowest, code.highest >> int(shift)) for shift in shifts]
        intervals = [interval for value in values for interval in CODES[code][0](value)]
        self.both_push(lambda: self.stack.push_integers(values, code), intervals)

        def undo() -> None:
            assert self.stack.pop_integers(count, code).tolist() == values

        self.undo.append(undo)

    @rule(count=counts, k=st.integers(0, 63))
    def pop_integers(self, count: int, k: int) -> None:
        code = fc.codes.ExpGolomb(k)
        found = self.both_pop(
            lambda: self.stack.pop_integers(count, code),
            lambda slow: [reference_codes.pull_golomb(slow, k) for _ in range(count)],
        )
        if found is not None:
            self.undo.append(lambda: self.stack.push_integers(found, code))

    @rule(count=counts, width=st.integers(1, 64))
    def pop_bits(self, count: int, width: int) -> None:
        found = self.both_pop(
            lambda: self.stack.pop_bits(count, width),
            lambda slow: [reference_codes.pull_bits(slow, width) for _ in range(count)],
        )
        if found is not None:
            self.undo.append(lambda: self.stack.push_bits(found, width))

    @rule(precision=st.integers(1, 24), s=seeds)
    def pop_one_interval(self, precision: int, s: int) -> None:
        value, rng = self.stack.peek(precision), np.random.default_rng(s)
        assert value == self.slow.peek(precision)
        start = int(rng.integers(value + 1))
        frequency = int(rng.integers(value - start + 1, 2**precision - start + 1))

        def native_pop() -> np.ndarray:
            self.stack.advance(start, frequency)
            return np.array([start])

        def slow_pop(slow: reference_codes.Stack) -> list[int]:
            slow.advance(start, frequency, precision)
            return [start]

        if self.both_pop(native_pop, slow_pop) is not None:
            self.undo.append(lambda: self.stack.push_intervals([start], [frequency], precision))

    @rule()
    def travel(self) -> None:
        """The bytes are all there is to a stack."""
        self.stack = fc.Stack.from_bytes(self.stack.to_bytes())

    @invariant()
    def same_bytes(self) -> None:
        assert self.stack.to_bytes() == self.slow.to_bytes()

    def teardown(self) -> None:
        if not hasattr(self, "undo"):
            return
        for undo in reversed(self.undo):
            undo()
        assert self.stack.initial() == self.initial
        assert self.stack.to_bytes() == fc.Stack(self.initial).to_bytes()


TestStack = StackMachine.TestCase
TestStack.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
