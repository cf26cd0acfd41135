# SPDX-License-Identifier: Apache-2.0
"""CompressAI's models as nothing but numbers and formulas, for tests without CompressAI.

`checkpoint` makes a state_dict with its names and shapes, and `Plain` evaluates such a dictionary
in float64, straight from the papers.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

KINDS = ("factorized", "factorized-relu", "hyperprior", "mean")
N, M = 5, 7
SCALES = np.exp(np.linspace(math.log(0.11), math.log(40.0), 16)).astype(np.float32)


def random_rows(rng: np.random.Generator, rows: int) -> dict[str, Tensor]:
    """Integer rows as CompressAI keeps them: padded with 0, the last slot is the escape."""
    lengths = rng.integers(3, 30, rows)
    padded = np.zeros((rows, lengths.max()), np.int32)
    for row, length in enumerate(lengths):
        inner = rng.choice(np.arange(1, 2**16), length - 2, replace=False)
        padded[row, 1 : length - 1] = np.sort(inner)
        padded[row, length - 1] = 2**16
    return {
        "_quantized_cdf": torch.from_numpy(padded),
        "_cdf_length": torch.from_numpy(lengths.astype(np.int32)),
        "_offset": torch.from_numpy(-(lengths // 2).astype(np.int32)),
    }


def checkpoint(
    kind: str, filters: tuple[int, ...] = (3, 3, 3, 3), ready: bool = True
) -> dict[str, Tensor]:
    """A state_dict with random numbers; `ready`: as after update()."""
    rng = np.random.default_rng(50 + KINDS.index(kind))
    state: dict[str, Tensor] = {}

    def normal(name: str, *shape: int, gain: float = 1.0) -> None:
        state[name] = torch.from_numpy(rng.normal(0.0, gain, shape).astype(np.float32))

    def layer(name: str, inputs: int, outputs: int, kernel: int, gain: float) -> None:
        normal(
            f"{name}.weight", outputs, inputs, kernel, kernel, gain=gain / (inputs**0.5 * kernel)
        )
        normal(f"{name}.bias", outputs, gain=0.1 * gain)

    def transposed(name: str, inputs: int, outputs: int, gain: float = 1.0) -> None:
        layer(name, inputs, outputs, 5, 2.0 * gain)  # a quarter of the products is with zeros
        state[f"{name}.weight"] = state[f"{name}.weight"].transpose(0, 1).contiguous()

    def normalization(name: str) -> None:
        """Some of the stored numbers are below their bounds."""
        beta = np.append(rng.uniform(0.1, 1, N - 1), -0.05)
        state[f"{name}.beta"] = torch.from_numpy(beta.astype(np.float32))
        gamma = rng.uniform(-0.1, 0.3, (N, N)) + 0.3 * np.eye(N)
        state[f"{name}.gamma"] = torch.from_numpy(gamma.astype(np.float32))
        for part, minimum in (("beta", 1e-6), ("gamma", 0.0)):
            reparam = f"{name}.{part}_reparam"
            state[f"{reparam}.pedestal"] = torch.tensor([2.0**-36])
            state[f"{reparam}.lower_bound.bound"] = torch.tensor([(minimum + 2.0**-36) ** 0.5])

    for index, (inputs, outputs) in enumerate([(3, N), (N, N), (N, N), (N, M)]):
        layer(f"g_a.{2 * index}", inputs, outputs, 5, 3.0 if index == 3 else 1.5)
    for index, (inputs, outputs) in enumerate([(M, N), (N, N), (N, N), (N, 3)]):
        transposed(f"g_s.{2 * index}", inputs, outputs, 0.1 if index == 0 else 1.0)
    if kind != "factorized-relu":
        for name in ("g_a.1", "g_a.3", "g_a.5", "g_s.1", "g_s.3", "g_s.5"):
            normalization(name)
    if kind in ("hyperprior", "mean"):
        layer("h_a.0", M, N, 3, 1.0)
        layer("h_a.2", N, N, 5, 1.0)
        layer("h_a.4", N, N, 5, 2.0)
        first, second, last = (N, N, M) if kind == "hyperprior" else (M, M * 3 // 2, 2 * M)
        transposed("h_s.0", N, first)
        transposed("h_s.2", first, second)
        layer("h_s.4", second, last, 3, 6.0)

    channels = M if kind.startswith("factorized") else N
    widths = (1, *filters, 1)
    for index, (before, after) in enumerate(itertools.pairwise(widths)):
        normal(f"entropy_bottleneck.matrices.{index}", channels, after, before, gain=0.5)
        state[f"entropy_bottleneck.matrices.{index}"] -= 1.0  # wide densities
        normal(f"entropy_bottleneck.biases.{index}", channels, after, 1, gain=0.5)
        if index < len(filters):
            normal(f"entropy_bottleneck.factors.{index}", channels, after, 1, gain=0.5)
    normal("entropy_bottleneck.quantiles", channels, 1, 3)
    state["entropy_bottleneck.target"] = torch.tensor([-21.4, 0.0, 21.4])
    tables = {"entropy_bottleneck": channels}
    if kind in ("hyperprior", "mean"):
        tables["gaussian_conditional"] = len(SCALES)
        bound = torch.tensor([0.11])
        state["gaussian_conditional.scale_bound"] = bound
        state["gaussian_conditional.lower_bound_scale.bound"] = bound
        state["gaussian_conditional.scale_table"] = torch.from_numpy(
            SCALES if ready else SCALES[:0]
        )
    for module, rows in tables.items():
        state[f"{module}.likelihood_lower_bound.bound"] = torch.tensor([1e-9])
        for name, array in random_rows(rng, rows).items():
            state[f"{module}.{name}"] = array if ready else array.reshape(-1)[:0]
    return state


class Plain:
    """CompressAI's models in float64, in evaluation mode, on nothing but a state_dict."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = {
            name: tensor.double() if tensor.is_floating_point() else tensor
            for name, tensor in state.items()
        }
        self.mean_scale = state.get("h_s.4.weight", torch.zeros(M)).shape[0] == 2 * M
        quantiles = self.state["entropy_bottleneck.quantiles"]
        self.medians = quantiles[:, 0, 1].reshape(1, -1, 1, 1)

    def network(self, name: str, x: Tensor) -> Tensor:
        """Runs g_a, g_s, h_a or h_s; the parameters tell what stands between the convolutions."""
        down = name in ("g_a", "h_a")
        for index in range(0, 8 if name[0] == "g" else 6, 2):
            weight, bias = (self.state[f"{name}.{index}.{part}"] for part in ("weight", "bias"))
            kernel = weight.shape[-1]
            stride = 2 if kernel == 5 else 1
            if down or kernel == 3:
                x = functional.conv2d(x, weight, bias, stride, kernel // 2)
            else:
                x = functional.conv_transpose2d(x, weight, bias, stride, kernel // 2, 1)
            x = self.between(f"{name}.{index + 1}", x, last=index == (6 if name[0] == "g" else 4))
        return x

    def between(self, name: str, x: Tensor, last: bool) -> Tensor:
        if name.startswith("g") and f"{name}.beta" in self.state:
            beta = self.state[f"{name}.beta"].clamp(min=(1e-6 + 2.0**-36) ** 0.5) ** 2 - 2.0**-36
            gamma = self.state[f"{name}.gamma"].clamp(min=2.0**-18) ** 2 - 2.0**-36
            norm = beta.reshape(1, -1, 1, 1) + torch.einsum("ij,njhw->nihw", gamma, x * x)
            return x * norm.sqrt() if name.startswith("g_s") else x / norm.sqrt()
        if self.mean_scale and name.startswith("h"):
            return x if last else torch.where(x < 0, 0.01 * x, x)
        return x if last and not name.startswith("h_s") else x.clamp(min=0)

    def density(self, value: Tensor) -> Tensor:
        """c(v + 1/2) - c(v - 1/2), at least 1e-9, for (N, channels, H, W)."""
        layers = sum(name.startswith("entropy_bottleneck.matrices") for name in self.state)

        def cumulative(v: Tensor) -> Tensor:
            u = v.transpose(0, 1).reshape(v.shape[1], 1, -1)
            for index in range(layers):
                part = f"entropy_bottleneck.{{}}.{index}"
                matrix = torch.log1p(torch.exp(self.state[part.format("matrices")]))
                u = matrix @ u + self.state[part.format("biases")]
                if index < layers - 1:
                    u = u + torch.tanh(self.state[part.format("factors")]) * torch.tanh(u)
            shape = (v.shape[1], v.shape[0], *v.shape[2:])
            return torch.sigmoid(u).reshape(shape).transpose(0, 1)

        return (cumulative(value + 0.5) - cumulative(value - 0.5)).clamp(min=1e-9)

    def gaussian(self, value: Tensor, sigma: Tensor) -> Tensor:
        root = sigma.clamp(min=float(np.float32(0.11))) * math.sqrt(2)
        lower, upper = ((value.abs() + half) / root for half in (-0.5, 0.5))
        return (0.5 * (torch.erfc(lower) - torch.erfc(upper))).clamp(min=1e-9)

    def parameters(self, z: Tensor) -> tuple[Tensor, Tensor]:
        out = self.network("h_s", z)
        return (out[:, :M], out[:, M:]) if self.mean_scale else (out, torch.zeros_like(out))

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Symbols (y, z), likelihoods (p_y, p_z), sigma, mean and the image."""
        y = self.network("g_a", x.double())
        if "h_a.0.weight" not in self.state:
            symbols = self.rounded(y - self.medians)
            value = symbols + self.medians
            image = self.network("g_s", value)
            return {"y": symbols, "p_y": self.density(value), "image": image}
        z = self.network("h_a", y if self.mean_scale else y.abs())
        z_symbols = self.rounded(z - self.medians)
        z_value = z_symbols + self.medians
        sigma, mean = self.parameters(z_value)
        symbols = self.rounded(y - mean)
        return {
            "y": symbols,
            "z": z_symbols,
            "p_y": self.gaussian(symbols, sigma),
            "p_z": self.density(z_value),
            "sigma": sigma,
            "mean": mean,
            "image": self.network("g_s", symbols + mean),
        }

    @staticmethod
    def rounded(x: Tensor) -> Tensor:
        """Rounds; the test's own numbers must leave float32 no choice."""
        assert float((x - x.floor() - 0.5).abs().min()) > 1e-4
        return x.round()
