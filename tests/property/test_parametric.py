# SPDX-License-Identifier: Apache-2.0
"""Random parametric models: the native cdf is that of the reference, and find is its inverse."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastcoder import Decoder, Encoder
from fastcoder.parametric import Gaussian, Laplace, Logistic, Mixture, ParametricModel
from tests import reference_intervals
from tests.reference import Interval
from tests.reference_parametric import Curve, Distribution, fix_mean, fix_scale, fix_weights

FAMILIES = {"gaussian": Gaussian, "laplace": Laplace, "logistic": Logistic}


@st.composite
def supports(draw: Any) -> tuple[int, int]:
    low = draw(st.one_of(st.integers(-40, 40), st.integers(-(2**19), 2**19 - 1)))
    size = draw(st.one_of(st.integers(1, 20), st.integers(1, 2**16)))
    return low, min(low + size, 2**19) - 1


@st.composite
def models(draw: Any) -> tuple[ParametricModel, list[Distribution]]:
    """A model from reals, and the same from the rules of the page."""
    low, high = draw(supports())
    count = draw(st.integers(1, 36))
    near = st.floats(max(low - 9, -(2**19)), high + 9, width=32)
    mean = st.one_of(near, near, st.floats(-(2**20), 2**20))
    scale = st.one_of(st.floats(0.0, 8.0), st.floats(0.0, 2.0**20), st.just(0.0))
    names = draw(st.lists(st.sampled_from(sorted(FAMILIES)), min_size=1, max_size=3))

    def column(values: st.SearchStrategy[float]) -> list[float]:
        return draw(st.lists(values, min_size=count, max_size=count))

    means, scales = [column(mean) for _ in names], [column(scale) for _ in names]
    parts = [
        FAMILIES[name](m, s, support=(low, high))
        for name, m, s in zip(names, means, scales, strict=True)
    ]
    if len(parts) == 1:
        model: ParametricModel = parts[0]
        weights = [[65536]] * count
    else:
        first = column(st.floats(2**-10, 1.0))
        reals = [first] + [column(st.floats(0.0, 1.0)) for _ in names[1:]]
        model = Mixture(parts, reals)
        weights = [fix_weights(list(at)) for at in zip(*reals, strict=True)]
    expected = [
        Distribution(low, high, tuple(
            Curve(name, fix_mean(means[k][i]), fix_scale(scales[k][i]), weights[i][k])
            for k, name in enumerate(names)
        ))
        for i in range(count)
    ]  # fmt: skip
    return model, expected


@given(models(), st.data())
def test_intervals_are_those_of_the_reference(
    pair: tuple[ParametricModel, list[Distribution]], data: st.DataObject
) -> None:
    model, expected = pair
    low, high = model.support
    count = len(expected)
    symbols = data.draw(st.lists(st.integers(low, high), min_size=count, max_size=count))
    starts, frequencies = model.intervals(np.array(symbols, np.int32))
    assert list(zip(starts.tolist(), frequencies.tolist(), strict=True)) == [
        distribution.interval(symbol)
        for distribution, symbol in zip(expected, symbols, strict=True)
    ]
    values = data.draw(st.lists(st.integers(0, 2**24 - 1), min_size=count, max_size=count))
    assert model.find(np.array(values, np.int64)).tolist() == [
        distribution.find(value) for distribution, value in zip(expected, values, strict=True)
    ]


@given(models(), st.sampled_from([None, 1, 8, 32]), st.booleans(), st.data())
def test_streams_are_those_of_the_reference(
    pair: tuple[ParametricModel, list[Distribution]],
    lanes: int | None,
    check: bool,
    data: st.DataObject,
) -> None:
    model, expected = pair
    values = data.draw(
        st.lists(st.integers(0, 2**24 - 1), min_size=len(expected), max_size=len(expected))
    )
    symbols = [d.find(v) for d, v in zip(expected, values, strict=True)]
    encoder = Encoder(lanes=lanes, check=check)
    encoder.push_parametric(symbols, model)
    stream = encoder.finish()
    intervals = [Interval(*d.interval(s), 24) for d, s in zip(expected, symbols, strict=True)]
    assert stream == reference_intervals.encode_intervals(intervals, lanes=lanes, check=check)
    decoder = Decoder(stream)
    assert decoder.pull_parametric(model).tolist() == symbols
    decoder.finish()
