# SPDX-License-Identifier: Apache-2.0
"""What entropy models share: a likelihood for training, an integer table for coding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from torch import Tensor, nn

from fastcoder import CdfTable
from fastcoder.torch.ops import add_noise, lower_bound

# Likelihoods below this are reported as this: -log2(1e-9) = 29.9 bits bounds the loss of one value.
LIKELIHOOD_MINIMUM = 1e-9

Quantization = Literal["noise", "round"]


class EntropyModel(nn.Module, ABC):
    """A probability model of integers: differentiable in training, an immutable table for coding.

    `forward` serves the loss and never touches a table; `build_table` makes the integers that the
    coder uses. There is no state between the two: nothing has to be updated or initialized.
    """

    @abstractmethod
    def build_table(self, *, precision: int = 14, tail_mass: float = 2.0**-12) -> CdfTable:
        """Quantizes the distributions, on the CPU, in float64."""

    def _mode(self) -> Quantization:
        return "noise" if self.training else "round"


def quantize(x: Tensor, mode: Quantization, center: Tensor | None = None) -> Tensor:
    """Adds noise, or rounds x - center and adds center again; keeps shape and dtype."""
    if mode == "noise":
        return add_noise(x)
    return x.round() if center is None else (x - center).round() + center


def floor_likelihood(likelihood: Tensor) -> Tensor:
    """Keeps log2 finite, with a gradient that still pulls a too small likelihood up."""
    return lower_bound(likelihood, LIKELIHOOD_MINIMUM)
