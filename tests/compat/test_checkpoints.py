# SPDX-License-Identifier: Apache-2.0
"""CompressAI's models and the codecs made from their state_dict: likelihoods, images, strings."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from compressai import zoo
from compressai.models import FactorizedPriorReLU
from compressai.zoo.image import cfgs
from torch import Tensor, nn

import fastcoder.torch

MODELS = {
    "bmshj2018_factorized": fastcoder.torch.FactorizedPrior,
    "bmshj2018_factorized_relu": fastcoder.torch.FactorizedPrior,
    "bmshj2018_hyperprior": fastcoder.torch.ScaleHyperprior,
    "mbt2018_mean": fastcoder.torch.MeanScaleHyperprior,
}
QUALITIES = [1, 8]  # the two sizes that the zoo knows: N, M = 128, 192 and 192, 320


def lively(name: str, quality: int, ready: bool = True) -> nn.Module:
    """A model of the zoo with random weights whose latents and scales are not all alike."""
    torch.manual_seed(quality)
    if name == "bmshj2018_factorized_relu":  # the zoo makes one with GDN of it, unless pretrained
        net = FactorizedPriorReLU(*cfgs["bmshj2018-factorized"][quality]).eval()
    else:
        net = getattr(zoo, name)(quality, pretrained=False).eval()
    with torch.no_grad():
        net.g_a[-1].weight.mul_(200.0)
        for layer in net.modules():
            if type(layer).__name__ == "GDN":
                layer.beta.add_(0.3 * torch.randn_like(layer.beta))
                layer.gamma.add_(0.01 * torch.randn_like(layer.gamma))
        if hasattr(net, "h_a"):
            net.h_a[-1].weight.mul_(60.0)
            net.h_s[4].weight.mul_(40.0)
        for factor in net.entropy_bottleneck.factors:
            factor.add_(0.3 * torch.randn_like(factor))
        net.entropy_bottleneck._update_quantiles()
    if ready:
        net.update()
    return net


@pytest.fixture(scope="module")
def images() -> Tensor:
    torch.manual_seed(4)
    smooth = torch.rand(2, 3, 17, 25)
    return nn.functional.interpolate(smooth, (128, 192), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("name", MODELS)
def test_forward_gives_the_same_likelihoods_and_images(
    name: str, quality: int, ready: bool, images: Tensor, tell: Callable[[str], None]
) -> None:
    net = lively(name, quality, ready)
    codec = MODELS[name].from_compressai(net.state_dict())
    with torch.no_grad():
        expected, output = net(images), codec(images)
    largest = 0.0
    for part, likelihood in expected["likelihoods"].items():
        assert float(likelihood.std()) > 1e-3
        difference = float((likelihood - output.likelihoods[part]).abs().max())
        largest = max(largest, difference)
    scale = float(expected["x_hat"].abs().max())
    image = float((expected["x_hat"] - output.image).abs().max()) / scale
    if ready:
        tell(f"{name}, quality {quality}: likelihoods to {largest:.1e}, images to {image:.1e}")
    assert largest <= 1e-6
    assert image <= 1e-6


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("name", MODELS)
def test_strings_are_the_same_both_ways(
    name: str, quality: int, images: Tensor, tell: Callable[[str], None]
) -> None:
    net = lively(name, quality)
    codec = MODELS[name].from_compressai(net.state_dict())
    with torch.no_grad():
        original = net.compress(images)
        expected = net.decompress(**original)["x_hat"]
    strings = codec.compress_strings(images)
    assert strings["strings"] == original["strings"]
    assert strings["shape"] == tuple(original["shape"])
    sizes = [sum(map(len, group)) for group in strings["strings"]]
    assert sizes[0] > 1000
    tell(f"{name}, quality {quality}: strings of {sizes} bytes are the same")
    decoded = codec.decompress_strings(**original)
    torch.testing.assert_close(decoded, expected, rtol=0, atol=1e-6)
    with torch.no_grad():
        again = net.decompress(**strings)["x_hat"]
    torch.testing.assert_close(again, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", MODELS)
def test_files_hold_the_same_images(
    name: str, images: Tensor, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Bits of our own format, made of CompressAI's tables, also by a codec that was stored."""
    net = lively(name, 1)
    codec = MODELS[name].from_compressai(net.state_dict())
    fastcoder.torch.save_model(codec, tmp_path / "model")
    loaded = fastcoder.torch.load_model(tmp_path / "model")
    with torch.no_grad():
        original = net.compress(images[:1])
        expected = net.decompress(**original)["x_hat"][0]
    data = loaded.compress(images[0])
    assert data == codec.compress(images[0])
    theirs = sum(len(group[0]) for group in original["strings"])
    tell(f"{name}: file of {len(data)} bytes, CompressAI's strings have {theirs}")
    assert len(data) < 1.01 * theirs + 64
    torch.testing.assert_close(codec.decompress(data), expected, rtol=0, atol=1e-5)
    assert isinstance(loaded, MODELS[name])
    assert loaded.compress_strings(images[:1])["strings"] == original["strings"]


@pytest.mark.parametrize("name", MODELS)
def test_other_ways_to_store_a_model_give_the_same_codec(name: str) -> None:
    net = lively(name, 1)
    expected = MODELS[name].from_compressai(net.state_dict())
    buffer = io.BytesIO()
    torch.save(nn.DataParallel(net).state_dict(), buffer)
    buffer.seek(0)
    stored = torch.load(buffer, weights_only=True)
    assert next(iter(stored)).startswith("module.")
    assert MODELS[name].from_compressai(stored).fingerprint == expected.fingerprint
    old = {}
    for key, value in net.state_dict().items():
        for new, former in (("matrices", "matrix"), ("biases", "bias"), ("factors", "factor")):
            key = key.replace(f"bottleneck.{new}.", f"bottleneck._{former}")
        old[key] = value
    type(net).from_state_dict(dict(old))  # CompressAI takes these names as well
    assert MODELS[name].from_compressai(old).fingerprint == expected.fingerprint


def test_models_with_contexts_are_refused() -> None:
    net = zoo.mbt2018(1, pretrained=False)
    with pytest.raises(fastcoder.ArgumentError, match="unknown keys"):
        fastcoder.torch.MeanScaleHyperprior.from_compressai(net.state_dict())
