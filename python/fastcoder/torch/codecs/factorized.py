# SPDX-License-Identifier: Apache-2.0
"""Image codec with a factorized prior: one learned density per latent channel.

Source: Balle et al., "Variational image compression with a scale hyperprior", ICLR 2018 (the model
without its hyperprior); layers of figure 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from torch import Tensor, nn

from fastcoder import Decoder
from fastcoder.errors import ArgumentError
from fastcoder.torch.arrays import to_device, to_symbols
from fastcoder.torch.codecs.base import (
    CodecOutput,
    Frozen,
    LatentMode,
    rounded_latents,
)
from fastcoder.torch.codecs.compressai import CheckpointCodec, bottleneck_options
from fastcoder.torch.codecs.latents import (
    CodecTables,
    CodedParts,
    LatentPart,
    Latents,
    centers,
    channel_indexes,
    table_medians,
)
from fastcoder.torch.entropy_models import EntropyBottleneck
from fastcoder.torch.entropy_models.factorized import FILTERS
from fastcoder.torch.exact import ExactTransform
from fastcoder.torch.layers import GDN, IGDN, conv, deconv
from fastcoder.torch.ops import round_ste

Activation = Literal["gdn", "relu"]


def analysis_transform(
    channels: int, latent_channels: int, activation: Activation = "gdn"
) -> nn.Sequential:
    """RGB (N, 3, H, W) to latents (N, latent_channels, H / 16, W / 16)."""
    kind: Callable[[], nn.Module] = nn.ReLU if activation == "relu" else lambda: GDN(channels)
    return nn.Sequential(
        conv(3, channels, 5, stride=2),
        kind(),
        conv(channels, channels, 5, stride=2),
        kind(),
        conv(channels, channels, 5, stride=2),
        kind(),
        conv(channels, latent_channels, 5, stride=2),
    )


def synthesis_transform(
    channels: int, latent_channels: int, activation: Activation = "gdn"
) -> nn.Sequential:
    """Latents (N, latent_channels, H / 16, W / 16) to RGB (N, 3, H, W)."""
    kind: Callable[[], nn.Module] = nn.ReLU if activation == "relu" else lambda: IGDN(channels)
    return nn.Sequential(
        deconv(latent_channels, channels, 5),
        kind(),
        deconv(channels, channels, 5),
        kind(),
        deconv(channels, channels, 5),
        kind(),
        deconv(channels, 3, 5),
    )


class FactorizedPrior(CheckpointCodec):
    """The codec whose latents y have one non-parametric density per channel.

    Args:
        channels: N. The paper uses 128 for its 5 lower rates and 192 for the 3 higher ones.
        latent_channels: M. The paper uses 192 and 320.
        activation: "gdn" as in the paper, or "relu", which is a little worse and much simpler.
        filters: widths of the density's layers, see `EntropyBottleneck`.
        fixed_medians: see `EntropyBottleneck`.

    Example:
        >>> import torch
        >>> codec = FactorizedPrior(8, 12)  # random weights: any image survives, badly
        >>> data = codec.compress(torch.rand(3, 50, 70))
        >>> codec.decompress(data).shape
        torch.Size([3, 50, 70])
    """

    name = "factorized-prior"
    stride = 16

    def __init__(
        self,
        channels: int = 128,
        latent_channels: int = 192,
        activation: Activation = "gdn",
        filters: Sequence[int] = FILTERS,
        fixed_medians: bool = False,
    ) -> None:
        super().__init__(channels, latent_channels)
        if activation not in get_args(Activation):
            raise ArgumentError(f"activation = {activation!r}, expected 'gdn' or 'relu'")
        self.activation = activation
        self.analysis = analysis_transform(channels, latent_channels, activation)
        self.synthesis = synthesis_transform(channels, latent_channels, activation)
        self.bottleneck = EntropyBottleneck(latent_channels, filters, fixed_medians)

    @classmethod
    def _options_of(cls, entries: Mapping[str, Tensor]) -> dict[str, Any]:
        normalized = any(name.startswith("g_a.1.") for name in entries)
        return {
            "activation": "gdn" if normalized else "relu",
            **bottleneck_options(entries),
        }

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
            medians=table_medians(self.bottleneck),
        )

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments that make a codec like this one, without those at their default."""
        own = {} if self.activation == "gdn" else {"activation": self.activation}
        return {**own, **self.bottleneck.options}

    def _exact_transform(self, tables: CodecTables) -> ExactTransform | None:
        return None

    def _analyze(self, x: Tensor, frozen: Frozen) -> CodedParts:
        y = self.analysis(x)
        symbols = to_symbols(rounded_latents(y - centers(frozen.tables, y))[0])
        table = frozen.tables.bottleneck
        return CodedParts((LatentPart("y", symbols, channel_indexes(symbols.shape), table),))

    def _pull(self, decoder: Decoder, height: int, width: int, frozen: Frozen) -> CodedParts:
        shape = (self.latent_channels, height // self.stride, width // self.stride)
        indexes = channel_indexes(shape)
        table = frozen.tables.bottleneck
        symbols = decoder.pull(indexes, table, dtype=np.int16)
        return CodedParts((LatentPart("y", symbols, indexes, table),))

    def _synthesize(self, latents: Latents, frozen: Frozen) -> Tensor:
        y = to_device(latents.part("y").symbols, self._device)[None].float()
        image: Tensor = self.synthesis(y + centers(frozen.tables, y))
        return image
