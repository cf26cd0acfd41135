# SPDX-License-Identifier: Apache-2.0
"""Non-parametric density, one per channel, for latents without side information.

Source: Balle et al., "Variational image compression with a scale hyperprior", ICLR 2018,
appendix 6.1. The cumulative is c = f_K o ... o f_1 with f_k(u) = g_k(H_k u + b_k),
g_k(u) = u + a_k * tanh(u) and f_K a sigmoid; H = softplus(.) and a = tanh(.) keep it increasing.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from fastcoder import CdfTable
from fastcoder._arrays import as_integer
from fastcoder.errors import ArgumentError
from fastcoder.torch.entropy_models.base import (
    EntropyModel,
    Quantization,
    floor_likelihood,
    quantize,
)

_WIDTHS = (1, 3, 3, 3, 1)  # K = 4 layers, r = 3
_INITIAL_SCALE = 10.0

# A median is part of the reconstruction on both sides: it is shipped as an integer multiple of
# 2^-8, which float32 and float64 both hold exactly.
MEDIAN_STEP = 2.0**-8

# Bisection starts from [-_REACH, _REACH]; a latent beyond it would need an escape of 40 bits.
_REACH = 2.0**20
_BISECTIONS = 80  # 2^21 / 2^80 is far below the spacing of float64 near any root


class EntropyBottleneck(EntropyModel):
    """Learned density per channel with K = 4 layers of width r = 3.

    Args:
        channels: number of channels (axis 1 of the input), one density each.

    Example:
        >>> model = EntropyBottleneck(2)
        >>> value, likelihoods = model(torch.zeros(1, 2, 4, 4))
        >>> likelihoods.shape
        torch.Size([1, 2, 4, 4])
        >>> model.build_table().rows
        2
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if as_integer(channels, "channels") < 1:
            raise ArgumentError(f"channels = {channels}, expected channels >= 1")
        self.channels = channels
        self.matrices = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.factors = nn.ParameterList()
        scale = _INITIAL_SCALE ** (1.0 / (len(_WIDTHS) - 1))
        for inputs, outputs in pairwise(_WIDTHS):
            start = math.log(math.expm1(1.0 / (scale * outputs)))
            self.matrices.append(nn.Parameter(torch.full((channels, outputs, inputs), start)))
            self.biases.append(nn.Parameter(torch.rand(channels, outputs, 1) - 0.5))
            if outputs != 1:
                self.factors.append(nn.Parameter(torch.zeros(channels, outputs, 1)))

    def forward(self, z: Tensor, quantization: Quantization | None = None) -> tuple[Tensor, Tensor]:
        """Quantizes z and gives the probability of the result.

        Args:
            z: latents (N, channels, ...).
            quantization: "noise" or "round"; by default noise while training, else rounding
                around the medians.

        Returns:
            (noisy or rounded z, likelihoods in [1e-9, 1]), both of z's shape.
        """
        mode = quantization or self._mode()
        center = None
        if mode == "round":
            shape = (1, self.channels) + (1,) * (z.dim() - 2)
            center = (self.medians().to(z) * MEDIAN_STEP).reshape(shape)
        value = quantize(z, mode, center)
        return value, self.likelihood(value)

    def likelihood(self, value: Tensor) -> Tensor:
        """Probability of the unit interval around each value (N, channels, ...), at least 1e-9."""
        rows = value.transpose(0, 1).reshape(self.channels, 1, -1)
        lower = self.logits(rows - 0.5)
        upper = self.logits(rows + 0.5)
        likelihood = floor_likelihood(interval_probability(lower, upper))
        return likelihood.reshape(value.transpose(0, 1).shape).transpose(0, 1)

    def logits(self, x: Tensor) -> Tensor:
        """logit(c(x)) for x of shape (channels, 1, n), in x's dtype; increasing along n."""
        for layer, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = torch.matmul(functional.softplus(matrix.to(x.dtype)), x) + bias.to(x.dtype)
            if layer < len(self.factors):
                x = x + torch.tanh(self.factors[layer].to(x.dtype)) * torch.tanh(x)
        return x

    @torch.no_grad()
    def quantiles(self, targets: Tensor) -> Tensor:
        """Solves logit(c(q)) = target by bisection in float64.

        Args:
            targets: logits, float64[n].

        Returns:
            float64[channels, n] on the CPU.

        Raises:
            ArgumentError: a density puts so much mass far away that q is outside +-2^20.
        """
        cpu = self if self.matrices[0].device.type == "cpu" else _on_cpu(self)
        goal = targets.to("cpu", torch.float64).expand(self.channels, 1, -1)
        low = torch.full(goal.shape, -_REACH, dtype=torch.float64)
        high = -low
        if bool((cpu.logits(low) > goal).any()) or bool((cpu.logits(high) < goal).any()):
            raise ArgumentError("quantiles = outside, expected -2**20 < quantile < 2**20")
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            below = cpu.logits(middle) < goal
            low = torch.where(below, middle, low)
            high = torch.where(below, high, middle)
        return (0.5 * (low + high)).squeeze(1)

    def medians(self) -> Tensor:
        """Median of each channel in units of 2^-8: int32[channels], on the CPU."""
        median = self.quantiles(torch.zeros(1, dtype=torch.float64))[:, 0]
        return (median / MEDIAN_STEP).round().to(torch.int32)

    def build_table(self, *, precision: int = 14, tail_mass: float = 2.0**-12) -> CdfTable:
        """Builds one row per channel over round(z - median), plus an escape slot for the tails.

        Use with `medians()`: a coded symbol k of channel c stands for k + medians()[c] * 2^-8.
        """
        rows, offsets = self.pmf_rows(tail_mass)
        return CdfTable.from_pmf(rows, offsets, precision=precision, escape=True)

    @torch.no_grad()
    def pmf_rows(self, tail_mass: float) -> tuple[list[list[float]], list[int]]:
        """Probabilities of the symbols of each channel, float64, and the smallest symbol of each.

        A row covers the quantiles tail_mass/2 and 1 - tail_mass/2; its sum is below 1 by the mass
        that goes to the escape slot.
        """
        if not 0.0 < tail_mass < 1.0:
            raise ArgumentError(f"tail_mass = {tail_mass}, expected 0 < tail_mass < 1")
        edge = math.log(2.0 / tail_mass - 1.0)
        tails = self.quantiles(torch.tensor([-edge, edge], dtype=torch.float64))
        median = self.medians().to(torch.float64) * MEDIAN_STEP
        first = (tails[:, 0] - median).floor().clamp(max=0.0)
        last = (tails[:, 1] - median).ceil().clamp(min=0.0)
        cpu = self if self.matrices[0].device.type == "cpu" else _on_cpu(self)
        rows: list[list[float]] = []
        span = int((last - first).max()) + 1
        values = (median + first)[:, None, None] + torch.arange(span, dtype=torch.float64)
        pmf = interval_probability(cpu.logits(values - 0.5), cpu.logits(values + 0.5))[:, 0]
        for channel, length in enumerate((last - first + 1).to(torch.int64).tolist()):
            rows.append(pmf[channel, :length].tolist())
        return rows, first.to(torch.int64).tolist()


def interval_probability(lower: Tensor, upper: Tensor) -> Tensor:
    """sigmoid(upper) - sigmoid(lower), computed where the sigmoids are small.

    Right of the median both sigmoids are near 1 and their difference cancels (float32 gives 0 from
    a logit of 17 on). Flipping both signs moves the pair to the left tail.
    """
    sign = torch.where(lower + upper > 0, -1.0, 1.0).to(lower.dtype)
    return (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs()


def _on_cpu(model: EntropyBottleneck) -> EntropyBottleneck:
    copy = EntropyBottleneck(model.channels)
    copy.load_state_dict({name: value.cpu() for name, value in model.state_dict().items()})
    return copy
