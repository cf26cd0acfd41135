# SPDX-License-Identifier: Apache-2.0
"""Image files as compression, evaluation and training read them: one reader, the same pixels.

A codec sees 8-bit RGB only. Whatever a file holds beyond that is converted where nothing is lost,
named in a notice where something small is (a color profile), and an error where it is part of the
picture (transparency, 16 bits).
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from fastcoder.container import FILE_BYTES_PER_PIXEL, MAX_PIXELS, read_at_most
from fastcoder.errors import ArgumentError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".tif", ".tiff"})

_GRAY_MODES = ("1", "L")
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """An image file as a codec sees it.

    Attributes:
        rgb: uint8[height, width, 3], upright.
        notices: What the file held beyond that and what happened to it, one sentence each.
    """

    rgb: NDArray[np.uint8]
    notices: tuple[str, ...]


def find_images(folder: Path) -> list[Path]:
    """All image files below `folder`, sorted by path.

    Raises:
        FileNotFoundError: the folder does not exist or holds no image.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"data = {str(folder)!r}, expected an existing folder")
    paths = sorted(
        path
        for path in folder.rglob("*")
        # Unlike is_dir, isdir raises nothing where it may not look.
        if path.suffix.lower() in SUFFIXES and not os.path.isdir(path)  # noqa: PTH112
    )
    if not paths:
        known = ", ".join(sorted(SUFFIXES))
        raise FileNotFoundError(f"data = {str(folder)!r}, expected a folder with images ({known})")
    return paths


def read_rgb(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Photograph:
    """Reads an image file.

    Gray and palette images become RGB, an EXIF orientation is applied, an alpha channel that is
    opaque everywhere is dropped.

    Args:
        path: any format that Pillow reads; a pipe works, too.
        max_pixels: a larger image is an error; it is noticed before the pixels are decoded.
            Pillow's own limit, twice `PIL.Image.MAX_IMAGE_PIXELS`, stays in force.

    Returns:
        The pixels and the notices.

    Raises:
        OSError: the file cannot be read.
        ArgumentError: it is not an image, is damaged, is too large, has 16 bits or transparency.
    """
    name = os.fspath(path)
    # Never below the default: a small image may carry large metadata.
    limit = FILE_BYTES_PER_PIXEL * max(max_pixels, MAX_PIXELS)
    content = read_at_most(path, limit)
    if content is None:
        raise ArgumentError(f"{name} = more than {limit} bytes, expected an image")
    try:
        return _decode(name, content, max_pixels)
    except (ArgumentError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ArgumentError(f"{name} = not an image that Pillow can read") from None
    except Image.DecompressionBombError as error:
        raise ArgumentError(f"{name} = too large an image: {error}") from None
    except Exception as error:
        # Decoders raise whatever they like: SyntaxError for PNG, RuntimeError for AVIF,
        # NotImplementedError for DDS.
        raise ArgumentError(f"{name} = a damaged image: {error}") from error


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W) in [0, 1], in channels_last memory order."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255.0)


def _decode(name: str, content: bytes, max_pixels: int) -> Photograph:
    notices: list[str] = []
    with Image.open(io.BytesIO(content)) as image:
        _check_size(name, image.size, max_pixels)
        _check_depth(name, image)
        if getattr(image, "n_frames", 1) > 1:
            notices.append(f"{name}: only its first frame is used")
        if image.info.get("icc_profile"):
            notices.append(f"{name}: its color profile is not kept")
        image.load()
        rgb = _to_rgb(name, ImageOps.exif_transpose(image))
    return Photograph(np.array(rgb, dtype=np.uint8), tuple(notices))


def _check_size(name: str, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ArgumentError(
            f"{name} = {width} x {height} = {width * height} pixels, "
            f"expected at most {max_pixels} (max_pixels)"
        )


def _check_depth(name: str, image: Image.Image) -> None:
    """Raise for more than 8 bits per channel.

    Pillow reports 16-bit color as plain "RGB" and cuts the low bytes off without a word; only the
    arguments of its decoder show it.
    """
    deep = image.mode.startswith("I") or image.mode == "F"
    for tile in getattr(image, "tile", ()):
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        deep |= any(isinstance(argument, str) and ";16" in argument for argument in arguments)
        # Netpbm: (mode, largest value).
        deep |= tile[0] == "ppm" and any(type(a) is int and a > 255 for a in arguments)
    if deep:
        raise ArgumentError(f"{name} = more than 8 bits per channel, expected 8; convert it first")


def _to_rgb(name: str, image: Image.Image) -> Image.Image:
    if "transparency" in image.info and image.mode in ("1", "L", "P", "RGB"):
        image = image.convert("RGBA")
    if image.mode in _ALPHA_MODES:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] != 255:
            raise ArgumentError(
                f"{name} = an image with transparency, expected an opaque one; flatten it first"
            )
    elif image.mode not in (*_GRAY_MODES, "P", "RGB", "CMYK", "YCbCr"):
        raise ArgumentError(f"{name} = an image of mode {image.mode}, expected RGB or gray")
    return image.convert("RGB")
