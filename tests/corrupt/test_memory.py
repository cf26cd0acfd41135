# SPDX-License-Identifier: Apache-2.0
"""Hostile input may claim any size; what a decoder takes is bounded by what its caller asked for.

Each case runs in a process of its own whose address space is limited to a few megabytes more than
it has after a decode that is harmless: one allocation by a claimed number ends it.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

resource = pytest.importorskip("resource", reason="no limits on this system")

MEGABYTES = 24  # a table's view for coding may take 12

PRELUDE = f"""
import resource, struct
import numpy as np
import fastcoder as fc
from fastcoder import container

table = fc.CdfTable.gaussian([0.5, 2.0, 8.0])
indexes = np.arange(300, dtype=np.uint8) % 3
symbols = np.rint(np.random.default_rng(0).normal(0, [0.5, 2.0, 8.0] * 100)).astype(np.int32)
stream = fc.encode(symbols, indexes, table)
encoder = fc.Encoder(check=True)
encoder.push(symbols, indexes, table)
headless = encoder.finish()


def limit():
    for line in open("/proc/self/status"):
        if line.startswith("VmSize"):
            size = int(line.split()[1]) * 1024 + {MEGABYTES} * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (size, size))


def raises(run, *kinds):
    try:
        run()
    except kinds:
        return
    raise SystemExit("nothing was raised")


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


fc.decode(stream, indexes, table)
HUGE = 2**35 - 1
"""

CASES = {
    "count of a one-shot stream": """
        forged = stream[:11] + varint(HUGE) + stream[13:]
        limit()
        raises(lambda: fc.decode(forged, indexes, table), fc.StreamError)
        raises(lambda: fc.decode_many([forged] * 3, [indexes] * 3, table), fc.StreamError)
    """,
    "length and size of segments": """
        limit()
        for log2 in range(4, 31):
            forged = bytes([headless[0] | 32, log2]) + varint(HUGE) + headless[1:]
            raises(lambda: fc.Decoder(forged).pull(indexes, table), fc.StreamError)
    """,
    "a million empty segments": """
        many = stream[:13] + bytes([32, 4, 0]) + bytes([32, 0]) * 1_000_000
        limit()
        raises(lambda: fc.decode(many, indexes, table), fc.StreamError)
    """,
    "rows and slots of a table": """
        limit()
        for claim in (varint(2**31 - 1), varint(1) + varint(0) + varint(65536)):
            raises(lambda: fc.CdfTable.from_bytes(b"FCT" + bytes([1, 16, 0]) + claim + bytes(8)),
                   fc.TableError)
    """,
    "rows of a table in the stream": """
        encoder = fc.Encoder()
        encoder.push_bits([20], 5)
        encoder.push_integers([2**31 - 1], fc.codes.ExpGolomb(0))
        hostile = encoder.finish() + bytes(64)
        limit()
        raises(lambda: fc.Decoder(hostile).pull_table(), fc.FastcoderError)
    """,
    "pixels of a file": """
        file = container.ImageFile("demo", "0" * 16, 2**24, 2**24, stream)
        data = container.pack(file)
        limit()
        raises(lambda: container.unpack(data), fc.StreamError)
    """,
    "length of a file's stream": """
        file = container.pack(container.ImageFile("demo", "0" * 16, 1, 1, b"stream"))
        place = file.index(b"stream")
        forged = file[: place - 1] + varint(HUGE) + file[place:]
        limit()
        raises(lambda: container.unpack(forged), fc.StreamError)
    """,
}


def run(case: str) -> subprocess.CompletedProcess[str]:
    program = PRELUDE + textwrap.dedent(case)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("name", CASES)
def test_a_claim_allocates_nothing(name):
    done = run(CASES[name])
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_the_limit_is_one():
    """A caller who asks for more than there is gets a MemoryError, not a crash."""
    done = run("limit()\nnp.ones(64 * 2**20, np.uint8)")
    assert "MemoryError" in done.stderr
    assert done.returncode == 1
