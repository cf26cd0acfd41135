# SPDX-License-Identifier: Apache-2.0
"""The range coder against its reference: the same bytes, in whatever pieces; damage; the rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import fastcoder as fc
from tests import generators, reference, reference_range

SYMBOLS = st.sampled_from(generators.SYMBOL_KINDS)


@st.composite
def adaptive_tables(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of an adaptive table, small limits among them so that rows are halved."""
    escape = draw(st.booleans())
    limit = draw(st.sampled_from([2, 3, 16, 40, 1000, 65536]))
    increment = draw(st.integers(1, limit - 1))
    most = min(limit - increment, 300)
    counts = []
    for _ in range(draw(st.integers(1, 3))):
        slots = draw(st.integers(1, most))
        spare, seed = limit - slots, draw(st.integers(0, 99))
        extra = np.random.default_rng(seed).multinomial(spare // 3, [1 / slots] * slots)
        counts.append((1 + extra).tolist())
    offsets = [draw(st.sampled_from([0, -3, 70_000, -(2**31)])) for _ in counts]
    return {
        "counts": counts,
        "offsets": offsets,
        "increment": increment,
        "limit": limit,
        "escape": escape,
    }


class Pair:
    """A table for the reference and the same one for the native coder, times two sides."""

    def __init__(self, drawn: reference.Table | dict[str, Any]) -> None:
        if isinstance(drawn, reference.Table):
            self.rows = drawn.frequencies
            self.table, self.native = drawn, generators.native_table(drawn)
            self.decoder_table, self.decoder_native = self.table, self.native
        else:
            self.rows = drawn["counts"]
            self.table = reference_range.AdaptiveTable(**drawn)
            self.decoder_table = reference_range.AdaptiveTable(**drawn)
            self.native = fc.AdaptiveTable(**drawn)
            self.decoder_native = self.native.copy()

    def draw(self, size: int, kind: str, seed: int) -> tuple[list[int], list[int]]:
        rng = np.random.default_rng(seed)
        indexes = rng.integers(len(self.rows), size=size).tolist()
        if isinstance(self.table, reference.Table):
            return generators.draw_symbols(self.table, indexes, kind, seed), indexes
        symbols = []
        for index in indexes:
            offset, slots = self.table.offsets[index], len(self.rows[index])
            slot = int(rng.integers(slots)) if kind != "constant" else 0
            last = slot == slots - 1 or kind == "extremes"
            if self.table.escape and last:
                extreme = kind == "extremes"
                symbols.append(generators.outside_row(rng, offset, slots - 1, extreme))
            else:
                symbols.append(offset + slot)
        return symbols, indexes


drawn_tables = st.one_of(generators.tables(most_slots=400), adaptive_tables())


@given(st.lists(st.tuples(drawn_tables, generators.sizes, SYMBOLS), max_size=4), st.data())
def test_both_write_the_same_bytes_and_read_them(drawn, data):
    check, seed = data.draw(st.booleans()), data.draw(st.integers(0, 2**16))
    ours, theirs = reference_range.Encoder(), fc.RangeEncoder(check=check)
    taken, pushes = b"", []
    for number, (table, size, kind) in enumerate(drawn):
        pair = Pair(table)
        symbols, indexes = pair.draw(size, kind, seed + number)
        ours.push(symbols, indexes, pair.table)
        theirs.push(np.array(symbols, np.int64), np.array(indexes, np.int32), pair.native)
        taken += theirs.take() if number % 2 else b""
        pushes.append((symbols, indexes, pair))
    stream = ours.finish(check)
    assert taken + theirs.finish() == stream
    ours, theirs = reference_range.Decoder(stream), fc.RangeDecoder(stream)
    for symbols, indexes, pair in pushes:
        assert ours.pull(indexes, pair.decoder_table) == symbols
        pulled = theirs.pull(np.array(indexes, np.uint8), pair.decoder_native)
        assert pulled.tolist() == symbols
        if isinstance(pair.table, reference_range.AdaptiveTable):
            for row, counts in enumerate(pair.table.counts):
                assert pair.native.counts(row).tolist() == counts
                assert pair.decoder_native.counts(row).tolist() == counts
    ours.finish()
    theirs.finish()


@given(generators.tables(), generators.sizes, SYMBOLS, st.integers(0, 2**16), st.booleans())
def test_a_stream_is_less_than_4_bytes_over_its_cost(table, size, kind, seed, check):
    pair = Pair(table)
    symbols, indexes = pair.draw(size, kind, seed)
    symbols = np.array(symbols, np.int64)
    encoder = fc.RangeEncoder(check=check)
    encoder.push(symbols, np.array(indexes, np.uint8), pair.native)
    cost = fc.cost(symbols, np.array(indexes, np.uint8), pair.native) / 8
    assert len(encoder.finish()) < cost * 1.0001 + (6 if check else 4)


class Pieces(RuleBasedStateMachine):
    """Pushes, takes, feeds and pulls in any order; the decoder runs behind the encoder."""

    @initialize(drawn=st.lists(drawn_tables, min_size=1, max_size=3), check=st.booleans())
    def begin(self, drawn, check):
        self.pairs = [Pair(table) for table in drawn]
        self.encoder, self.decoder = fc.RangeEncoder(check=check), fc.RangeDecoder()
        self.reference = reference_range.Encoder()
        self.check, self.sent, self.fed = check, b"", 0
        self.waiting: list[tuple[int, int, Pair]] = []  # (symbol, index, table)
        self.ended = False

    @precondition(lambda self: not self.ended)
    @rule(data=st.data(), size=st.integers(0, 60), kind=SYMBOLS, seed=st.integers(0, 2**16))
    def push(self, data, size, kind, seed):
        pair = data.draw(st.sampled_from(self.pairs))
        symbols, indexes = pair.draw(size, kind, seed)
        self.reference.push(symbols, indexes, pair.table)
        self.encoder.push(np.array(symbols, np.int64), np.array(indexes, np.int32), pair.native)
        self.waiting += [(*both, pair) for both in zip(symbols, indexes, strict=True)]

    @precondition(lambda self: not self.ended)
    @rule()
    def take(self):
        self.sent += self.encoder.take()

    @precondition(lambda self: self.fed < len(self.sent) and not self.ended)
    @rule(size=st.integers(1, 40))
    def feed(self, size):
        self.decoder.feed(self.sent[self.fed : self.fed + size])
        self.fed = min(self.fed + size, len(self.sent))

    @rule(size=st.integers(1, 40))
    def pull(self, size):
        """As far as one table goes; a pull that has to wait changes nothing."""
        part = self.waiting[:size]
        part = [item for item in part if item[2] is part[0][2]] if part else []
        part = part[: next((i for i, p in enumerate(part) if p is not self.waiting[i]), len(part))]
        if not part:
            return
        symbols, indexes = [p[0] for p in part], np.array([p[1] for p in part], np.uint8)
        try:
            pulled = self.decoder.pull(indexes, part[0][2].decoder_native)
        except fc.NeedMoreBytesError:
            assert not self.ended
            return
        assert pulled.tolist() == symbols
        del self.waiting[: len(part)]

    @precondition(lambda self: not self.ended)
    @rule()
    def end(self):
        self.sent += self.encoder.finish()
        self.decoder.feed(self.sent[self.fed :], last=True)
        self.ended = True
        assert self.sent == self.reference.finish(self.check)

    @invariant()
    def what_is_needed_is_little(self):
        assert 0 <= self.decoder.needed <= 9

    def teardown(self):
        if not hasattr(self, "encoder"):
            return
        if not self.ended:
            self.end()
        while self.waiting:
            self.pull(40)
        self.decoder.finish()


Pieces.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestPieces = Pieces.TestCase


@given(drawn_tables, st.integers(1, 40), SYMBOLS, st.data())
def test_damage_raises_or_gives_symbols_as_the_reference_says(table, size, kind, data):
    """The two decoders agree on every damaged stream, symbol by symbol and at the end."""
    pair = Pair(table)
    symbols, indexes = pair.draw(size, kind, size)
    encoder = reference_range.Encoder()
    encoder.push(symbols, indexes, pair.table)
    stream = bytearray(encoder.finish(data.draw(st.booleans())))
    damage = data.draw(st.sampled_from(["flip", "cut", "append", "random"]))
    if damage == "flip":
        bit = data.draw(st.integers(0, 8 * len(stream) - 1))
        stream[bit // 8] ^= 1 << bit % 8
    elif damage == "cut":
        del stream[data.draw(st.integers(0, len(stream) - 1)) :]
    elif damage == "append":
        stream += data.draw(st.binary(min_size=1, max_size=9))
    else:
        stream[1:] = data.draw(st.binary(max_size=40))

    def run(make: Any, table: Any, convert: Any) -> list[Any]:
        seen: list[Any] = []
        try:
            decoder = make(bytes(stream))
            for index in indexes:
                seen += convert(decoder.pull([index], table))
            decoder.finish()
        except (reference.FormatError, fc.StreamError):
            seen.append("error")
        return seen

    expected = run(reference_range.Decoder, pair.decoder_table, list)
    found = run(fc.RangeDecoder, pair.decoder_native, lambda array: array.tolist())
    assert found == expected


def flat_message() -> tuple[np.ndarray, fc.CdfTable]:
    table = generators.native_table(generators.table_of(12, False, [200], "geometric"))
    return np.arange(200, dtype=np.int32) * 7 % 200, table


@pytest.mark.parametrize("check", [False, True])
def test_damage_of_a_byte_is_noticed(check):
    """16 bits of hash: of these about 17,000 faults, 0.3 would go unnoticed on average."""
    symbols, table = flat_message()
    encoder = fc.RangeEncoder(check=check)
    encoder.push(symbols, None, table)
    stream = encoder.finish()
    unnoticed = 0
    damaged = [stream[:length] for length in range(len(stream))]
    damaged += [stream + bytes([byte]) for byte in range(256)]
    for position in range(len(stream)):
        for bit in range(8):
            flipped = bytearray(stream)
            flipped[position] ^= 1 << bit
            damaged.append(bytes(flipped))
    for candidate in damaged:
        try:
            decoder = fc.RangeDecoder(candidate)
            decoder.pull(None, table, shape=symbols.size)
            decoder.finish()
        except fc.StreamError:
            continue
        unnoticed += 1
    assert unnoticed == 0


def pull_all(decoder: fc.RangeDecoder, indexes: np.ndarray, table: fc.CdfTable) -> None:
    decoder.pull(indexes, table)
    decoder.finish()


@pytest.mark.parametrize("size", [100, 5000])
def test_wrong_table_or_indexes_are_noticed(size):
    rng = np.random.default_rng(size)
    table = fc.CdfTable.gaussian([0.5, 1.0, 2.0])
    indexes = rng.integers(3, size=size).astype(np.uint8)
    symbols = rng.integers(-2, 3, size=size).astype(np.int8)
    encoder = fc.RangeEncoder(check=True)
    encoder.push(symbols, indexes, table)
    stream = encoder.finish()
    other = indexes.copy()
    other[size // 2] = (other[size // 2] + 1) % 3
    for wrong_indexes, wrong_table in (
        (other, table),
        (indexes, fc.CdfTable.gaussian([0.5, 1.0, 2.01])),
        (indexes[:-1], table),
    ):
        decoder = fc.RangeDecoder(stream)
        with pytest.raises(fc.StreamError):
            pull_all(decoder, wrong_indexes, wrong_table)


@pytest.mark.parametrize("precision", [14, 16])
def test_long_messages_of_default_tables_lose_less_than_a_hundredth_of_a_percent(precision):
    rng = np.random.default_rng(precision)
    scales = fc.scale_table()
    table = fc.CdfTable.gaussian(scales, precision=precision)
    sigma = np.exp(rng.normal(-0.5, 1.2, size=200_000))
    indexes = fc.scale_indexes(sigma, scales)
    symbols = np.rint(rng.normal(size=sigma.size) * sigma).astype(np.int16)
    encoder = fc.RangeEncoder()
    encoder.push(symbols, indexes, table)
    stream = encoder.finish()
    assert len(stream) < fc.cost(symbols, indexes, table) / 8 * 1.00001 + 4
    for dtype in (np.int16, np.int32, np.int64):
        decoder = fc.RangeDecoder(stream)
        np.testing.assert_array_equal(decoder.pull(indexes, table, dtype=dtype), symbols)
        decoder.finish()
