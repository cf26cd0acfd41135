# SPDX-License-Identifier: Apache-2.0
"""Probability models of latents: likelihoods for training, integer tables for coding."""

from fastcoder.torch.entropy_models.base import EntropyModel
from fastcoder.torch.entropy_models.factorized import EntropyBottleneck
from fastcoder.torch.entropy_models.gaussian import GaussianConditional

__all__ = ["EntropyBottleneck", "EntropyModel", "GaussianConditional"]
