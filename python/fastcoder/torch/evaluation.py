# SPDX-License-Identifier: Apache-2.0
"""Rate and distortion of a codec, measured on real files: written, read back and decoded."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_msssim import ms_ssim

from fastcoder.errors import FastcoderError
from fastcoder.torch.codecs import ImageCodec
from fastcoder.torch.images import find_images, read_rgb, to_tensor

# Five scales of an 11-tap window, each half of the one before, need more than this.
_MS_SSIM_SIDE = 160


@dataclass(frozen=True)
class EvaluationRow:
    """One image.

    Attributes:
        name: path of the image below the folder.
        height: in pixels.
        width: in pixels.
        file_bytes: size of the `.fc` file.
        bpp: bits of the file per pixel.
        psnr: of the 8-bit RGB result, dB; inf if it is exact.
        ms_ssim: of the 8-bit RGB result, or NaN for an image with a side of at most 160 pixels.
        estimated_bits: -log2 of the likelihoods of the rounded latents.
        coded_bits: of the latents under the quantized tables.
        encode_seconds: image to bytes.
        decode_seconds: bytes to image.
    """

    name: str
    height: int
    width: int
    file_bytes: int
    bpp: float
    psnr: float
    ms_ssim: float
    estimated_bits: float
    coded_bits: float
    encode_seconds: float
    decode_seconds: float

    @property
    def difference(self) -> float:
        """Real size over estimated size, minus 1: 0.005 means half a percent too large."""
        return 8 * self.file_bytes / self.estimated_bits - 1


@dataclass(frozen=True)
class Evaluation:
    """All images of a folder.

    Attributes:
        rows: one per image that could be measured, by name.
        failures: (name, reason) of the others.
    """

    rows: tuple[EvaluationRow, ...]
    failures: tuple[tuple[str, str], ...]

    def mean(self, column: str) -> float:
        """Mean of a column over the rows, NaN entries left out; NaN if none is left."""
        values = [float(getattr(row, column)) for row in self.rows]
        kept = [value for value in values if not math.isnan(value)]
        return sum(kept) / len(kept) if kept else math.nan

    @property
    def difference(self) -> float:
        """Real size of all files over their estimated size, minus 1."""
        estimated = sum(row.estimated_bits for row in self.rows)
        return 8 * sum(row.file_bytes for row in self.rows) / estimated - 1 if estimated else 0.0


def evaluate(
    model: ImageCodec,
    folder: str | os.PathLike[str],
    *,
    on_row: Callable[[EvaluationRow], None] | None = None,
) -> Evaluation:
    """Compresses and restores every image of a folder and measures what came out.

    Args:
        model: any codec, on any device.
        folder: searched recursively. An image that cannot be read or coded becomes a failure and
            does not end the evaluation.
        on_row: called after each image.

    Returns:
        Rows and failures.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
    """
    base = Path(folder)
    rows: list[EvaluationRow] = []
    failures: list[tuple[str, str]] = []
    training = model.training
    model.eval()
    try:
        for path, name in _named(base):
            try:
                row = evaluate_image(model, read_rgb(path).rgb, name)
            except (OSError, ValueError, FastcoderError) as error:
                failures.append((name, str(error)))
                continue
            rows.append(row)
            if on_row is not None:
                on_row(row)
    finally:
        model.train(training)
    return Evaluation(tuple(rows), tuple(failures))


def evaluate_image(model: ImageCodec, pixels: NDArray[np.uint8], name: str) -> EvaluationRow:
    """Measures one image, uint8 (H, W, 3), through a real file; see `evaluate`."""
    original = to_tensor(pixels[None])[0]
    started = time.perf_counter()
    latents = model.latents(original)
    data = model.pack_latents(latents)
    encoded = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.fc"
        path.write_bytes(data)
        size = path.stat().st_size
        reading = time.perf_counter()
        image = model.decompress(path.read_bytes())
    decoded = time.perf_counter()
    restored = (image.cpu() * 255).round().byte().permute(1, 2, 0).numpy()
    quality = compare(restored, pixels)
    with torch.inference_mode():
        batch = original[None].to(image.device)
        estimated = float(model(batch, "round").bits())
    height, width = pixels.shape[:2]
    return EvaluationRow(
        name=name,
        height=height,
        width=width,
        file_bytes=size,
        bpp=8 * size / (height * width),
        psnr=quality.psnr,
        ms_ssim=quality.ms_ssim,
        estimated_bits=estimated,
        coded_bits=sum(part.bits() for part in latents.parts),
        encode_seconds=encoded - started,
        decode_seconds=decoded - reading,
    )


class Quality(NamedTuple):
    """How near an image is to its original: PSNR in dB (inf if equal), and MS-SSIM.

    MS-SSIM is NaN for an image with a side of at most 160 pixels.
    """

    psnr: float
    ms_ssim: float


def compare(image: NDArray[np.uint8], original: NDArray[np.uint8]) -> Quality:
    """Compares two images, uint8 (H, W, 3)."""
    mse = float(np.mean((image.astype(np.float64) - original) ** 2))
    psnr = 10 * math.log10(255**2 / mse) if mse else math.inf
    if min(image.shape[:2]) <= _MS_SSIM_SIDE:
        return Quality(psnr, math.nan)
    pair = [torch.from_numpy(a.copy()).permute(2, 0, 1)[None].float() for a in (image, original)]
    return Quality(psnr, float(ms_ssim(*pair, data_range=255)))


def _named(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in find_images(folder):
        yield path, path.relative_to(folder).as_posix()
