# SPDX-License-Identifier: Apache-2.0
"""Whole systems against numbers that theory gives: rates, redundancy, estimated against real bits.

The numbers come from sums over exact distributions: a mixture of two rounded Gaussians has an
entropy of 2.7992 bits per symbol if the component is known and 3.5609 if it is not.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import fastcoder
from fastcoder.torch import FactorizedPrior, ImageCodec, ScaleHyperprior
from fastcoder.torch.images import find_images, read_rgb, to_tensor
from fastcoder.torch.training import TrainConfig, Trainer
from fastcoder.torch.training.data import CropSource
from fastcoder.torch.training.optimizers import Soap


def gaussian_pmf(sigma: float, symbols: np.ndarray) -> np.ndarray:
    """P(round(X) = k) for X ~ N(0, sigma^2), each from the tail where nothing cancels."""
    root = sigma * math.sqrt(2)
    return np.array(
        [
            0.5 * (math.erfc((abs(k) - 0.5) / root) - math.erfc((abs(k) + 0.5) / root))
            for k in symbols
        ]
    )


# ---- a source whose scale is constant over blocks ------------------------------------------------


@pytest.fixture(scope="module")
def blocks() -> tuple[np.ndarray, np.ndarray]:
    """16,384 blocks of 8 x 8 symbols and the class of each: half sigma = 0.3, half sigma = 8."""
    rng = np.random.default_rng(11)
    classes = rng.permutation(np.repeat([0, 1], 8192)).astype(np.uint8)
    sigma = np.array([0.3, 8.0])[classes][:, None]
    return np.rint(sigma * rng.standard_normal((16384, 64))).astype(np.int16), classes


def test_side_information_reaches_the_conditional_entropy(
    blocks: tuple[np.ndarray, np.ndarray],
) -> None:
    symbols, classes = blocks
    encoder = fastcoder.Encoder(check=True)
    encoder.push(classes, None, fastcoder.CdfTable.from_pmf([[0.5, 0.5]], [0], escape=False))
    rows = np.broadcast_to(classes[:, None], symbols.shape)
    encoder.push(symbols, rows, fastcoder.CdfTable.gaussian([0.3, 8.0]))
    bits = 8 * len(encoder.finish()) / symbols.size
    assert bits == pytest.approx(2.7992 + 1 / 64, rel=0.001)


def test_a_factorized_table_pays_the_marginal_entropy(
    blocks: tuple[np.ndarray, np.ndarray],
) -> None:
    symbols, _ = blocks
    reach = np.arange(-60, 61)
    mixture = 0.5 * gaussian_pmf(0.3, reach) + 0.5 * gaussian_pmf(8.0, reach)
    table = fastcoder.CdfTable.from_pmf([mixture], [-60])
    bits = 8 * len(fastcoder.encode(symbols, None, table)) / symbols.size
    assert bits == pytest.approx(3.5609, rel=0.003)
    assert bits > 2.8148 + 0.74


# ---- tables --------------------------------------------------------------------------------------


def redundancy(table: fastcoder.CdfTable, row: int, sigma: float) -> float:
    """Expected bits minus entropy of the rounded Gaussian, escapes as docs/format.md codes them."""
    frequencies = np.diff(table.cdf(row).astype(np.float64)) / 2.0**table.precision
    first = table.offsets[row]
    last = first + len(frequencies) - 2
    reach = max(math.ceil(12 * sigma), last) + 2
    symbols = np.arange(-reach, reach + 1)
    pmf = gaussian_pmf(sigma, symbols)
    distance = np.maximum(np.maximum(first - symbols, symbols - last), 0)
    outside = distance > 0
    bits = np.empty(len(symbols))
    bits[~outside] = -np.log2(frequencies[:-1])
    gamma = 2 * np.floor(np.log2(np.maximum(distance, 1))) + 1
    bits[outside] = -np.log2(frequencies[-1]) + gamma[outside] + 1
    seen = pmf > 0
    entropy = -(pmf[seen] * np.log2(pmf[seen])).sum()
    return float((pmf * bits).sum() - entropy)


@pytest.mark.parametrize(
    ("precision", "below_16", "smallest", "largest"),
    [(14, 9.5e-5, 2.4e-4, 0.0255), (16, 3.5e-5, 5.0e-5, 0.0030)],
)
def test_gaussian_tables_have_the_redundancy_of_optimal_ones(
    precision: int, below_16: float, smallest: float, largest: float
) -> None:
    scales = fastcoder.scale_table(levels=64)
    table = fastcoder.CdfTable.gaussian(scales, precision=precision, tail_mass=2.0**-12)
    losses = np.array([redundancy(table, row, sigma) for row, sigma in enumerate(scales)])
    assert bool((losses > -1e-12).all())
    assert losses[scales < 16].mean() <= below_16
    assert losses[0] <= smallest
    assert losses[-1] <= largest


def test_gaussian_tables_are_increasing_whole_and_symmetric() -> None:
    table = fastcoder.CdfTable.gaussian(fastcoder.scale_table())
    for row in range(table.rows):
        cdf = table.cdf(row).astype(np.int64)
        frequencies = np.diff(cdf)
        assert cdf[0] == 0
        assert cdf[-1] == 2**14
        assert bool((frequencies > 0).all())
        symbols = frequencies[:-1]
        np.testing.assert_array_equal(symbols, symbols[::-1])
        assert table.offsets[row] == -(len(symbols) // 2)


# ---- a toy codec, trained here -------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> ScaleHyperprior:
    config = TrainConfig(
        data=photographs,
        out=tmp_path_factory.mktemp("toy"),
        channels=8,
        latent_channels=12,
        lmbda=0.02,
        steps=300,
        batch=3,
        crop=128,  # at 64 z is a single pixel, and whole images are unlike anything seen
        optimizer="soap",
        lr=1e-2,
        warmup=20,
        ema=0.98,
        bf16=False,
        seed=2,
    )
    trainer = Trainer(config)
    with CropSource(find_images(photographs), config.crop, config.batch, config.seed) as source:
        for _ in range(config.steps):
            trainer.train_step(to_tensor(source.next()))
    assert isinstance(trainer.average, ScaleHyperprior)
    return trainer.average


@pytest.fixture(scope="module")
def images(photographs: Path) -> list[torch.Tensor]:
    return [to_tensor(read_rgb(path).rgb[None])[0] for path in find_images(photographs)[:4]]


def estimated_bits(model: ImageCodec, images: list[torch.Tensor]) -> float:
    with torch.no_grad():
        return sum(float(model(image[None], "round").bits()) for image in images)


def test_real_bits_are_the_estimated_bits(
    trained: ScaleHyperprior, images: list[torch.Tensor]
) -> None:
    coded = 0.0
    for image in images:
        latents = trained.latents(image)
        encoder = fastcoder.Encoder()
        bits = 0.0
        for part in latents.parts:
            encoder.push(part.symbols, part.indexes, part.table)
            bits += part.bits()
        stream = encoder.finish()
        assert 8 * len(stream) <= bits * 1.002 + 64
        decoder = fastcoder.Decoder(stream)
        for part in latents.parts:
            symbols = decoder.pull(part.indexes, part.table, dtype=np.int16)
            np.testing.assert_array_equal(symbols, part.symbols)
        decoder.finish()
        coded += bits
    assert coded > 8000  # the toy has learned to use its latents
    assert coded == pytest.approx(estimated_bits(trained, images), rel=0.005)


def test_hyperprior_needs_fewer_bits_than_a_factorized_prior(
    trained: ScaleHyperprior, photographs: Path
) -> None:
    """At equal distortion: both codecs have the same transforms, so they code the same latents.

    Each prior is fitted to the latents of the same images for the same number of steps.
    """
    paths = find_images(photographs)
    batch = torch.cat([to_tensor(read_rgb(path).rgb[None, :128, :256]) for path in paths])
    hyper = copy.deepcopy(trained).requires_grad_(False)
    factorized = FactorizedPrior(8, 12).requires_grad_(False)
    factorized.analysis.load_state_dict(trained.analysis.state_dict())
    factorized.synthesis.load_state_dict(trained.synthesis.state_dict())
    fitted = {
        hyper: [hyper.hyper_analysis, hyper.hyper_synthesis, hyper.bottleneck],
        factorized: [factorized.bottleneck],
    }
    errors, bits = [], []
    for model, parts in fitted.items():
        parameters = [parameter for part in parts for parameter in part.parameters()]
        optimizer = Soap([parameter.requires_grad_() for parameter in parameters], 0.02)
        for step in range(200):
            optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 200)
            optimizer.zero_grad()
            (model(batch, "noise").bits() / batch.shape[0]).backward()
            optimizer.step()
        with torch.no_grad():
            output = model(batch, "round")
        errors.append(float((output.image - batch).square().mean()))
        bits.append(float(output.bits()))
    # Not exactly equal: one rounds y to integers, the other around its medians.
    assert errors[0] == pytest.approx(errors[1], rel=0.03)
    assert bits[0] < 0.95 * bits[1]
