# SPDX-License-Identifier: Apache-2.0
"""Image codec with a scale hyperprior: side information z tells the scale of every latent y.

Source: Balle et al., "Variational image compression with a scale hyperprior", ICLR 2018, figure 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fastcoder import CdfTable, Decoder, scale_table
from fastcoder.errors import ArgumentError
from fastcoder.torch.arrays import to_array, to_device, to_symbols
from fastcoder.torch.codecs.base import CodecOutput, Frozen, LatentMode, rounded_latents
from fastcoder.torch.codecs.compressai import (
    CheckpointCodec,
    bottleneck_options,
    gaussian_options,
)
from fastcoder.torch.codecs.factorized import analysis_transform, synthesis_transform
from fastcoder.torch.codecs.latents import (
    CodecTables,
    CodedParts,
    LatentPart,
    Latents,
    centers,
    channel_indexes,
    table_medians,
)
from fastcoder.torch.entropy_models import EntropyBottleneck, GaussianConditional
from fastcoder.torch.entropy_models.factorized import FILTERS
from fastcoder.torch.exact import ExactTransform
from fastcoder.torch.integer import INPUT_UNIT, IntegerTransform
from fastcoder.torch.layers import conv, deconv
from fastcoder.torch.ops import round_ste
from fastcoder.torch.scales import scale_indexes

_Z_STRIDE = 64
_Y_STRIDE = 16


class ScaleHyperprior(CheckpointCodec):
    """The codec whose latents y are Gaussian with scales that are sent as side information.

    The last layer of the hyper synthesis has no activation: its output is bounded below by the
    smallest scale. The values are those of the paper's ReLU followed by the same bound, but the
    gradient does not die at 0.

    Args:
        channels: N. The paper uses 128 for its 5 lower rates and 192 for the 3 higher ones.
        latent_channels: M. The paper uses 192 and 320.
        scales: standard deviations that have a row in the table; by default
            `fastcoder.scale_table()`.
        scale_bound: lower bound of every sigma, by default the smallest scale.
        filters: widths of the layers of z's density, see `EntropyBottleneck`.
        fixed_medians: see `EntropyBottleneck`.

    Example:
        >>> import torch
        >>> codec = ScaleHyperprior(8, 12)  # random weights: any image survives, badly
        >>> data = codec.compress(torch.rand(3, 50, 70))
        >>> codec.decompress(data).shape
        torch.Size([3, 50, 70])
    """

    name = "scale-hyperprior"
    stride = _Z_STRIDE

    def __init__(
        self,
        channels: int = 128,
        latent_channels: int = 192,
        scales: Sequence[float] | None = None,
        scale_bound: float | None = None,
        filters: Sequence[int] = FILTERS,
        fixed_medians: bool = False,
    ) -> None:
        super().__init__(channels, latent_channels)
        self.analysis = analysis_transform(channels, latent_channels)
        self.synthesis = synthesis_transform(channels, latent_channels)
        self.hyper_analysis, self.hyper_synthesis = self._hyper_transforms()
        self.bottleneck = EntropyBottleneck(channels, filters, fixed_medians)
        self.gaussian = GaussianConditional(
            scale_table().tolist() if scales is None else scales, scale_bound
        )

    @classmethod
    def _options_of(cls, entries: Mapping[str, Tensor]) -> dict[str, Any]:
        return {**bottleneck_options(entries), **gaussian_options(entries)}

    # ---- what a codec with means has otherwise ---------------------------------------------------

    def _hyper_transforms(self) -> tuple[nn.Sequential, nn.Sequential]:
        """The networks from `hyper_input` to z and from z to `parameters`."""
        channels, latent_channels = self.channels, self.latent_channels
        analysis = nn.Sequential(
            conv(latent_channels, channels, 3),
            nn.ReLU(),
            conv(channels, channels, 5, stride=2),
            nn.ReLU(),
            conv(channels, channels, 5, stride=2),
        )
        synthesis = nn.Sequential(
            deconv(channels, channels, 5),
            nn.ReLU(),
            deconv(channels, channels, 5),
            nn.ReLU(),
            conv(channels, latent_channels, 3),
        )
        return analysis, synthesis

    def hyper_input(self, y: Tensor) -> Tensor:
        """What the hyper analysis sees of y: its magnitude, which is all that tells a scale."""
        return y.abs()

    def parameters_of_y(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scales (not yet bounded) and means of y for a rounded or noisy z, float32.

        The float network, as in training. The rows of coded latents come from its exact version.
        """
        return self.hyper_synthesis(z).float(), None

    def scale_network(self) -> nn.Sequential:
        """The part of the hyper synthesis that gives the scales."""
        return self.hyper_synthesis

    # ---- coding ----------------------------------------------------------------------------------

    def transform(self, x: Tensor, mode: LatentMode) -> CodecOutput:
        """Forward pass on (N, 3, H, W) with H and W multiples of 64."""
        quantization = "round" if mode == "round" else "noise"
        y = self.analysis(x)
        z = self.hyper_analysis(self.hyper_input(y)).float()
        z_value, z_likelihood = self.bottleneck(z, quantization)
        sigma, mean = self.parameters_of_y(z_value)
        y = y.float()
        y_value, y_likelihood = self.gaussian(y, sigma, quantization, mean)
        if mode == "ste":
            y_value = round_ste(y) if mean is None else round_ste(y - mean) + mean
        return CodecOutput(self.synthesis(y_value), {"y": y_likelihood, "z": z_likelihood})

    @property
    def bottleneck_channels(self) -> int:
        """Number of rows of the factorized table."""
        return self.channels

    def build_tables(self, *, precision: int = 14, tail_mass: float = 2.0**-12) -> CodecTables:
        """Quantizes the densities of z and one Gaussian per scale to integers, on the CPU."""
        return CodecTables(
            bottleneck=self.bottleneck.build_table(precision=precision, tail_mass=tail_mass),
            medians=table_medians(self.bottleneck),
            gaussian=self.gaussian.build_table(precision=precision, tail_mass=tail_mass),
            scales=np.array(self.gaussian.scales),
        )

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments that make a codec like this one, without those at their default."""
        options = self.bottleneck.options
        scales = list(self.gaussian.scales)
        if scales != scale_table().tolist():
            options["scales"] = scales
        if self.gaussian.scale_bound != scales[0]:
            options["scale_bound"] = self.gaussian.scale_bound
        return options

    def _exact_transform(self, tables: CodecTables) -> ExactTransform | IntegerTransform:
        network = tables.hyper
        if network is None:
            return ExactTransform(self.scale_network())
        found = (network.inputs, network.outputs, network.scale)
        wanted = (self.channels, self.latent_channels, _Z_STRIDE / _Y_STRIDE)
        if found != wanted:
            raise ArgumentError(
                f"tables.hyper: inputs, outputs, scale = {found}, expected {wanted}"
            )
        last = network.layers[-1]
        if int(last.low.min()) < 0 or int(last.high.max()) >= len(tables.scales):
            raise ArgumentError(
                f"tables.hyper: rows {last.low.min()} to {last.high.max()}, "
                f"expected 0 to {len(tables.scales) - 1}"
            )
        return network

    def _analyze(self, x: Tensor, frozen: Frozen) -> CodedParts:
        y = self.analysis(x)
        z = self.hyper_analysis(self.hyper_input(y))
        z_symbols = to_symbols(rounded_latents(z - centers(frozen.tables, z))[0])
        z_part = self._z_part(z_symbols, frozen)
        sigma, indexes = self._rows(z_symbols, frozen)
        mean = self._means(z_symbols, frozen)
        y_symbols = to_symbols(rounded_latents(y if mean is None else y - mean)[0])
        return CodedParts((z_part, self._y_part(y_symbols, indexes, frozen)), sigma, mean)

    def _pull(self, decoder: Decoder, height: int, width: int, frozen: Frozen) -> CodedParts:
        shape = (self.channels, height // _Z_STRIDE, width // _Z_STRIDE)
        z_symbols = decoder.pull(channel_indexes(shape), frozen.tables.bottleneck, dtype=np.int16)
        z_part = self._z_part(z_symbols, frozen)
        sigma, indexes = self._rows(z_symbols, frozen)
        y_symbols = decoder.pull(indexes, _gaussian_table(frozen), dtype=np.int16)
        mean = self._means(z_symbols, frozen)
        return CodedParts((z_part, self._y_part(y_symbols, indexes, frozen)), sigma, mean)

    def _means(self, z_symbols: NDArray[np.int16], frozen: Frozen) -> Tensor | None:
        """The means of y, (M, H, W) on the model's device, or None in a codec without."""
        return None

    def _rows(
        self, z_symbols: NDArray[np.int16], frozen: Frozen
    ) -> tuple[Tensor, NDArray[np.uint8] | NDArray[np.uint16]]:
        """From the integers of z to sigma and the rows of y: exact, the same on every machine.

        An integer network gives the rows themselves. With the float network a difference between
        two machines would need a sum that is not exact (see exact.py) or a comparison of equal
        float64 numbers that comes out differently.
        """
        scales = frozen.tables.scales
        z = to_device(z_symbols, self._device)[None].double()
        if isinstance(frozen.exact, IntegerTransform):
            rows = frozen.exact((z + centers(frozen.tables, z)) / INPUT_UNIT)[0]
            narrow = torch.uint8 if len(scales) <= 256 else torch.uint16
            indexes = to_array(rows.to(narrow))
            return torch.from_numpy(scales[indexes]), indexes
        exact = cast("ExactTransform", frozen.exact)
        bound = max(self.gaussian.scale_bound, scales[0])
        sigma = exact(z + centers(frozen.tables, z))[0].clamp(bound, max(bound, scales[-1]))
        indexes = to_array(scale_indexes(sigma, scales.tolist(), frozen.tables.rule))
        return sigma.cpu(), indexes

    def _z_part(self, symbols: NDArray[np.int16], frozen: Frozen) -> LatentPart:
        table = frozen.tables.bottleneck
        return LatentPart("z", symbols, channel_indexes(symbols.shape), table)

    def _y_part(
        self,
        symbols: NDArray[np.int16],
        indexes: NDArray[np.uint8] | NDArray[np.uint16],
        frozen: Frozen,
    ) -> LatentPart:
        return LatentPart("y", symbols, indexes, _gaussian_table(frozen))

    def _synthesize(self, latents: Latents, frozen: Frozen) -> Tensor:
        y = to_device(latents.part("y").symbols, self._device)[None].float()
        if latents.mean is not None:
            y = y + latents.mean.to(y.device)
        image: Tensor = self.synthesis(y)
        return image


def _gaussian_table(frozen: Frozen) -> CdfTable:
    """The rows of y; `attach_tables` and `build_tables` see to it that a hyperprior has them."""
    return cast("CdfTable", frozen.tables.gaussian)
