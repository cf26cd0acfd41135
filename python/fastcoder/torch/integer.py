# SPDX-License-Identifier: Apache-2.0
"""Networks of integers: int8 weights, clipped activations, a shift instead of a division.

A layer computes, for each output channel and with nothing but integers,

    v = clip((w * u + b + 2^(shift - 1)) >> shift, low, high)

where w * u is a convolution. The same integers come out on every machine and in every order of
additions, because there is nothing to round. Here the sums are done in float64, as PyTorch has
no integer convolution on most devices: integers below 2^53 are exact in it, and the largest sum
that a layer can reach is checked once, when the network is made. Convolutions are copies of
patches and one matrix product; no library may choose a Winograd or Fourier kernel, which would
multiply by fractions.

Source: Balle, Johnston, Minnen, "Integer networks for data compression with latent-variable
models", ICLR 2019, with a power of two in place of the learned divisor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fastcoder.errors import ArgumentError, ArgumentTypeError

# A latent z enters as an integer multiple of this; medians are multiples of it, too.
INPUT_UNIT = 2.0**-8

# Magnitudes below these are exact in the type, whatever the order of additions.
_EXACT_BELOW = {torch.float64: 2**53, torch.float32: 2**24}

_MOST_LAYERS = 16
_LARGEST_KERNEL = 31
_LARGEST_STRIDE = 8
_LARGEST_SHIFT = 40


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """One convolution of integers, requantized and clipped.

    Zero padding is kernel // 2, so that output sample 0 lies on input sample 0; a transposed
    convolution enlarges both sides exactly `stride` times.

    Attributes:
        weight: int8 or int16, (outputs, inputs, kernel, kernel), or (inputs, outputs, kernel,
            kernel) if transposed; kernel odd.
        bias: int32[outputs].
        shift: uint8[outputs], at most 40: the result is divided by 2^shift and rounded, halves up.
        low: int32[outputs], the smallest result.
        high: int32[outputs], the largest one; 255 with low = 0 makes unsigned 8-bit activations.
        stride: 1 to 8.
        transposed: whether the convolution enlarges.

    Raises:
        ArgumentTypeError: an array has another dtype.
        ArgumentError: a shape or a value is outside what is said above, or low > high.
    """

    weight: NDArray[np.int8] | NDArray[np.int16]
    bias: NDArray[np.int32]
    shift: NDArray[np.uint8]
    low: NDArray[np.int32]
    high: NDArray[np.int32]
    stride: int = 1
    transposed: bool = False

    def __post_init__(self) -> None:
        """Checks dtypes, shapes and values: the arrays may come from a file."""
        if self.weight.dtype not in (np.int8, np.int16):
            raise ArgumentTypeError(f"weight = {self.weight.dtype}, expected int8 or int16")
        shape = self.weight.shape
        if self.weight.ndim != 4 or 0 in shape or shape[2] != shape[3] or shape[2] % 2 == 0:
            raise ArgumentError(f"weight.shape = {shape}, expected (n, m, k, k) with an odd k")
        if shape[2] > _LARGEST_KERNEL or not 1 <= self.stride <= _LARGEST_STRIDE:
            raise ArgumentError(
                f"kernel, stride = {shape[2]}, {self.stride}, "
                f"expected kernel <= {_LARGEST_KERNEL}, 1 <= stride <= {_LARGEST_STRIDE}"
            )
        for name, dtype in (
            ("bias", np.int32),
            ("shift", np.uint8),
            ("low", np.int32),
            ("high", np.int32),
        ):
            array = getattr(self, name)
            if array.dtype != dtype:
                raise ArgumentTypeError(f"{name} = {array.dtype}, expected {np.dtype(dtype)}")
            if array.shape != (self.outputs,):
                raise ArgumentError(f"{name}.shape = {array.shape}, expected ({self.outputs},)")
        if int(self.shift.max()) > _LARGEST_SHIFT:
            raise ArgumentError(f"shift = {int(self.shift.max())}, expected <= {_LARGEST_SHIFT}")
        if bool((self.low > self.high).any()):
            position = int(np.argmax(self.low > self.high))
            raise ArgumentError(
                f"low[{position}] = {self.low[position]}, expected <= {self.high[position]}"
            )

    @property
    def inputs(self) -> int:
        """Channels that come in."""
        return int(self.weight.shape[0 if self.transposed else 1])

    @property
    def outputs(self) -> int:
        """Channels that go out."""
        return int(self.weight.shape[1 if self.transposed else 0])

    @property
    def kernel(self) -> int:
        """Side of the kernel."""
        return int(self.weight.shape[2])

    @property
    def half(self) -> NDArray[np.int64]:
        """What is added before the shift: half a unit of the result, or 0 if nothing is cut."""
        return (np.int64(1) << self.shift.astype(np.int64)) >> 1

    def largest_sum(self, largest: NDArray[np.int64]) -> int:
        """The largest magnitude that any partial sum, in any order, can have.

        Args:
            largest: int64[inputs], the largest magnitude of each input channel.
        """
        weight = np.abs(self.weight.astype(np.int64))
        if self.transposed:
            weight = weight.transpose(1, 0, 2, 3)
        # An output sample of a transposed convolution meets every stride-th tap only.
        step = self.stride if self.transposed else 1
        phases = [
            weight[:, :, top::step, left::step].sum((2, 3))
            for top in range(min(step, self.kernel))
            for left in range(min(step, self.kernel))
        ]
        fixed = np.abs(self.bias.astype(np.int64)) + self.half
        about = max(float((phase @ largest.astype(np.float64) + fixed).max()) for phase in phases)
        if about >= 2.0**62:  # int64 might not hold it
            return int(about)
        return max(int((phase @ largest + fixed).max()) for phase in phases)


class IntegerTransform:
    """A chain of integer layers from latents z to rows of the table, and to means where wanted.

    The first thing that happens to z, which arrives in units of 2^-8, is a shift to coarser units
    and a clip, as after every layer. The clips of the last layer make its outputs what they are
    used for: [0, rows - 1] for a row of the table, any other interval for a mean in fixed point.

    Args:
        layers: at least one; each takes what the one before gives.
        input_shift: 0 to 8; z is rounded to multiples of 2^(input_shift - 8), halves up.
        input_limit: z is clipped to +-input_limit of these multiples; 1 to 2^24.

    Raises:
        ArgumentError: the layers do not fit, or a sum could reach 2^53.

    Example:
        >>> layer = IntegerLayer(
        ...     weight=np.array([[[[3]]]], np.int8),
        ...     bias=np.array([4], np.int32),
        ...     shift=np.array([1], np.uint8),
        ...     low=np.array([0], np.int32),
        ...     high=np.array([127], np.int32),
        ... )
        >>> network = IntegerTransform([layer], input_shift=8, input_limit=255)
        >>> network(torch.tensor([[[[-3, 0, 1, 200]]]]) * 256).tolist()  # (3 z + 4 + 1) >> 1
        [[[[0, 2, 4, 127]]]]
    """

    def __init__(
        self, layers: Sequence[IntegerLayer], *, input_shift: int, input_limit: int
    ) -> None:
        if not 1 <= len(layers) <= _MOST_LAYERS:
            raise ArgumentError(f"layers = {len(layers)} of them, expected 1 to {_MOST_LAYERS}")
        if not 0 <= input_shift <= 8:
            raise ArgumentError(f"input_shift = {input_shift}, expected 0 <= input_shift <= 8")
        if not 1 <= input_limit <= 2**24:
            raise ArgumentError(f"input_limit = {input_limit}, expected 1 <= input_limit <= 2**24")
        self.layers = tuple(layers)
        self.input_shift = input_shift
        self.input_limit = input_limit
        self.largest_sum = 0
        largest = np.full(self.layers[0].inputs, input_limit, np.int64)
        for position, layer in enumerate(self.layers):
            if layer.inputs != len(largest):
                raise ArgumentError(
                    f"layers[{position}].inputs = {layer.inputs}, expected {len(largest)}"
                )
            reached = layer.largest_sum(largest)
            if reached >= _EXACT_BELOW[torch.float64]:
                raise ArgumentError(f"layers[{position}] = sums up to {reached}, expected < 2**53")
            self.largest_sum = max(self.largest_sum, reached)
            wide = (layer.low.astype(np.int64), layer.high.astype(np.int64))
            largest = np.maximum(np.abs(wide[0]), np.abs(wide[1]))

    @property
    def inputs(self) -> int:
        """Channels of z."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """Channels of the result."""
        return self.layers[-1].outputs

    @property
    def scale(self) -> float:
        """How many times higher and wider than z the result is."""
        factor = 1.0
        for layer in self.layers:
            factor *= layer.stride if layer.transposed else 1 / layer.stride
        return factor

    @torch.no_grad()
    def __call__(self, z: Tensor, *, dtype: torch.dtype = torch.float64) -> Tensor:
        """Evaluates the network.

        Args:
            z: integers (N, inputs, H, W) in units of 2^-8, any integer dtype, or integers held in
                a floating tensor; magnitudes below 2^31.
            dtype: what the sums are done in. float64 always serves; float32 is for devices where
                float64 is slow, and legal if `largest_sum` is below 2^24. Where PyTorch was told
                that it may multiply float32 in TF32 or bfloat16, the sums are in float64 anyway.

        Returns:
            int32 (N, outputs, H', W') on z's device (on the CPU if that device has no float64):
            the same numbers on every machine and in both types.

        Raises:
            ArgumentError: another number of channels, or a type that is too short.
        """
        if z.dim() != 4 or z.shape[1] != self.inputs:
            raise ArgumentError(f"z.shape = {tuple(z.shape)}, expected (N, {self.inputs}, H, W)")
        if dtype not in _EXACT_BELOW or self.largest_sum >= _EXACT_BELOW[dtype]:
            raise ArgumentError(
                f"dtype = {dtype}, expected one that holds sums up to {self.largest_sum}"
            )
        if dtype == torch.float32 and not _multiplies_float32():
            dtype = torch.float64
        device = z.device if z.device.type in ("cpu", "cuda") else torch.device("cpu")
        half = (1 << self.input_shift) >> 1
        x = (z.to(device, torch.float64) + half) * 2.0**-self.input_shift
        x = x.floor_().clamp_(-self.input_limit, self.input_limit).to(dtype)
        with torch.autocast(device.type, enabled=False):
            for layer in self.layers:
                x = _evaluate(layer, x)
        return x.to(torch.int32)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The network as integer arrays by name, to be stored."""
        arrays: dict[str, NDArray[Any]] = {
            "input": np.array([self.input_shift, self.input_limit], np.int32)
        }
        for position, layer in enumerate(self.layers):
            arrays[f"{position}.weight"] = np.ascontiguousarray(layer.weight)
            arrays[f"{position}.bias"] = layer.bias
            arrays[f"{position}.shift"] = layer.shift
            arrays[f"{position}.range"] = np.stack([layer.low, layer.high])
            arrays[f"{position}.geometry"] = np.array([layer.stride, layer.transposed], np.int32)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> IntegerTransform:
        """Reads what `to_arrays` wrote.

        Raises:
            ArgumentError: an array is missing, superfluous, damaged or does not fit; also
                ArgumentTypeError for a wrong dtype.
        """
        first = _pair(arrays, "input")
        layers: list[IntegerLayer] = []
        while f"{len(layers)}.weight" in arrays and len(layers) < _MOST_LAYERS:
            name = f"{len(layers)}."
            for part in ("bias", "shift", "range"):
                if name + part not in arrays:
                    raise ArgumentError(f"{name}{part} = missing, expected an array")
            limits = arrays[name + "range"]
            stride, transposed = _pair(arrays, name + "geometry")
            if limits.ndim != 2 or len(limits) != 2 or transposed not in (0, 1):
                raise ArgumentError(
                    f"{name}range = {limits.shape}, {name}geometry = [{stride}, {transposed}], "
                    "expected (2, n), [n, 0 or 1]"
                )
            layers.append(
                IntegerLayer(
                    weight=arrays[name + "weight"],
                    bias=arrays[name + "bias"],
                    shift=arrays[name + "shift"],
                    low=limits[0],
                    high=limits[1],
                    stride=stride,
                    transposed=bool(transposed),
                )
            )
        if len(arrays) != 1 + 5 * len(layers):
            raise ArgumentError(
                f"arrays = {len(arrays)} of them, expected those of {len(layers)} layers"
            )
        return cls(layers, input_shift=first[0], input_limit=first[1])


def _pair(arrays: Mapping[str, NDArray[Any]], name: str) -> tuple[int, int]:
    array = arrays.get(name)
    if array is None or array.dtype != np.int32 or array.shape != (2,):
        found = "missing" if array is None else f"{array.dtype}{array.shape}"
        raise ArgumentError(f"{name} = {found}, expected int32(2,)")
    return int(array[0]), int(array[1])


def _multiplies_float32() -> bool:
    """Whether a product of float32 matrices is one: no switch lets it be TF32 or bfloat16."""
    try:
        if torch.get_float32_matmul_precision() != "highest":
            return False
    except RuntimeError:  # old and new switches were mixed
        return False
    backends = torch.backends
    owners = (backends, backends.mkldnn, getattr(backends.mkldnn, "matmul", None))
    for owner in (*owners, backends.cuda.matmul):
        if getattr(owner, "fp32_precision", "none") not in ("none", "ieee"):
            return False
    return True


def _evaluate(layer: IntegerLayer, x: Tensor) -> Tensor:
    def column(array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array.astype(np.float64)).to(x.device, x.dtype)[:, None, None]

    weight = torch.from_numpy(np.ascontiguousarray(layer.weight)).to(x.device, x.dtype)
    size, pad = layer.kernel, layer.kernel // 2
    if layer.transposed:
        sides = (x.shape[2] * layer.stride, x.shape[3] * layer.stride)
        patches = weight.flatten(1).T @ x.flatten(2)  # (N, outputs * k * k, H * W)
        sums = functional.fold(patches, sides, size, padding=pad, stride=layer.stride)
    else:
        sides = (-(-x.shape[2] // layer.stride), -(-x.shape[3] // layer.stride))
        patches = functional.unfold(x, size, padding=pad, stride=layer.stride)
        sums = (weight.flatten(1) @ patches).reshape(len(x), layer.outputs, *sides)
    # Halves go up because half a unit is added while everything is still an integer. NumPy makes
    # the powers of two: ldexp is exact, pow need not be.
    sums.add_(column(layer.bias)).add_(column(layer.half))
    sums.mul_(column(np.ldexp(1.0, -layer.shift.astype(np.int32)))).floor_()
    return sums.clamp_(column(layer.low), column(layer.high))
