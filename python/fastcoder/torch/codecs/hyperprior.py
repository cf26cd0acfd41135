# SPDX-License-Identifier: Apache-2.0
"""Image codec with a scale hyperprior: side information z tells the scale of every latent y.

Source: Balle et al., "Variational image compression with a scale hyperprior", ICLR 2018, figure 4.
"""

from __future__ import annotations

from torch import Tensor, nn

from fastcoder.torch.codecs.base import CodecOutput, ImageCodec, LatentMode
from fastcoder.torch.codecs.factorized import analysis_transform, synthesis_transform
from fastcoder.torch.entropy_models import EntropyBottleneck, GaussianConditional
from fastcoder.torch.layers import conv, deconv
from fastcoder.torch.ops import round_ste

SCALE_MINIMUM = 0.11


class ScaleHyperprior(ImageCodec):
    """The codec whose latents y are Gaussian with scales that are sent as side information.

    The last layer of the hyper synthesis has no activation: its output is bounded below by the
    smallest scale. The values are those of the paper's ReLU followed by the same bound, but the
    gradient does not die at 0.

    Args:
        channels: N. The paper uses 128 for its 5 lower rates and 192 for the 3 higher ones.
        latent_channels: M. The paper uses 192 and 320.
    """

    name = "scale-hyperprior"
    stride = 64

    def __init__(self, channels: int = 128, latent_channels: int = 192) -> None:
        super().__init__(channels, latent_channels)
        self.analysis = analysis_transform(channels, latent_channels)
        self.synthesis = synthesis_transform(channels, latent_channels)
        self.hyper_analysis = nn.Sequential(
            conv(latent_channels, channels, 3),
            nn.ReLU(),
            conv(channels, channels, 5, stride=2),
            nn.ReLU(),
            conv(channels, channels, 5, stride=2),
        )
        self.hyper_synthesis = nn.Sequential(
            deconv(channels, channels, 5),
            nn.ReLU(),
            deconv(channels, channels, 5),
            nn.ReLU(),
            conv(channels, latent_channels, 3),
        )
        self.bottleneck = EntropyBottleneck(channels)
        self.gaussian = GaussianConditional((SCALE_MINIMUM,))

    def transform(self, x: Tensor, mode: LatentMode) -> CodecOutput:
        """Forward pass on (N, 3, H, W) with H and W multiples of 64."""
        quantization = "round" if mode == "round" else "noise"
        y = self.analysis(x)
        z = self.hyper_analysis(y.abs()).float()
        z_value, z_likelihood = self.bottleneck(z, quantization)
        sigma = self.hyper_synthesis(z_value).float()
        y = y.float()
        y_value, y_likelihood = self.gaussian(y, sigma, quantization)
        image = self.synthesis(round_ste(y) if mode == "ste" else y_value)
        return CodecOutput(image, {"y": y_likelihood, "z": z_likelihood})
