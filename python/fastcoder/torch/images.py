# SPDX-License-Identifier: Apache-2.0
"""Folders of image files as training and evaluation read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".tif", ".tiff"})


def find_images(folder: Path) -> list[Path]:
    """All image files below `folder`, sorted by path.

    Raises:
        FileNotFoundError: the folder does not exist or holds no image.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"data = {str(folder)!r}, expected an existing folder")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        known = ", ".join(sorted(SUFFIXES))
        raise FileNotFoundError(f"data = {str(folder)!r}, expected a folder with images ({known})")
    return paths


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decodes a file to RGB: uint8 (H, W, 3).

    Raises:
        OSError: it cannot be read or is damaged.
        ValueError: it is too large to be a photograph.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} = {error}, expected a photograph") from None
    except SyntaxError as error:  # what Pillow raises for some damaged PNG files
        raise OSError(f"{path} = a damaged image: {error}") from None


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W) in [0, 1], in channels_last memory order."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255.0)
