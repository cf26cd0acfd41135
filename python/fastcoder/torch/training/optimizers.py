# SPDX-License-Identifier: Apache-2.0
"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner, for convolutions and matrices.

Source: Vyas, Morwani, Zhao, Kwun, Shapira, Brandfonbrener, Janson, Kakade, "SOAP: improving and
stabilizing Shampoo using Adam", 2024. A convolution kernel (O, I, kh, kw) is taken as the tensor
(O, I, kh * kw) with one basis per axis; biases and small tensors get plain Adam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter


class Soap(torch.optim.Optimizer):
    """Adam whose moments of second order live in slowly rotating eigenbases.

    Args:
        parameters: tensors to optimize.
        lr: step size, in the units of Adam.
        betas: decay of the mean gradient and of the mean square (and of the covariances).
        eps: added to the root of the mean square.
        every: steps between two updates of the bases.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        every: int = 10,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "every": every})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Takes one step; the first one of a parameter only measures its covariances."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, self.state[parameter], group)
        return loss

    def _step(self, parameter: Parameter, state: dict[str, Any], group: dict[str, Any]) -> None:
        gradient = parameter.grad
        if gradient is None:
            return
        grad = _folded(gradient)
        beta1, beta2 = group["betas"]
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(grad)
            state["square"] = torch.zeros_like(grad)
            axes = range(grad.dim()) if grad.dim() > 1 else ()
            state["covariances"] = [_covariance(grad, axis) for axis in axes]
            state["bases"] = [_descending(torch.linalg.eigh(c)[1]) for c in state["covariances"]]
            if state["bases"]:
                return
        state["step"] += 1
        step = state["step"]
        rotated = _rotate(grad, state["bases"], inverse=False)
        state["mean"].lerp_(grad, 1.0 - beta1)
        state["square"].lerp_(rotated.square(), 1.0 - beta2)
        root = (state["square"] / (1.0 - beta2**step)).sqrt_().add_(group["eps"])
        mean = _rotate(state["mean"], state["bases"], inverse=False) / (1.0 - beta1**step)
        update = _rotate(mean / root, state["bases"], inverse=True)
        parameter.sub_(update.reshape(parameter.shape), alpha=group["lr"])
        for axis, covariance in enumerate(state["covariances"]):
            covariance.lerp_(_covariance(grad, axis), 1.0 - beta2)
        if step % group["every"] == 0:
            _turn_bases(state)


def _folded(grad: Tensor) -> Tensor:
    """A kernel as (O, I, taps), a tensor of densities as a vector, anything else as it is."""
    if grad.dim() == 4:
        return grad.contiguous().flatten(2)
    return grad if grad.dim() <= 2 else grad.flatten()


def _covariance(grad: Tensor, axis: int) -> Tensor:
    rows = grad.movedim(axis, 0).flatten(1)
    return rows @ rows.T


def _rotate(x: Tensor, bases: list[Tensor], inverse: bool) -> Tensor:
    """Changes every axis into its eigenbasis, or back. Contracting axis 0 moves it to the end."""
    for basis in bases:
        x = torch.tensordot(x, basis, dims=([0], [1 if inverse else 0]))
    return x


def _descending(vectors: Tensor) -> Tensor:
    return vectors.flip(1).contiguous()


def _turn_bases(state: dict[str, Any]) -> None:
    """One step of orthogonal iteration per axis; the mean squares follow the new order."""
    for axis, (covariance, basis) in enumerate(
        zip(state["covariances"], state["bases"], strict=True)
    ):
        product = covariance @ basis
        order = (basis * product).sum(0).argsort(descending=True)
        state["square"] = state["square"].index_select(axis, order)
        state["bases"][axis] = torch.linalg.qr(product[:, order])[0]
