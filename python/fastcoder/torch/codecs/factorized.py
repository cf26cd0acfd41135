# SPDX-License-Identifier: Apache-2.0
"""Image codec with a factorized prior: one learned density per latent channel.

Source: Balle et al., "Variational image compression with a scale hyperprior", ICLR 2018 (the model
without its hyperprior); layers of figure 4.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from fastcoder import Decoder
from fastcoder.torch.arrays import to_device, to_symbols
from fastcoder.torch.codecs.base import (
    CodecOutput,
    Frozen,
    ImageCodec,
    LatentMode,
    rounded_latents,
)
from fastcoder.torch.codecs.latents import CodecTables, LatentPart, Latents, channel_indexes
from fastcoder.torch.entropy_models import EntropyBottleneck
from fastcoder.torch.entropy_models.factorized import MEDIAN_STEP
from fastcoder.torch.exact import ExactTransform
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

    Example:
        >>> import torch
        >>> codec = FactorizedPrior(8, 12)  # random weights: any image survives, badly
        >>> data = codec.compress(torch.rand(3, 50, 70))
        >>> codec.decompress(data).shape
        torch.Size([3, 50, 70])
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

    @property
    def bottleneck_channels(self) -> int:
        """Number of rows of the factorized table."""
        return self.latent_channels

    def build_tables(self, *, precision: int = 14, tail_mass: float = 2.0**-12) -> CodecTables:
        """Quantizes the densities of all channels to integers, on the CPU."""
        return CodecTables(
            bottleneck=self.bottleneck.build_table(precision=precision, tail_mass=tail_mass),
            medians=self.bottleneck.medians().numpy(),
        )

    def _exact_transform(self) -> ExactTransform | None:
        return None

    def _analyze(self, x: Tensor, frozen: Frozen) -> tuple[tuple[LatentPart, ...], Tensor | None]:
        y = self.analysis(x)
        symbols = to_symbols(rounded_latents(y - centers(frozen.tables, y))[0])
        table = frozen.tables.bottleneck
        return (LatentPart("y", symbols, channel_indexes(symbols.shape), table),), None

    def _pull(
        self, decoder: Decoder, height: int, width: int, frozen: Frozen
    ) -> tuple[tuple[LatentPart, ...], Tensor | None]:
        shape = (self.latent_channels, height // self.stride, width // self.stride)
        indexes = channel_indexes(shape)
        table = frozen.tables.bottleneck
        symbols = decoder.pull(indexes, table, dtype=np.int16)
        return (LatentPart("y", symbols, indexes, table),), None

    def _synthesize(self, latents: Latents, frozen: Frozen) -> Tensor:
        y = to_device(latents.part("y").symbols, self._device)[None].float()
        image: Tensor = self.synthesis(y + centers(frozen.tables, y))
        return image


def centers(tables: CodecTables, like: Tensor) -> Tensor:
    """The medians as exact numbers (1, channels, 1, 1), dtype and device of `like`."""
    medians = torch.from_numpy(tables.medians).to(like.device, like.dtype)
    return (medians * MEDIAN_STEP)[None, :, None, None]
