# SPDX-License-Identifier: Apache-2.0
"""Image codecs built from the transforms and entropy models of this package."""

from fastcoder.torch.codecs.base import CodecOutput, ImageCodec
from fastcoder.torch.codecs.factorized import FactorizedPrior
from fastcoder.torch.codecs.hyperprior import ScaleHyperprior
from fastcoder.torch.codecs.latents import CodecTables, LatentPart, Latents
from fastcoder.torch.codecs.mean_scale import MeanScaleHyperprior

CODECS: dict[str, type[FactorizedPrior] | type[ScaleHyperprior]] = {
    codec.name: codec for codec in (FactorizedPrior, ScaleHyperprior, MeanScaleHyperprior)
}

__all__ = [
    "CODECS",
    "CodecOutput",
    "CodecTables",
    "FactorizedPrior",
    "ImageCodec",
    "LatentPart",
    "Latents",
    "MeanScaleHyperprior",
    "ScaleHyperprior",
]
