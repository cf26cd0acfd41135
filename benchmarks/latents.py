# SPDX-License-Identifier: Apache-2.0
"""Workloads from photographs: the latents y and z of the embedded model. Needs PyTorch.

====  ==========================================================================================
W7    y of one photograph: the one whose y has the median size
Y     y of all photographs, one after the other, as one message; only if there are several
Z     z of all photographs
====  ==========================================================================================
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import fastcoder.torch as fct
from benchmarks.workloads import TAIL_MASS, Workload, ceil_indexes, gaussian_bits
from fastcoder.torch.codecs.hyperprior import ScaleHyperprior
from fastcoder.torch.codecs.latents import Latents
from fastcoder.torch.images import find_images, read_rgb

_MOST_BITS = -float(np.log2(1e-9))  # of one latent: the floor of likelihoods in training


def make(photographs: Path) -> list[Workload]:
    """Return the workloads of one image file, or of all image files of a folder.

    Raises:
        FileNotFoundError: If there is no image.
    """
    paths = [photographs] if photographs.is_file() else find_images(photographs)
    if not paths:
        raise FileNotFoundError(f"photographs = {photographs}, expected a folder with images")
    codec = fct.load("default")
    if not isinstance(codec, ScaleHyperprior):
        raise TypeError(f"type(codec) = {type(codec).__name__}, expected ScaleHyperprior")
    images = [_latents(codec, path) for path in paths]
    source = paths[0].name if len(paths) == 1 else f"{len(paths)} images of {photographs.name}"

    sizes = [image.part("y").bits() for image in images]
    middle = int(np.argsort(sizes)[len(sizes) // 2])
    result = [_gaussian("W7", [images[middle]], paths[middle].name)]
    if len(images) > 1:
        result.append(_gaussian("Y", images, source))
    return [*result, _factorized(codec, images, source)]


def _latents(codec: ScaleHyperprior, path: Path) -> Latents:
    pixels = torch.from_numpy(read_rgb(path).rgb.copy())
    return codec.latents(pixels.permute(2, 0, 1).float() / 255)


def _gaussian(name: str, images: list[Latents], source: str) -> Workload:
    symbols = np.concatenate([image.part("y").symbols.ravel() for image in images])
    scales = [image.sigma.numpy().ravel() for image in images if image.sigma is not None]
    sigma = np.concatenate(scales).astype(np.float32)
    integers = symbols.astype(np.int32)
    with np.errstate(divide="ignore"):
        bits = np.minimum(gaussian_bits(integers, sigma), _MOST_BITS)
    total = float(bits.sum())
    return Workload(name, integers, ceil_indexes(sigma), sigma, None, None, total, source)


def _factorized(codec: ScaleHyperprior, images: list[Latents], source: str) -> Workload:
    parts = [image.part("z") for image in images]
    symbols = np.concatenate([part.symbols.ravel() for part in parts]).astype(np.int32)
    indexes = np.concatenate([part.indexes.ravel() for part in parts]).astype(np.uint8)
    rows, offsets = codec.bottleneck.pmf_rows(TAIL_MASS)
    pmf = tuple(np.array(row) for row in rows)
    first = np.array(offsets, np.int32)
    total = float(_row_bits(symbols - first[indexes], indexes, pmf).sum())
    return Workload("Z", symbols, indexes, None, pmf, first, total, source)


def _row_bits(
    positions: NDArray[np.int32], indexes: NDArray[np.uint8], pmf: tuple[NDArray[np.float64], ...]
) -> NDArray[np.float64]:
    lengths = np.array([row.size for row in pmf])
    starts = np.cumsum(lengths) - lengths
    inside = (positions >= 0) & (positions < lengths[indexes])
    mass = np.concatenate(pmf)[np.where(inside, starts[indexes] + positions, 0)]
    bits: NDArray[np.float64] = -np.log2(np.maximum(np.where(inside, mass, 0.0), 1e-9))
    return bits
