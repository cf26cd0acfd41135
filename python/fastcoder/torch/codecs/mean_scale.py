# SPDX-License-Identifier: Apache-2.0
"""Image codec with a hyperprior that tells the scale and the mean of every latent y.

Source: Minnen, Balle, Toderici, "Joint autoregressive and hierarchical priors for learned image
compression", NeurIPS 2018, without the autoregressive part.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fastcoder.torch.arrays import to_device
from fastcoder.torch.codecs.base import Frozen
from fastcoder.torch.codecs.hyperprior import ScaleHyperprior
from fastcoder.torch.codecs.latents import centers
from fastcoder.torch.layers import conv, deconv


class MeanScaleHyperprior(ScaleHyperprior):
    """The codec whose latents y are Gaussian with scales and means that side information tells.

    What is coded is round(y - mean), with the rows of a mean of 0. The means thus never choose a
    row: they come from the float network, and where two machines differ in a last bit of them,
    the images differ by as little. The arguments are those of `ScaleHyperprior`.

    Example:
        >>> import torch
        >>> codec = MeanScaleHyperprior(8, 12)  # random weights: any image survives, badly
        >>> data = codec.compress(torch.rand(3, 50, 70))
        >>> codec.decompress(data).shape
        torch.Size([3, 50, 70])
    """

    name = "mean-scale-hyperprior"

    def _hyper_transforms(self) -> tuple[nn.Sequential, nn.Sequential]:
        channels, latent_channels = self.channels, self.latent_channels
        middle = latent_channels * 3 // 2
        analysis = nn.Sequential(
            conv(latent_channels, channels, 3),
            nn.LeakyReLU(),
            conv(channels, channels, 5, stride=2),
            nn.LeakyReLU(),
            conv(channels, channels, 5, stride=2),
        )
        synthesis = nn.Sequential(
            deconv(channels, latent_channels, 5),
            nn.LeakyReLU(),
            deconv(latent_channels, middle, 5),
            nn.LeakyReLU(),
            conv(middle, 2 * latent_channels, 3),
        )
        return analysis, synthesis

    def hyper_input(self, y: Tensor) -> Tensor:
        """What the hyper analysis sees of y: everything, as a mean has a sign."""
        return y

    def parameters_of_y(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scales (not yet bounded) and means of y for a rounded or noisy z, float32."""
        sigma, mean = self.hyper_synthesis(z).float().chunk(2, dim=1)  # 2 x (N, M, H, W)
        return sigma, mean

    def scale_network(self) -> nn.Sequential:
        """The hyper synthesis without the outputs of the means: half of its last layer."""
        *first, last = self.hyper_synthesis
        kept = self.latent_channels
        with torch.device("meta"):  # takes no random numbers
            half = conv(kept * 3 // 2, kept, 3)
        weights = {name: value[:kept] for name, value in last.state_dict().items()}
        half.load_state_dict(weights, assign=True)
        return nn.Sequential(*first, half)

    def _means(self, z_symbols: NDArray[np.int16], frozen: Frozen) -> Tensor | None:
        z = to_device(z_symbols, self._device)[None].float()
        _, mean = self.parameters_of_y(z + centers(frozen.tables, z))
        return None if mean is None else mean[0]
