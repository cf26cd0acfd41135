# SPDX-License-Identifier: Apache-2.0
"""The integer hyper synthesis while it is trained: float parameters, integer results.

Parameters are kept in units of the integers that they become, so that one learning rate serves all
channels. The forward pass rounds them, and the activations, exactly as the integer network does;
the backward pass takes each rounding for the identity.

Source: Balle, Johnston, Minnen, "Integer networks for data compression with latent-variable
models", ICLR 2019, section 3.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from fastcoder import CdfTable, cost
from fastcoder.torch.integer import IntegerLayer, IntegerTransform

# Gamma(1/4) / 4 to the fourth power: exp(-_FLATNESS |t|^4) has the area of a box over [-1, 1].
_FLATNESS = (math.gamma(0.25) / 4) ** 4

# Weights start below the largest integer, so that they can grow.
_HEADROOM = 0.9

# Biases are kept below this many times the largest result, and shifts so that they fit 31 bits.
_BIAS_REACH = 8.0
_BIAS_BITS = 28

# The range of an activation is that of nearly all of its values; the rest is clipped.
_COVERED = 0.9995
_MOST_SEEN = 2**16

# Symbols farther out count as this one: they are escapes in every row.
_MOST_DISTANCE = 512


class _Activation(torch.autograd.Function):
    """clip(round(v), 0, high) ; its gradient is 1 in the middle, less to both sides."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, high: float) -> Tensor:  # noqa: ANN401 - torch's own
        ctx.save_for_backward(v)
        ctx.high = high
        return (v + 0.5).floor_().clamp_(0.0, high)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (v,) = ctx.saved_tensors
        distance = (v * (2.0 / ctx.high)).sub_(1.0).square_()
        return distance.square_().mul_(-_FLATNESS).exp_().mul_(grad), None


class _Round(torch.autograd.Function):
    """floor(v + 1/2) with the gradient of the identity."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:  # noqa: ANN401
        return (v + 0.5).floor_()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ANN401
        return grad


class _Bound(torch.autograd.Function):
    """clip(v, low, high); outside, only a gradient that leads back inside passes."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, low: float, high: float) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(v)
        ctx.limits = (low, high)
        return v.clamp(low, high)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (v,) = ctx.saved_tensors
        low, high = ctx.limits
        passes = ((v >= low) | (grad < 0)) & ((v <= high) | (grad > 0))
        return grad * passes, None, None


def activation(v: Tensor, high: float) -> Tensor:
    """Rounds and clips to [0, high]; the gradient falls smoothly to both ends (Balle's QReLU)."""
    result: Tensor = _Activation.apply(v, high)  # type: ignore[no-untyped-call]
    return result


def bound(v: Tensor, low: float, high: float) -> Tensor:
    """Clips to [low, high]; a value outside feels only what would bring it back."""
    result: Tensor = _Bound.apply(v, low, high)  # type: ignore[no-untyped-call]
    return result


def round_half_up(v: Tensor) -> Tensor:
    """floor(v + 1/2) with the gradient of the identity."""
    result: Tensor = _Round.apply(v)  # type: ignore[no-untyped-call]
    return result


class TrainedLayer(nn.Module):
    """One layer of an integer network with parameters that learn.

    Args:
        weight: float, in units of integer weights, layout of torch.
        bias: float (outputs,), in units of results (after the shift).
        shift: integer float (outputs,).
        high: largest result; the smallest is 0.
        weight_bits: 8 or 16.
        transposed: stride 2, and the weight is that of a transposed convolution.
    """

    shift: Tensor

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        shift: Tensor,
        high: int,
        weight_bits: int,
        transposed: bool,
    ) -> None:
        super().__init__()
        start = weight.detach().float().clone(memory_format=torch.channels_last)
        self.weight = nn.Parameter(start)
        self.bias = nn.Parameter(bias.detach().clone().float())
        self.register_buffer("shift", shift.detach().clone().float())
        self.high = high
        self.most = 2 ** (weight_bits - 1) - 1
        self.transposed = transposed

    def forward(self, u: Tensor) -> Tensor:
        """Integers (N, inputs, H, W) to results before rounding and clipping."""
        weight = round_half_up(bound(self.weight, -self.most, self.most))
        pad = weight.shape[-1] // 2
        if self.transposed:
            sums = functional.conv_transpose2d(u, weight, None, 2, pad, 1)
        else:
            sums = functional.conv2d(u, weight, None, 1, pad)
        unit = torch.exp2(-self.shift)
        reach = _BIAS_REACH * self.high
        bias = round_half_up(bound(self.bias, -reach, reach) / unit) * unit
        result: Tensor = sums * unit[:, None, None] + bias[:, None, None]
        return result

    @torch.no_grad()
    def export(self) -> IntegerLayer:
        """The integers that the parameters stand for now."""
        weight = (self.weight.clamp(-self.most, self.most) + 0.5).floor().cpu().numpy()
        narrow = weight.astype(np.int8) if self.most < 2**7 else weight.astype(np.int16)
        shift = self.shift.cpu().numpy().astype(np.int64)
        reach = _BIAS_REACH * self.high
        bias = self.bias.double().clamp(-reach, reach).cpu().numpy()
        outputs = len(bias)
        return IntegerLayer(
            weight=narrow,
            bias=np.floor(np.ldexp(bias, shift) + 0.5).astype(np.int32),
            shift=shift.astype(np.uint8),
            low=np.zeros(outputs, np.int32),
            high=np.full(outputs, self.high, np.int32),
            stride=2 if self.transposed else 1,
            transposed=self.transposed,
        )


class TrainedTransform(nn.Module):
    """The integer hyper synthesis with parameters that learn.

    Args:
        layers: the last one gives rows, the others activations.
        input_shift: as in IntegerTransform.
        input_limit: as in IntegerTransform.
    """

    def __init__(self, layers: list[TrainedLayer], input_shift: int, input_limit: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.input_shift = input_shift
        self.input_limit = input_limit

    @property
    def chain(self) -> list[TrainedLayer]:
        """The layers in their order."""
        return [layer for layer in self.layers if isinstance(layer, TrainedLayer)]

    def hidden(self, z: Tensor, layers: int) -> Tensor:
        """The integers behind that many layers, z in units of 2^-8."""
        u = round_half_up(z * 2.0**-self.input_shift).clamp(-self.input_limit, self.input_limit)
        u = u.contiguous(memory_format=torch.channels_last)  # a fifth of the time of backward
        for layer in self.chain[:layers]:
            u = activation(layer(u), layer.high)
        return u

    def forward(self, z: Tensor) -> Tensor:
        """Rows before rounding, in [0, rows - 1], of z in units of 2^-8."""
        last = self.chain[-1]
        result: Tensor = bound(last(self.hidden(z, len(self.layers) - 1)), 0.0, last.high)
        return result

    def export(self) -> IntegerTransform:
        """The network of integers; raises ArgumentError if a sum could be inexact."""
        layers = [layer.export() for layer in self.layers if isinstance(layer, TrainedLayer)]
        return IntegerTransform(layers, input_shift=self.input_shift, input_limit=self.input_limit)


@torch.no_grad()
def start_from(
    float_layers: nn.Sequential,
    z: Tensor,
    rows: Tensor,
    levels: int,
    *,
    weight_bits: int,
    activation_bits: int,
    input_shift: int,
    input_limit: int,
) -> TrainedTransform:
    """An integer network that does nearly what a trained float network does.

    The hidden layers are the float ones, in units in which their activations use the range of the
    integers; the last layer, which has to give rows instead of scales, is the linear map that fits
    the rows of the float network best in the mean square.

    Args:
        float_layers: transposed convolution, ReLU, transposed convolution, ReLU, convolution. A
            leaky ReLU counts as a ReLU: integers are clipped at 0.
        z: (N, C, H, W) in units of 2^-8, to see activations.
        rows: (N, M, 4 H, 4 W), the rows that the float network chooses there.
        levels: number of rows.
        weight_bits: 8 or 16.
        activation_bits: 8 or 16.
        input_shift: as in IntegerTransform.
        input_limit: as in IntegerTransform.
    """
    most = 2 ** (weight_bits - 1) - 1
    high = 2**activation_bits - 1
    unit_in = torch.full((z.shape[1],), 2.0 ** (input_shift - 8))  # what one integer stands for
    network = TrainedTransform([], input_shift, input_limit)
    activations = (z * 2.0**-8).float()
    *first, last = float_layers
    for layer in first:
        activations = layer(activations)
        if not isinstance(layer, nn.ConvTranspose2d):
            continue
        assert layer.bias is not None  # noqa: S101 - every deconvolution of ours has one
        weight = layer.weight * unit_in[:, None, None, None]
        step = weight.abs().amax((0, 2, 3)).clamp(min=1e-20) / (_HEADROOM * most)
        seen = activations.transpose(0, 1).flatten(1)[:, :_MOST_SEEN]
        largest = torch.quantile(seen, _COVERED, dim=1).clamp(min=0.0)
        shift = torch.log2((largest / (step * high)).clamp(min=1.0)).ceil()
        step = step * torch.exp2((shift - _largest_shift(high)).clamp(min=0.0))
        shift = shift.clamp(max=_largest_shift(high))
        unit_out = step * torch.exp2(shift)
        network.layers.append(
            TrainedLayer(
                weight / step[:, None, None],
                layer.bias / unit_out,
                shift,
                high,
                weight_bits,
                transposed=True,
            )
        )
        unit_in = unit_out
    last = float_layers[-1]
    assert isinstance(last, nn.Conv2d)  # noqa: S101 - see above
    hidden = network.hidden(z.float(), len(network.layers))
    weight, bias = _fitted(hidden, rows, last.kernel_size[0])
    largest = weight.abs().amax((1, 2, 3)).clamp(min=1e-20)
    shift = torch.log2(_HEADROOM * most / largest).floor().clamp(0, _largest_shift(levels - 1))
    network.layers.append(
        TrainedLayer(
            weight * torch.exp2(shift)[:, None, None, None],
            bias,
            shift,
            levels - 1,
            weight_bits,
            transposed=False,
        )
    )
    return network


def _largest_shift(high: int) -> int:
    return _BIAS_BITS - high.bit_length()


def _fitted(u: Tensor, rows: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    """Weights and biases of the convolution of u that is nearest to rows, by least squares."""
    size = u.shape[1] * kernel**2 + 1
    square = torch.zeros(size, size, dtype=torch.float64)
    product = torch.zeros(size, rows.shape[1], dtype=torch.float64)
    for image, goal in zip(u.double(), rows.double(), strict=True):
        patches = functional.unfold(image[None], kernel, padding=kernel // 2)[0]
        patches = torch.cat([patches, torch.ones(1, patches.shape[1], dtype=torch.float64)])
        square += patches @ patches.T
        product += patches @ goal.flatten(1).T
    # Channels that never fire, or always together, make the equations singular: a little more of
    # the diagonal repairs it. The constant stays free.
    more = 1e-5 * square.diagonal() + 1e-9 * square.diagonal().mean()
    more[-1] = 0.0
    square.diagonal().add_(more)
    solution = torch.linalg.solve(square, product).T.float()
    weight = solution[:, :-1].unflatten(1, (u.shape[1], kernel, kernel))
    return weight, solution[:, -1]


def rate_between_rows(rows: Tensor, y: Tensor, costs: Tensor) -> Tensor:
    """Bits of every latent, linear between the rows that exist.

    Args:
        rows: float, any shape, in [0, levels - 1].
        y: integers, same shape.
        costs: float (levels, 2 n + 1), bits of the symbols -n to n in every row.

    Returns:
        Bits, shape of rows; differentiable in rows.
    """
    reach = costs.shape[1] // 2
    levels = costs.shape[0]
    column = y.long().clamp(-reach, reach) + reach
    below = rows.detach().floor().clamp_(0, max(0, levels - 2)).long()
    flat = costs.flatten()
    place = below * costs.shape[1] + column
    lower = flat[place]
    upper = flat[place + (costs.shape[1] if levels > 1 else 0)]
    return lower + (rows - below) * (upper - lower)


def row_costs(table: CdfTable, largest: int) -> Tensor:
    """Bits of the symbols -n to n in every row: float32 (rows, 2 n + 1), n = largest or 512."""
    reach = max(1, min(largest, _MOST_DISTANCE))
    symbols = np.arange(-reach, reach + 1, dtype=np.int32)[:, None]
    row = np.empty(1, np.uint16)
    bits = np.empty((table.rows, len(symbols)), np.float32)
    for index in range(table.rows):
        row[0] = index
        bits[index] = [cost(symbol, row, table) for symbol in symbols]
    return torch.from_numpy(bits)
