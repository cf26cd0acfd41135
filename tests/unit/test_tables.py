# SPDX-License-Identifier: Apache-2.0
"""CdfTable: how one is made, what it refuses and how it says so.

Over 400 lines: one test for each sentence of its contract.
"""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

import fastcoder as fc
from tests import generators, reference
from tests.generators import native_table, parse_error

# --- from_pmf ------------------------------------------------------------------------------------


def frequencies(table: fc.CdfTable, row: int = 0) -> list[int]:
    return np.diff(table.cdf(row).astype(np.int64)).tolist()


def test_from_pmf_adds_a_slot_for_the_mass_that_is_missing():
    table = fc.CdfTable.from_pmf([[0.25, 0.5]], [-1], precision=8)
    assert table.escape
    assert frequencies(table) == [64, 128, 64]
    assert table.offsets.tolist() == [-1]


def test_from_pmf_normalizes_a_row_above_one_and_leaves_the_escape_one_count():
    table = fc.CdfTable.from_pmf([[1.0, 3.0]], [0], precision=8)
    assert frequencies(table) == [64, 191, 1]


def test_from_pmf_normalizes_without_an_escape():
    table = fc.CdfTable.from_pmf([[0.1, 0.3], [5.0, 15.0]], [0, 7], precision=8, escape=False)
    assert frequencies(table, 0) == frequencies(table, 1) == [64, 192]
    assert not table.escape


def test_from_pmf_gives_every_symbol_a_count():
    table = fc.CdfTable.from_pmf([[1.0, 0.0, 1e-300]], [0], precision=4)
    assert frequencies(table) == [13, 1, 1, 1]
    table = fc.CdfTable.from_pmf([[1.0] + [0.0] * 15], [0], precision=4, escape=False)
    assert frequencies(table) == [1] * 16


def test_a_row_of_one_symbol_has_all_counts():
    table = fc.CdfTable.from_pmf([[0.3]], [5], precision=16, escape=False)
    assert table.cdf(0).tolist() == [0, 65536]


def test_from_pmf_takes_the_largest_row():
    rng = np.random.default_rng(0)
    row = rng.random(65535)
    table = fc.CdfTable.from_pmf([row / row.sum()], [0], precision=16)
    assert frequencies(table) == [1] * 65536
    row = rng.random(30000)
    table = fc.CdfTable.from_pmf([row, row[:5]], [0, 0], precision=16, escape=False)
    assert sum(frequencies(table)) == 65536


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_from_pmf_takes_numbers_of_any_dtype_and_layout(dtype):
    values = np.array([[1, 2, 1], [3, 3, 2]], dtype)
    expected = fc.CdfTable.from_pmf(values.tolist(), [0, 0], precision=6, escape=False)
    for layout in ("c", "fortran", "strided", "reversed", "read_only", "torch", "dlpack"):
        rows = generators.LAYOUTS[layout](values)
        assert fc.CdfTable.from_pmf(rows, [0, 0], precision=6, escape=False) == expected
    ragged = [row[:] for row in values]
    assert fc.CdfTable.from_pmf(ragged, [0, 0], precision=6, escape=False) == expected


def test_lengths_cut_padded_rows():
    rows = np.array([[0.5, 0.25, np.nan], [0.1, np.inf, -1.0]])
    table = fc.CdfTable.from_pmf(rows, [0, 0], precision=8, lengths=[2, 1])
    assert table == fc.CdfTable.from_pmf([[0.5, 0.25], [0.1]], [0, 0], precision=8)
    for lengths in (np.array([2, 1], np.uint8), np.array([2, 1]), (2, 1)):
        assert fc.CdfTable.from_pmf(rows, [0, 0], precision=8, lengths=lengths) == table


BAD_PMFS = [
    ([[0.5, math.nan]], "pmf", "[0][1]", "nan"),
    ([[0.5, 0.5], [0.1, math.inf]], "pmf", "[1][1]", "inf"),
    ([[0.5, -math.inf]], "pmf", "[0][1]", "-inf"),
    ([[0.5, 0.5], [-0.25, 1.0]], "pmf", "[1][0]", "-0.25"),
    ([[0.5], [-1e-300]], "pmf", "[1][0]", "-1e-300"),
]


@pytest.mark.parametrize("escape", [False, True])
@pytest.mark.parametrize(("rows", "argument", "position", "value"), BAD_PMFS)
def test_a_value_that_is_no_probability_is_named(rows, argument, position, value, escape):
    with pytest.raises(fc.TableError) as caught:
        fc.CdfTable.from_pmf(rows, [0] * len(rows), escape=escape)
    assert parse_error(caught.value) == (argument, position, value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("escape", [False, True])
def test_a_row_without_mass_is_named(escape):
    with pytest.raises(fc.TableError) as caught:
        fc.CdfTable.from_pmf([[1.0], [0.0, 0.0]], [0, 0], escape=escape)
    assert parse_error(caught.value) == ("sum(pmf[1])", "", "0")


@pytest.mark.parametrize("escape", [False, True])
def test_a_row_with_too_many_slots_is_named(escape):
    most = 16 - escape
    fc.CdfTable.from_pmf([[1.0] * most], [0], precision=4, escape=escape)
    with pytest.raises(fc.TableError) as caught:
        fc.CdfTable.from_pmf([[1.0], [1.0] * (most + 1)], [0, 0], precision=4, escape=escape)
    assert parse_error(caught.value)[0] == "slots(pmf[1])"
    assert "17" in parse_error(caught.value)[2]


def test_a_row_beyond_65536_slots_is_an_error():
    with pytest.raises(fc.TableError):
        fc.CdfTable.from_pmf([np.ones(65537)], [0], precision=16, escape=False)
    with pytest.raises(fc.TableError):
        fc.CdfTable.from_pmf([np.ones(65536)], [0], precision=16, escape=True)


# --- from_cdf ------------------------------------------------------------------------------------


def test_from_cdf_takes_the_last_slot_as_the_escape():
    table = fc.CdfTable.from_cdf([[0, 3, 16], [0, 1, 2, 16]], [0, -5], precision=4)
    stream = fc.encode([1000, -5, -4, -3], [0, 1, 1, 1], table)
    assert fc.decode(stream, [0, 1, 1, 1], table).tolist() == [1000, -5, -4, -3]
    # -3 is the first symbol beyond row 1, not a symbol of its escape slot.
    assert fc.cost([-3], [1], table) == pytest.approx(4 - math.log2(14) + 2)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_from_cdf_takes_integers_of_any_dtype(dtype):
    table = fc.CdfTable.from_cdf(np.array([[0, 3, 16]], dtype), np.array([7]), precision=4)
    assert table.cdf(0).tolist() == [0, 3, 16]
    assert table.offsets.tolist() == [7]


BAD_CDFS = [
    ([[1, 16]], 4, "[0][0]", "1"),
    ([[0, 16], [0, 5, 5, 16]], 4, "[1][2]", "5"),
    ([[0, 9, 8, 16]], 4, "[0][2]", "8"),
    ([[0, 15]], 4, "[0][1]", "15"),
    ([[0, 17]], 4, "[0][1]", "17"),
    ([[0, -1, 16]], 4, "[0][1]", "-1"),
    ([[0, 70000]], 16, "[0][1]", "70000"),
    ([[0, 2**32, 65536]], 16, "[0][1]", str(2**32)),
]


@pytest.mark.parametrize(("rows", "precision", "position", "value"), BAD_CDFS)
def test_a_row_that_is_no_cdf_is_named(rows, precision, position, value):
    with pytest.raises(fc.TableError) as caught:
        fc.CdfTable.from_cdf(rows, [0] * len(rows), precision=precision)
    assert parse_error(caught.value) == ("cdf", position, value)


@pytest.mark.parametrize("row", [[], [0]])
def test_a_cdf_without_slots_is_an_error(row):
    with pytest.raises(fc.TableError, match=r"cdf\[1\]"):
        fc.CdfTable.from_cdf([[0, 16], row], [0, 0], precision=4)


def test_from_cdf_needs_a_precision():
    with pytest.raises(TypeError):
        fc.CdfTable.from_cdf([[0, 16]], [0])


# --- what both refuse ----------------------------------------------------------------------------


def both(rows_pmf, rows_cdf, offsets, **options):
    """Both constructors as calls without arguments."""
    cdf_options = {"precision": 4, **options}
    return (
        lambda: fc.CdfTable.from_pmf(rows_pmf, offsets, **options),
        lambda: fc.CdfTable.from_cdf(rows_cdf, offsets, **cdf_options),
    )


@pytest.mark.parametrize("precision", [0, 17, -1, 2**40])
def test_a_precision_outside_its_interval_is_named(precision):
    calls = [
        *both([[1.0]], [[0, 16]], [0], precision=precision),
        lambda: fc.CdfTable.gaussian([1.0], precision=precision),
        lambda: fc.CdfTable.laplace([1.0], precision=precision),
        lambda: fc.CdfTable.logistic([1.0], precision=precision),
    ]
    for call in calls:
        with pytest.raises(fc.TableError) as caught:
            call()
        assert parse_error(caught.value) == ("precision", "", str(precision))


@pytest.mark.parametrize("precision", [8.0, "8", None, True])
def test_a_precision_of_a_wrong_type_is_a_type_error(precision):
    for call in both([[1.0]], [[0, 16]], [0], precision=precision):
        with pytest.raises(fc.ArgumentTypeError) as caught:
            call()
        assert "precision" in parse_error(caught.value)[0]


@pytest.mark.parametrize("escape", [0, 1, None, "no"])
def test_escape_is_a_bool(escape):
    for call in both([[1.0]], [[0, 16]], [0], escape=escape):
        with pytest.raises(fc.ArgumentTypeError) as caught:
            call()
        assert "escape" in parse_error(caught.value)[0]


def test_a_table_has_rows():
    for call in both([], [], []):
        with pytest.raises(fc.FastcoderError):
            call()
    with pytest.raises(fc.FastcoderError):
        fc.CdfTable.gaussian([])


@pytest.mark.parametrize("offsets", [[], [0, 0], [[0]], 0])
def test_offsets_that_do_not_fit_the_rows_are_named(offsets):
    for call in both([[1.0]], [[0, 16]], offsets):
        with pytest.raises(fc.ShapeError) as caught:
            call()
        assert parse_error(caught.value)[0] == "offsets.shape"


@pytest.mark.parametrize("offsets", [[0.0], ["a"], None, [None], [1j]])
def test_offsets_of_a_wrong_type_are_a_type_error(offsets):
    for call in both([[1.0]], [[0, 16]], offsets):
        with pytest.raises(fc.ArgumentTypeError) as caught:
            call()
        assert "offsets" in parse_error(caught.value)[0]


@pytest.mark.parametrize("offset", [2**31, -(2**31) - 1, 2**40])
def test_an_offset_outside_int32_is_named(offset):
    for call in both([[1.0], [1.0]], [[0, 16], [0, 16]], [0, offset]):
        with pytest.raises(fc.TableError) as caught:
            call()
        assert parse_error(caught.value) == ("offsets", "[1]", str(offset))


def test_every_symbol_of_a_row_is_int32():
    highest = 2**31 - 3
    fc.CdfTable.from_cdf([[0, 1, 2, 16]], [highest], precision=4, escape=False)
    fc.CdfTable.from_cdf([[0, 1, 2, 3, 16]], [highest], precision=4, escape=True)
    for row, escape in (([0, 1, 2, 3, 16], False), ([0, 1, 2, 3, 4, 16], True)):
        with pytest.raises(fc.TableError) as caught:
            fc.CdfTable.from_cdf([row], [highest], precision=4, escape=escape)
        assert parse_error(caught.value) == ("offsets", "[0]", str(highest))


@pytest.mark.parametrize(
    "rows", [None, 5, "ab", [["a"]], [[None]], [[1j]], np.zeros((1, 2), bool), [[[1.0]]], [1.0]]
)
def test_rows_of_a_wrong_type_or_shape_are_refused(rows):
    with pytest.raises(fc.FastcoderError) as caught:
        fc.CdfTable.from_pmf(rows, [0])
    assert isinstance(caught.value, TypeError | fc.ShapeError)
    assert "pmf" in parse_error(caught.value)[0]
    with pytest.raises(fc.FastcoderError) as caught:
        fc.CdfTable.from_cdf(rows, [0], precision=4)
    assert isinstance(caught.value, TypeError | fc.ShapeError)
    assert "cdf" in parse_error(caught.value)[0]


def test_a_cdf_of_floats_is_a_type_error():
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.CdfTable.from_cdf([[0.0, 16.0]], [0], precision=4)
    assert parse_error(caught.value) == ("cdf[0].dtype", "", "float64")


@pytest.mark.parametrize(
    ("lengths", "argument", "position"),
    [
        ([1], "lengths.shape", ""),
        ([1, 1, 1], "lengths.shape", ""),
        ([1, 4], "lengths", "[1]"),
        ([-1, 1], "lengths", "[0]"),
    ],
)
def test_lengths_that_do_not_fit_are_named(lengths, argument, position):
    with pytest.raises(fc.ShapeError) as caught:
        fc.CdfTable.from_pmf(np.ones((2, 3)), [0, 0], lengths=lengths)
    assert parse_error(caught.value)[:2] == (argument, position)


def test_lengths_of_floats_are_a_type_error():
    with pytest.raises(fc.ArgumentTypeError):
        fc.CdfTable.from_pmf(np.ones((2, 3)), [0, 0], lengths=[1.0, 2.0])


# --- distributions -------------------------------------------------------------------------------


def gaussian_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def laplace_cdf(x: float) -> float:
    return 0.5 * math.exp(x) if x < 0 else 1 - 0.5 * math.exp(-x)


def logistic_cdf(x: float) -> float:
    return 1 / (1 + math.exp(-x))


DISTRIBUTIONS = {
    "gaussian": (fc.CdfTable.gaussian, gaussian_cdf),
    "laplace": (fc.CdfTable.laplace, laplace_cdf),
    "logistic": (fc.CdfTable.logistic, logistic_cdf),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize(("precision", "tail_mass"), [(14, 2**-12), (16, 2**-12), (12, 2**-8)])
def test_rows_of_a_distribution_are_symmetric_and_close_to_it(name, precision, tail_mass):
    make, cdf = DISTRIBUTIONS[name]
    scales = [0.05, 0.11, 0.5, 1.0, 3.7, 20.0]
    table = make(scales, precision=precision, tail_mass=tail_mass)
    assert (table.rows, table.precision, table.escape) == (len(scales), precision, True)
    for row, scale in enumerate(scales):
        reach = -int(table.offsets[row])
        counts = np.array(frequencies(table, row))
        assert counts.size == 2 * reach + 2
        np.testing.assert_array_equal(counts[:-1], counts[-2::-1])
        # The smallest reach that leaves at most tail_mass outside of +-reach.
        assert 2 * cdf(-reach / scale) <= tail_mass
        assert reach == 1 or 2 * cdf(-(reach - 1) / scale) > tail_mass
        bins = [cdf((k + 0.5) / scale) - cdf((k - 0.5) / scale) for k in range(-reach, reach + 1)]
        mass = np.array([*bins, 2 * cdf(-(reach + 0.5) / scale)])
        mass = np.maximum(mass, 1e-300)
        loss = (mass * np.log2(mass * 2**precision / counts)).sum()
        entropy = -(mass * np.log2(mass)).sum()
        assert loss >= -1e-9
        # At most one count for each slot that would have none, and the rounding of the others.
        assert loss <= 1.5 * counts.size / 2**precision + 1e-3 * entropy


def test_the_default_gaussian_table_loses_what_the_design_measured():
    """Redundancy of the table itself: mean below 2e-4 bit for scales < 16, 0.025 at 256."""
    scales = fc.scale_table(0.11, 256.0, 64)
    table = fc.CdfTable.gaussian(scales)
    losses = []
    for row, scale in enumerate(scales):
        reach = -int(table.offsets[row])
        counts = np.array(frequencies(table, row))
        inside = [
            gaussian_cdf((k + 0.5) / scale) - gaussian_cdf((k - 0.5) / scale)
            for k in range(-reach, reach + 1)
        ]
        # Symbols outside cost the escape's count and 2 floor(log2 d) + 2 bits; two scales further
        # out nothing is left that a float could see.
        loss = sum(
            p * (math.log2(max(p, 1e-300)) + 14 - math.log2(f))
            for p, f in zip(inside, counts, strict=False)
        )
        for d in range(1, int(3 * scale) + 10):
            p = 2 * (
                gaussian_cdf(-(reach + d - 0.5) / scale) - gaussian_cdf(-(reach + d + 0.5) / scale)
            )
            if p > 0:
                bits = 14 - math.log2(counts[-1]) + 2 * math.floor(math.log2(d)) + 2
                loss += p * (math.log2(p / 2) + bits)
        losses.append(loss)
    small = [loss for loss, scale in zip(losses, scales, strict=True) if scale < 16]
    assert np.mean(small) < 2e-4
    assert max(losses) < 0.03


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_a_scale_outside_its_interval_is_named(name, scale):
    with pytest.raises(fc.TableError) as caught:
        DISTRIBUTIONS[name][0]([1.0, scale])
    assert parse_error(caught.value)[:2] == ("scales", "[1]")


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("tail_mass", [0.0, 1.0, -0.1, math.nan, 2.0])
def test_a_tail_mass_outside_its_interval_is_named(name, tail_mass):
    with pytest.raises(fc.TableError) as caught:
        DISTRIBUTIONS[name][0]([1.0], tail_mass=tail_mass)
    assert parse_error(caught.value)[0] == "tail_mass"


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_scale_that_needs_too_many_slots_is_named(name):
    with pytest.raises(fc.TableError) as caught:
        DISTRIBUTIONS[name][0]([1.0, 1e4], precision=8)
    assert parse_error(caught.value)[:2] == ("scales", "[1]")


@pytest.mark.parametrize("scales", ["a", None, [[1.0]], np.ones((2, 2)), [True], ["1"], 1.0])
def test_scales_of_a_wrong_type_or_shape_are_refused(scales):
    with pytest.raises(fc.FastcoderError) as caught:
        fc.CdfTable.gaussian(scales)
    assert isinstance(caught.value, TypeError | fc.ShapeError)
    assert "scales" in parse_error(caught.value)[0]


@pytest.mark.parametrize("tail_mass", [None, "a", [0.1]])
def test_a_tail_mass_of_a_wrong_type_is_a_type_error(tail_mass):
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.CdfTable.gaussian([1.0], tail_mass=tail_mass)
    assert "tail_mass" in parse_error(caught.value)[0]


# --- the object ----------------------------------------------------------------------------------

TABLE = native_table(generators.table_of(9, True, [3, 40, 1], offset=-6))


def test_a_table_is_immutable():
    for name in ("rows", "precision", "escape", "offsets", "fingerprint", "anything"):
        with pytest.raises(AttributeError):
            setattr(TABLE, name, 1)
    for view in (TABLE.offsets, TABLE.cdf(1)):
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 5
    rows, offsets = [np.array([0, 3, 16], np.uint32)], np.array([2], np.int32)
    table = fc.CdfTable.from_cdf(rows, offsets, precision=4)
    before = table.to_bytes()
    rows[0][:], offsets[:] = 9, 9
    assert table.to_bytes() == before
    assert table.cdf(0).tolist() == [0, 3, 16]


def test_a_table_is_made_by_class_methods_only():
    with pytest.raises(fc.ArgumentTypeError, match="gaussian"):
        fc.CdfTable()


@pytest.mark.parametrize("row", [3, -1, 2**40])
def test_a_row_that_is_not_there_is_named(row):
    with pytest.raises(fc.IndexRangeError) as caught:
        TABLE.cdf(row)
    assert parse_error(caught.value) == ("row", "", str(row))


@pytest.mark.parametrize("row", [0.0, "0", None])
def test_a_row_of_a_wrong_type_is_a_type_error(row):
    with pytest.raises(fc.ArgumentTypeError) as caught:
        TABLE.cdf(row)
    assert "row" in parse_error(caught.value)[0]


def test_the_fingerprint_is_the_end_of_the_bytes():
    data = TABLE.to_bytes()
    assert TABLE.fingerprint == data[-8:][::-1].hex()
    assert reference.siphash24(data[:-8]) == int(TABLE.fingerprint, 16)


def test_tables_survive_pickle_and_copy():
    for again in (
        pickle.loads(pickle.dumps(TABLE)),
        copy.copy(TABLE),
        copy.deepcopy(TABLE),
        fc.CdfTable.from_bytes(bytearray(TABLE.to_bytes())),
    ):
        assert again == TABLE
        assert hash(again) == hash(TABLE)
    assert fc.CdfTable.gaussian([1.0]) != TABLE
    assert TABLE != "table"


def test_repr_names_the_table():
    assert TABLE.fingerprint in repr(TABLE)


@pytest.mark.parametrize("data", [None, 5, "FCT", [1]])
def test_from_bytes_of_something_else_is_a_type_error(data):
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.CdfTable.from_bytes(data)
    assert "data" in parse_error(caught.value)[0]


def test_damaged_bytes_are_named_by_position():
    data = TABLE.to_bytes()
    for position, name in ((0, "magic"), (3, "version"), (4, "precision"), (5, "flags")):
        damaged = data[:position] + b"\xff" + data[position + 1 :]
        with pytest.raises(fc.TableError) as caught:
            fc.CdfTable.from_bytes(damaged)
        assert parse_error(caught.value)[1] == f"[{position}]", name
