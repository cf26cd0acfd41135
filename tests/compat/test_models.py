# SPDX-License-Identifier: Apache-2.0
"""CompressAI's models write and read the same with the drop-in coder as without it."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import compressai._CXX
import compressai.ans
import pytest
import torch
from compressai.entropy_models import EntropyBottleneck, GaussianMixtureConditional
from compressai.entropy_models import entropy_models as module_of_models
from compressai.latent_codecs import RasterScanLatentCodec
from compressai.models import google

import fastcoder.compat.compressai as ours
from tests.compat import models

ROOT = Path(__file__).resolve().parents[2]
IMAGE = models.image()


def names_in_place() -> list[object]:
    """What CompressAI's modules hold under the names that are replaced."""
    return [
        compressai.ans.RansEncoder,
        compressai.ans.BufferedRansEncoder,
        compressai.ans.RansDecoder,
        compressai._CXX.pmf_to_quantized_cdf,
        google.BufferedRansEncoder,
        google.RansDecoder,
        module_of_models._pmf_to_quantized_cdf,
        module_of_models.EntropyModel.compress,
        module_of_models.EntropyModel.decompress,
    ]


@pytest.mark.parametrize("name", models.NAMES)
def test_same_strings(name: str, tell: Callable[[str], None]) -> None:
    former = names_in_place()
    model = models.make(name)
    written = models.compress(model)
    decoded = models.decompress(model, written)
    with ours.install():
        assert names_in_place() != former
        # A model made before, used by the drop-in coder, in both directions.
        again = models.compress(model)
        assert again["strings"] == written["strings"]
        assert torch.equal(models.decompress(model, written), decoded)
        # One made, one copied and one unpickled while it is in place: tables included.
        fresh = models.make(name)
        assert fresh.state_dict().keys() == model.state_dict().keys()
        for key, value in fresh.state_dict().items():
            assert torch.equal(value, model.state_dict()[key]), key
        for other in (fresh, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert models.compress(other)["strings"] == written["strings"]
            assert torch.equal(models.decompress(other, written), decoded)
    assert names_in_place() == former
    # What the drop-in coder wrote, read by the original; the other models outlive it.
    assert torch.equal(models.decompress(model, again), decoded)
    assert models.compress(fresh)["strings"] == written["strings"]
    assert torch.equal(models.decompress(fresh, written), decoded)
    sizes = [len(string) for group in written["strings"] for string in group]
    tell(f"{name}: strings of {sizes} bytes equal in both directions, images equal")


def digests(when: str, folders: list[str]) -> dict[str, Any]:
    """Those of a process of its own."""
    path = [*folders, str(ROOT), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.compat.models", when],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_whenever_it_is_installed(folder: Path, tell: Callable[[str], None]) -> None:
    expected = digests("never", [])
    assert Path(expected["compressai"]).is_relative_to(Path(compressai.__file__).parent)
    for when in ("before", "after", "made"):
        assert digests(when, []) == expected, when
    # The source of CompressAI without its compiled modules, which then cannot work alone.
    source = str(folder / "sdist")
    with pytest.raises(AssertionError, match="compressai"):
        digests("never", [source])
    found = digests("before", [source])
    assert Path(found.pop("compressai")).is_relative_to(source)
    expected.pop("compressai")
    assert found == expected
    tell(
        f"the same for {len(expected)} models with install() before the import, after it, after "
        "the models were made, and without CompressAI's compiled modules"
    )


def make_raster_scan(channels: int = 6) -> torch.nn.Module:
    from compressai.entropy_models import GaussianConditional
    from compressai.layers import MaskedConv2d

    torch.manual_seed(3)
    codec = RasterScanLatentCodec(
        gaussian_conditional=GaussianConditional(torch.exp(torch.linspace(-2.2, 5.5, 64)).tolist()),
        entropy_parameters=torch.nn.Conv2d(4 * channels, 2 * channels, 1),
        context_prediction=MaskedConv2d(channels, 2 * channels, kernel_size=5, padding=2, stride=1),
    )
    codec.gaussian_conditional.update()
    return codec.eval()


@torch.no_grad()
def test_raster_scan_codec() -> None:
    codec = make_raster_scan()
    latents, parameters = 6 * torch.randn(1, 6, 5, 4), torch.randn(1, 12, 5, 4)
    written = codec.compress(latents, parameters)
    decoded = codec.decompress(written["strings"], written["shape"], parameters)
    with ours.install():
        assert codec.compress(latents, parameters)["strings"] == written["strings"]
        again = codec.decompress(written["strings"], written["shape"], parameters)
    assert torch.equal(again["y_hat"], decoded["y_hat"])


@torch.no_grad()
def test_variable_rate_models() -> None:
    from compressai.models import JointAutoregressiveHierarchicalPriorsVbr, ScaleHyperpriorVbr

    for architecture in (ScaleHyperpriorVbr, JointAutoregressiveHierarchicalPriorsVbr):
        torch.manual_seed(4)
        model = architecture(8, 16).eval()
        model.update(force=True)
        written = model.compress(IMAGE)
        decoded = model.decompress(written["strings"], written["shape"])["x_hat"]
        with ours.install():
            assert model.compress(IMAGE)["strings"] == written["strings"]
            again = model.decompress(written["strings"], written["shape"])["x_hat"]
        assert torch.equal(again, decoded)


@torch.no_grad()
def test_gaussian_mixture() -> None:
    torch.manual_seed(6)
    mixture = GaussianMixtureConditional(K=3)
    shape = (1, 4, 3, 5)
    values = (3 * torch.randn(shape)).round()
    scales, means = torch.rand(1, 12, 3, 5) * 3 + 0.2, torch.randn(1, 12, 3, 5)
    weights = torch.softmax(torch.randn(1, 3, 4, 3, 5), dim=1).reshape(1, 12, 3, 5)

    def both_ways(strings: tuple[Any, ...] | None) -> tuple[tuple[Any, ...], torch.Tensor]:
        # CompressAI changes its arguments.
        written, _ = mixture.compress(values, scales.clone(), means.clone(), weights)
        copies = scales.clone(), means.clone(), weights
        return written, mixture.decompress(*(strings or written), *copies)

    written, decoded = both_ways(None)
    with ours.install():
        again, decoded_again = both_ways(written)
    assert again[0] == written[0]
    assert torch.equal(decoded_again, decoded)


@torch.no_grad()
def test_a_batch_of_nothing() -> None:
    bottleneck = EntropyBottleneck(4)
    bottleneck.update()
    inputs = torch.zeros(0, 4, 3, 5)
    assert bottleneck.compress(inputs) == []
    expected = bottleneck.decompress([], (3, 5))
    with ours.install():
        assert bottleneck.compress(inputs) == []
        decoded = bottleneck.decompress([], (3, 5))
    assert decoded.shape == expected.shape == inputs.shape
    assert decoded.dtype == expected.dtype


@torch.no_grad()
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_no_numbers_raise(value: float) -> None:
    bottleneck = EntropyBottleneck(4)  # the original does not come back from them
    bottleneck.update()
    inputs = torch.zeros(2, 4, 3, 5)
    inputs[1, 2, 0, 4] = value
    with ours.install(), pytest.raises(ValueError, match=r"^inputs\[1, 2, 0, 4\] = (nan|inf), "):
        bottleneck.compress(inputs)


@torch.no_grad()
def test_same_errors() -> None:
    bottleneck = EntropyBottleneck(4)
    inputs = torch.randn(2, 4, 3, 3)
    indexes = torch.zeros(2, 4, 3, 3, dtype=torch.int32)
    attempts: list[Callable[[], object]] = [
        lambda: bottleneck.compress(inputs),  # no update()
        lambda: super(EntropyBottleneck, ready).compress(inputs[0, 0, 0], indexes[0, 0, 0]),
        lambda: super(EntropyBottleneck, ready).compress(inputs, indexes[:1]),
        lambda: ready.decompress(b"12345678", (3, 3)),
        lambda: super(EntropyBottleneck, ready).decompress([b"12345678"], indexes),
        lambda: super(EntropyBottleneck, ready).decompress(
            [b"12345678"] * 2, indexes, means=torch.zeros(2, 3, 3, 3)
        ),
    ]
    ready = EntropyBottleneck(4)
    ready.update()

    def messages() -> list[str]:
        found = []
        for attempt in attempts:
            with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared below
                attempt()
            found.append(str(caught.value))
        return found

    expected = messages()
    with ours.install():
        assert messages() == expected
