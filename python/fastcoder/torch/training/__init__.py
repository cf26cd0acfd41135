# SPDX-License-Identifier: Apache-2.0
"""Training of the image codecs."""

from fastcoder.torch.training.config import TrainConfig
from fastcoder.torch.training.loop import Trainer, train
from fastcoder.torch.training.quantization import QuantizeConfig, QuantizeResult, quantize

__all__ = [
    "QuantizeConfig",
    "QuantizeResult",
    "TrainConfig",
    "Trainer",
    "quantize",
    "train",
]
