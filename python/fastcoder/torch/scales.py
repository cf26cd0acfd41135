# SPDX-License-Identifier: Apache-2.0
"""From predicted scales to table rows on the tensor's own device, equal to the native function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastcoder.errors import ArgumentError, ArgumentTypeError
from fastcoder.scales import Rule, scale_thresholds

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def scale_indexes(sigma: Tensor, scales: Sequence[float], rule: Rule = "nearest") -> Tensor:
    """Chooses a row for every scale by comparison with thresholds; no logarithm decides.

    The result equals `fastcoder.scale_indexes` on the same numbers, on every device.

    Args:
        sigma: predicted scales, any shape, any floating dtype, CPU or CUDA, 0 <= sigma < inf.
        scales: increasing positive scales, one per row.
        rule: "nearest" (thresholds at the geometric means of neighbors) or "ceil" (the smallest
            scale >= sigma).

    Returns:
        uint8 (uint16 if there are more than 256 scales), shape and device of sigma.

    Raises:
        ArgumentTypeError: sigma is not a floating tensor.
        ArgumentError: a sigma is NaN, negative or infinite, the scales are not increasing, or a
            float32 sigma meets scales that float32 cannot hold ("ceil").

    Example:
        >>> scale_indexes(torch.tensor([0.0, 1.5, 9.0]), [1.0, 2.0, 4.0]).tolist()
        [0, 1, 2]
    """
    kind = getattr(sigma, "dtype", type(sigma).__name__)
    if kind not in FLOATS:
        raise ArgumentTypeError(f"sigma = {kind}, expected a floating tensor")
    values = sigma.detach()
    if values.dtype not in (torch.float64, torch.float32):
        values = values.float()
    good = (values >= 0) & (values < math.inf)
    if not bool(good.all()):
        position = int(good.reshape(-1).logical_not().nonzero()[0])
        value = float(values.reshape(-1)[position])
        raise ArgumentError(f"sigma[{position}] = {value}, expected 0 <= sigma < inf")
    thresholds: NDArray[Any] = scale_thresholds(np.asarray(scales, np.float64), rule)
    if values.dtype == torch.float32:
        # The rule of CompressAI knows its scales as float32; the other one compares exactly.
        thresholds = _round_to_nearest(thresholds) if rule == "ceil" else _round_down(thresholds)
    boundaries = torch.from_numpy(thresholds).to(values.device)
    # right=False counts the thresholds strictly below a value.
    indexes = torch.bucketize(values.contiguous(), boundaries, out_int32=True)
    return indexes.to(torch.uint8 if len(thresholds) < 256 else torch.uint16)


def _round_to_nearest(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The thresholds of CompressAI; what float32 cannot hold is an error, as in the native core."""
    with np.errstate(over="ignore", under="ignore"):
        narrow = thresholds.astype(np.float32)
    bad = np.flatnonzero(~((narrow > 0) & (narrow < np.inf)))
    if bad.size:
        raise ArgumentError(f"thresholds[{bad[0]}] = {narrow[bad[0]]:g}, expected > 0, finite")
    return narrow


def _round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32 thresholds that compare with every float32 exactly as the float64 ones do.

    A float32 v is above a real t exactly if it is above the largest float32 that is <= t.
    """
    with np.errstate(over="ignore", under="ignore"):
        narrow = thresholds.astype(np.float32)
        above = narrow.astype(np.float64) > thresholds
        return np.where(above, np.nextafter(narrow, np.float32(-np.inf)), narrow)
