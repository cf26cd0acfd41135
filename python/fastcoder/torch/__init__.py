# SPDX-License-Identifier: Apache-2.0
"""Learned image codecs and their entropy models in PyTorch, on top of the native coder."""

try:
    import torch as _torch  # noqa: F401 - only to explain a missing extra
except ImportError as error:
    raise ImportError(
        "fastcoder.torch needs PyTorch, which is an extra: pip install 'fastcoder[torch]'"
    ) from error

from fastcoder.torch.calibration import Calibrated
from fastcoder.torch.codecs import (
    CodecOutput,
    CodecTables,
    FactorizedPrior,
    ImageCodec,
    LatentPart,
    Latents,
    MeanScaleHyperprior,
    ScaleHyperprior,
)
from fastcoder.torch.entropy_models import EntropyBottleneck, EntropyModel, GaussianConditional
from fastcoder.torch.evaluation import Evaluation, EvaluationRow, evaluate
from fastcoder.torch.integer import IntegerLayer, IntegerTransform
from fastcoder.torch.layers import GDN, IGDN
from fastcoder.torch.scales import scale_indexes
from fastcoder.torch.storage import load, load_model, read_metadata, save_model

__all__ = [
    "GDN",
    "IGDN",
    "Calibrated",
    "CodecOutput",
    "CodecTables",
    "EntropyBottleneck",
    "EntropyModel",
    "Evaluation",
    "EvaluationRow",
    "FactorizedPrior",
    "GaussianConditional",
    "ImageCodec",
    "IntegerLayer",
    "IntegerTransform",
    "LatentPart",
    "Latents",
    "MeanScaleHyperprior",
    "ScaleHyperprior",
    "evaluate",
    "load",
    "load_model",
    "read_metadata",
    "save_model",
    "scale_indexes",
]
