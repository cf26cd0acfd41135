# SPDX-License-Identifier: Apache-2.0
"""Gaussian conditional model: one scale per value, quantized to the rows of a table.

Source: Balle et al., "Variational image compression with a scale hyperprior", ICLR 2018,
sections 2 and 3: a Gaussian convolved with the unit uniform distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fastcoder import CdfTable
from fastcoder._arrays import as_float, as_floats
from fastcoder.errors import ArgumentError
from fastcoder.torch.entropy_models.base import (
    EntropyModel,
    Quantization,
    floor_likelihood,
    quantize,
)
from fastcoder.torch.ops import lower_bound

_INVERSE_ROOT_2 = 1.0 / math.sqrt(2.0)


class GaussianConditional(EntropyModel):
    """p(v) = Phi((v + 1/2) / sigma) - Phi((v - 1/2) / sigma), v relative to the mean, if any.

    Args:
        scales: increasing positive standard deviations, one per row of the table.
        scale_bound: lower bound of every sigma, by default scales[0].

    Example:
        >>> model = GaussianConditional([0.5, 1.0, 2.0]).eval()
        >>> value, likelihoods = model(torch.tensor([0.2]), torch.tensor([1.0]))
        >>> value.item(), round(likelihoods.item(), 4)  # Phi(0.5) - Phi(-0.5)
        (0.0, 0.3829)

    Raises:
        ArgumentTypeError: scales or scale_bound are no numbers.
        ArgumentError: scales are empty, not positive, not finite or not increasing, or the bound
            is not positive and finite.
    """

    def __init__(self, scales: Sequence[float], scale_bound: float | None = None) -> None:
        super().__init__()
        array = as_floats(scales, "scales")
        if array.ndim != 1:
            raise ArgumentError(f"scales.ndim = {array.ndim}, expected 1")
        values = array.tolist()
        if not values:
            raise ArgumentError("scales = [], expected at least one scale")
        for position, scale in enumerate(values):
            previous = values[position - 1] if position else 0.0
            if not previous < scale < math.inf:
                raise ArgumentError(
                    f"scales[{position}] = {scale}, expected {previous} < scale < inf"
                )
        bound = values[0] if scale_bound is None else as_float(scale_bound, "scale_bound")
        if not 0.0 < bound < math.inf:
            raise ArgumentError(f"scale_bound = {bound}, expected 0 < scale_bound < inf")
        self.scales = tuple(values)
        self.scale_bound = bound

    def forward(
        self,
        y: Tensor,
        sigma: Tensor,
        quantization: Quantization | None = None,
        mean: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Quantizes y and gives the probability of the result.

        Args:
            y: latents, any shape.
            sigma: standard deviations, same shape; values below the bound count as the bound.
            quantization: "noise" or "round"; by default noise while training, else rounding
                around the mean.
            mean: centers of the Gaussians, same shape; None means 0.

        Returns:
            (noisy or rounded y, likelihoods in [1e-9, 1]), both of y's shape.
        """
        value = quantize(y, quantization or self._mode(), mean)
        return value, self.likelihood(value if mean is None else value - mean, sigma)

    def likelihood(self, value: Tensor, sigma: Tensor) -> Tensor:
        """Probability of the unit interval around each value - mean, at least 1e-9, any shape.

        Both tails are taken on the left, where the difference of two erfc does not cancel.
        """
        scale = _INVERSE_ROOT_2 / lower_bound(sigma, self.scale_bound)
        distance = value.abs()
        upper = torch.erfc((distance - 0.5) * scale)
        lower = torch.erfc((distance + 0.5) * scale)
        return floor_likelihood(0.5 * (upper - lower))

    def build_table(self, *, precision: int = 14, tail_mass: float = 2.0**-12) -> CdfTable:
        """Builds one row per scale, -c..c with tail_mass outside, plus an escape slot."""
        return CdfTable.gaussian(self.scales, precision=precision, tail_mass=tail_mass)
