# SPDX-License-Identifier: Apache-2.0
"""Learned image codecs and their entropy models in PyTorch, on top of the native coder."""

try:
    import torch as _torch  # noqa: F401 - only to explain a missing extra
except ImportError as error:
    raise ImportError(
        "fastcoder.torch needs PyTorch, which is an extra: pip install 'fastcoder[torch]'"
    ) from error

from fastcoder.torch.codecs import CodecOutput, FactorizedPrior, ImageCodec, ScaleHyperprior
from fastcoder.torch.entropy_models import EntropyBottleneck, EntropyModel, GaussianConditional
from fastcoder.torch.layers import GDN, IGDN

__all__ = [
    "GDN",
    "IGDN",
    "CodecOutput",
    "EntropyBottleneck",
    "EntropyModel",
    "FactorizedPrior",
    "GaussianConditional",
    "ImageCodec",
    "ScaleHyperprior",
]
