# SPDX-License-Identifier: Apache-2.0
"""Threads: inside a call they change no byte, around it they share tables freely."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastcoder as fc
from tests import generators, reference
from tests.generators import native_table, parse_error

REFERENCE_TABLE = generators.table_of(14, True, [5, 60, 300], offset=-10)
TABLE = native_table(REFERENCE_TABLE)
SIZE = 10_000


def message(seed: int, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    indexes = rng.integers(3, size=size).astype(np.uint8)
    symbols = generators.draw_symbols(REFERENCE_TABLE, indexes.tolist(), "any", seed)
    return np.array(symbols, np.int32), indexes


@pytest.mark.parametrize("segment", [16, 256, 4096, None])
def test_threads_change_no_byte(isa, segment):
    symbols, indexes = message(1)
    expected = fc.encode(symbols, indexes, TABLE, segment=segment)
    for threads in range(1, 9):
        assert fc.encode(symbols, indexes, TABLE, threads, segment=segment) == expected
        decoded = fc.decode(expected, indexes, TABLE, threads=threads)
        np.testing.assert_array_equal(decoded, symbols)
        encoder = fc.Encoder(segment=segment, check=True)
        for part in (slice(0, 3000), slice(3000, 3001), slice(3001, None)):
            encoder.push(symbols[part], indexes[part], TABLE)
        stream = encoder.finish(threads=threads)
        assert stream[1:-4] == expected[11 + len(reference.varint(SIZE)) + 1 :]


def test_threads_change_no_byte_of_a_large_message(isa):
    """Large enough for default segments: 2^16 symbols of 12 bits, 8 times."""
    table = native_table(generators.table_of(14, False, [4096], "flat"))
    symbols = np.random.default_rng(2).integers(4096, size=2**20).astype(np.int16)
    expected = fc.encode(symbols, None, table)
    flags = expected[11 + len(reference.varint(symbols.size))]
    assert flags & reference.MORE
    for threads in (2, 3, 8):
        assert fc.encode(symbols, None, table, threads=threads) == expected
        decoded = fc.decode(expected, None, table, dtype=np.int16, threads=threads, shape=2**20)
        np.testing.assert_array_equal(decoded, symbols)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_an_error_in_any_segment_is_raised_and_names_the_first(isa, threads):
    """The message is the same whatever thread meets its error first."""
    symbols, indexes = message(3)
    wrong = indexes.copy()
    wrong[[5000, 9000]] = 3
    stream = fc.encode(symbols, indexes, TABLE, segment=64)
    for call in (
        lambda: fc.encode(symbols, wrong, TABLE, threads=threads, segment=64),
        lambda: fc.decode(stream, wrong, TABLE, threads=threads),
    ):
        with pytest.raises(fc.IndexRangeError) as caught:
            call()
        assert parse_error(caught.value) == ("indexes", "[5000]", "3")
    damaged = bytearray(stream)
    damaged[len(stream) // 2] ^= 1
    with pytest.raises(fc.StreamError):
        fc.decode(bytes(damaged), indexes, TABLE, threads=threads)
    symbols[[4000, 8000]] = 70_000
    stream = fc.encode(symbols, indexes, TABLE, segment=64)
    with pytest.raises(fc.SymbolRangeError) as caught:
        fc.decode(stream, indexes, TABLE, dtype=np.int8, threads=threads)
    assert parse_error(caught.value)[0] == "symbols"
    first = int(np.argmax((symbols < -128) | (symbols > 127)))
    assert parse_error(caught.value)[1] == f"[{first}]"


def test_python_threads_share_a_table(isa):
    messages = [message(seed, 2000) for seed in range(16)]
    expected = [fc.encode(*part, TABLE) for part in messages]

    def work(number: int) -> None:
        symbols, indexes = messages[number % 16]
        for _ in range(5):
            stream = fc.encode(symbols, indexes, TABLE, segment=256, threads=2)
            np.testing.assert_array_equal(fc.decode(stream, indexes, TABLE, threads=2), symbols)
            assert fc.encode(symbols, indexes, TABLE) == expected[number % 16]
            fc.cost(symbols, indexes, TABLE)
            again = fc.CdfTable.from_bytes(TABLE.to_bytes())
            np.testing.assert_array_equal(fc.decode(expected[number % 16], indexes, again), symbols)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(32)))


def test_python_threads_share_an_encoder_and_a_decoder(isa):
    """Calls take turns: every push arrives whole, every pull takes its piece."""
    table = native_table(generators.table_of(10, False, [8], "flat"))
    encoder = fc.Encoder(check=True)

    def push(number: int) -> None:
        encoder.push(np.full(100, number % 8), None, table)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(push, range(64)))
    stream = encoder.finish()
    decoder = fc.Decoder(stream)
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda _: decoder.pull(None, table, shape=100), range(64)))
    decoder.finish()
    assert all((part == part[0]).all() for part in parts)
    assert sorted(int(part[0]) for part in parts) == sorted(list(range(8)) * 8)


def test_one_thread_finishes_an_encoder_once(isa):
    encoder = fc.Encoder()
    encoder.push(*message(5), TABLE)

    def finish(_: int) -> bytes | None:
        try:
            return encoder.finish()
        except fc.ArgumentError:
            return None

    with ThreadPoolExecutor(8) as pool:
        streams = [stream for stream in pool.map(finish, range(8)) if stream is not None]
    assert len(streams) == 1


@pytest.mark.parametrize("what", ["encode", "decode"])
def test_indexes_that_change_during_a_call_give_an_error_or_symbols(isa, what):
    """Another thread writes illegal rows to the very array that is being coded.

    Without the copy that is checked, the kernels read at address + 2^31 rows and the process dies.
    """
    size = 200_000
    indexes = np.zeros(size, np.int32)
    symbols = np.zeros(size, np.int32)
    stream = fc.encode(symbols, indexes, TABLE)
    stop = threading.Event()

    def disturb() -> None:
        window = indexes[size // 2 : size // 2 + 4096]
        while not stop.is_set():
            window[:] = 2**31 - 1
            window[:] = 1

    disturber = threading.Thread(target=disturb)
    disturber.start()
    outcomes = set()
    try:
        for _ in range(100):
            try:
                if what == "encode":
                    fc.encode(symbols, indexes, TABLE)
                else:
                    fc.decode(stream, indexes, TABLE)
                outcomes.add("symbols")
            except fc.FastcoderError as error:
                outcomes.add(type(error).__name__)
    finally:
        stop.set()
        disturber.join()
    legal = {"symbols", "IndexRangeError", "CorruptStreamError", "TruncatedStreamError"}
    assert outcomes
    assert outcomes <= legal
