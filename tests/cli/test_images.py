# SPDX-License-Identifier: Apache-2.0
"""Decoded images become files that keep every pixel, or nothing."""

from pathlib import Path

import numpy as np
import pytest

from fastcoder.cli.images import LOSSLESS_SUFFIXES, write_rgb
from fastcoder.errors import ArgumentError
from fastcoder.torch.images import read_rgb


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (13, 17, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", LOSSLESS_SUFFIXES)
def test_read_inverts_write(tmp_path: Path, pixels: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    write_rgb(path, pixels)
    photograph = read_rgb(path)
    assert photograph.rgb.dtype == np.uint8
    assert np.array_equal(photograph.rgb, pixels)
    assert photograph.notices == ()


def test_write_refuses_formats_that_lose_pixels(tmp_path: Path, pixels: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match=r"= '\.jpg', expected one of \.bmp, \.png"):
        write_rgb(tmp_path / "image.jpg", pixels)
    assert list(tmp_path.iterdir()) == []


def test_write_keeps_an_existing_file(tmp_path: Path, pixels: np.ndarray) -> None:
    path = tmp_path / "image.png"
    write_rgb(path, pixels)
    with pytest.raises(FileExistsError):
        write_rgb(path, 255 - pixels)
    assert np.array_equal(read_rgb(path).rgb, pixels)
