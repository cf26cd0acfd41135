# SPDX-License-Identifier: Apache-2.0
"""Signals that arrive in the middle of a long call, as Ctrl-C does.

An interval timer fires while the core is at work without the GIL. That its handler ran in the
middle of the call, and not before or after it, is seen from the Python frame that it interrupted.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import fastcoder as fc

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread(),
    reason="no interval timer here",
)

SIZE = 2**23
TABLE = fc.CdfTable.gaussian(fc.scale_table(levels=64))
RNG = np.random.default_rng(1)
INDEXES = RNG.integers(0, 40, SIZE).astype(np.uint8)
SYMBOLS = RNG.integers(-3, 4, SIZE).astype(np.int8)
FEW = slice(0, SIZE // 16)
PACKAGE = Path(fc.__file__).parent


class Interrupted(Exception):
    pass


@pytest.fixture
def timer() -> Iterator[Callable[[Callable[[FrameType], None]], None]]:
    """Start a timer that calls a handler with the Python frame that it interrupted, once."""
    former = signal.getsignal(signal.SIGALRM)

    def start(handle: Callable[[FrameType], None]) -> None:
        def handle_signal(number: int, frame: FrameType | None) -> None:
            assert frame is not None
            handle(frame)

        signal.signal(signal.SIGALRM, handle_signal)
        signal.setitimer(signal.ITIMER_REAL, 0.002)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, former)


def interrupted(start: Any, make: Callable[[], Any], use: Callable[[Any], object]) -> Any:
    """Return an object that was in use when an exception ended the core's work.

    `use` contains a single call of a method. The timer may fire before the core is at work, or
    the work may be done before it fires; then all is tried again.
    """
    for _ in range(50):
        subject = make()
        places: list[str] = []

        def handle(frame: FrameType, places: list[str] = places) -> None:
            places.append(frame.f_code.co_filename)
            raise Interrupted

        try:
            start(handle)
            use(subject)
        except Interrupted:
            if Path(places[0]).parent == PACKAGE:
                return subject
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return pytest.fail("never interrupted at work")


def interrupts(start: Any, call: Callable[[], object]) -> None:
    interrupted(start, lambda: None, lambda _: call())


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("segment", [None, 2**21, 2**30])
def test_encode_is_interrupted(timer, threads, segment):
    interrupts(timer, lambda: fc.encode(SYMBOLS, INDEXES, TABLE, threads, segment=segment, lanes=1))
    # The pool is as before, and so is the next call.
    expected = fc.encode(SYMBOLS[FEW], INDEXES[FEW], TABLE, 1, segment=2**16)
    assert fc.encode(SYMBOLS[FEW], INDEXES[FEW], TABLE, threads, segment=2**16) == expected


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("segment", [2**21, 2**30])
def test_decode_is_interrupted(timer, threads, segment):
    stream = fc.encode(SYMBOLS, INDEXES, TABLE, lanes=1, segment=segment)
    interrupts(timer, lambda: fc.decode(stream, INDEXES, TABLE, threads=threads))


def test_many_messages_are_interrupted(timer):
    symbols = np.split(SYMBOLS, SIZE // 1024)
    indexes = np.split(INDEXES, SIZE // 1024)
    interrupts(timer, lambda: fc.encode_many(symbols, indexes, TABLE, 2))
    streams = fc.encode_many(symbols, indexes, TABLE)
    interrupts(timer, lambda: fc.decode_many(streams, indexes, TABLE))


def test_cost_is_interrupted(timer):
    interrupts(timer, lambda: fc.cost(SYMBOLS, INDEXES, TABLE))


def make_encoder() -> fc.Encoder:
    encoder = fc.Encoder(lanes=1)
    encoder.push(SYMBOLS[FEW], INDEXES[FEW], TABLE)
    encoder.push(SYMBOLS, INDEXES, TABLE)
    return encoder


def test_an_interrupted_encoder_loses_nothing(timer):
    encoder = interrupted(timer, make_encoder, lambda encoder: encoder.finish())
    assert encoder.finish() == make_encoder().finish()


def test_an_interrupted_push_pushes_nothing(timer):
    # The core looks for signals every 20 ms; a push that takes less is done when a handler runs.
    wide, indexes = np.tile(SYMBOLS, 4).astype(np.int64), np.tile(INDEXES, 4)
    encoder = interrupted(timer, make_encoder, lambda encoder: encoder.push(wide, indexes, TABLE))
    assert encoder.finish() == make_encoder().finish()


def make_decoder(stream: bytes) -> fc.Decoder:
    decoder = fc.Decoder(stream)
    np.testing.assert_array_equal(decoder.pull(INDEXES[FEW], TABLE), SYMBOLS[FEW])
    return decoder


def test_an_interrupted_decoder_stands_where_it_stood(timer):
    stream = make_encoder().finish()
    decoder = interrupted(
        timer, lambda: make_decoder(stream), lambda decoder: decoder.pull(INDEXES, TABLE)
    )
    np.testing.assert_array_equal(decoder.pull(INDEXES, TABLE), SYMBOLS)
    decoder.finish()


@pytest.mark.parametrize("adaptive", [False, True])
def test_interrupted_range_coders_stand_where_they_stood(timer, adaptive):
    size = SIZE // 2 if adaptive else SIZE  # 60 ms: see test_an_interrupted_push_pushes_nothing
    symbols, indexes = SYMBOLS[:size], INDEXES[:size]

    def make_table() -> Any:
        if not adaptive:
            return TABLE
        return fc.AdaptiveTable([[1] * 7] * 40, [-3] * 40)

    def make() -> Any:
        table = make_table()
        encoder = fc.RangeEncoder()
        encoder.push(symbols[:1000], indexes[:1000], table)
        return encoder, table

    encoder, table = interrupted(timer, make, lambda made: made[0].push(symbols, indexes, made[1]))
    encoder.push(symbols, indexes, table)
    stream = encoder.finish()
    encoder, table = make()
    encoder.push(symbols, indexes, table)
    assert encoder.finish() == stream

    def start() -> Any:
        table = make_table()
        decoder = fc.RangeDecoder(stream)
        np.testing.assert_array_equal(decoder.pull(indexes[:1000], table), symbols[:1000])
        return decoder, table

    decoder, table = interrupted(timer, start, lambda made: made[0].pull(indexes, made[1]))
    np.testing.assert_array_equal(decoder.pull(indexes, table), symbols)
    decoder.finish()


def test_an_interrupted_stack_is_what_it_was(timer):
    stack = fc.Stack(b"initial")
    stack.push(SYMBOLS[FEW], INDEXES[FEW], TABLE)
    copy = interrupted(timer, stack.copy, lambda copy: copy.push(SYMBOLS, INDEXES, TABLE))
    assert copy.to_bytes() == stack.to_bytes()
    stack.push(SYMBOLS, INDEXES, TABLE)
    copy = interrupted(timer, stack.copy, lambda copy: copy.pop(INDEXES, TABLE))
    assert copy.to_bytes() == stack.to_bytes()


def test_a_handler_that_returns_changes_nothing(timer):
    """It may use the coder itself, even while the call that it interrupts has several threads."""
    few = fc.encode(SYMBOLS[FEW], INDEXES[FEW], TABLE)
    expected = fc.encode(SYMBOLS, INDEXES, TABLE, lanes=1, segment=2**21)
    places = []

    def handle(frame: FrameType) -> None:
        places.append(frame.f_code.co_name)
        assert fc.encode(SYMBOLS[FEW], INDEXES[FEW], TABLE, 2) == few

    for _ in range(50):
        timer(handle)
        assert fc.encode(SYMBOLS, INDEXES, TABLE, 3, lanes=1, segment=2**21) == expected
        if "encode" in places:
            return
    pytest.fail(f"interrupted in {places}, expected encode")


@pytest.mark.parametrize("what", ["encoder", "decoder", "range", "adaptive", "stack"])
def test_a_handler_that_uses_the_object_at_work_gets_an_error(timer, what):
    """It would wait for itself for ever."""
    stream = make_encoder().finish() if what == "decoder" else b""
    one = (SYMBOLS[:1], INDEXES[:1], TABLE)
    learner = fc.AdaptiveTable([[1] * 7] * 40, [-3] * 40)
    make, use, again = {
        "encoder": (make_encoder, lambda o: o.finish(), lambda o: o.push(*one)),
        "decoder": (
            lambda: make_decoder(stream),
            lambda o: o.pull(INDEXES, TABLE),
            lambda o: o.tell(),
        ),
        "range": (
            fc.RangeEncoder,
            lambda o: o.push(SYMBOLS, INDEXES, TABLE),
            lambda o: o.push(*one),
        ),
        "adaptive": (
            fc.RangeEncoder,
            lambda o: o.push(SYMBOLS, INDEXES, learner),
            lambda o: learner.copy(),
        ),
        "stack": (fc.Stack, lambda o: o.push(SYMBOLS, INDEXES, TABLE), lambda o: o.push(*one)),
    }[what]
    errors: list[str] = []

    def attempt() -> None:
        subject = make()

        def handle(frame: FrameType) -> None:
            try:
                again(subject)
            except fc.ArgumentError as error:
                errors.append(str(error))

        timer(handle)
        use(subject)

    for _ in range(50):
        attempt()
        if errors:
            break
    assert errors == ["object = in use by the call that a signal interrupted, expected another one"]


CHILD = """
import os, signal, sys, threading
import numpy as np
import fastcoder as fc
table = fc.CdfTable.from_pmf([[0.25, 0.5, 0.25]], offsets=[-1])
symbols = np.resize(np.array([-1, 0, 1, 0], np.int8), 2**23)
def forever():
    print("ready", flush=True)
    while True:
        fc.encode(symbols, None, table, lanes=1, threads=int(sys.argv[1]))
forever()
"""


@pytest.mark.parametrize("threads", ["1", "4"])
def test_ctrl_c_ends_a_program(threads):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, threads],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=120)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert child.returncode == -signal.SIGINT


def test_signals_of_other_threads_are_the_main_ones(timer):
    """A call in another thread is not interrupted, and the main thread handles the signal."""
    handled = threading.Event()
    results = []

    def work() -> None:
        results.append(fc.encode(SYMBOLS, INDEXES, TABLE, lanes=1, threads=2))

    thread = threading.Thread(target=work)
    thread.start()
    timer(lambda frame: handled.set())
    thread.join()
    assert handled.wait(60)
    assert results == [fc.encode(SYMBOLS, INDEXES, TABLE, lanes=1)]


def test_the_main_thread_of_a_forked_child_is_interrupted():
    """There it is the thread that forked, which need not have been the main one."""
    code = """
import os, signal, threading, time
import numpy as np
import fastcoder as fc
table = fc.CdfTable.from_pmf([[0.25, 0.5, 0.25]], offsets=[-1])
symbols = np.resize(np.array([-1, 0, 1, 0], np.int8), 2**24)
def fork():
    child = os.fork()
    if child == 0:
        frames = []
        def handle(number, frame):
            frames.append(frame.f_code.co_name)
            raise ZeroDivisionError
        signal.signal(signal.SIGALRM, handle)
        while "encode" not in frames:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.005)
                while True:
                    fc.encode(symbols, None, table, lanes=1)
            except ZeroDivisionError:
                pass
        os._exit(0)
    print(os.waitpid(child, 0)[1])
thread = threading.Thread(target=fork)
thread.start()
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "0", done.stderr


def test_a_handler_that_raises_leaves_no_lock_behind():
    """Between the lines of short calls, where it is rarely seen: hence the thousands."""
    table = fc.CdfTable.from_pmf([[0.25, 0.5, 0.25]], [-1])
    few = np.array([0, 1, -1], np.int32)
    former = signal.getsignal(signal.SIGALRM)

    def handle(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    def use(subject: fc.Stack | fc.Encoder) -> None:
        for _ in range(10**6):
            subject.push(few, None, table)

    signal.signal(signal.SIGALRM, handle)
    subjects: list[fc.Stack | fc.Encoder] = []
    try:
        for trial in range(3000):
            subject = fc.Stack() if trial % 2 else fc.Encoder()
            subjects.append(subject)
            with contextlib.suppress(Interrupted):
                signal.setitimer(signal.ITIMER_REAL, 2e-5 + trial * 1e-7)
                use(subject)
            signal.setitimer(signal.ITIMER_REAL, 0)
            subject.push(few, None, table)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)

    def use_all() -> None:
        for subject in subjects:
            subject.push(few, None, table)

    other = threading.Thread(target=use_all, daemon=True)
    other.start()
    other.join(60)
    assert not other.is_alive()
