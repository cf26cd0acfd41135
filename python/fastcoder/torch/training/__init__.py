# SPDX-License-Identifier: Apache-2.0
"""Training of the image codecs; needs neither the native coder nor any table."""

from fastcoder.torch.training.loop import TrainConfig, Trainer, train

__all__ = ["TrainConfig", "Trainer", "train"]
