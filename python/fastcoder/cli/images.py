# SPDX-License-Identifier: Apache-2.0
"""Image files to 8-bit RGB arrays and back, through Pillow: what the command line reads and writes.

A codec sees RGB only. Whatever a file holds beyond that is converted where nothing is lost, named
in a notice where something small is (a color profile), and an error where it is part of the picture
(transparency, 16 bits).
"""

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fastcoder.container import MAX_PIXELS, write_atomically
from fastcoder.errors import ArgumentError

__all__ = ["LOSSLESS_SUFFIXES", "Photograph", "check_suffix", "read_rgb", "write_rgb"]

# A decoded image is written to formats that keep every pixel.
LOSSLESS_SUFFIXES = {".bmp": "BMP", ".png": "PNG", ".ppm": "PPM", ".tif": "TIFF", ".tiff": "TIFF"}

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


def read_rgb(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Photograph:
    """Read an image file.

    Gray and palette images become RGB, an EXIF orientation is applied, an alpha channel that is
    opaque everywhere is dropped.

    Args:
        path: Any format that Pillow reads.
        max_pixels: A larger image is an error; it is noticed before the pixels are read.

    Returns:
        The pixels and the notices.

    Raises:
        OSError: If the file cannot be read.
        ArgumentError: If it is not an image, is too large, has 16 bits or transparency.
    """
    name = os.fspath(path)
    content = Path(path).read_bytes()
    notices: list[str] = []
    with warnings.catch_warnings():
        # Our own limit comes first, in pixels that the caller chose.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(content)) as image:
                _check_size(name, image.size, max_pixels)
                _check_depth(name, image)
                if getattr(image, "n_frames", 1) > 1:
                    notices.append(f"{name}: only its first frame is used")
                if image.info.get("icc_profile"):
                    notices.append(f"{name}: its color profile is not kept")
                image.load()
                rgb = _to_rgb(name, ImageOps.exif_transpose(image))
        except UnidentifiedImageError:
            raise ArgumentError(f"{name} = not an image that Pillow can read") from None
        except Image.DecompressionBombError as error:
            raise ArgumentError(f"{name} = too large an image: {error}") from None
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(f"{name} = a damaged image: {error}") from error
    return Photograph(np.array(rgb, dtype=np.uint8), tuple(notices))


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


def _check_size(name: str, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ArgumentError(
            f"{name} = {width} x {height} = {width * height} pixels, "
            f"expected at most {max_pixels} (--max-pixels)"
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
