# SPDX-License-Identifier: Apache-2.0
"""More symbols and more bytes than 32 bits can count: what docs/limits.md says of sizes.

Each test takes the memory that it names and is skipped where there is less.
"""

from pathlib import Path

import numpy as np
import pytest

import fastcoder as fc

pytestmark = pytest.mark.slow

SIZE = 2**31 + 5
GIB = 2**30


def needs(gib: int) -> None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except FileNotFoundError:
        pytest.skip("no /proc here")
    free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) * 1024
    if free < (gib + 2) * GIB:
        pytest.skip(f"{free / GIB:.0f} GiB of memory, expected {gib + 2}")


def equal(found: np.ndarray, expected: np.ndarray) -> bool:
    """Without an array of booleans as large as both."""
    step = 2**24
    return found.size == expected.size and all(
        np.array_equal(found[i : i + step], expected[i : i + step])
        for i in range(0, expected.size, step)
    )


@pytest.mark.parametrize("segment", [None, 2**30])
def test_more_bytes_than_32_bits_count(segment):
    """A byte for a byte: every position of the stream behind 2^31 is used."""
    needs(11)
    table = fc.CdfTable.from_pmf([np.full(256, 1 / 256)], [0], escape=False)
    symbols = np.tile(np.random.default_rng(1).integers(0, 256, 2**24, np.uint8), 129)[:SIZE]
    stream = fc.encode(symbols, None, table, segment=segment, threads=2)
    assert len(stream) > 2**31
    found = fc.decode(stream, None, table, dtype=np.uint8, shape=SIZE, threads=2)
    assert equal(found, symbols)


def test_more_symbols_than_32_bits_count_in_one_segment():
    """Symbols that cost next to nothing stay in one segment, whatever their number."""
    needs(10)
    table = fc.CdfTable.gaussian([0.01, 0.02])
    indexes = np.zeros(SIZE, np.uint8)
    symbols = np.zeros(SIZE, np.int8)
    for position in (0, 2**31 - 1, 2**31, SIZE - 1):
        indexes[position] = 1
        symbols[position] = 3
    stream = fc.encode(symbols, indexes, table)
    assert len(stream) < 2**20
    assert not stream[16] & 32  # the flag of more segments than one
    found = fc.decode(stream, indexes, table, dtype=np.int8)
    assert equal(found, symbols)
    del found
    bits = fc.cost(symbols, indexes, table)
    assert len(stream) <= bits / 8 * 1.002 + 8 + 17
    # A position behind 2^31 has its true number.
    indexes[SIZE - 2] = 2
    for call in (
        lambda: fc.encode(symbols, indexes, table),
        lambda: fc.decode(stream, indexes, table, dtype=np.int8),
        lambda: fc.Encoder().push(symbols, indexes, table),
    ):
        with pytest.raises(fc.IndexRangeError, match=rf"indexes\[{SIZE - 2}\] = 2"):
            call()


def test_pushes_of_more_symbols_than_32_bits_count():
    needs(12)
    table = fc.CdfTable.gaussian([0.01, 0.02])
    half = np.zeros(2**30 + 3, np.int8)
    half[-1] = 2
    encoder = fc.Encoder(check=True)
    for _ in range(2):
        encoder.push(half, np.zeros(half.size, np.uint8), table)
    stream = encoder.finish()
    decoder = fc.Decoder(stream)
    indexes = np.zeros(half.size, np.uint8)
    for _ in range(2):
        assert equal(decoder.pull(indexes, table, dtype=np.int8), half)
    decoder.finish()


def test_range_coded_symbols_beyond_32_bits():
    needs(8)
    table = fc.CdfTable.gaussian([0.01])
    symbols = np.zeros(SIZE, np.int8)
    symbols[-1] = 1
    encoder = fc.RangeEncoder()
    encoder.push(symbols, None, table)
    stream = encoder.finish()
    decoder = fc.RangeDecoder(stream)
    assert equal(decoder.pull(None, table, dtype=np.int8, shape=SIZE), symbols)
    decoder.finish()
