# SPDX-License-Identifier: Apache-2.0
"""The rows that torch chooses are the rows that the native function chooses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import fastcoder
from fastcoder.torch import scale_indexes

SCALES = fastcoder.scale_table()
MANY = np.exp(np.linspace(-3, 5, 700))
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def around_thresholds(scales: np.ndarray, rule: str, dtype: type) -> np.ndarray:
    """Every threshold, as near as the dtype allows, with its two neighbors."""
    means = np.sqrt(scales[:-1] * scales[1:]) if rule == "nearest" else scales[:-1]
    middle = means.astype(dtype)
    below, above = np.nextafter(middle, dtype(0)), np.nextafter(middle, dtype(np.inf))
    return np.concatenate([below, middle, above])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", ["nearest", "ceil"])
@pytest.mark.parametrize("scales", [SCALES, MANY, SCALES[:1], SCALES[:2]], ids=len)
def test_scale_indexes_equal_the_native_ones(
    scales: np.ndarray, rule: str, dtype: type, device: str, rng: np.random.Generator
) -> None:
    random = np.exp(rng.uniform(-6, 8, 20_000))
    special = [0.0, -0.0, 5e-324, np.finfo(dtype).max, *scales]
    values = np.concatenate([random, special, around_thresholds(scales, rule, dtype)]).astype(dtype)
    expected = fastcoder.scale_indexes(values, scales, rule=rule)
    indexes = scale_indexes(torch.from_numpy(values).to(device), scales.tolist(), rule)
    assert indexes.device.type == device
    array = indexes.cpu().numpy()
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_scale_indexes_widen_narrow_floats(dtype: torch.dtype) -> None:
    values = torch.linspace(0.01, 300, 1000).to(dtype)
    expected = fastcoder.scale_indexes(values.double().numpy(), SCALES)
    np.testing.assert_array_equal(scale_indexes(values, SCALES.tolist()).numpy(), expected)


def test_scale_indexes_keep_shape_and_order_of_strided_input(rng: np.random.Generator) -> None:
    values = torch.from_numpy(rng.uniform(0, 300, (3, 5, 7))).permute(2, 0, 1)
    indexes = scale_indexes(values, SCALES.tolist())
    assert indexes.shape == values.shape
    np.testing.assert_array_equal(
        indexes.numpy(), fastcoder.scale_indexes(np.ascontiguousarray(values.numpy()), SCALES)
    )


@pytest.mark.parametrize("bad", [math.nan, -1.0, -1e-45, math.inf, -math.inf])
def test_scale_indexes_name_the_first_bad_position(bad: float) -> None:
    values = torch.ones(4, 5)
    values[2, 3] = bad
    values[3, 0] = bad
    with pytest.raises(
        fastcoder.ArgumentError, match=r"sigma\[13\] = .*, expected 0 <= sigma < inf"
    ):
        scale_indexes(values, SCALES.tolist())


def test_scale_indexes_refuse_what_is_not_a_floating_tensor() -> None:
    for wrong in (torch.ones(3, dtype=torch.int32), [1.0], np.ones(3)):
        with pytest.raises(fastcoder.ArgumentTypeError, match=r"sigma = .*, expected"):
            scale_indexes(wrong, SCALES.tolist())


@pytest.mark.parametrize(
    ("scales", "rule"),
    [
        ([], "ceil"),
        ([1.0, 1.0], "ceil"),
        ([0.0], "nearest"),
        ([1.0, math.nan], "ceil"),
        ([1.0], "up"),
    ],
)
def test_scale_indexes_refuse_bad_scales_and_rules(scales: list[float], rule: str) -> None:
    with pytest.raises(fastcoder.ArgumentError, match=r"= .*, expected"):
        scale_indexes(torch.ones(1), scales, rule)


@pytest.mark.parametrize(
    ("scales", "threshold"), [([1e-50, 1.0], "0"), ([1e300, 1e301], "inf")], ids=str
)
def test_scale_indexes_refuse_thresholds_that_float32_lacks(
    scales: list[float], threshold: str
) -> None:
    message = rf"thresholds\[0\] = {threshold}, expected"
    with pytest.raises(fastcoder.ArgumentError, match=message):
        scale_indexes(torch.ones(1), scales, "ceil")
    with np.errstate(over="ignore"), pytest.raises(fastcoder.ArgumentError, match=message):
        fastcoder.scale_indexes(np.ones(1, np.float32), scales, "ceil")
    assert scale_indexes(torch.ones(1).double(), scales, "ceil").tolist() == [int(scales[0] < 1)]
