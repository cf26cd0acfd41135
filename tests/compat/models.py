# SPDX-License-Identifier: Apache-2.0
"""CompressAI's models with random weights, and what they write.

    python -m tests.compat.models WHEN

prints, as JSON, the SHA-256 of the strings and of the decoded image of each model, and which
CompressAI made them. WHEN says when the drop-in coder is put in place: `never`, `before` or `after`
the import of CompressAI, or after the models were `made`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import torch

NAMES = (
    "bmshj2018_factorized",
    "bmshj2018_hyperprior",
    "mbt2018_mean",
    "mbt2018",
    "cheng2020_anchor",
)


def _last_layer(module: torch.nn.Module) -> torch.nn.Module:
    return [one for one in module.modules() if getattr(one, "bias", None) is not None][-1]


@torch.no_grad()
def make(name: str, channels: int = 16) -> torch.nn.Module:
    """A small model of that architecture with `update()` called.

    Untrained transforms give latents near 0 and one scale for all. The last layers are changed, so
    that symbols spread over tens of values, some leave their row, and all scales occur.
    """
    import compressai.models as models

    torch.manual_seed(NAMES.index(name))
    if name == "cheng2020_anchor":
        model = models.Cheng2020Anchor(N=channels)
    else:
        architecture = {
            "bmshj2018_factorized": models.FactorizedPrior,
            "bmshj2018_hyperprior": models.ScaleHyperprior,
            "mbt2018_mean": models.MeanScaleHyperprior,
            "mbt2018": models.JointAutoregressiveHierarchicalPriors,
        }[name]
        model = architecture(channels, channels + 8)
    for part in ("g_a", "h_a") if hasattr(model, "h_a") else ("g_a",):
        for weight in _last_layer(getattr(model, part)).parameters():
            weight *= 60
    if hasattr(model, "h_s"):
        bias = _last_layer(getattr(model, "entropy_parameters", model.h_s)).bias
        bias += torch.exp(1.5 * torch.randn(bias.shape))
    model.eval()
    model.update(force=True)
    return model


def image(height: int = 64, width: int = 128, count: int = 2) -> torch.Tensor:
    """Random images with smooth parts, float32 in [0, 1]."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, 3, height // 16, width // 16, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (smooth + 0.1 * torch.rand(count, 3, height, width, generator=generator)).clamp(0, 1)


@torch.no_grad()
def compress(model: torch.nn.Module) -> dict[str, Any]:
    """What `model.compress` returns."""
    return model.compress(image())


@torch.no_grad()
def decompress(model: torch.nn.Module, written: dict[str, Any]) -> torch.Tensor:
    """The image that the model makes of it."""
    return model.decompress(written["strings"], written["shape"])["x_hat"]


def digest(model: torch.nn.Module) -> str:
    """SHA-256 of the strings and of the image decoded from them."""
    written = compress(model)
    hashed = hashlib.sha256()
    for string in (string for group in written["strings"] for string in group):
        hashed.update(len(string).to_bytes(8, "little") + string)
    hashed.update(decompress(model, written).numpy().tobytes())
    return hashed.hexdigest()


def main(when: str) -> None:
    """Print the digests."""
    if when == "before":
        from fastcoder.compat.compressai import install

        install()
    import compressai.models  # here: the point is the order

    if when == "after":
        from fastcoder.compat.compressai import install

        install()
    made = {name: make(name) for name in NAMES}
    if when == "made":
        from fastcoder.compat.compressai import install

        install()
    found = {name: digest(model) for name, model in made.items()}
    print(json.dumps({**found, "compressai": compressai.__file__}))


if __name__ == "__main__":
    main(sys.argv[1])
