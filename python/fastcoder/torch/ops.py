# SPDX-License-Identifier: Apache-2.0
"""Three differentiable operations that every learned codec needs; nothing here knows of entropy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _LowerBound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:  # noqa: ANN401 - torch's own
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (x,) = ctx.saved_tensors
        # Gradient descent moves x against the gradient: grad < 0 lifts x towards the bound.
        passes = (x >= ctx.bound) | (grad < 0)
        return grad * passes, None


def lower_bound(x: Tensor, bound: float) -> Tensor:
    """Computes max(x, bound) with a gradient that never strands a value below the bound.

    The gradient of a plain clamp is 0 below the bound, so a parameter that once got there stays
    there. Here it passes where x >= bound, and below the bound where a descent step would raise x.

    Args:
        x: any shape, any floating dtype.
        bound: the smallest value of the result.

    Returns:
        Tensor of x's shape and dtype. NaN stays NaN.

    Example:
        >>> lower_bound(torch.tensor([-1.0, 2.0]), 0.5).tolist()
        [0.5, 2.0]
    """
    result: Tensor = _LowerBound.apply(x, bound)  # type: ignore[no-untyped-call]
    return result


def round_ste(x: Tensor) -> Tensor:
    """Rounds to the nearest integer (ties to even); the gradient is that of the identity."""
    return x + (x.round() - x).detach()


def add_noise(x: Tensor) -> Tensor:
    """Adds uniform noise in [-0.5, 0.5): the differentiable stand-in for rounding in training."""
    return x + (torch.rand_like(x) - 0.5)
