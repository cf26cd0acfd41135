# SPDX-License-Identifier: Apache-2.0
"""RangeEncoder, RangeDecoder and AdaptiveTable: pieces, copies, failures that change nothing.

One file, over 400 lines, because every part is tested through the other two.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest

import fastcoder as fc
from tests import generators, reference
from tests.generators import native_table, parse_error

TABLE = native_table(reference.Table(10, True, [-2, 0], [[1000, 20, 2, 1, 1], [512, 512]]))
PLAIN = native_table(reference.Table(10, False, [-2, 0], [[1000, 20, 2, 1, 1], [512, 512]]))
WIDE = native_table(reference.Table(16, True, [0], [[30000, 30000, 5536]]))


def encode(*pushes, **options) -> bytes:
    encoder = fc.RangeEncoder(**options)
    for push in pushes:
        encoder.push(*push)
    return encoder.finish()


def long_message(size: int = 5000):
    rng = np.random.default_rng(3)
    indexes = rng.integers(2, size=size).astype(np.uint8)
    return rng.integers(np.where(indexes, 0, -2), 2).astype(np.int32), indexes


# --- streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [False, True])
def test_no_symbols_give_one_byte(check):
    stream = b"\x4f" if check else b"\x0f"
    assert encode(check=check) == stream
    assert encode(([], [], WIDE), check=check) == stream
    decoder = fc.RangeDecoder(stream)
    assert decoder.pull(np.zeros((0, 3), np.uint8), TABLE).shape == (0, 3)
    decoder.finish()


def test_neither_coder_takes_the_streams_of_the_other():
    range_coded, rans = encode(([0, 1], [0, 1], TABLE)), fc.Encoder()
    rans.push([0, 1], [0, 1], TABLE)
    with pytest.raises(fc.StreamError):
        fc.Decoder(range_coded).pull([0, 1], TABLE)
    with pytest.raises(fc.StreamError) as caught:
        fc.RangeDecoder(rans.finish())
    assert parse_error(caught.value)[0] == "flags"


@pytest.mark.parametrize("version", [0, *range(2, 8)])
def test_another_version_is_named(version):
    with pytest.raises(fc.FormatVersionError) as caught:
        fc.RangeDecoder(bytes([7 | version << 3]))
    assert parse_error(caught.value)[::2] == ("version", str(version))


def test_tables_of_any_precision_follow_each_other():
    pushes = [([0, 1], [1, 1], TABLE), ([0, 7, 1], None, WIDE), ([9], [0], TABLE)]
    decoder = fc.RangeDecoder(encode(*pushes))
    assert decoder.pull([1, 1], TABLE).tolist() == [0, 1]
    assert decoder.pull(None, WIDE, shape=3).tolist() == [0, 7, 1]
    assert decoder.pull([0], TABLE, dtype=np.int8).tolist() == [9]
    decoder.finish()


@pytest.mark.parametrize("dtype", generators.SYMBOL_DTYPES)
@pytest.mark.parametrize("index_dtype", generators.INDEX_DTYPES)
def test_every_dtype_gives_the_same_stream(dtype, index_dtype):
    symbols, indexes = long_message()
    symbols = abs(symbols)
    stream = encode((symbols, indexes, TABLE))
    assert encode((symbols.astype(dtype), indexes.astype(index_dtype), TABLE)) == stream
    decoder = fc.RangeDecoder(stream)
    out = np.empty(symbols.shape, dtype)
    assert decoder.pull(indexes.astype(index_dtype), TABLE, out=out) is out
    np.testing.assert_array_equal(out, symbols)
    decoder.finish()


@pytest.mark.parametrize("layout", generators.LAYOUTS)
def test_every_layout_gives_the_same_stream(layout):
    symbols = np.arange(-6, 6, dtype=np.int32).reshape(3, 4)
    indexes = np.ones((3, 4), np.uint8)
    make = generators.LAYOUTS[layout]
    if layout.startswith("torch"):
        pytest.importorskip("torch")
    assert encode((make(symbols), make(indexes), TABLE)) == encode((symbols, indexes, TABLE))


def test_one_symbol_may_be_an_int():
    one_row = native_table(generators.table_of(9, True, [5]))
    stream = encode((3, None, one_row), (1, 1, TABLE), (99, 0, TABLE))
    assert stream == encode(([3], None, one_row), ([1], [1], TABLE), ([99], [0], TABLE))
    decoder = fc.RangeDecoder(stream)
    assert decoder.pull(None, one_row, shape=()).shape == ()
    assert decoder.pull(1, TABLE) == 1
    assert decoder.pull(np.array(0, np.uint8), TABLE) == 99
    decoder.finish()


# --- encoder -------------------------------------------------------------------------------------


def test_taken_bytes_and_the_rest_are_the_stream():
    symbols, indexes = long_message()
    expected = encode((symbols, indexes, PLAIN))
    encoder, taken = fc.RangeEncoder(), b""
    for begin in range(0, symbols.size, 7):
        part = slice(begin, begin + 7)
        encoder.push(symbols[part], indexes[part], PLAIN)
        taken += encoder.take()
        # Section 5: the flags, and no more than 7 bytes behind the cost but for bytes of FF.
        cost = fc.cost(symbols[: part.stop], indexes[: part.stop], PLAIN) / 8
        assert len(taken) >= cost - 7 - 3
        assert len(taken) <= cost + 1
        assert expected.startswith(taken)
    assert encoder.take() == b""
    assert taken + encoder.finish() == expected


def test_carries_run_through_bytes_that_were_not_taken():
    """Symbols that keep the interval around a power of two: the top slot, then ever the same."""
    halves = native_table(reference.Table(16, False, [0], [[32767, 2, 32767]]))
    longest = 0
    for last in (0, 2):
        symbols = [1] + [2 * (last == 0)] * 400 + [last] * 3
        encoder, taken = fc.RangeEncoder(), b""
        for symbol in symbols:
            encoder.push(symbol, None, halves)
            taken += encoder.take()
        stream = taken + encoder.finish()
        assert stream == encode((symbols, None, halves))
        decoder = fc.RangeDecoder(stream)
        assert decoder.pull(None, halves, shape=len(symbols)).tolist() == symbols
        decoder.finish()
        longest = max(longest, len(stream) - len(taken))
    assert longest < 16


def test_a_failing_push_changes_nothing():
    encoder = fc.RangeEncoder()
    encoder.push([0, 1], [0, 1], PLAIN)
    late = np.zeros(6000, np.int32)
    late[5000] = 99
    rows = np.zeros(6000, np.int64)
    far = rows.copy()
    far[4500] = 2
    for arguments, error in [
        (([0, 0, 99], [0, 0, 0], PLAIN), fc.SymbolRangeError),
        ((late, rows, PLAIN), fc.SymbolRangeError),
        ((late * 0, far, PLAIN), fc.IndexRangeError),
        ((late.astype(np.int64) * 2**31, rows, TABLE), fc.SymbolRangeError),
        (([0, 0], [0, 2], PLAIN), fc.IndexRangeError),
        (([0, 0], [0], PLAIN), fc.ShapeError),
        (([0, 0], None, PLAIN), fc.ArgumentError),
        ((0, None, PLAIN), fc.ArgumentError),
        ((0, -1, PLAIN), fc.IndexRangeError),
        ((2**31, 0, TABLE), fc.SymbolRangeError),
        ((2**70, 0, TABLE), fc.FastcoderError),
        (([0.0], [0], PLAIN), fc.ArgumentTypeError),
        (([0], [0], None), fc.ArgumentTypeError),
    ]:
        with pytest.raises(error) as caught:
            encoder.push(*arguments)
        parse_error(caught.value)
    encoder.push([1, 0], [1, 0], PLAIN)
    assert encoder.finish() == encode(([0, 1, 1, 0], [0, 1, 1, 0], PLAIN))


def test_a_symbol_without_a_slot_is_named_with_its_row():
    with pytest.raises(fc.SymbolRangeError, match=r"row 1 has no escape") as caught:
        encode(([0] * 3000 + [2], [1] * 3001, PLAIN))
    assert parse_error(caught.value) == ("symbols", "[3000]", "2")


def test_a_finished_encoder_is_closed():
    encoder = fc.RangeEncoder()
    encoder.finish()
    for call in (lambda: encoder.push([0], [0], TABLE), encoder.take, encoder.finish):
        with pytest.raises(fc.ArgumentError) as caught:
            call()
        assert parse_error(caught.value) == ("encoder", "", "finished")


# --- decoder -------------------------------------------------------------------------------------


def test_symbols_come_as_soon_as_section_5_says():
    symbols, indexes = long_message(600)
    stream = encode((symbols, indexes, PLAIN))
    decoder, done, fed = fc.RangeDecoder(), 0, 0
    assert decoder.needed == 9
    while done < symbols.size:
        try:
            part = decoder.pull(indexes[done : done + 1], PLAIN)
        except fc.NeedMoreBytesError:
            missing = decoder.needed
            assert 1 <= missing <= 9
            cost = fc.cost(symbols[:done], indexes[:done], PLAIN) / 8
            assert fed + missing <= 1 + cost + 8
            decoder.feed(stream[fed : fed + 1])
            fed += 1
            if fed == len(stream):
                decoder.feed(b"", last=True)
            continue
        assert part[0] == symbols[done]
        done += 1
    assert decoder.needed in (0, 4) or fed == len(stream)
    if fed < len(stream):
        decoder.feed(stream[fed:], last=True)
    decoder.finish()


def test_a_pull_that_needs_more_bytes_changes_nothing():
    symbols, indexes = long_message()
    stream = encode((symbols, indexes, PLAIN))
    decoder = fc.RangeDecoder()
    for begin in range(0, len(stream), 100):
        with pytest.raises(fc.NeedMoreBytesError) as caught:
            decoder.pull(indexes, PLAIN)
        assert isinstance(caught.value, fc.TruncatedStreamError)
        assert parse_error(caught.value)[0] == "symbols"
        with pytest.raises(fc.NeedMoreBytesError) as caught:
            decoder.finish()
        assert parse_error(caught.value)[0] == "stream"
        decoder.feed(stream[begin : begin + 100])
    decoder.feed(b"", last=True)
    assert decoder.needed == 0
    np.testing.assert_array_equal(decoder.pull(indexes, PLAIN), symbols)
    decoder.finish()


def test_the_end_makes_missing_bytes_an_error_of_the_stream():
    symbols, indexes = long_message()
    stream = encode((symbols, indexes, PLAIN))
    decoder = fc.RangeDecoder()
    decoder.feed(stream[:-20], last=True)
    with pytest.raises(fc.TruncatedStreamError) as caught:
        decoder.pull(indexes, PLAIN)
    assert not isinstance(caught.value, fc.NeedMoreBytesError)
    with pytest.raises(fc.ArgumentError) as caught:
        decoder.feed(stream[-20:])
    assert parse_error(caught.value)[0] == "stream"


def test_a_stream_without_bytes_is_truncated():
    with pytest.raises(fc.TruncatedStreamError):
        fc.RangeDecoder(b"")
    decoder = fc.RangeDecoder()
    with pytest.raises(fc.TruncatedStreamError):
        decoder.feed(b"", last=True)
    decoder.feed(b"")
    decoder.feed(b"\x0f", last=True)
    decoder.finish()


def test_a_refused_first_byte_leaves_the_decoder_as_it_was():
    decoder = fc.RangeDecoder()
    for first in (b"\x00", b"\x87", b"\x06"):
        with pytest.raises(fc.CorruptStreamError):
            decoder.feed(first)
    stream = encode(([0, 1], [0, 1], TABLE))
    decoder.feed(stream, last=True)
    assert decoder.pull([0, 1], TABLE).tolist() == [0, 1]
    decoder.finish()


def test_used_bytes_are_dropped_and_nothing_is_lost():
    rng = np.random.default_rng(0)
    flat = native_table(reference.Table(8, False, [0], [[1] * 256]))
    symbols = rng.integers(256, size=200_000).astype(np.uint8)
    stream = encode((symbols, None, flat))
    decoder, out = fc.RangeDecoder(), np.empty(1000, np.uint8)
    for begin in range(0, symbols.size, 1000):
        decoder.feed(stream[begin : begin + 1000])
        if begin:
            decoder.pull(None, flat, out=out)
            np.testing.assert_array_equal(out, symbols[begin - 1000 : begin])
    decoder.feed(stream[symbols.size :], last=True)
    np.testing.assert_array_equal(decoder.pull(None, flat, shape=1000), symbols[-1000:])
    decoder.finish()


def test_a_symbol_outside_the_dtype_is_an_error_and_changes_nothing():
    stream = encode(([1, 300, -7], [0, 0, 0], TABLE))
    decoder = fc.RangeDecoder(stream)
    for dtype, position in (("int8", 1), ("uint8", 1), ("uint16", 2)):
        with pytest.raises(fc.SymbolRangeError) as caught:
            decoder.pull([0, 0, 0], TABLE, dtype=dtype)
        assert parse_error(caught.value)[:2] == ("symbols", f"[{position}]")
    assert decoder.pull([0, 0, 0], TABLE, dtype="int16").tolist() == [1, 300, -7]
    decoder.finish()


def test_finish_notices_symbols_that_were_not_pulled():
    decoder = fc.RangeDecoder(encode(([0, 1, 1, 0], [1, 1, 1, 1], TABLE)))
    decoder.pull([1, 1, 1], TABLE)
    with pytest.raises(fc.StreamError) as caught:
        decoder.finish()
    parse_error(caught.value)
    decoder.pull([1], TABLE)
    decoder.finish()
    for call in (lambda: decoder.pull([0], TABLE), decoder.finish, lambda: decoder.needed):
        with pytest.raises(fc.ArgumentError) as caught:
            call()
        assert parse_error(caught.value) == ("decoder", "", "finished")


def test_out_may_not_be_the_memory_of_the_indexes():
    indexes = np.ones(4, np.int32)
    decoder = fc.RangeDecoder(encode(([0, 1, 1, 0], indexes, TABLE)))
    with pytest.raises(fc.ArgumentError) as caught:
        decoder.pull(indexes, TABLE, out=indexes)
    assert parse_error(caught.value)[0] == "out"


def test_threads_take_turns():
    """Pushes of four threads come in some order; none is lost or counted twice."""
    symbols, indexes = long_message(4000)
    table = fc.AdaptiveTable.uniform(6, rows=2, offset=-2)
    encoder = fc.RangeEncoder()

    def push() -> None:
        for begin in range(0, symbols.size, 500):
            part = slice(begin, begin + 500)
            encoder.push(symbols[part], indexes[part], table)
            encoder.take()

    workers = [threading.Thread(target=push) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for row in (0, 1):
        here = symbols[indexes == row]
        expected = 1 + 2 * 4 * np.bincount(here + 2, minlength=6)
        assert table.counts(row).tolist() == expected.tolist()
    encoder.finish()


# --- adaptive tables -----------------------------------------------------------------------------


def test_an_adaptive_table_counts_by_its_rule():
    table = fc.AdaptiveTable([[1, 1], [3, 1, 4]], [0, -1], increment=3, limit=12)
    fc.RangeEncoder().push([1, 1, 1, 0], [0, 0, 0, 0], table)
    # 1 1 -> 1 4 -> 1 7 -> 1 10 -> 4 10, more than 12 -> 2 5
    assert table.counts(0).tolist() == [2, 5]
    assert table.counts(1).tolist() == [3, 1, 4]
    assert (table.rows, table.increment, table.limit, table.escape) == (2, 3, 12, False)
    assert table.offsets.tolist() == [0, -1]
    assert repr(table) == "AdaptiveTable(rows=2, increment=3, limit=12, escape=False)"


def test_adaptive_rows_reach_the_entropy():
    """Krichevsky and Trofimov: at most (m - 1) / 2 log2 n + O(1) bits over the best fixed row."""
    rng = np.random.default_rng(5)
    probabilities = np.array([0.7, 0.2, 0.06, 0.03, 0.01])
    symbols = rng.choice(5, size=20_000, p=probabilities)
    counts = np.bincount(symbols, minlength=5)
    best = -(counts * np.log2(counts / symbols.size)).sum()
    stream = encode((symbols, None, fc.AdaptiveTable.uniform(5)))
    assert 8 * len(stream) < best + 2 * np.log2(symbols.size) + 4 + 8 * 4
    assert 8 * len(stream) > best


def test_failures_leave_an_adaptive_table_as_it_was():
    table = fc.AdaptiveTable([[1, 2, 3]] * 2, limit=40, increment=5)
    encoder = fc.RangeEncoder()
    encoder.push([0, 1, 2] * 5, [0, 1, 1] * 5, table)
    stream_table = table.copy()
    before = [table.counts(row).tolist() for row in (0, 1)]
    rows = np.zeros(5000, np.int64)
    bad_symbol, bad_row = np.zeros(5000, np.int32), rows.copy()
    bad_symbol[4000], bad_row[3000] = 3, 2
    for symbols, indexes in ((bad_symbol, rows), (0 * bad_symbol, bad_row), (3, 0), (-1, 1)):
        with pytest.raises(fc.ArgumentError) as caught:
            encoder.push(symbols, indexes, table)
        parse_error(caught.value)
        assert [table.counts(row).tolist() for row in (0, 1)] == before
    encoder.push([2, 2, 1], [0, 1, 0], table)
    stream = encoder.finish()

    start = fc.AdaptiveTable([[1, 2, 3]] * 2, limit=40, increment=5)
    decoder = fc.RangeDecoder()
    decoder.feed(stream[:10])
    with pytest.raises(fc.NeedMoreBytesError):
        decoder.pull([0, 1, 1] * 5 + [0, 1, 0] * 40, start)
    assert start.counts(0).tolist() == [1, 2, 3]
    decoder.feed(stream[10:], last=True)
    assert decoder.pull([0, 1, 1] * 5, start).tolist() == [0, 1, 2] * 5
    assert [start.counts(row).tolist() for row in (0, 1)] == before
    assert start.counts(1).tolist() == stream_table.counts(1).tolist()
    assert decoder.pull([0, 1, 0], start).tolist() == [2, 2, 1]
    decoder.finish()


def test_a_dtype_too_narrow_leaves_an_adaptive_table_as_it_was():
    stream = encode((300, None, fc.AdaptiveTable.uniform(500)))
    table, decoder = fc.AdaptiveTable.uniform(500), fc.RangeDecoder(stream)
    with pytest.raises(fc.SymbolRangeError):
        decoder.pull(None, table, dtype=np.int8, shape=1)
    assert table.counts(0).max() == 1
    assert decoder.pull(None, table, shape=1)[0] == 300
    decoder.finish()


def test_an_adaptive_table_with_escapes_codes_every_int32():
    symbols = [0, 2**31 - 1, -(2**31), 3, 4, 4, -1, 2]
    make = lambda: fc.AdaptiveTable([[1, 1, 1, 1, 2]], increment=4, escape=True)  # noqa: E731
    table = make()
    stream = encode((symbols, None, table), check=True)
    # 0, 3 and 2 have a slot, which now counts 5; the other five symbols escaped.
    assert table.counts(0).tolist() == [5, 1, 5, 5, 22]
    decoder = fc.RangeDecoder(stream)
    assert decoder.pull(None, make(), shape=8).tolist() == symbols
    decoder.finish()


def test_the_largest_row_has_65534_slots():
    table = fc.AdaptiveTable.uniform(65534)
    symbols = [0, 65533, 1, 65532] * 3
    stream = encode((symbols, None, table))
    decoder = fc.RangeDecoder(stream)
    assert decoder.pull(None, fc.AdaptiveTable.uniform(65534), shape=12).tolist() == symbols
    decoder.finish()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "argument"),
    [
        (([],), {}, fc.TableError, "len(counts)"),
        (([[]],), {}, fc.TableError, "len(counts[0])"),
        (([[1], [1, 0]],), {}, fc.TableError, "counts[1]"),
        (([[1, -3]],), {}, fc.TableError, "counts[0]"),
        (([[1.0, 2.0]],), {}, fc.ArgumentTypeError, "counts[0].dtype"),
        (([[[1]]],), {}, fc.ShapeError, "counts[0].ndim"),
        ((np.ones(3, np.int32),), {}, fc.ShapeError, "counts.ndim"),
        ((7,), {}, fc.ArgumentTypeError, "type(counts)"),
        (([[60000, 6000]],), {}, fc.TableError, "sum(counts[0])"),
        (([[1, 1]],), {"limit": 65537}, fc.TableError, "limit"),
        (([[1, 1]],), {"limit": -1}, fc.TableError, "limit"),
        (([[1, 1]],), {"limit": 2**70}, fc.TableError, "limit"),
        (([[1, 1]],), {"increment": 0}, fc.TableError, "increment"),
        (([[1, 1]],), {"increment": 8, "limit": 8}, fc.TableError, "increment"),
        (([[1, 1, 1]],), {"increment": 6, "limit": 8}, fc.TableError, "len(counts[0])"),
        (([[1]], [1, 2]), {}, fc.ShapeError, "offsets.shape"),
        (([[1]], [0.5]), {}, fc.ArgumentTypeError, "offsets.dtype"),
        (([[1]], [2**31]), {}, fc.TableError, "offsets"),
        (([[1, 1]], [2**31 - 1]), {}, fc.TableError, "offsets"),
        (([[1]],), {"escape": 1}, fc.ArgumentTypeError, "type(escape)"),
    ],
)
def test_an_illegal_adaptive_table_is_refused(arguments, options, error, argument):
    with pytest.raises(error) as caught:
        fc.AdaptiveTable(*arguments, **options)
    found, position, _ = parse_error(caught.value)
    assert argument in (found, found + position, (found + position).rpartition("[")[0])


@pytest.mark.parametrize(("symbols", "rows"), [(0, 1), (65536, 1), (2, 0), (2, 2**31)])
def test_illegal_sizes_of_uniform_rows_are_refused(symbols, rows):
    with pytest.raises(fc.TableError) as caught:
        fc.AdaptiveTable.uniform(symbols, rows)
    parse_error(caught.value)


def test_there_is_no_row_but_its_own():
    with pytest.raises(fc.ArgumentError) as caught:
        fc.AdaptiveTable([[1]]).counts(1)
    assert parse_error(caught.value) == ("row", "", "1")


def test_a_copy_goes_its_own_way():
    table = fc.AdaptiveTable([[1, 1]])
    other = table.copy()
    encode(([1], None, other))
    assert table.counts(0).tolist() == [1, 1]
    assert other.counts(0).tolist() == [1, 3]
