# SPDX-License-Identifier: Apache-2.0
"""Failing calls keep nothing: neither Python objects nor memory of the core.

Every way to fail is called many times; the memory of the process has to stay where the first few
calls left it. The slow test does it a million times.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import fastcoder as fc

STATM = Path("/proc/self/statm")
MIB = 2**20

pytestmark = pytest.mark.skipif(not STATM.exists(), reason="no /proc here")

TABLE = fc.CdfTable.gaussian(fc.scale_table(levels=16))
STRICT = fc.CdfTable.from_pmf([[0.25, 0.5, 0.25]], [-1], escape=False)
RNG = np.random.default_rng(11)
INDEXES = RNG.integers(0, 16, 300).astype(np.uint8)
SYMBOLS = RNG.integers(-9, 10, 300).astype(np.int32)
WRONG_INDEXES = np.where(np.arange(300) == 290, 16, INDEXES).astype(np.uint8)
STREAM = fc.encode(SYMBOLS, INDEXES, TABLE)
SEGMENTS = fc.encode(SYMBOLS, INDEXES, TABLE, segment=16)


def flipped(data: bytes, position: int) -> bytes:
    damaged = bytearray(data)
    damaged[position] ^= 1
    return bytes(damaged)


def stream_of_pushes() -> bytes:
    encoder = fc.Encoder(check=True)
    encoder.push(SYMBOLS, INDEXES, TABLE)
    return encoder.finish()


def range_stream() -> bytes:
    encoder = fc.RangeEncoder()
    encoder.push(SYMBOLS, INDEXES, TABLE)
    return encoder.finish()


PUSHED = stream_of_pushes()
RANGE = range_stream()
TABLE_BYTES = TABLE.to_bytes()


def push_twice(encoder: fc.Encoder | fc.RangeEncoder | fc.Stack) -> None:
    encoder.push(SYMBOLS, INDEXES, TABLE)
    encoder.push(SYMBOLS, WRONG_INDEXES, TABLE)


def pull_and_finish(stream: bytes) -> None:
    decoder = fc.Decoder(stream)
    decoder.pull(INDEXES, TABLE)
    decoder.finish()


def many(streams: list[bytes]) -> None:
    fc.decode_many(streams, [INDEXES] * len(streams), TABLE, threads=2)


# Each with the class that it raises: all kinds of errors, in every kind of coder.
FAILURES: dict[str, tuple[type[Exception], Callable[[], object]]] = {
    "damaged word": (fc.StreamError, lambda: fc.decode(flipped(STREAM, 60), INDEXES, TABLE)),
    "damaged segment": (
        fc.StreamError,
        lambda: fc.decode(flipped(SEGMENTS, 90), INDEXES, TABLE, threads=2),
    ),
    "damaged hash": (fc.CorruptStreamError, lambda: fc.decode(flipped(STREAM, 8), INDEXES, TABLE)),
    "truncated": (fc.StreamError, lambda: fc.decode(STREAM[:-3], INDEXES, TABLE)),
    "no stream": (fc.StreamError, lambda: fc.decode(b"", INDEXES, TABLE)),
    "other version": (fc.FormatVersionError, lambda: fc.decode(flipped(STREAM, 2), INDEXES, TABLE)),
    "other indexes": (fc.StreamError, lambda: fc.decode(STREAM, INDEXES[::-1], TABLE)),
    "index without a row": (
        fc.IndexRangeError,
        lambda: fc.decode(STREAM, WRONG_INDEXES, TABLE),
    ),
    "narrow type": (
        fc.SymbolRangeError,
        lambda: fc.decode(WIDE_STREAM, INDEXES, TABLE, dtype=np.int8),
    ),
    "symbol without an escape": (fc.SymbolRangeError, lambda: fc.encode([0, 5], None, STRICT)),
    "wrong type": (fc.ArgumentTypeError, lambda: fc.decode(STREAM, INDEXES * 1.0, TABLE)),
    "one of many": (fc.StreamError, lambda: many([STREAM, STREAM[:-1], STREAM, STREAM])),
    "push": (fc.IndexRangeError, lambda: push_twice(fc.Encoder())),
    "damaged pushes": (fc.StreamError, lambda: pull_and_finish(flipped(PUSHED, 70))),
    "range push": (fc.IndexRangeError, lambda: push_twice(fc.RangeEncoder())),
    "range pull": (fc.StreamError, lambda: fc.RangeDecoder(RANGE[:20]).pull(INDEXES, TABLE)),
    "stack": (fc.StreamError, lambda: fc.Stack(b"few").pop(INDEXES, TABLE)),
    "table bytes": (fc.TableError, lambda: fc.CdfTable.from_bytes(flipped(TABLE_BYTES, 40))),
    "table rows": (fc.TableError, lambda: fc.CdfTable.from_pmf([[0.5, -0.5]], [0])),
}
WIDE_STREAM = fc.encode(np.where(np.arange(300) == 250, 300, SYMBOLS), INDEXES, TABLE)


def fail(kind: type[Exception], call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        try:
            call()
        except kind:
            continue
        raise AssertionError("nothing was raised")


class MallInfo(ctypes.Structure):
    """What glibc tells about its heaps; `uordblks` is what was taken and not given back."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks")),
        ("keepcost", ctypes.c_size_t),
    ]


LIBC = ctypes.CDLL(None) if os.name == "posix" else None
MALLINFO = getattr(LIBC, "mallinfo2", None)
if MALLINFO is not None:
    MALLINFO.restype = MallInfo


def taken() -> int:
    """Bytes that the core and NumPy hold, to the byte; 0 where nobody tells."""
    if MALLINFO is None:
        return 0
    info = MALLINFO()
    return int(info.uordblks + info.hblkhd)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def quiet() -> Iterator[None]:
    """No garbage collector: what is left in a cycle would be a leak for as long as it is off."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_call_keeps_nothing(quiet, name):
    kind, call = FAILURES[name]
    assert kept(kind, call) == (0, 0)
    references = sys.getrefcount(STREAM), sys.getrefcount(INDEXES), sys.getrefcount(TABLE)
    gc.collect()
    fail(kind, call, 10)
    assert gc.collect() == 0
    assert (sys.getrefcount(STREAM), sys.getrefcount(INDEXES), sys.getrefcount(TABLE)) == references


def kept(kind: type[Exception], call: Callable[[], object], times: int = 300) -> tuple[int, int]:
    """Python objects, and 16 bytes of the heap (nobody can take less), that a failing call keeps.

    Of three attempts the least: a cache may grow during one of them.
    """
    fail(kind, call, times)
    attempts = []
    for _ in range(3):
        memory, blocks = taken(), sys.getallocatedblocks()
        fail(kind, call, times)
        blocks = sys.getallocatedblocks() - blocks
        attempts.append((round(blocks / times), round((taken() - memory) / times / 16)))
    return min(attempts)


def test_what_is_kept_would_be_seen(quiet):
    objects: list[object] = []

    def keep_an_object() -> None:
        objects.append(bytearray(10))
        raise ValueError

    def keep_bytes() -> None:
        LIBC.malloc(24)
        raise ValueError

    assert kept(ValueError, keep_an_object)[0] >= 1
    if taken() > 0:
        objects_kept, heap = kept(ValueError, keep_bytes)
        assert objects_kept == 0
        assert heap >= 2  # 32 bytes, or a larger piece that was free


@pytest.mark.slow
def test_a_million_failing_calls_need_constant_memory(quiet):
    """18 MiB are allowed to move, which is 19 bytes for a call."""
    for kind, call in FAILURES.values():
        fail(kind, call, 1000)
    before = resident()
    blocks = sys.getallocatedblocks()
    for kind, call in FAILURES.values():
        fail(kind, call, 1_000_000 // len(FAILURES) + 1)
    print(f"resident memory moved by {resident() - before} bytes")
    assert sys.getallocatedblocks() - blocks < 1000
    assert resident() - before < 18 * MIB
