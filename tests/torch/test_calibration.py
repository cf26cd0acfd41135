# SPDX-License-Identifier: Apache-2.0
"""Marks make float models decode where scales differ a little, at the price of theory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import fastcoder
from fastcoder import container
from fastcoder.scales import Rule, scale_thresholds
from fastcoder.torch import Calibrated, MeanScaleHyperprior, ScaleHyperprior
from fastcoder.torch.calibration import margin, mark, pull_rows

KODAK_LATENTS, KODAK_PIXELS = 294_912, 768 * 512


def lively(kind: type[ScaleHyperprior]) -> ScaleHyperprior:
    """Random weights, but z and the scales of y vary from place to place."""
    torch.manual_seed(5)
    codec = kind(6, 9).eval()
    with torch.no_grad():
        codec.analysis[-1].weight.mul_(30.0)
        codec.hyper_analysis[-1].weight.mul_(60.0)
        codec.hyper_synthesis[-1].bias[:9].uniform_(0.5, 4.0)
        for layer in codec.hyper_synthesis[::2]:
            layer.weight.mul_(2.0)
    return codec


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(3, 130, 190, generator=torch.Generator().manual_seed(1))


class Perturbed(Calibrated):
    """Another device: every scale comes out a little different."""

    def __init__(self, codec: ScaleHyperprior, eps: float, error: float, seed: int) -> None:
        super().__init__(codec, eps)
        self.error = error
        self.rng = np.random.default_rng(seed)

    def _parameters(self, z_symbols: np.ndarray) -> tuple[np.ndarray, torch.Tensor | None]:
        sigma, mean = super()._parameters(z_symbols)
        return sigma * (1 + self.rng.uniform(-self.error, self.error, sigma.shape)), mean


@pytest.mark.parametrize("kind", [ScaleHyperprior, MeanScaleHyperprior])
@pytest.mark.parametrize("eps", [1e-5, 1e-4, 1e-3])
def test_a_device_with_other_scales_decodes_the_same(
    kind: type[ScaleHyperprior], eps: float, image: torch.Tensor
) -> None:
    codec = lively(kind)
    here = Calibrated(codec, eps)
    latents = here.latents(image)
    data = here.pack_latents(latents)
    for seed in range(20):
        there = Perturbed(codec, eps, eps, seed).unpack_latents(data)
        for part in latents.parts:
            assert np.array_equal(there.part(part.name).symbols, part.symbols)
            assert np.array_equal(there.part(part.name).indexes, part.indexes)
        assert here.pack_latents(there) == data
    assert here.decompress(data).shape == image.shape


def test_without_enough_marks_the_same_device_fails_loudly(image: torch.Tensor) -> None:
    """The control: errors 1,000 times larger than eps cross thresholds, and the hash says so."""
    codec = lively(ScaleHyperprior)
    data = Calibrated(codec, 1e-6).compress(image)
    errors = 0
    for seed in range(20):
        try:
            Perturbed(codec, 1e-6, 1e-3, seed).unpack_latents(data)
        except fastcoder.StreamError:
            errors += 1
    assert errors == 20


def theory(count: int, total: int) -> float:
    """Bits of a random subset of that size, and one for the side of each."""
    p = count / total
    return total * -(p * np.log2(p) + (1 - p) * np.log2(1 - p)) + count


@pytest.mark.parametrize(
    ("eps", "flags", "bpp"), [(1e-5, 48, 0.0018), (1e-4, 480, 0.014), (1e-3, 4800, 0.10)]
)
def test_marks_cost_what_theory_says(eps: float, flags: int, bpp: float) -> None:
    """64 scales and latents of one Kodak image, spread evenly over the logarithm."""
    rng = np.random.default_rng(11)
    scales = fastcoder.scale_table(0.11, 256.0, 64)
    counts, bits = [], []
    for _ in range(6):
        sigma = np.exp(rng.uniform(np.log(0.11), np.log(256.0), KODAK_LATENTS))
        _, parts = mark(sigma, scales, eps)
        counts.append(parts[2].symbols.size)
        bits.append(sum(part.bits() for part in parts))
        encoder = fastcoder.Encoder()
        for part in parts:
            encoder.push(part.symbols, part.indexes, part.table)
        assert 8 * len(encoder.finish()) < bits[-1] * 1.002 + 8 * 16
        assert bits[-1] < 1.1 * theory(counts[-1], KODAK_LATENTS)
    assert np.mean(counts) == pytest.approx(flags, rel=0.1)
    assert np.mean(bits) / KODAK_PIXELS == pytest.approx(bpp, rel=0.1)


@pytest.mark.parametrize("rule", ["nearest", "ceil"])
def test_marks_are_those_within_eps_of_a_threshold(rule: Rule) -> None:
    rng = np.random.default_rng(5)
    scales = fastcoder.scale_table(0.2, 20.0, 30)
    thresholds = scale_thresholds(scales, rule)
    sigma = rng.choice(thresholds, 5000) * (1 + rng.uniform(-3e-3, 3e-3, 5000))
    rows, parts = mark(sigma, scales, 1e-3, rule)
    assert np.array_equal(rows, fastcoder.scale_indexes(sigma, scales, rule))
    distance = margin(sigma, scales, rule)
    marked = parts[1].symbols != 0
    clear = np.abs(distance - 1e-3) > 5e-6  # eps is relative to the scale or to the threshold
    assert np.array_equal(marked[clear], (distance < 1e-3)[clear])

    encoder = fastcoder.Encoder()
    for part in parts:
        encoder.push(part.symbols, part.indexes, part.table)
    stream = encoder.finish()
    for _ in range(20):
        other = sigma * (1 + rng.uniform(-1e-3, 1e-3, sigma.shape))
        assert not np.array_equal(fastcoder.scale_indexes(other, scales, rule), rows)
        decoder = fastcoder.Decoder(stream)
        found, _ = pull_rows(decoder, other, scales, rule)
        decoder.finish()
        assert np.array_equal(found, rows)


@pytest.mark.parametrize("sigma", [np.array([0.5, 3.0]), np.zeros(0), np.full((2, 3), 99.0)])
def test_no_marks_cost_two_digits(sigma: np.ndarray) -> None:
    rows, parts = mark(sigma, [0.5, 1.0, 4.0], 1e-3)
    assert rows.shape == sigma.shape
    assert [part.name for part in parts] == ["marks.density"]
    assert parts[0].bits() == 14


def test_every_latent_marked() -> None:
    sigma = np.full(100, 1.0)
    rows, parts = mark(sigma, [0.5, 1.0, 2.0], 1e-3, "ceil")
    assert parts[1].symbols.all()
    encoder = fastcoder.Encoder()
    for part in parts:
        encoder.push(part.symbols, part.indexes, part.table)
    decoder = fastcoder.Decoder(encoder.finish())
    assert np.array_equal(pull_rows(decoder, sigma * 1.0009, [0.5, 1.0, 2.0], "ceil")[0], rows)


def test_files_say_that_they_have_marks(image: torch.Tensor) -> None:
    codec = lively(ScaleHyperprior)
    here = Calibrated(codec, 1e-4)
    data = here.compress(image)
    assert container.unpack(data).model == "scale-hyperprior-calibrated"
    for other in (codec, Calibrated(codec, 2e-4)):
        with pytest.raises(fastcoder.StreamError, match="the file was made with another model"):
            other.unpack_latents(data)
    with pytest.raises(fastcoder.StreamError, match="the file was made with another model"):
        here.unpack_latents(codec.compress(image))


def test_damaged_marks_are_noticed(image: torch.Tensor) -> None:
    """With the checksum put right again, the symbol hash is what is left."""
    here = Calibrated(lively(ScaleHyperprior), 1e-3)
    file = container.unpack(here.compress(image))
    rng = np.random.default_rng(2)
    for _ in range(200):
        stream = bytearray(file.stream)
        stream[int(rng.integers(1, len(stream)))] ^= 1 << int(rng.integers(8))
        with pytest.raises(fastcoder.StreamError):
            here.unpack_latents(container.pack(replace(file, stream=bytes(stream))))


@pytest.mark.parametrize("eps", [0.0, -1e-3, 0.02, float("nan")])
def test_eps_that_cannot_work_is_refused(eps: float) -> None:
    with pytest.raises(fastcoder.ArgumentError, match=r"eps = .*, expected 0 < eps < 0.00787"):
        Calibrated(lively(ScaleHyperprior), eps)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_file_of_cuda_decodes_on_the_cpu(image: torch.Tensor) -> None:
    data = Calibrated(lively(ScaleHyperprior).cuda(), 1e-4).compress(image)
    latents = Calibrated(lively(ScaleHyperprior), 1e-4).unpack_latents(data)
    assert (latents.height, latents.width) == image.shape[1:]
