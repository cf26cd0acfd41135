# SPDX-License-Identifier: Apache-2.0
"""Threads: inside a call they change no byte, around it they share tables freely.

Over 400 lines because the pool is tested through the calls that use it, in processes of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


# --- how many ------------------------------------------------------------------------------------


@pytest.fixture
def default_threads():
    former = fc.get_threads()
    yield
    fc.set_threads(former)


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process of its own; one that hangs fails."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


def test_set_threads_is_what_calls_without_a_number_use(default_threads):
    symbols, indexes = message(6)
    expected = fc.encode(symbols, indexes, TABLE, segment=64)
    for threads in (1, 2, 1024):
        fc.set_threads(threads)
        assert fc.get_threads() == threads
    fc.set_threads(3)
    assert fc.encode(symbols, indexes, TABLE, None, segment=64) == expected
    assert fc.encode_many([symbols], [indexes], TABLE, segment=64) == [expected]
    np.testing.assert_array_equal(fc.decode(expected, indexes, TABLE), symbols)
    fc.set_threads(0)
    expected_count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    assert fc.get_threads() >= min(expected_count, 1024)
    assert fc.encode(symbols, indexes, TABLE, threads=0, segment=64) == expected


def test_a_number_of_threads_outside_its_interval_is_an_error(default_threads):
    symbols, indexes = message(7, 100)
    stream = fc.encode(symbols, indexes, TABLE)
    calls = [
        fc.set_threads,
        lambda threads: fc.encode(symbols, indexes, TABLE, threads),
        lambda threads: fc.decode(stream, indexes, TABLE, threads=threads),
        lambda threads: fc.encode_many([symbols], [indexes], TABLE, threads),
        lambda threads: fc.decode_many([stream], [indexes], TABLE, threads=threads),
        lambda threads: fc.Encoder().finish(threads),
    ]
    for call in calls:
        for wrong in (-1, 1025, 2**70):
            with pytest.raises(fc.ArgumentError) as caught:
                call(wrong)
            assert parse_error(caught.value) == ("threads", "", str(wrong))
        for wrong in (1.0, "2", True):
            with pytest.raises(fc.ArgumentTypeError, match="threads"):
                call(wrong)
    with pytest.raises(fc.ArgumentTypeError):
        fc.set_threads(None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", "1"), ("1", "1"), ("7", "7"), ("1024", "1024"), ("0", str(fc._core.processor_count()))],
)
def test_environment_variable_sets_the_default(value, expected):
    code = "import fastcoder; print(fastcoder.get_threads())"
    done = run_python(code, FASTCODER_THREADS=value)
    assert done.stdout.strip() == expected, done.stderr


@pytest.mark.parametrize("value", ["1025", "-1", "two", "2 ", "1.0", "4294967297", "\u2082"])
def test_wrong_environment_variable_is_an_error_of_the_import(value):
    done = run_python("import fastcoder", FASTCODER_THREADS=value)
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("fastcoder.errors.ArgumentError: FASTCODER_THREADS = '")
    assert line.endswith("', expected 0 <= threads <= 1024")


# --- the pool ------------------------------------------------------------------------------------

POOL_CODE = """
import os, sys, threading
import numpy as np
import fastcoder as fc
table = fc.CdfTable.from_pmf([[0.25, 0.5, 0.25]], offsets=[-1])
symbols = (np.arange(20_000) * 7 % 3 - 1).astype(np.int32)
expected = fc.encode(symbols, None, table, segment=64)
threads_before = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
def code(threads=4):
    assert fc.encode(symbols, None, table, threads, segment=64) == expected
    decoded = fc.decode(expected, None, table, threads=threads, shape=symbols.size)
    assert (decoded == symbols).all()
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc here")


@needs_proc
def test_threads_start_when_they_are_needed_and_are_kept():
    done = run_python(
        POOL_CODE
        + """
def threads():
    return len(os.listdir("/proc/self/task")) - threads_before
for _ in range(20): code(1)
seen = [threads()]
for number in (4, 4, 2, 4, 6, 3):
    code(number)
    seen.append(threads())
print(seen)
"""
    )
    assert done.stdout.strip() == "[0, 3, 3, 3, 3, 5, 5]", done.stderr


@needs_fork
@pytest.mark.parametrize("warm", [False, True])
def test_a_forked_child_codes_with_threads(warm):
    """Also a child's child, and while other threads of the parent are in the pool."""
    done = run_python(
        POOL_CODE
        + f"""
if {warm}: code()
stop = threading.Event()
def busy():
    while not stop.is_set(): code()
others = [threading.Thread(target=busy, daemon=True) for _ in range(2)]
if {warm}:
    for other in others: other.start()
failed = 0
for _ in range(20):
    child = os.fork()
    if child == 0:
        code()
        grandchild = os.fork()
        code()
        if grandchild == 0: os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    code()
    failed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
stop.set()
print("failed", failed)
"""
    )
    assert done.stdout.strip() == "failed 0", done.stderr


@needs_fork
def test_multiprocessing_with_fork_codes_with_threads():
    done = run_python(
        POOL_CODE
        + """
import multiprocessing
def work(number):
    code(1 + number % 4)
    return number
code()
with multiprocessing.get_context("fork").Pool(3) as pool:
    print(pool.map(work, range(12)) == list(range(12)))
"""
    )
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.parametrize("how", ["main", "daemon", "sys.exit", "atexit"])
def test_the_interpreter_ends_whatever_the_pool_does(how):
    ends = {
        "main": "code()",
        "daemon": "code()\ndef loop():\n    while True: code()\n"
        "for _ in range(4): threading.Thread(target=loop, daemon=True).start()\n"
        "import time; time.sleep(0.2)",
        "sys.exit": "code(); sys.exit(0)",
        "atexit": "import atexit; atexit.register(code)",
    }
    done = run_python(POOL_CODE + ends[how])
    assert done.returncode == 0, done.stderr


@needs_fork
def test_a_daemon_codes_with_threads():
    """Forked twice, without a terminal, its parent gone."""
    done = run_python(
        POOL_CODE
        + """
code()
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(reader)
        code()
        os.write(writer, b"coded")
    os._exit(0)
os.wait()
os.close(writer)
print(os.read(reader, 100).decode())
"""
    )
    assert done.stdout.strip() == "coded", done.stderr


@needs_proc
def test_signals_go_to_the_program_and_not_to_the_pool():
    """A thread of the pool that took a signal would leave the main one asleep in its call."""
    done = run_python(
        POOL_CODE
        + """
import signal
code()
tasks = [task for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]
blocked = [line for task in tasks for line in open(f"/proc/self/task/{task}/status")
           if line.startswith("SigBlk")]
alarm = 1 << (signal.SIGALRM - 1)
print(sum(int(line.split()[1], 16) & alarm != 0 for line in blocked) >= 3)
"""
    )
    assert done.stdout.strip() == "True", done.stderr


def test_concurrent_callers_get_their_own_errors(isa):
    """Many calls are in the pool at once, right and wrong ones."""
    good = [message(seed, 3000) for seed in range(4)]
    streams = [fc.encode(*part, TABLE, segment=32) for part in good]

    def work(number: int) -> None:
        symbols, indexes = good[number % 4]
        wrong = indexes.copy()
        wrong[[10 * number + 1, 2900]] = 3
        for threads in (2, 5):
            with pytest.raises(fc.IndexRangeError) as caught:
                fc.encode(symbols, wrong, TABLE, threads, segment=32)
            assert parse_error(caught.value) == ("indexes", f"[{10 * number + 1}]", "3")
            assert fc.encode(symbols, indexes, TABLE, threads, segment=32) == streams[number % 4]
            decoded = fc.decode(streams[number % 4], indexes, TABLE, threads=threads)
            np.testing.assert_array_equal(decoded, symbols)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(48)))
