# SPDX-License-Identifier: Apache-2.0
"""scale_table and scale_indexes against NumPy's own search, and every way to misuse them."""

from __future__ import annotations

import numpy as np
import pytest

import fastcoder as fc
from tests import generators
from tests.generators import parse_error

FLOATS = ("float32", "float64")
SCALES = {
    "default": fc.scale_table(),
    "64 levels": fc.scale_table(0.11, 256.0, 64),
    "256 levels": fc.scale_table(levels=256),
    "257 levels": fc.scale_table(levels=257),
    "one": np.array([2.0]),
    "two": np.array([0.5, 8.0]),
    "powers of four": 4.0 ** np.arange(-4, 5),
    "uneven": np.array([1e-300, 1e-5, 0.1, 0.1000001, 7.0, 1e30, 1e300]),
    "float32": fc.scale_table(levels=64).astype(np.float32),
}


def build_indexes(sigma: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """CompressAI's rule, in its words: as many steps down from the last row as scales >= sigma.

    Its scales are a buffer of the dtype of sigma.
    """
    indexes = np.full(sigma.shape, len(scales) - 1)
    for scale in scales[:-1].astype(sigma.dtype):
        indexes -= sigma <= scale
    return indexes


def sigmas(scales: np.ndarray, dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Sigmas at, just below and just above scales and geometric means, and anywhere."""
    with np.errstate(over="ignore"):
        exact = np.concatenate([scales, np.sqrt(scales[:-1]) * np.sqrt(scales[1:])]).astype(dtype)
    zero, most = np.zeros(1, dtype), np.full(1, np.finfo(dtype).max)
    with np.errstate(over="ignore"):
        around = [np.nextafter(exact, zero), exact, np.nextafter(exact, most)]
    drawn = np.exp(rng.uniform(np.log(1e-3), np.log(1e4), 5000)).astype(dtype)
    tiny = np.array([0.0, -0.0, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).tiny], dtype)
    every = np.concatenate([*around, drawn, tiny, most])
    return every[np.isfinite(every)]


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_ceil_equals_compressai(name, dtype, rng):
    scales = SCALES[name]
    if dtype == "float32":  # only what a float32 buffer can hold
        scales = scales[(scales > 1e-37) & (scales < 1e38)]
    sigma = sigmas(scales, dtype, rng)
    indexes = fc.scale_indexes(sigma, scales, rule="ceil")
    np.testing.assert_array_equal(indexes, build_indexes(sigma, scales))


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_nearest_counts_the_geometric_means_below(name, dtype, rng):
    scales = SCALES[name].astype(np.float64)
    sigma = sigmas(scales, dtype, rng)
    with np.errstate(over="ignore", under="ignore"):
        product = scales[:-1] * scales[1:]
    plain = (product > np.finfo(float).tiny) & (product < np.finfo(float).max)
    means = np.where(plain, np.sqrt(product), np.sqrt(scales[:-1]) * np.sqrt(scales[1:]))
    expected = np.searchsorted(means, sigma.astype(np.float64), side="left")
    np.testing.assert_array_equal(fc.scale_indexes(sigma, scales), expected)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_sigma_on_a_threshold_takes_the_smaller_scale(dtype):
    scales = np.array([1.0, 4.0, 16.0])  # geometric means 2 and 8
    sigma = np.array([1, 2, 4, 8, 16], dtype)
    above = np.nextafter(sigma, np.full(5, 100, dtype))
    assert fc.scale_indexes(sigma, scales).tolist() == [0, 0, 1, 1, 2]
    assert fc.scale_indexes(above, scales).tolist() == [0, 1, 1, 2, 2]
    assert fc.scale_indexes(sigma, scales, rule="ceil").tolist() == [0, 1, 1, 2, 2]
    assert fc.scale_indexes(above, scales, rule="ceil").tolist() == [1, 1, 2, 2, 2]


@pytest.mark.parametrize("rule", ["nearest", "ceil"])
def test_indexes_are_in_the_narrowest_dtype_and_reach_both_ends(rule):
    for levels, dtype in ((2, np.uint8), (256, np.uint8), (257, np.uint16), (65536, np.uint16)):
        scales = fc.scale_table(levels=levels)
        indexes = fc.scale_indexes(np.array([0.0, 1e9]), scales, rule=rule)
        assert indexes.dtype == dtype
        assert indexes.tolist() == [0, levels - 1]
        np.testing.assert_array_equal(
            fc.scale_indexes(scales, scales, rule=rule), np.arange(levels)
        )


@pytest.mark.parametrize("layout", [name for name in generators.LAYOUTS if name != "array"])
def test_every_layout_of_sigma_gives_the_same_indexes(layout, rng):
    sigma = np.exp(rng.normal(size=(5, 9)))
    expected = fc.scale_indexes(sigma, fc.scale_table())
    for dtype in FLOATS:
        values = sigma.astype(np.float32).astype(dtype)
        indexes = fc.scale_indexes(generators.LAYOUTS[layout](values), fc.scale_table())
        np.testing.assert_array_equal(indexes.ravel(), expected.ravel())
        if layout not in ("flat", "three_d"):
            assert indexes.shape == (5, 9)


def test_other_numbers_are_widened():
    scales = [1.0, 4.0, 16.0]
    for sigma in ([1, 3, 100], np.array([1, 3, 100], np.uint8), np.array([1, 3, 100], np.float16)):
        assert fc.scale_indexes(sigma, scales).tolist() == [0, 1, 2]
    assert fc.scale_indexes(np.float32(3), scales).shape == ()
    assert fc.scale_indexes([], scales).tolist() == []


@pytest.mark.parametrize("value", [np.nan, -np.nan, -1.0, -1e-30, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("position", [0, 1023, 1024, 2999])
def test_a_sigma_that_is_no_scale_is_named(value, dtype, position):
    sigma = np.ones(3000, dtype)
    sigma[[position, 2999]] = value
    for rule in ("nearest", "ceil"):
        with pytest.raises(fc.ArgumentError) as caught:
            fc.scale_indexes(sigma, fc.scale_table(), rule=rule)
        argument, place, found = parse_error(caught.value)
        assert (argument, place) == ("sigma", f"[{position}]")
        assert "0 <= sigma < inf" in str(caught.value)
        np.testing.assert_equal(abs(float(found)), abs(float(np.array(value, dtype))))


@pytest.mark.parametrize("scales", [[1.0, np.nan], [1.0, np.inf], [0.0, 1.0], [-1.0, 1.0]])
def test_scales_that_are_none_are_named(scales):
    with pytest.raises(fc.ArgumentError) as caught:
        fc.scale_indexes([1.0], scales)
    position = 0 if scales[0] <= 0 else 1
    assert parse_error(caught.value)[:2] == ("scales", f"[{position}]")


@pytest.mark.parametrize("scales", [[2.0, 1.0], [1.0, 1.0]])
def test_scales_that_do_not_increase_are_named(scales):
    with pytest.raises(fc.ArgumentError) as caught:
        fc.scale_indexes([1.0], scales)
    assert parse_error(caught.value)[:2] == ("scales", "[1]")


def test_other_arguments_are_checked():
    with pytest.raises(fc.ArgumentError) as caught:
        fc.scale_indexes([1.0], [1.0, 2.0], rule="floor")
    assert parse_error(caught.value)[0] == "rule"
    for scales in ([], [[1.0, 2.0]]):
        with pytest.raises(fc.ArgumentError):
            fc.scale_indexes([1.0], scales)
    for sigma in (np.zeros(2, complex), np.zeros(2, bool), ["a"], "a", None, np.array([object()])):
        with pytest.raises(fc.ArgumentTypeError) as caught:
            fc.scale_indexes(sigma, [1.0, 2.0])
        assert "sigma" in parse_error(caught.value)[0]


# --- scale_table ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minimum", "maximum", "levels"),
    [(0.11, 256.0, 64), (0.11, 256.0, fc.DEFAULT_SCALE_LEVELS), (1e-5, 1e5, 2), (1, 2, 1000)],
)
def test_scale_table_is_log_spaced_between_exact_ends(minimum, maximum, levels):
    scales = fc.scale_table(minimum, maximum, levels)
    assert scales.dtype == np.float64
    assert scales.shape == (levels,)
    assert (scales[0], scales[-1]) == (minimum, maximum)
    assert (np.diff(scales) > 0).all()
    expected = np.exp(np.linspace(np.log(minimum), np.log(maximum), levels))
    np.testing.assert_allclose(scales, expected, rtol=1e-13)


def test_scale_table_has_the_documented_defaults():
    np.testing.assert_array_equal(
        fc.scale_table(),
        fc.scale_table(minimum=0.11, maximum=256.0, levels=fc.DEFAULT_SCALE_LEVELS),
    )


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ({"minimum": 0.0}, "minimum", "0"),
        ({"minimum": -1.0}, "minimum", "-1"),
        ({"minimum": float("nan")}, "minimum", "nan"),
        ({"maximum": 0.05}, "maximum", "0.05"),
        ({"maximum": 0.11}, "maximum", "0.11"),
        ({"maximum": float("inf")}, "maximum", "inf"),
        ({"maximum": float("nan")}, "maximum", "nan"),
        ({"levels": 1}, "levels", "1"),
        ({"levels": 0}, "levels", "0"),
        ({"levels": -5}, "levels", "-5"),
        ({"levels": 65537}, "levels", "65537"),
    ],
)
def test_scale_table_names_a_wrong_value(arguments, name, value):
    with pytest.raises(fc.ArgumentError) as caught:
        fc.scale_table(**arguments)
    argument, _, found = parse_error(caught.value)
    assert argument == name
    assert float(found) == pytest.approx(float(value), nan_ok=True)


@pytest.mark.parametrize(
    "arguments", [{"minimum": "a"}, {"minimum": None}, {"maximum": [1]}, {"levels": 64.0}]
)
def test_scale_table_names_a_wrong_type(arguments):
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.scale_table(**arguments)
    [name] = arguments
    assert name in parse_error(caught.value)[0]
