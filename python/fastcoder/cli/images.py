# SPDX-License-Identifier: Apache-2.0
"""Decoded images to lossless files, through Pillow."""

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastcoder.container import write_atomically
from fastcoder.errors import ArgumentError

__all__ = ["LOSSLESS_SUFFIXES", "check_suffix", "write_rgb"]

# A decoded image is written to formats that keep every pixel.
LOSSLESS_SUFFIXES = {".bmp": "BMP", ".png": "PNG", ".ppm": "PPM", ".tif": "TIFF", ".tiff": "TIFF"}


def write_rgb(
    path: str | os.PathLike[str], rgb: NDArray[np.uint8], *, overwrite: bool = False
) -> None:
    """Write pixels to a lossless image file, completely or not at all.

    Args:
        path: Its suffix chooses the format; see `LOSSLESS_SUFFIXES`.
        rgb: uint8[height, width, 3].
        overwrite: Replace an existing file instead of raising.

    Raises:
        ArgumentError: If the suffix is not one of `LOSSLESS_SUFFIXES`.
        FileExistsError: If the file exists and `overwrite` is false.
        OSError: If the system cannot write it.
    """
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format=check_suffix(path))
    write_atomically(path, buffer.getvalue(), overwrite=overwrite)


def check_suffix(path: str | os.PathLike[str]) -> str:
    """Name the lossless format (in Pillow's words) that a suffix stands for, or raise."""
    suffix = Path(path).suffix.lower()
    if suffix not in LOSSLESS_SUFFIXES:
        known = ", ".join(LOSSLESS_SUFFIXES)
        raise ArgumentError(f"suffix of {os.fspath(path)} = {suffix!r}, expected one of {known}")
    return LOSSLESS_SUFFIXES[suffix]
