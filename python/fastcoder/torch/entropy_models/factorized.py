# SPDX-License-Identifier: Apache-2.0
"""Non-parametric density, one per channel, for latents without side information.

Source: Balle et al., "Variational image compression with a scale hyperprior", ICLR 2018,
appendix 6.1. The cumulative is c = f_K o ... o f_1 with f_k(u) = g_k(H_k u + b_k),
g_k(u) = u + a_k * tanh(u) and f_K a sigmoid; H = softplus(.) and a = tanh(.) keep it increasing.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fastcoder import CdfTable
from fastcoder._arrays import as_flag, as_integer
from fastcoder.errors import ArgumentError
from fastcoder.torch.entropy_models.base import (
    EntropyModel,
    Quantization,
    floor_likelihood,
    quantize,
)

FILTERS = (3, 3, 3)  # r_1 .. r_(K-1): K = 4 layers, r = 3; CompressAI has K = 5: (3, 3, 3, 3)
_MAX_LAYERS = 16
_MAX_WIDTH = 64
_INITIAL_SCALE = 10.0

# A median is part of the reconstruction on both sides: it is shipped as an integer multiple of
# 2^-8, which float32 and float64 both hold exactly.
MEDIAN_STEP = 2.0**-8

# Bisection starts from [-_REACH, _REACH]; a latent beyond it would need an escape of 40 bits.
_REACH = 2.0**20
_BISECTIONS = 80  # 2^21 / 2^80 is far below the spacing of float64 near any root


class EntropyBottleneck(EntropyModel):
    """Learned density per channel, by default with K = 4 layers of width r = 3.

    Args:
        channels: number of channels (axis 1 of the input), one density each.
        filters: widths between the K = len(filters) + 1 layers, 1 to 64 each, at most 15.
        fixed_medians: keep the centers of rounding as a buffer `fixed_medians`, float32[channels],
            0 at first, instead of solving for the medians of the densities. CompressAI's models
            learn theirs; they are no multiples of 2^-8.

    Example:
        >>> model = EntropyBottleneck(2)
        >>> value, likelihoods = model(torch.zeros(1, 2, 4, 4))
        >>> likelihoods.shape
        torch.Size([1, 2, 4, 4])
        >>> model.build_table().rows
        2
    """

    fixed_medians: Tensor | None

    def __init__(
        self, channels: int, filters: Sequence[int] = FILTERS, fixed_medians: bool = False
    ) -> None:
        super().__init__()
        if as_integer(channels, "channels") < 1:
            raise ArgumentError(f"channels = {channels}, expected channels >= 1")
        self.channels = channels
        self.filters = tuple(as_integer(width, "filters") for width in filters)
        if len(self.filters) >= _MAX_LAYERS:
            raise ArgumentError(f"len(filters) = {len(self.filters)}, expected < {_MAX_LAYERS}")
        for position, width in enumerate(self.filters):
            if not 1 <= width <= _MAX_WIDTH:
                raise ArgumentError(
                    f"filters[{position}] = {width}, expected 1 <= width <= {_MAX_WIDTH}"
                )
        self.matrices = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.factors = nn.ParameterList()
        scale = _INITIAL_SCALE ** (1.0 / (len(self.filters) + 1))
        widths = (1, *self.filters, 1)
        for layer, (inputs, outputs) in enumerate(pairwise(widths)):
            start = math.log(math.expm1(1.0 / (scale * outputs)))
            self.matrices.append(nn.Parameter(torch.full((channels, outputs, inputs), start)))
            self.biases.append(nn.Parameter(torch.rand(channels, outputs, 1) - 0.5))
            if layer < len(self.filters):
                self.factors.append(nn.Parameter(torch.zeros(channels, outputs, 1)))
        given = torch.zeros(channels) if as_flag(fixed_medians, "fixed_medians") else None
        self.register_buffer("fixed_medians", given)

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
            center = self.centers().to(z).reshape(shape)
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

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments that make a bottleneck like this one, but those at their default."""
        options: dict[str, Any] = {}
        if self.filters != FILTERS:
            options["filters"] = list(self.filters)
        if self.fixed_medians is not None:
            options["fixed_medians"] = True
        return options

    def centers(self) -> Tensor:
        """What latents are rounded around: float64[channels], exact, on the CPU.

        The fixed medians if there are any, else `medians()` times 2^-8.
        """
        if self.fixed_medians is not None:
            return self.fixed_medians.detach().cpu().double()
        return self.medians().double() * MEDIAN_STEP

    def build_table(self, *, precision: int = 14, tail_mass: float = 2.0**-12) -> CdfTable:
        """Builds one row per channel over round(z - center), plus an escape slot for the tails.

        Use with `centers()`: a coded symbol k of channel c stands for k + centers()[c].
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
        median = self.centers()
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
    return copy.deepcopy(model).cpu()
