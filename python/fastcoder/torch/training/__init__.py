# SPDX-License-Identifier: Apache-2.0
"""Training of the image codecs."""

from fastcoder.torch.training.config import TrainConfig
from fastcoder.torch.training.loop import Trainer, train

__all__ = ["TrainConfig", "Trainer", "train"]
