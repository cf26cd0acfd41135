# SPDX-License-Identifier: Apache-2.0
"""Integer networks in int64 NumPy, one tap after the other: what the fast ones must equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastcoder.torch.integer import IntegerLayer, IntegerTransform


def convolve(
    x: NDArray[np.int64], weight: NDArray[np.int64], stride: int, transposed: bool
) -> NDArray[np.int64]:
    """Convolution of (C, H, W), zero padding k // 2, output sample 0 on input sample 0."""
    kernel = weight.shape[-1]
    pad = kernel // 2
    if transposed:
        wide = np.zeros((x.shape[0], x.shape[1] * stride, x.shape[2] * stride), np.int64)
        wide[:, ::stride, ::stride] = x
        x, stride = wide, 1
        weight = weight.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    height, width = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    out = np.zeros((weight.shape[0], height, width), np.int64)
    for dy in range(kernel):
        for dx in range(kernel):
            part = padded[:, dy : dy + x.shape[1] : stride, dx : dx + x.shape[2] : stride]
            out += np.tensordot(weight[:, :, dy, dx], part, 1)
    return out


def requantize(
    sums: NDArray[np.int64],
    shift: NDArray[np.integer] | int,
    low: NDArray[np.int64] | int,
    high: NDArray[np.int64] | int,
) -> NDArray[np.int64]:
    """Round-half-up division by a power of two, then the clip."""
    wide = np.asarray(shift, np.int64)
    return np.clip((sums + ((np.int64(1) << wide) >> 1)) >> wide, low, high)


def evaluate_layer(layer: IntegerLayer, x: NDArray[np.int64]) -> NDArray[np.int64]:
    """One layer on int64 (C, H, W)."""

    def column(array: NDArray[np.integer]) -> NDArray[np.int64]:
        return array.astype(np.int64)[:, None, None]

    sums = convolve(x, layer.weight.astype(np.int64), layer.stride, layer.transposed)
    return requantize(
        sums + column(layer.bias), column(layer.shift), column(layer.low), column(layer.high)
    )


def evaluate(network: IntegerTransform, z: NDArray[np.int64]) -> NDArray[np.int64]:
    """The whole network on int64 (C, H, W) in units of 2^-8."""
    x = requantize(z, network.input_shift, -network.input_limit, network.input_limit)
    for layer in network.layers:
        x = evaluate_layer(layer, x)
    return x
