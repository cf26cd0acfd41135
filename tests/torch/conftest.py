# SPDX-License-Identifier: Apache-2.0
"""Synthetic photographs: smooth noise whose contrast changes from place to place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


def photograph(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """uint8 (height, width, 3): 1/f noise times a smooth mask, with a mean that drifts."""
    rows = np.fft.fftfreq(height)[:, None]
    columns = np.fft.fftfreq(width)[None, :]
    distance = np.hypot(rows, columns)
    fields = []
    for power, cutoff in ((1.0, 0.5), (2.0, 0.05), (2.0, 0.05)):
        spectrum = np.fft.fft2(rng.standard_normal((height, width)))
        spectrum *= (distance < cutoff) / np.maximum(distance, 1 / max(height, width)) ** power
        field = np.fft.ifft2(spectrum).real
        fields.append(field / field.std())
    texture, contrast, mean = fields
    gray = 128 + 35 * mean + 40 * texture * np.clip(contrast, 0, 2)
    tint = 1 + 0.2 * rng.standard_normal(3)
    return np.clip(gray[..., None] * tint, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from threads, and on a busy machine lose a factor of five."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight synthetic photographs, two of them in a subfolder."""
    rng = np.random.default_rng(7)
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "more").mkdir()
    for number in range(8):
        name = f"more/{number}.webp" if number > 5 else f"{number}.png"
        size = (180 + 20 * number, 300)
        Image.fromarray(photograph(rng, *size)).save(folder / name, lossless=True)
    return folder
