# SPDX-License-Identifier: Apache-2.0
"""What the image codecs share: geometry of an image and the result of a forward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

# "ste" is for training only: the transforms see rounded latents with the gradient of the identity,
# the rate sees noisy ones.
LatentMode = Literal["noise", "ste", "round"]


class CodecOutput(NamedTuple):
    """Result of a forward pass.

    Attributes:
        image: reconstruction, shape of the input, not clamped to [0, 1].
        likelihoods: probability of every latent, by name ("y" and, where there is one, "z").
    """

    image: Tensor
    likelihoods: dict[str, Tensor]

    def bits(self) -> Tensor:
        """Estimated size of the whole batch in bits, float32 scalar, differentiable."""
        total = torch.zeros((), device=self.image.device)
        for likelihood in self.likelihoods.values():
            total = total - torch.log2(likelihood.float()).sum()
        return total


class ImageCodec(nn.Module, ABC):
    """An image codec: RGB in [0, 1] to integer latents and back.

    Args:
        channels: N, channels of the hidden layers.
        latent_channels: M, channels of the latents y.
    """

    name: ClassVar[str]
    stride: ClassVar[int]  # both sides of an image are padded to a multiple of this

    def __init__(self, channels: int, latent_channels: int) -> None:
        super().__init__()
        for argument, value in (("channels", channels), ("latent_channels", latent_channels)):
            if value < 1:
                raise ValueError(f"{argument} = {value}, expected {argument} >= 1")
        self.channels = channels
        self.latent_channels = latent_channels

    @abstractmethod
    def transform(self, x: Tensor, mode: LatentMode) -> CodecOutput:
        """Forward pass on (N, 3, H, W) with H and W multiples of `stride`."""

    def forward(self, x: Tensor, mode: LatentMode | None = None) -> CodecOutput:
        """Reconstructs a batch and gives the likelihoods of its latents.

        Args:
            x: (N, 3, H, W) in [0, 1], any H and W >= 1.
            mode: "noise", "ste" or "round"; by default noise while training, else rounding.

        Returns:
            The reconstruction, cropped to H x W, and the likelihoods of the padded image.
        """
        height, width = x.shape[-2:]
        padded = pad_image(x, self.stride)
        output = self.transform(padded, mode or ("noise" if self.training else "round"))
        return output._replace(image=output.image[..., :height, :width])


def pad_image(x: Tensor, stride: int) -> Tensor:
    """Pads the right and lower side by reflection until both are multiples of `stride`.

    Reflection needs a pad below the size, so a small image is reflected several times; a side of 1
    is repeated.

    Args:
        x: (N, C, H, W), H and W >= 1.
        stride: positive.

    Returns:
        (N, C, H', W') with the input in its upper left corner.
    """
    for axis in (-2, -1):
        goal = -(-x.shape[axis] // stride) * stride
        while x.shape[axis] < goal:
            size = x.shape[axis]
            if size == 1:
                shape = list(x.shape)
                shape[axis] = goal
                x = x.expand(shape)
                break
            extra = min(goal - size, size - 1)
            x = functional.pad(x, (0, extra) if axis == -1 else (0, 0, 0, extra), mode="reflect")
    return x
