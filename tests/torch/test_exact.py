# SPDX-License-Identifier: Apache-2.0
"""The path from z to the rows of y gives the same integers however its sums are ordered."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import fastcoder
from fastcoder.torch import MeanScaleHyperprior, ScaleHyperprior
from fastcoder.torch.exact import ExactTransform
from tests.reference_integer import convolve

UNIT = 2**20


def as_integers(tensor: torch.Tensor) -> np.ndarray:
    steps = tensor.detach().double().numpy() * UNIT
    return np.rint(steps).astype(np.int64)


def integer_rows(layers: nn.Sequential, z_steps: np.ndarray) -> np.ndarray:
    """The exact path in int64: z in units of 2^-8, the result in units of 2^-30."""
    x, shift = z_steps.astype(np.int64), 8
    for layer in layers:
        if isinstance(layer, (nn.ReLU, nn.LeakyReLU)):
            # Round half up from units of 2^-(20 + shift) to units of 2^-10, then clamp.
            drop = 10 + shift
            lowest = 0 if isinstance(layer, nn.ReLU) else -(1 << 22)
            x = np.clip((x + (1 << (drop - 1))) >> drop, lowest, 1 << 22)
            if isinstance(layer, nn.LeakyReLU):
                slope = round(layer.negative_slope * UNIT)
                x = np.where(x < 0, (x * slope + (1 << 19)) >> 20, x)
            shift = 10
        else:
            transposed = isinstance(layer, nn.ConvTranspose2d)
            stride = layer.stride[0]
            bias = as_integers(layer.bias)[:, None, None] << shift
            x = convolve(x, as_integers(layer.weight), stride, transposed) + bias
    return x


@pytest.fixture(params=[ScaleHyperprior, MeanScaleHyperprior], ids=lambda codec: codec.name)
def layers(request: pytest.FixtureRequest) -> nn.Sequential:
    network = request.param(6, 9).hyper_synthesis
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3.0)
    return network


@pytest.mark.parametrize("largest", [3, 300, 3_000_000])
def test_exact_transform_equals_integer_arithmetic(
    layers: nn.Sequential, largest: int, rng: np.random.Generator
) -> None:
    steps = rng.integers(-largest, largest + 1, (6, 3, 5))
    z = torch.from_numpy(steps / 256.0)[None]
    expected = integer_rows(layers, np.clip(steps, -(2**20), 2**20))
    result = ExactTransform(layers)(z)[0].numpy()
    np.testing.assert_array_equal(np.rint(result * 2.0**30).astype(np.int64), expected)
    assert np.array_equal(result * 2.0**30, np.rint(result * 2.0**30))


def test_exact_transform_does_not_depend_on_the_order_of_sums(layers: nn.Sequential) -> None:
    """Permuted channels add in another order: float32 differs, the exact path does not."""
    order = torch.randperm(6)
    first, second = layers[0], nn.ConvTranspose2d(6, layers[0].out_channels, 5, 2, 2, 1)
    with torch.no_grad():
        second.weight.copy_(first.weight[order])
        second.bias.copy_(first.bias)
    permuted = nn.Sequential(second, *list(layers)[1:])
    z = torch.randint(-2000, 2000, (1, 6, 20, 20)) / 256.0
    assert not torch.equal(layers(z), permuted(z[:, order]))  # the positive control
    exact = ExactTransform(layers)(z.double())
    assert torch.equal(exact, ExactTransform(permuted)(z[:, order].double()))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert torch.equal(exact, ExactTransform(layers)(z.double()))
    finally:
        torch.set_num_threads(threads)


def test_exact_transform_is_close_to_the_float_network(layers: nn.Sequential) -> None:
    z = torch.randint(-2000, 2000, (1, 6, 8, 8)) / 256.0
    with torch.no_grad():
        torch.testing.assert_close(
            ExactTransform(layers)(z.double()).float(), layers(z), atol=0.02, rtol=0.0
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_exact_transform_is_the_same_on_cuda(layers: nn.Sequential) -> None:
    z = torch.randint(-2000, 2000, (1, 6, 20, 20)).double() / 256.0
    exact = ExactTransform(layers)
    expected = exact(z)
    assert torch.equal(exact(z.cuda()).cpu(), expected)


def test_exact_transform_refuses_weights_that_could_round(layers: nn.Sequential) -> None:
    with torch.no_grad():
        layers[2].weight[0, 0, 0, 0] = 3000.0
    with pytest.raises(fastcoder.ArgumentError, match=r"layers\[2\].weight = .*, expected < 2048"):
        ExactTransform(layers)


def test_exact_transform_rounds_what_is_no_multiple() -> None:
    """Medians of another library come as any float32; every machine rounds them alike."""
    layers = ScaleHyperprior(6, 9).hyper_synthesis
    z = torch.randn(1, 6, 3, 3, dtype=torch.float64)
    grid = (z * 1024 + 0.5).floor() / 1024
    exact = ExactTransform(layers)
    assert not torch.equal(z, grid)
    assert torch.equal(exact(z), exact(grid))


@pytest.mark.parametrize("slope", [-0.1, 1.5, float("nan")])
def test_exact_transform_refuses_slopes_that_could_round(slope: float) -> None:
    with pytest.raises(fastcoder.ArgumentError, match=r"layers\[0\].negative_slope = .*, expected"):
        ExactTransform(nn.Sequential(nn.LeakyReLU(slope)))


def test_exact_transform_refuses_other_layers() -> None:
    with pytest.raises(fastcoder.ArgumentError, match=r"layers\[0\] = Tanh, expected"):
        ExactTransform(nn.Sequential(nn.Tanh()))
