# SPDX-License-Identifier: Apache-2.0
"""LargeTable: rates of vector-quantizer codes, rows in a stream, bytes, errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import fastcoder as fc
from tests.generators import parse_error


def coded_bits(symbols, indexes, table) -> int:
    encoder = fc.Encoder()
    encoder.push(symbols, indexes, table)
    stream = encoder.finish()
    decoder = fc.Decoder(stream)
    np.testing.assert_array_equal(
        decoder.pull(indexes, table, shape=np.shape(symbols) if indexes is None else None), symbols
    )
    decoder.finish()
    return 8 * len(stream)


def ideal_bits(symbols, indexes, table) -> float:
    """Under the integer rows."""
    bits = 0.0
    for row in range(table.rows):
        here = np.asarray(symbols)[indexes == row] - table.offsets[row]
        frequencies = np.diff(table.cdf(row).astype(np.int64))
        bits += float(np.sum(table.precision - np.log2(frequencies[here])))
    return bits


def k_means(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The code of every point after a few rounds of Lloyd's algorithm on a sample."""
    sample = points[rng.permutation(len(points))[:4000]]
    book = sample[:count].copy()
    for _ in range(2):
        code = np.argmin(np.sum(book**2, 1) - 2 * sample @ book.T, axis=1)
        for k in np.unique(code):
            book[k] = sample[code == k].mean(axis=0)
    return np.argmin(np.sum(book**2, 1) - 2 * points @ book.T, axis=1)


def test_codes_of_a_vector_quantizer_cost_their_cross_entropy(rng):
    """Two groups of 256 codes on 100,000 two-dimensional Gaussians; frequencies in the stream."""
    groups = np.stack(
        [k_means(rng.standard_normal((100_000, 2), np.float32), 256, rng) for _ in range(2)]
    )
    counts = np.stack([np.bincount(codes, minlength=256) for codes in groups])
    table = fc.LargeTable.from_pmf(counts, [0, 0], precision=20)
    indexes = np.repeat(np.arange(2, dtype=np.uint8), 100_000).reshape(2, -1)
    found = coded_bits(groups, indexes, table)
    ideal = sum(-(c * np.log2(c / c.sum(), where=c > 0, out=np.zeros(256))).sum() for c in counts)
    assert found < 1.001 * ideal

    encoder = fc.Encoder(check=True)
    encoder.push_table(table)
    encoder.push(groups, indexes, table)
    stream = encoder.finish()
    decoder = fc.Decoder(stream)
    shipped = decoder.pull_table()
    assert shipped == table
    np.testing.assert_array_equal(decoder.pull(indexes, shipped), groups)
    decoder.finish()
    assert 8 * len(stream) - found < 512 * 17  # bits for one frequency


def test_redundancy_of_8192_zipf_distributed_codes(rng):
    """Precision 16 against 20: what 65,536 counts cannot give to 8,192 symbols."""
    weights = 1.0 / np.arange(1, 8193) ** 1.2
    law = weights / weights.sum()
    entropy = -(law * np.log2(law)).sum()
    redundancy = {}
    for precision in (16, 20, 24):
        table = fc.LargeTable.from_pmf([law], [0], precision=precision)
        frequencies = np.diff(table.cdf(0).astype(np.int64))
        redundancy[precision] = float((law * (precision - np.log2(frequencies))).sum() - entropy)
    assert redundancy[16] > 0.02 > redundancy[20] > redundancy[24] > 0
    table = fc.LargeTable.from_pmf([law], [0], precision=20)
    symbols = rng.choice(8192, size=100_000, p=law)
    found = coded_bits(symbols, None, table)
    assert found < 1.002 * float(np.sum(-np.log2(law[symbols]))) + 0.02 * symbols.size


@pytest.mark.parametrize("precision", [16, 17, 20, 24])
def test_65536_symbols(precision, rng):
    law = rng.dirichlet(np.full(65536, 0.1))
    table = fc.LargeTable.from_pmf([law, law[::-1]], [-32768, 2**31 - 65536], precision=precision)
    assert table.cdf(0).size == 65537
    assert table.cdf(0)[-1] == 2**precision
    assert np.diff(table.cdf(0).astype(np.int64)).min() >= 1
    indexes = rng.integers(0, 2, 20_000).astype(np.uint8)
    cdf = [table.cdf(row).astype(np.int64) for row in range(2)]
    values = rng.integers(0, 2**precision, indexes.size)
    both = [np.searchsorted(row, values, side="right") - 1 for row in cdf]
    symbols = np.where(indexes == 0, *both) + table.offsets[indexes]
    found = coded_bits(symbols, indexes, table)
    assert found <= ideal_bits(symbols, indexes, table) * 1.002 + 64


def test_every_symbol_keeps_a_count_and_a_row_its_total():
    for row in ([1.0], [0.0, 0.0, 1e-300], [1e300, 1e300, 0.0], np.ones(64), [1e-9] * 60 + [1.0]):
        for precision in (6, 24):
            table = fc.LargeTable.from_pmf([row], [0], precision=precision)
            frequencies = np.diff(table.cdf(0).astype(np.int64))
            assert frequencies.sum() == 2**precision
            assert frequencies.min() >= 1
            # The order of the weights; of equal ones, the first get a count that is left over.
            assert (np.diff(frequencies[np.argsort(row, kind="stable")]) >= -1).all()


def test_small_rows_are_close_to_the_optimum(rng):
    """At precision 16 and below there is an exact quantizer to compare with."""
    for _ in range(30):
        size = int(rng.integers(2, 200))
        row = rng.dirichlet(np.full(size, 0.3))
        exact = fc.CdfTable.from_pmf([row], [0], precision=12, escape=False)
        found = fc.LargeTable.from_pmf([row], [0], precision=12)
        rows = [np.diff(table.cdf(0).astype(np.float64)) for table in (exact, found)]
        loss = [-float(np.sum(row * np.log2(frequencies))) for frequencies in rows]
        assert loss[0] - 1e-12 <= loss[1] <= loss[0] + 1e-3


# --- bytes ---------------------------------------------------------------------------------------


def small_tables() -> dict[str, fc.LargeTable]:
    return {
        "one slot": fc.LargeTable.from_pmf([[1.0]], [-(2**31)], precision=24),
        "rows": fc.LargeTable.from_pmf(
            [[3, 1, 0, 9], [1, 1], [5]], [2**31 - 4, -1, 0], precision=9
        ),
        "full": fc.LargeTable.from_pmf([np.ones(16)], [0], precision=4),
    }


@pytest.mark.parametrize("name", small_tables())
def test_bytes_give_the_table_back_and_nothing_else_does(name, rng):
    table = small_tables()[name]
    data = table.to_bytes()
    again = fc.LargeTable.from_bytes(bytearray(data))
    assert again == table == pickle.loads(pickle.dumps(table))
    assert hash(again) == hash(table)
    assert again.offsets.tolist() == table.offsets.tolist()
    for length in range(len(data)):
        with pytest.raises(fc.TableError):
            fc.LargeTable.from_bytes(data[:length])
    for position in range(len(data)):
        for byte in range(256):
            if byte != data[position]:
                damaged = data[:position] + bytes([byte]) + data[position + 1 :]
                with pytest.raises(fc.TableError) as caught:
                    fc.LargeTable.from_bytes(damaged)
                parse_error(caught.value)
    with pytest.raises(fc.TableError):
        fc.LargeTable.from_bytes(data + b"\0")


def test_a_table_of_absurd_size_in_a_stream_raises_at_once():
    for rows, slots in ((2**31 - 2, 1), (2**40, 1), (1, 2**16), (1, 2**40), (2**30, 2**16)):
        encoder = fc.Encoder()
        encoder.push_bits([20], 5)
        encoder.push_integers([rows - 1, 0, slots], fc.codes.ExpGolomb(0))
        decoder = fc.Decoder(encoder.finish())
        with pytest.raises(fc.StreamError) as caught:
            decoder.pull_table()
        parse_error(caught.value)
        assert decoder.pull_bits(1, 5).tolist() == [20]  # it stands where it stood


def test_noise_is_no_table_or_one(rng):
    for _ in range(300):
        decoder = fc.Decoder(b"\x10" + rng.bytes(int(rng.integers(8, 60))))
        try:
            table = decoder.pull_table()
        except fc.StreamError as error:
            parse_error(error)
        else:
            assert table.cdf(0)[-1] == 2**table.precision


# --- arguments -----------------------------------------------------------------------------------

TABLE = fc.LargeTable.from_pmf([[1, 2, 3], [4, 5]], [-1, 7], precision=18)


@pytest.mark.parametrize(
    ("symbols", "indexes", "error", "position"),
    [
        ([-1, 2], [0, 0], fc.SymbolRangeError, "[1]"),
        ([-2], [0], fc.SymbolRangeError, "[0]"),
        ([7, 9], [1, 1], fc.SymbolRangeError, "[1]"),
        ([2**40], [1], fc.SymbolRangeError, "[0]"),
        ([0, 0], [0, 2], fc.IndexRangeError, "[1]"),
        ([0, 0], [0, -1], fc.IndexRangeError, "[1]"),
        ([0], None, fc.ArgumentError, ""),
        ([0], [0, 1], fc.ShapeError, ""),
        ([0.0], [0], fc.ArgumentTypeError, ""),
    ],
)
def test_bad_symbols_are_refused(symbols, indexes, error, position):
    encoder = fc.Encoder()
    with pytest.raises(error) as caught:
        encoder.push(symbols, indexes, TABLE)
    assert parse_error(caught.value)[1] == position
    assert encoder.finish() == b"\0"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: fc.LargeTable(), fc.ArgumentTypeError),
        (lambda: fc.LargeTable.from_pmf([[1.0]], [0], precision=0), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([[1.0]], [0], precision=25), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([], [], precision=8), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([[]], [0], precision=8), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([[0.0, 0.0]], [0], precision=8), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([[1.0, -1.0]], [0], precision=8), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([[1.0, np.nan]], [0], precision=8), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([[1e308] * 9], [0], precision=8), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([np.ones(257)], [0], precision=8), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([np.ones(65537)], [0], precision=24), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([[1.0, 1.0]], [2**31 - 1], precision=8), fc.TableError),
        (lambda: fc.LargeTable.from_pmf([[1.0]], [0, 1], precision=8), fc.ShapeError),
        (lambda: fc.LargeTable.from_cdf([[0, 3, 3, 8]], [0], precision=3), fc.TableError),
        (lambda: fc.LargeTable.from_cdf([[1, 8]], [0], precision=3), fc.TableError),
        (lambda: fc.LargeTable.from_cdf([[0, 7]], [0], precision=3), fc.TableError),
        (lambda: fc.LargeTable.from_cdf([[0, 9, 8]], [0], precision=3), fc.TableError),
        (lambda: fc.LargeTable.from_cdf([[8]], [0], precision=3), fc.TableError),
        (lambda: fc.LargeTable.from_cdf([[0.0, 8.0]], [0], precision=3), fc.ArgumentTypeError),
        (lambda: TABLE.cdf(2), fc.IndexRangeError),
        (lambda: fc.Encoder().push_table(None), fc.ArgumentTypeError),
    ],
)
def test_bad_tables_are_refused(make, error):
    with pytest.raises(error) as caught:
        make()
    parse_error(caught.value)


def test_from_cdf_takes_rows_over():
    rows = [[0, 1, 2**20], [0, 2**20 - 1, 2**20]]
    table = fc.LargeTable.from_cdf(rows, [5, -5], precision=20)
    assert [table.cdf(r).tolist() for r in range(2)] == rows
    assert (table.rows, table.precision, table.offsets.tolist()) == (2, 20, [5, -5])
    assert repr(table) == "LargeTable(rows=2, precision=20)"
    assert table != TABLE
    assert table != 3


def test_pull_writes_into_out_and_refuses_a_narrow_dtype():
    table = fc.LargeTable.from_pmf([np.ones(1000)], [0])
    encoder = fc.Encoder()
    encoder.push([5, 999], None, table)
    decoder = fc.Decoder(encoder.finish())
    with pytest.raises(fc.SymbolRangeError) as caught:
        decoder.pull(None, table, dtype=np.int8, shape=2)
    assert parse_error(caught.value)[1:] == ("[1]", "999")
    out = np.empty(2, np.uint16)
    assert decoder.pull(None, table, out=out) is out
    assert out.tolist() == [5, 999]
    decoder.finish()
