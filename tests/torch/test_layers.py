# SPDX-License-Identifier: Apache-2.0
"""Operations and layers against their formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fastcoder.torch import GDN, IGDN
from fastcoder.torch.layers import conv, deconv
from fastcoder.torch.ops import add_noise, lower_bound, round_ste


@pytest.mark.parametrize(
    ("value", "slope", "expected"),
    [(2.0, 1.0, 1.0), (2.0, -1.0, -1.0), (0.5, -3.0, -3.0), (0.5, 3.0, 0.0), (1.0, 3.0, 3.0)],
)
def test_lower_bound_passes_the_gradient_where_descent_helps(
    value: float, slope: float, expected: float
) -> None:
    x = torch.tensor(value, requires_grad=True)
    result = lower_bound(x, 1.0)
    assert result.item() == max(value, 1.0)
    (slope * result).backward()
    assert x.grad is not None
    assert x.grad.item() == expected


def test_lower_bound_lifts_a_value_that_started_below_it() -> None:
    x = torch.tensor([-3.0], requires_grad=True)
    optimizer = torch.optim.SGD([x], 0.1)
    for _ in range(200):
        optimizer.zero_grad()
        (lower_bound(x, 0.0) - 2.0).square().sum().backward()
        optimizer.step()
    assert x.item() == pytest.approx(2.0, abs=1e-3)


def test_round_ste_rounds_and_keeps_the_gradient() -> None:
    x = torch.tensor([-1.5, -0.4, 0.5, 1.5, 2.6], requires_grad=True)
    result = round_ste(x)
    assert result.tolist() == [-2.0, 0.0, 0.0, 2.0, 3.0]
    (result * torch.arange(5.0)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_add_noise_is_uniform_around_the_value() -> None:
    noise = add_noise(torch.full((100_000,), 3.0)) - 3.0
    assert float(noise.min()) >= -0.5
    assert float(noise.max()) <= 0.5
    assert abs(float(noise.mean())) < 0.005
    assert float(noise.var()) == pytest.approx(1 / 12, rel=0.02)


def random_gdn(inverse: bool) -> GDN:
    layer = IGDN(5) if inverse else GDN(5)
    with torch.no_grad():
        layer.beta.stored.copy_(torch.rand(5) + 0.2)
        layer.gamma.stored.copy_(torch.rand(5, 5) - 0.3)  # some entries below their bound
    return layer


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_equals_the_formula_of_the_paper(inverse: bool) -> None:
    layer = random_gdn(inverse)
    x = torch.randn(2, 5, 3, 4)
    pedestal = 2.0**-36
    stored = layer.beta.stored.detach().double().numpy()
    beta = np.maximum(stored, (1e-6 + pedestal) ** 0.5) ** 2 - pedestal
    stored = layer.gamma.stored.detach().double().numpy()
    gamma = np.maximum(stored, 2.0**-18) ** 2 - pedestal
    values = x.double().numpy()
    norm = np.sqrt(beta[:, None, None] + np.einsum("ij,njhw->nihw", gamma, values**2))
    expected = values * norm if inverse else values / norm
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=2e-6, atol=1e-6)


def test_gdn_starts_as_the_paper_says() -> None:
    layer = GDN(3)
    np.testing.assert_allclose(layer.beta().detach(), np.ones(3), rtol=1e-6)
    np.testing.assert_allclose(layer.gamma().detach(), 0.1 * np.eye(3), rtol=1e-6, atol=1e-10)
    assert layer.beta.bound == pytest.approx(1.00000728e-3, rel=1e-8)
    assert layer.gamma.bound == 2.0**-18


def test_gdn_stays_finite_when_its_parameters_are_driven_down() -> None:
    layer = GDN(3)
    with torch.no_grad():
        layer.beta.stored.fill_(-5.0)
        layer.gamma.stored.fill_(-5.0)
    x = torch.randn(1, 3, 2, 2)
    torch.testing.assert_close(layer(x), x * 1e3, rtol=1e-3, atol=0)


def test_strided_layers_keep_the_first_sample_in_place() -> None:
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 0, 0] = 1.0
    for layer, shape, position in ((conv(1, 1, 5, 2), (4, 4), 2), (deconv(1, 1, 5), (16, 16), 2)):
        with torch.no_grad():
            layer.weight.zero_()
            layer.bias.zero_()
            layer.weight[0, 0, position, position] = 1.0
        result = layer(x)
        assert tuple(result.shape[-2:]) == shape
        assert result[0, 0, 0, 0] == 1.0
        assert float(result.detach().sum()) == 1.0
