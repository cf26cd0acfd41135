# SPDX-License-Identifier: Apache-2.0
"""Layers of the 2018 image codecs: generalized divisive normalization and strided convolutions.

Source: Balle, Minnen, Singh, Hwang, Johnston, "Variational image compression with a scale
hyperprior", ICLR 2018 (figure 4), and Balle, Laparra, Simoncelli, ICLR 2016, for GDN.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fastcoder.torch.ops import lower_bound

# A constrained value is stored as v with value = max(v, bound)^2 - PEDESTAL. The pedestal keeps
# the derivative 2v away from 0 when the value itself is 0.
PEDESTAL = 2.0**-36
_BETA_MINIMUM = 1e-6
BETA_BOUND = (_BETA_MINIMUM + PEDESTAL) ** 0.5
GAMMA_BOUND = PEDESTAL**0.5


class _Nonnegative(nn.Module):
    """Names the reparametrization of one parameter: a stored tensor and its lower bound."""

    def __init__(self, initial: Tensor, bound: float) -> None:
        super().__init__()
        self.stored = nn.Parameter((initial + PEDESTAL).clamp(min=PEDESTAL).sqrt())
        self.bound = bound

    def forward(self) -> Tensor:
        return lower_bound(self.stored, self.bound).square() - PEDESTAL


class GDN(nn.Module):
    """Generalized divisive normalization: u_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2).

    The sum runs over channels at one pixel; there is no spatial sum. beta >= 1e-6, gamma >= 0.
    At the start beta = 1 and gamma = 0.1 * identity.

    Args:
        channels: number of channels of the input.
        inverse: multiply by the root instead of dividing by it (IGDN).

    Example:
        >>> result = GDN(1)(torch.full((1, 1, 1, 1), 3.0))
        >>> round(result.item(), 4)  # 3 / sqrt(1 + 0.1 * 9)
        2.1764
    """

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.beta = _Nonnegative(torch.ones(channels), BETA_BOUND)
        self.gamma = _Nonnegative(0.1 * torch.eye(channels), GAMMA_BOUND)

    def forward(self, x: Tensor) -> Tensor:
        """Normalizes x of shape (N, channels, H, W); same shape and dtype out."""
        norm = functional.conv2d(x.square(), self.gamma()[:, :, None, None], self.beta())
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())


class IGDN(GDN):
    """Inverse GDN as the decoder uses it: x_i = u_i * sqrt(beta_i + sum_j gamma_ij u_j^2)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, inverse=True)


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Convolution with zero padding whose output sample 0 lies on input sample 0."""
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)


def deconv(inputs: int, outputs: int, kernel: int, stride: int = 2) -> nn.ConvTranspose2d:
    """Transposed convolution that enlarges both sides by exactly `stride` (2)."""
    return nn.ConvTranspose2d(
        inputs, outputs, kernel, stride=stride, padding=kernel // 2, output_padding=stride - 1
    )
