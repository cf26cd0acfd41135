# SPDX-License-Identifier: Apache-2.0
"""The only place where tensors become arrays and back: narrow integers cross it, once per image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Latents are clipped to this; a transform that leaves int16 has long stopped being an image codec.
SYMBOL_LIMIT = 2**15 - 1


def to_symbols(values: Tensor) -> NDArray[np.int16]:
    """Integers held in a float tensor become int16 on the CPU, clipped to +-32767.

    The narrowing happens on the tensor's own device, so that 2 bytes per value cross the bus.
    """
    return to_array(values.clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT).to(torch.int16))


def to_array(values: Tensor) -> NDArray[Any]:
    """Copies a tensor into an array of its own dtype; a CUDA tensor goes through pinned memory."""
    values = values.detach().contiguous()
    if values.device.type == "cuda":
        pinned = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        pinned.copy_(values, non_blocking=True)
        torch.cuda.current_stream(values.device).synchronize()
        values = pinned
    return values.cpu().numpy()


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Copies an integer array to a device in its own dtype."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
