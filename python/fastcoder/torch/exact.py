# SPDX-License-Identifier: Apache-2.0
"""The network between the bits of z and the rows of y, evaluated without a single rounding error.

The decoder must find the very same rows as the encoder: one wrong row ruins everything after it,
and two machines that add floats in another order do differ (1e-7 relative in float32 changes the
row of one latent in four Kodak images). Here every number is a multiple of a power of two, and
every sum of products stays below 2^53 units, so that float64 holds each partial sum exactly and
the order of additions, fused multiply-adds, threads and devices make no difference:

    weights and biases      rounded to multiples of 2^-20
    input z                 rounded to multiples of 2^-10 (a model of ours has multiples of 2^-8)
                            and clamped to +-2^12
    hidden activations      the same
    slopes of leaky ReLUs   rounded to multiples of 2^-20, applied to what is rounded already: at
                            most 2^12, so that the product needs 42 bits; then rounded once more
    products                multiples of 2^-30
    sums                    below 2^12 * 2^11 = 2^23, if sum |w| + |b| < 2^11 for each output

The last condition is checked once. Winograd and FFT kernels would break the argument (they multiply
by fractions), so cuDNN is switched off inside; oneDNN, on CPUs, does not take float64. What is left
is im2col and a matrix product.
"""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn

from fastcoder.errors import ArgumentError

_WEIGHT_UNIT = 2.0**-20
_ACTIVATION_UNIT = 2.0**-10
_ACTIVATION_LIMIT = 2.0**12
_WEIGHT_SUM_LIMIT = 2.0**11


class ExactTransform:
    """A frozen copy of convolutions and (leaky) ReLUs with exact arithmetic in float64.

    Args:
        layers: Conv2d, ConvTranspose2d, ReLU and LeakyReLU modules. Their weights are rounded to
            multiples of 2^-20 in the copy.

    Raises:
        ArgumentError: the weights of an output channel are too large for exact sums.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        self._layers: list[nn.Module] = []
        for position, layer in enumerate(layers):
            if not isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.ReLU, nn.LeakyReLU)):
                raise ArgumentError(
                    f"layers[{position}] = {type(layer).__name__}, expected a convolution or ReLU"
                )
            if isinstance(layer, nn.LeakyReLU) and not 0.0 <= layer.negative_slope <= 1.0:
                raise ArgumentError(
                    f"layers[{position}].negative_slope = {layer.negative_slope}, "
                    "expected 0 <= slope <= 1"
                )
            self._layers.append(_on_grid(layer, position))

    @torch.no_grad()
    def __call__(self, z: Tensor) -> Tensor:
        """Evaluates the layers.

        Args:
            z: float64 (N, C, H, W), the same numbers on every machine.

        Returns:
            float64 (N, C', H', W') on z's device (on the CPU if that device has no float64): the
            same numbers on every machine.
        """
        device = z.device if z.device.type in ("cpu", "cuda") else torch.device("cpu")
        x = _rounded(z.to(device, torch.float64)).clamp_(-_ACTIVATION_LIMIT, _ACTIVATION_LIMIT)
        with torch.autocast(device.type, enabled=False), _plain_kernels(device):
            for layer in self._layers:
                if isinstance(layer, nn.ReLU):
                    x = _rounded(x).clamp_(0.0, _ACTIVATION_LIMIT)
                elif isinstance(layer, nn.LeakyReLU):
                    x = _rounded(x).clamp_(-_ACTIVATION_LIMIT, _ACTIVATION_LIMIT)
                    slope = round(layer.negative_slope / _WEIGHT_UNIT) * _WEIGHT_UNIT
                    x = torch.where(x < 0.0, _rounded(x * slope), x)
                else:
                    x = layer.to(device)(x)
        return x


def _rounded(x: Tensor) -> Tensor:
    """Multiples of 2^-10, halves upwards."""
    return (x * (1.0 / _ACTIVATION_UNIT) + 0.5).floor_().mul_(_ACTIVATION_UNIT)


def _plain_kernels(device: torch.device) -> contextlib.AbstractContextManager[None]:
    if device.type == "cuda":
        return torch.backends.cudnn.flags(enabled=False)
    return contextlib.nullcontext()


def _on_grid(layer: nn.Module, position: int) -> nn.Module:
    if isinstance(layer, (nn.ReLU, nn.LeakyReLU)):
        return layer
    if isinstance(layer, nn.ConvTranspose2d):
        copy: nn.Conv2d | nn.ConvTranspose2d = nn.ConvTranspose2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            layer.output_padding,  # type: ignore[arg-type]
            dtype=torch.float64,
            device="meta",  # takes no random numbers
        ).to_empty(device="cpu")
        summed = (0, 2, 3)  # the weights of a transposed convolution are (inputs, outputs, ...)
    elif isinstance(layer, nn.Conv2d):
        copy = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            dtype=torch.float64,
            device="meta",  # takes no random numbers
        ).to_empty(device="cpu")
        summed = (1, 2, 3)
    else:
        raise ArgumentError(f"layers[{position}] = {type(layer).__name__}, expected a convolution")
    if layer.bias is None or copy.bias is None:
        raise ArgumentError(f"layers[{position}].bias = None, expected a bias")
    with torch.no_grad():
        for source, target in ((layer.weight, copy.weight), (layer.bias, copy.bias)):
            steps = (source.detach().cpu().double() / _WEIGHT_UNIT).round()
            target.copy_(steps * _WEIGHT_UNIT)
        largest = float((copy.weight.abs().sum(summed) + copy.bias.abs()).max())
    if not largest < _WEIGHT_SUM_LIMIT:  # NaN too
        raise ArgumentError(
            f"layers[{position}].weight = {largest} in sum over one output, "
            f"expected < {_WEIGHT_SUM_LIMIT}"
        )
    return copy.requires_grad_(False)
