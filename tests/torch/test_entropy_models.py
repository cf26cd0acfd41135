# SPDX-License-Identifier: Apache-2.0
"""Likelihoods, tails and tables of the entropy models against float64 formulas."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import fastcoder
from fastcoder.torch import EntropyBottleneck, GaussianConditional
from fastcoder.torch.entropy_models.factorized import interval_probability

# Entropy in bits of a rounded zero-mean Gaussian, by its standard deviation.
ENTROPY = {0.5: 1.2412, 4.0: 4.0508}


def gaussian_pmf(sigma: float, reach: int) -> np.ndarray:
    """P(round(X) = k), k = -reach..reach, X Gaussian, without cancellation."""
    root = sigma * math.sqrt(2)
    tails = [math.erfc((k - 0.5) / root) - math.erfc((k + 0.5) / root) for k in range(reach + 1)]
    half = 0.5 * np.array(tails)
    return np.concatenate([half[:0:-1], half])


def fitted(sigmas: list[float], steps: int = 1000) -> EntropyBottleneck:
    """One channel per sigma, fitted to 100,000 samples of N(0, sigma^2) plus uniform noise."""
    torch.manual_seed(1)
    scale = torch.tensor(sigmas)[:, None]
    samples = torch.randn(len(sigmas), 100_000) * scale + torch.rand(len(sigmas), 100_000) - 0.5
    model = EntropyBottleneck(len(sigmas))
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        begin = step * 4000 % 100_000
        optimizer.zero_grad()
        likelihood = model.likelihood(samples[:, begin : begin + 4000].T)
        (-torch.log2(likelihood).mean(0).sum()).backward()
        optimizer.step()
        schedule.step()
    return model


@pytest.fixture(scope="module")
def bottleneck() -> EntropyBottleneck:
    return fitted([0.5, 4.0])


def test_bottleneck_reaches_the_entropy_of_a_gaussian(bottleneck: EntropyBottleneck) -> None:
    for channel, (sigma, entropy) in enumerate(ENTROPY.items()):
        reach = math.ceil(9 * sigma)
        values = torch.zeros(2 * reach + 1, 2)
        values[:, channel] = torch.arange(-reach, reach + 1.0)
        with torch.no_grad():
            likelihood = bottleneck.likelihood(values)[:, channel].double().numpy()
        cross_entropy = -(gaussian_pmf(sigma, reach) * np.log2(likelihood)).sum()
        assert cross_entropy == pytest.approx(entropy, abs=0.01)


@pytest.mark.parametrize("tail_mass", [2.0**-12, 1e-9])
def test_bottleneck_tails_hold_the_mass_they_should(
    bottleneck: EntropyBottleneck, tail_mass: float
) -> None:
    edge = math.log(2 / tail_mass - 1)
    tails = bottleneck.quantiles(torch.tensor([-edge, 0.0, edge], dtype=torch.float64))
    with torch.no_grad():
        logits = bottleneck.logits(tails[:, None, :])[:, 0]
    lower, median, upper = torch.sigmoid(logits[:, 0]), logits[:, 1], torch.sigmoid(-logits[:, 2])
    np.testing.assert_allclose(lower.numpy(), tail_mass / 2, rtol=1e-9)
    np.testing.assert_allclose(upper.numpy(), tail_mass / 2, rtol=1e-9)
    np.testing.assert_allclose(median.numpy(), 0.0, atol=1e-9)
    assert bool((tails[:, 0] < tails[:, 1]).all())


def test_bottleneck_likelihoods_sum_to_one(bottleneck: EntropyBottleneck) -> None:
    values = torch.arange(-60.0, 61.0)[:, None].expand(-1, 2)
    with torch.no_grad():
        total = bottleneck.likelihood(values).double().sum(0)
    np.testing.assert_allclose(total.numpy(), 1.0, atol=2e-5)


def test_bottleneck_right_tail_does_not_cancel() -> None:
    """Plain differences of sigmoids give 0 in float32 from a logit of 17 on."""
    model = EntropyBottleneck(1)
    lower, upper = torch.tensor([20.0]), torch.tensor([21.0])
    exact = math.exp(-20) - math.exp(-21)
    assert interval_probability(lower, upper).item() == pytest.approx(exact, rel=1e-5)
    assert interval_probability(-upper, -lower).item() == pytest.approx(exact, rel=1e-5)
    assert interval_probability(torch.tensor([-1.0]), torch.tensor([1.0])).item() == pytest.approx(
        math.tanh(0.5), rel=1e-6
    )
    x = torch.tensor([[1e4]], requires_grad=True)
    likelihood = model.likelihood(x)
    assert likelihood.item() == pytest.approx(1e-9)
    (-torch.log2(likelihood)).sum().backward()
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())


def test_bottleneck_start_has_the_slope_of_the_paper() -> None:
    """At the start the logit rises by about 1 / init_scale = 1 / 10 per unit."""
    model = EntropyBottleneck(4)
    x = torch.tensor([-1.0, 1.0], dtype=torch.float64).expand(4, 1, 2)
    with torch.no_grad():
        logits = model.logits(x)
    np.testing.assert_allclose((logits[:, 0, 1] - logits[:, 0, 0]).numpy() / 2, 0.1, rtol=1e-5)
    assert [tuple(matrix.shape[1:]) for matrix in model.matrices] == [
        (3, 1),
        (3, 3),
        (3, 3),
        (1, 3),
    ]


def test_bottleneck_table_is_the_density(bottleneck: EntropyBottleneck) -> None:
    table = bottleneck.build_table(precision=16)
    medians = bottleneck.medians()
    assert table.rows == 2
    assert table.escape
    for row in range(2):
        frequencies = np.diff(table.cdf(row).astype(np.int64))
        symbols = np.arange(len(frequencies) - 1) + table.offsets[row]
        values = torch.zeros(len(symbols), 2)
        values[:, row] = torch.from_numpy(symbols + int(medians[row]) / 256)
        with torch.no_grad():
            likelihood = bottleneck.likelihood(values)[:, row].numpy()
        np.testing.assert_allclose(
            frequencies[:-1] / 2**16, likelihood, atol=1.1 / 2**16, rtol=1e-3
        )
        assert symbols[0] < 0 < symbols[-1]
        assert frequencies[-1] / 2**16 < 2 * 2.0**-12


def test_bottleneck_rounds_around_its_medians_in_evaluation() -> None:
    model = EntropyBottleneck(3).eval()
    z = 10 * torch.randn(2, 3, 4, 5)
    value, likelihood = model(z)
    centers = (model.medians() * 2.0**-8)[None, :, None, None]
    steps = value - centers
    assert bool((steps == steps.round()).all())
    assert float((value - z).abs().max()) <= 0.5 + 1e-5
    assert likelihood.shape == z.shape
    noisy, _ = model.train()(z)
    assert float((noisy - z).abs().max()) <= 0.5 + 1e-5
    assert not bool((noisy - centers == (noisy - centers).round()).all())


@pytest.mark.parametrize("filters", [(), (2,), (3, 3, 3, 3), (1, 5)])
def test_bottleneck_takes_other_widths(filters: tuple[int, ...]) -> None:
    model = EntropyBottleneck(2, filters)
    widths = [1, *filters, 1]
    assert [tuple(matrix.shape) for matrix in model.matrices] == [
        (2, after, before) for before, after in itertools.pairwise(widths)
    ]
    assert len(model.factors) == len(filters)
    assert model.build_table().rows == 2
    values = torch.arange(-400.0, 401.0)[:, None].expand(-1, 2)
    with torch.no_grad():
        total = model.likelihood(values).double().sum(0)
    np.testing.assert_allclose(total.numpy(), 1.0, atol=1e-4)


@pytest.mark.parametrize("filters", [(0,), (65,), (3,) * 16])
def test_bottleneck_refuses_other_widths(filters: tuple[int, ...]) -> None:
    with pytest.raises(fastcoder.ArgumentError, match=r"filters.* = .*, expected"):
        EntropyBottleneck(2, filters)


def test_fixed_medians_are_what_it_rounds_around() -> None:
    torch.manual_seed(5)
    model = EntropyBottleneck(3, fixed_medians=True).eval()
    medians = torch.tensor([0.3, -7.123456, 1e-3])
    model.fixed_medians.copy_(medians)
    assert torch.equal(model.centers(), medians.double())
    z = 4 * torch.randn(1, 3, 50)
    value, _ = model(z)
    steps = (z - medians[:, None]).round()
    assert torch.equal(value, steps + medians[:, None])
    table = model.build_table(precision=16)
    for row in range(3):
        frequencies = np.diff(table.cdf(row).astype(np.int64))[:-1]
        symbols = np.arange(len(frequencies)) + table.offsets[row]
        values = torch.zeros(len(symbols), 3)
        values[:, row] = torch.from_numpy(symbols) + medians[row]
        with torch.no_grad():
            likelihood = model.likelihood(values)[:, row].numpy()
        np.testing.assert_allclose(frequencies / 2**16, likelihood, atol=1.1 / 2**16, rtol=2e-3)


def test_gaussian_mean_shifts_values() -> None:
    model = GaussianConditional([0.11, 8.0]).eval()
    y, mean = torch.tensor([3.3, -2.0, 0.6]), torch.tensor([0.9, 5.25, -0.3])
    sigma = torch.tensor([0.7, 3.0, 0.2])
    value, likelihood = model(y, sigma, mean=mean)
    assert torch.equal(value, (y - mean).round() + mean)
    assert torch.equal(likelihood, model.likelihood(value - mean, sigma))
    assert not torch.equal(likelihood, model.likelihood(value, sigma))


def test_gaussian_bound_may_differ_from_the_first_scale() -> None:
    sigma = torch.tensor([0.05, 0.2, 0.4])
    zero = torch.zeros(3)
    model = GaussianConditional([0.1, 1.0], 0.3)
    expected = GaussianConditional([0.3]).likelihood(zero, sigma)
    assert torch.equal(model.likelihood(zero, sigma), expected)
    for bound in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(fastcoder.ArgumentError, match=r"scale_bound = .*, expected 0 < "):
            GaussianConditional([0.1, 1.0], bound)


def test_gaussian_likelihood_equals_the_formula() -> None:
    model = GaussianConditional([0.11, 1.0, 300.0])
    value = torch.tensor([0.0, 0.3, -1.0, 4.0, 40.0, 0.0, 3.0])
    sigma = torch.tensor([1.0, 0.5, 2.0, 0.8, 9.0, 0.0, -1.0])
    expected = []
    for v, s in zip(value.tolist(), sigma.tolist(), strict=True):
        root = max(s, 0.11) * math.sqrt(2)
        mass = 0.5 * (math.erfc((abs(v) - 0.5) / root) - math.erfc((abs(v) + 0.5) / root))
        expected.append(max(mass, 1e-9))
    np.testing.assert_allclose(model.likelihood(value, sigma).numpy(), expected, rtol=2e-4)


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0])
def test_gaussian_likelihood_has_the_known_entropy(sigma: float) -> None:
    known = {
        0.3: 0.5504,
        0.5: 1.2412,
        1.0: 2.1048,
        2.0: 3.0620,
        4.0: 4.0508,
        8.0: 5.0480,
        16.0: 6.0473,
    }
    values = torch.arange(-160.0, 161.0)
    likelihood = GaussianConditional([0.11]).likelihood(values, torch.full_like(values, sigma))
    entropy = -(likelihood * torch.log2(likelihood)).double().sum()
    assert float(entropy) == pytest.approx(known[sigma], abs=1e-4)


def test_gaussian_gradient_pulls_a_too_small_scale_up() -> None:
    sigma = torch.tensor([-1.0], requires_grad=True)
    _, likelihood = GaussianConditional([0.11]).eval()(torch.tensor([1.0]), sigma)
    (-torch.log2(likelihood)).sum().backward()
    assert sigma.grad is not None
    assert sigma.grad.item() < 0


def test_gaussian_table_is_that_of_the_scales() -> None:
    scales = fastcoder.scale_table(levels=16).tolist()
    table = GaussianConditional(scales).build_table()
    assert table.fingerprint == fastcoder.CdfTable.gaussian(scales).fingerprint


@pytest.mark.parametrize("scales", [[], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [1.0, math.inf]])
def test_gaussian_refuses_scales_that_are_not_increasing(scales: list[float]) -> None:
    with pytest.raises(fastcoder.ArgumentError, match=r"scales.* = .*, expected"):
        GaussianConditional(scales)


def test_bottleneck_refuses_a_density_without_tails() -> None:
    model = EntropyBottleneck(1)
    with torch.no_grad():
        model.matrices[0].fill_(-40.0)  # softplus gives 4e-18: a cumulative that never rises
    with pytest.raises(fastcoder.ArgumentError, match=r"quantiles = .*, expected"):
        model.build_table()


def test_models_refuse_arguments_of_other_types() -> None:
    with pytest.raises(fastcoder.ArgumentTypeError, match=r"type\(channels\) = float"):
        EntropyBottleneck(1.5)
    for scales in ("a", ["a"], [None], 1.0j):
        with pytest.raises(fastcoder.ArgumentTypeError, match="scales"):
            GaussianConditional(scales)
    with pytest.raises(fastcoder.ArgumentError, match=r"scales.ndim = 2, expected 1"):
        GaussianConditional([[1.0, 2.0]])
