# SPDX-License-Identifier: Apache-2.0
"""Image codec with a factorized prior: one learned density per latent channel.

Source: Balle et al., "Variational image compression with a scale hyperprior", ICLR 2018 (the model
without its hyperprior); layers of figure 4.
"""

from __future__ import annotations

from torch import Tensor, nn

from fastcoder.torch.codecs.base import CodecOutput, ImageCodec, LatentMode
from fastcoder.torch.entropy_models import EntropyBottleneck
from fastcoder.torch.layers import GDN, IGDN, conv, deconv
from fastcoder.torch.ops import round_ste


def analysis_transform(channels: int, latent_channels: int) -> nn.Sequential:
    """RGB (N, 3, H, W) to latents (N, latent_channels, H / 16, W / 16)."""
    return nn.Sequential(
        conv(3, channels, 5, stride=2),
        GDN(channels),
        conv(channels, channels, 5, stride=2),
        GDN(channels),
        conv(channels, channels, 5, stride=2),
        GDN(channels),
        conv(channels, latent_channels, 5, stride=2),
    )


def synthesis_transform(channels: int, latent_channels: int) -> nn.Sequential:
    """Latents (N, latent_channels, H / 16, W / 16) to RGB (N, 3, H, W)."""
    return nn.Sequential(
        deconv(latent_channels, channels, 5),
        IGDN(channels),
        deconv(channels, channels, 5),
        IGDN(channels),
        deconv(channels, channels, 5),
        IGDN(channels),
        deconv(channels, 3, 5),
    )


class FactorizedPrior(ImageCodec):
    """The codec whose latents y have one non-parametric density per channel.

    Args:
        channels: N. The paper uses 128 for its 5 lower rates and 192 for the 3 higher ones.
        latent_channels: M. The paper uses 192 and 320.
    """

    name = "factorized-prior"
    stride = 16

    def __init__(self, channels: int = 128, latent_channels: int = 192) -> None:
        super().__init__(channels, latent_channels)
        self.analysis = analysis_transform(channels, latent_channels)
        self.synthesis = synthesis_transform(channels, latent_channels)
        self.bottleneck = EntropyBottleneck(latent_channels)

    def transform(self, x: Tensor, mode: LatentMode) -> CodecOutput:
        """Forward pass on (N, 3, H, W) with H and W multiples of 16."""
        y = self.analysis(x).float()
        value, likelihood = self.bottleneck(y, "round" if mode == "round" else "noise")
        image = self.synthesis(round_ste(y) if mode == "ste" else value)
        return CodecOutput(image, {"y": likelihood})
