# SPDX-License-Identifier: Apache-2.0
"""Damaged one-shot streams raise; damaged header-less streams raise or give symbols, no more."""

from __future__ import annotations

import re

import numpy as np
import pytest

import fastcoder as fc
from tests import generators, reference
from tests.generators import native_table, parse_error

# Small streams of every kind: (precision, escape, size, lanes, segment, kind of symbols).
CASES = {
    "empty": (12, False, 0, None, None, "any"),
    "one symbol": (12, False, 1, None, None, "any"),
    "narrow": (14, False, 40, None, None, "any"),
    "narrow, precision 3": (3, False, 40, None, None, "follow"),
    "narrow, escapes": (14, True, 20, None, None, "escapes"),
    "narrow, extremes": (10, True, 9, 4, None, "extremes"),
    "narrow, segments": (14, False, 50, 2, 16, "any"),
    "narrow, segments, escapes": (11, True, 40, 8, 16, "any"),
    "narrow, 32 lanes": (14, False, 33, 32, None, "any"),
    "wide": (16, False, 40, None, None, "any"),
    "wide, escapes": (15, True, 20, None, None, "any"),
    "wide, segments": (16, True, 70, 4, 32, "follow"),
    "free symbols": (14, False, 20, 1, None, "free"),
}


def make_case(name: str) -> tuple[bytes, np.ndarray, fc.CdfTable, list[int]]:
    precision, escape, size, lanes, segment, kind = CASES[name]
    slots = [1] if kind == "free" else [min(2**precision, most) for most in (5, 7, 300)]
    table = generators.table_of(precision, escape, slots, offset=-2)
    rng = np.random.default_rng(size)
    indexes = rng.integers(len(slots), size=size)
    symbols = generators.draw_symbols(table, indexes.tolist(), kind, seed=size)
    native = native_table(table)
    stream = fc.encode(np.array(symbols, np.int32), indexes, native, lanes=lanes, segment=segment)
    assert fc.decode(stream, indexes, native).tolist() == symbols
    return stream, indexes, native, symbols


def assert_stream_error(stream: bytes, indexes: np.ndarray, table: fc.CdfTable) -> None:
    with pytest.raises(fc.StreamError) as caught:
        fc.decode(stream, indexes, table)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, fc.FastcoderError)
    parse_error(caught.value)


@pytest.mark.parametrize("name", CASES)
def test_every_truncation_raises(isa, name):
    stream, indexes, table, _ = make_case(name)
    for length in range(len(stream)):
        assert_stream_error(stream[:length], indexes, table)


@pytest.mark.parametrize("name", CASES)
def test_every_flipped_bit_raises(isa, name):
    stream, indexes, table, _ = make_case(name)
    for position in range(len(stream)):
        for bit in range(8):
            damaged = bytearray(stream)
            damaged[position] ^= 1 << bit
            assert_stream_error(bytes(damaged), indexes, table)


@pytest.mark.parametrize("name", ["narrow", "narrow, escapes", "wide, segments"])
def test_damage_is_a_stream_error_whatever_the_dtype(isa, name):
    """Damage makes symbols that a narrow dtype cannot hold; that is not what went wrong."""
    stream, indexes, table, symbols = make_case(name)
    dtype = np.int16 if max(map(abs, symbols)) > 127 else np.int8
    dtype = np.int32 if max(map(abs, symbols)) > 32767 else dtype
    for position in range(11, len(stream)):
        for bit in range(8):
            damaged = bytearray(stream)
            damaged[position] ^= 1 << bit
            with pytest.raises(fc.StreamError):
                fc.decode(bytes(damaged), indexes, table, dtype=dtype)
    if dtype is not np.int8:
        with pytest.raises(fc.SymbolRangeError):  # while the stream is whole, the dtype is
            fc.decode(stream, indexes, table, dtype=np.int8)


@pytest.mark.parametrize("name", CASES)
def test_every_appended_byte_raises(isa, name):
    stream, indexes, table, _ = make_case(name)
    for byte in range(256):
        assert_stream_error(stream + bytes([byte]), indexes, table)


@pytest.mark.parametrize("name", CASES)
def test_every_removed_or_doubled_byte_raises(isa, name):
    stream, indexes, table, _ = make_case(name)
    for position in range(len(stream)):
        shorter = stream[:position] + stream[position + 1 :]
        longer = stream[:position] + stream[position : position + 1] + stream[position:]
        for damaged in (shorter, longer):
            assert_stream_error(damaged, indexes, table)


@pytest.mark.parametrize("name", CASES)
def test_wrong_table_raises_with_both_fingerprints(isa, name):
    stream, indexes, table, _ = make_case(name)
    precision, escape = CASES[name][:2]
    slots = [min(2**precision, 6)] * table.rows
    other = native_table(generators.table_of(precision, escape, slots, "flat", offset=-1))
    with pytest.raises(fc.StreamError) as caught:
        fc.decode(stream, indexes, other)
    assert table.fingerprint[-8:] in str(caught.value)
    assert other.fingerprint in str(caught.value)


@pytest.mark.parametrize("wrong", [-1, 1])
def test_wrong_number_of_indexes_raises(isa, wrong):
    stream, indexes, table, _ = make_case("narrow")
    fewer_or_more = np.resize(indexes, indexes.size + wrong)
    with pytest.raises(fc.StreamError) as caught:
        fc.decode(stream, fewer_or_more, table)
    numbers = {int(number) for number in re.findall(r"\d+", str(caught.value))}
    assert {indexes.size, indexes.size + wrong} <= numbers


def test_another_version_raises_a_version_error(isa):
    stream, indexes, table, _ = make_case("narrow")
    for version in (0, 2, 255):
        with pytest.raises(fc.FormatVersionError, match=rf"\b{version}\b"):
            fc.decode(stream[:2] + bytes([version]) + stream[3:], indexes, table)


def test_count_of_the_stream_is_not_used_to_allocate(isa):
    stream, indexes, table, _ = make_case("narrow")
    huge = reference.varint(2**35 - 1)
    damaged = stream[:11] + huge + stream[11 + len(reference.varint(indexes.size)) :]
    with pytest.raises(fc.StreamError, match=str(2**35 - 1)):
        fc.decode(damaged, indexes, table)


def test_a_stream_without_segments_holds_no_symbols(isa):
    """Its hash is 0, and somebody writes 0 where the hash of the symbols should be."""
    stream, indexes, table, _ = make_case("narrow")
    forged = stream[:7] + bytes(4) + reference.varint(indexes.size) + b"\0"
    assert_stream_error(forged, indexes, table)
    with pytest.raises(fc.StreamError):
        fc.decode_many([forged], [indexes], table)
    with pytest.raises(reference.FormatError):
        reference.decode(
            forged, indexes.tolist(), generators.table_of(14, False, [5, 7, 300], offset=-2)
        )


def wrong_index_trials(trials: int, seed: int) -> tuple[int, int]:
    """Change one index by one, `trials` times; (times that it raised, times it made no difference).

    Rows differ in shape and offset, and two are equal, so that both outcomes occur.
    """
    rng = np.random.default_rng(seed)
    sizes = (4, 4, 9, 30, 31, 200)
    rows = [generators.row_frequencies("geometric", slots, 12, seed=0) for slots in sizes]
    table = native_table(reference.Table(12, True, [0, 0, -4, -15, -15, -100], rows))
    raised = equal = 0
    while raised + equal < trials:
        size = int(rng.integers(1, 60))
        indexes = rng.integers(6, size=size).astype(np.uint8)
        symbols = np.rint(rng.normal(0, 3, size)).astype(np.int32)
        stream = fc.encode(symbols, indexes, table)
        for _ in range(min(50, trials - raised - equal)):
            position = rng.integers(size)
            wrong = indexes.copy()
            former = int(wrong[position])
            up = former == 0 or (former < 5 and rng.random() < 0.5)
            wrong[position] = former + 1 if up else former - 1
            try:
                decoded = fc.decode(stream, wrong, table)
            except fc.StreamError:
                raised += 1
            else:
                np.testing.assert_array_equal(decoded, symbols)
                equal += 1
    return raised, equal


def test_wrong_index_raises_or_gives_the_same_symbols(isa):
    raised, equal = wrong_index_trials(3000, seed=1)
    assert raised > 2000
    assert equal > 0


@pytest.mark.slow
def test_wrong_index_raises_or_gives_the_same_symbols_100000_times(isa):
    raised, equal = wrong_index_trials(100_000, seed=2)
    assert raised + equal == 100_000
    assert raised > 70_000


# --- streams without a header --------------------------------------------------------------------


def pull_all(stream: bytes, indexes: np.ndarray, table: fc.CdfTable, pieces: int) -> str:
    """Reads a stream that may be anything; the outcome in one word."""
    decoder = fc.Decoder(stream)
    for part in np.array_split(indexes, pieces):
        decoded = decoder.pull(part, table)
        assert decoded.shape == part.shape
    decoder.finish()
    return "symbols"


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_random_damage_to_a_headerless_stream_raises_or_gives_symbols(isa, name, check, rng):
    precision, escape, size, lanes, segment, kind = CASES[name]
    slots = [1] if kind == "free" else [min(2**precision, most) for most in (5, 7, 300)]
    reference_table = generators.table_of(precision, escape, slots, offset=-2)
    table = native_table(reference_table)
    indexes = rng.integers(len(slots), size=size)
    symbols = generators.draw_symbols(reference_table, indexes.tolist(), kind, seed=1)
    encoder = fc.Encoder(check=check, lanes=lanes, segment=segment)
    encoder.push(np.array(symbols, np.int32), indexes, table)
    stream = encoder.finish()
    assert pull_all(stream, indexes, table, 3) == "symbols"
    for _ in range(300):
        damaged = bytearray(stream)
        for _ in range(rng.integers(1, 4)):
            choice = rng.integers(4)
            position = int(rng.integers(len(damaged))) if damaged else 0
            if choice == 0 and damaged:
                damaged[position] ^= 1 << int(rng.integers(8))
            elif choice == 1 and damaged:
                damaged[position] = int(rng.integers(256))
            elif choice == 2:
                del damaged[position:]
            else:
                damaged[position:position] = rng.bytes(int(rng.integers(1, 9)))
        outcome = None
        try:
            outcome = pull_all(bytes(damaged), indexes, table, int(rng.integers(1, 5)))
        except fc.StreamError as error:
            outcome = "error"
            parse_error(error)
        assert outcome in ("error", "symbols")
        assert_native_judges_like_the_reference(bytes(damaged), indexes, reference_table, outcome)


def assert_native_judges_like_the_reference(stream, indexes, table, outcome):
    try:
        reference.decode_stream(stream, [(indexes.tolist(), table)])
    except reference.FormatError:
        assert outcome == "error"
    else:
        assert outcome == "symbols"


@pytest.mark.parametrize("name", CASES)
def test_random_bytes_after_the_flags_raise_or_give_symbols(isa, name, rng):
    """All flag bytes, followed by noise: segment sizes, lengths and states that nobody wrote."""
    precision, escape, size, _, _, kind = CASES[name]
    slots = [1] if kind == "free" else [min(2**precision, most) for most in (5, 7, 300)]
    reference_table = generators.table_of(precision, escape, slots, offset=-2)
    table = native_table(reference_table)
    indexes = rng.integers(len(slots), size=size)
    for flags in range(256):
        stream = bytes([flags]) + rng.bytes(int(rng.integers(0, 200)))
        if flags & reference.MORE:  # make the size and the length of the first segment plausible
            stream = bytes([flags, 4, int(rng.integers(8, 100))]) + stream[1:]
        try:
            outcome = pull_all(stream, indexes, table, 2)
        except fc.StreamError as error:
            outcome = "error"
            parse_error(error)
        assert_native_judges_like_the_reference(stream, indexes, reference_table, outcome)


@pytest.mark.parametrize("check", [False, True])
def test_every_truncation_of_a_headerless_stream_raises_unless_its_end_is_free(isa, check, rng):
    reference_table = generators.table_of(14, True, [50], offset=-20)
    table, indexes = native_table(reference_table), np.zeros(60, np.uint8)
    symbols = generators.draw_symbols(reference_table, indexes.tolist(), "follow", seed=4)
    encoder = fc.Encoder(check=check)
    encoder.push(np.array(symbols, np.int32), indexes, table)
    stream = encoder.finish()
    for length in range(len(stream)):
        with pytest.raises(fc.StreamError):
            pull_all(stream[:length], indexes, table, 2)


# --- tables --------------------------------------------------------------------------------------


def small_tables() -> dict[str, bytes]:
    return {
        "one free row": reference.Table(1, False, [0], [[2]]).to_bytes(),
        "escapes": generators.table_of(6, True, [1, 4, 9], offset=-3).to_bytes(),
        "wide, extreme offsets": reference.Table(
            16, False, [-(2**31), 2**31 - 2], [[65535, 1], [32768, 32768]]
        ).to_bytes(),
    }


@pytest.mark.parametrize("name", small_tables())
def test_every_changed_byte_of_a_table_raises(name):
    data = small_tables()[name]
    assert fc.CdfTable.from_bytes(data).to_bytes() == data
    for position in range(len(data)):
        for byte in range(256):
            if byte != data[position]:
                damaged = data[:position] + bytes([byte]) + data[position + 1 :]
                with pytest.raises(fc.TableError) as caught:
                    fc.CdfTable.from_bytes(damaged)
                parse_error(caught.value)


@pytest.mark.parametrize("name", small_tables())
def test_every_changed_byte_of_a_table_raises_even_with_the_right_fingerprint(name):
    """Somebody computes the fingerprint anew: then a table is illegal, or it is another one."""
    data = small_tables()[name]
    own = fc.CdfTable.from_bytes(data).fingerprint
    for position in range(len(data) - 8):
        for byte in range(256):
            if byte == data[position]:
                continue
            content = data[:position] + bytes([byte]) + data[position + 1 : -8]
            forged = content + reference.siphash24(content).to_bytes(8, "little")
            try:
                expected = reference.Table.from_bytes(forged)
            except reference.FormatError:
                with pytest.raises(fc.TableError):
                    fc.CdfTable.from_bytes(forged)
            else:
                table = fc.CdfTable.from_bytes(forged)
                assert table.fingerprint == f"{expected.fingerprint:016x}" != own
                assert table.to_bytes() == forged


@pytest.mark.parametrize("name", small_tables())
def test_every_truncation_and_appended_byte_of_a_table_raises(name):
    data = small_tables()[name]
    for length in range(len(data)):
        with pytest.raises(fc.TableError) as caught:
            fc.CdfTable.from_bytes(data[:length])
        parse_error(caught.value)
    for byte in range(256):
        with pytest.raises(fc.TableError) as caught:
            fc.CdfTable.from_bytes(data + bytes([byte]))
        parse_error(caught.value)


def test_a_table_that_claims_absurd_sizes_raises_at_once():
    head = b"FCT" + bytes([1, 14, 0])
    for content in (
        head + reference.varint(2**35 - 1),  # rows
        head + reference.varint(1) + reference.varint(0) + reference.varint(2**35 - 1),  # slots
        head + reference.varint(2**31) + reference.varint(0) * 100,
    ):
        forged = content + reference.siphash24(content).to_bytes(8, "little")
        with pytest.raises(fc.TableError):
            fc.CdfTable.from_bytes(forged)
