# SPDX-License-Identifier: Apache-2.0
"""What `fastcoder compress` and `fastcoder decompress` do with one file.

torch and Pillow are imported inside the functions: a wrong path is reported without them.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastcoder.cli.messages import note, shown
from fastcoder.container import (
    FILE_BYTES_PER_PIXEL,
    MAGIC,
    MAX_PIXELS,
    ImageFile,
    check_writable,
    read_at_most,
    unpack,
    write_atomically,
)
from fastcoder.errors import ArgumentError, FastcoderError, StreamError

if TYPE_CHECKING:
    from fastcoder.torch import ImageCodec

# Of an .fc file, beside those of its pixels: an image of one pixel has a header, too.
_FILE_BYTES_ANYWAY = 2**20


@dataclass(frozen=True)
class Options:
    """What the user asked for, beside the files."""

    model: str | None = None
    force: bool = False
    max_pixels: int = MAX_PIXELS


@functools.lru_cache(maxsize=1)
def load_model(name: str | None) -> ImageCodec:
    """The model in the file `name`, or the embedded one of that name or by default."""
    from fastcoder.torch.storage import EMBEDDED, load
    from fastcoder.torch.storage import load_model as load_file

    if name is None:
        return load()
    if Path(name).exists():
        return load_file(name)
    if name in EMBEDDED:
        return load(name)
    known = ", ".join(EMBEDDED)
    raise ArgumentError(f"model = {name!r}, expected a model file or one of: {known}")


def read_file(path: Path, max_pixels: int) -> tuple[bytes, ImageFile]:
    """An .fc file and what its container says; needs no model."""
    limit = FILE_BYTES_PER_PIXEL * max_pixels + _FILE_BYTES_ANYWAY
    data = read_at_most(path, limit)
    if data is None:
        raise StreamError(
            f"{path} = more than {limit} bytes, expected an image of at most {max_pixels} pixels"
        )
    try:
        return data, unpack(data, max_pixels=max_pixels)
    except StreamError as error:
        raise type(error)(f"{path}: {error}") from error


def check_readable(source: Path) -> None:
    """Refuse what stands in a folder but is no file: to open a pipe would wait for its writer."""
    if source.is_dir():
        raise ArgumentError(f"{source} = a folder that cannot be searched, expected a file")
    if source.exists() and not source.is_file():
        raise ArgumentError(f"{source} = neither file nor folder, expected a file")


def check_output(target: Path, source: Path, force: bool) -> None:
    """Find out before the work whether its result can be written."""
    if target.exists() and source.exists() and target.samefile(source):
        raise ArgumentError(f"output = {target}, expected another file than the input")
    if target.is_file() and not force:
        raise ArgumentError(f"{target} exists; --force replaces it")
    check_writable(target, overwrite=force)


def compress_file(source: Path, target: Path, options: Options) -> str:
    """Compress a photograph and say what came out."""
    check_output(target, source, options.force)
    from fastcoder.torch.images import read_rgb, to_tensor

    _allow_pixels(options.max_pixels)
    photograph = read_rgb(source, max_pixels=options.max_pixels)
    for notice in photograph.notices:
        note(notice)
    data = load_model(options.model).compress(to_tensor(photograph.rgb[None])[0])
    write_atomically(target, data, overwrite=options.force)
    height, width, _ = photograph.rgb.shape
    bits = 8 * len(data) / (height * width)
    return f"{shown(target)}: {width} x {height}, {len(data):,} bytes, {bits:.3f} bit per pixel"


def decompress_file(source: Path, target: Path, options: Options) -> str:
    """Decompress an .fc file and say what came out."""
    from fastcoder.cli.images import check_suffix, write_rgb

    check_suffix(target)
    check_output(target, source, options.force)
    data, _ = read_file(source, options.max_pixels)
    image = load_model(options.model).decompress(data, max_pixels=options.max_pixels)
    rgb = (image * 255).round().byte().permute(1, 2, 0).numpy()
    write_rgb(target, rgb, overwrite=options.force)
    return f"{shown(target)}: {rgb.shape[1]} x {rgb.shape[0]}"


def is_compressed(source: Path, target: Path, options: Options) -> bool:
    """Whether `target` is a whole .fc file, not older than its source, of this model.

    Raises:
        ArgumentError: If it is a whole file of another model, or no .fc file at all.
    """
    with target.open("rb") as file:
        start = file.read(len(MAGIC))
    if not MAGIC.startswith(start):
        raise ArgumentError(f"{target} exists, and is no .fc file; --force replaces it")
    if target.stat().st_mtime < source.stat().st_mtime:
        return False
    try:
        _, content = read_file(target, options.max_pixels)
    except StreamError:
        return False
    if content.fingerprint != load_model(options.model).fingerprint:
        raise ArgumentError(f"{target} exists, of the model {content.model}; --force replaces it")
    return True


def is_decompressed(source: Path, target: Path, options: Options) -> bool:
    """Whether `target` is a whole image of the size of its source, and not older.

    Raises:
        ArgumentError: If not. It may be the photograph that the .fc file was made of.
    """
    from fastcoder.torch.images import read_rgb

    _, content = read_file(source, options.max_pixels)
    _allow_pixels(options.max_pixels)
    try:
        rgb = read_rgb(target, max_pixels=options.max_pixels).rgb
    except FastcoderError:
        rgb = None
    older = target.stat().st_mtime < source.stat().st_mtime
    if older or rgb is None or rgb.shape != (content.height, content.width, 3):
        raise ArgumentError(f"{target} exists, and may be another image; --force replaces it")
    return True


def _allow_pixels(limit: int) -> None:
    """Lift Pillow's own guard (a warning, twice as far an error) above the user's limit."""
    from PIL import Image

    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = max(limit, Image.MAX_IMAGE_PIXELS or 0)
