# SPDX-License-Identifier: Apache-2.0
"""Image files become 8-bit RGB or an error; nothing is converted silently that loses something."""

import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from fastcoder.errors import ArgumentError, FastcoderError
from fastcoder.torch import FactorizedPrior, evaluate, images
from fastcoder.torch.images import read_rgb
from fastcoder.torch.training.data import BrokenImageWarning, CropSource


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (13, 17, 3), dtype=np.uint8)


def png(depth: int, color: int, width: int, height: int, samples: bytes) -> bytes:
    """A PNG that Pillow itself does not write: any depth and color type."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    row = len(samples) // height
    raw = b"".join(b"\0" + samples[i : i + row] for i in range(0, len(samples), row))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA"])
def test_read_turns_gray_palette_and_opaque_images_into_rgb(tmp_path: Path, mode: str) -> None:
    gradient = np.repeat(np.arange(0, 256, 16, dtype=np.uint8)[None], 8, axis=0)
    image = Image.fromarray(gradient).convert("RGB").convert(mode)
    image.save(tmp_path / "image.png")
    expected = np.array(image.convert("RGB"))
    assert np.array_equal(read_rgb(tmp_path / "image.png").rgb, expected)


def test_read_applies_the_exif_orientation(tmp_path: Path, pixels: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 270 degrees to view
    Image.fromarray(pixels).save(tmp_path / "image.png", exif=exif)
    assert np.array_equal(read_rgb(tmp_path / "image.png").rgb, np.rot90(pixels, -1))


def test_read_says_that_a_color_profile_is_lost(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(tmp_path / "image.png", icc_profile=b"profile")
    (notice,) = read_rgb(tmp_path / "image.png").notices
    assert "color profile is not kept" in notice


def test_read_says_that_further_frames_are_lost(tmp_path: Path, pixels: np.ndarray) -> None:
    frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    frames[0].save(tmp_path / "image.tiff", save_all=True, append_images=frames[1:])
    photograph = read_rgb(tmp_path / "image.tiff")
    assert np.array_equal(photograph.rgb, pixels)
    assert "only its first frame" in photograph.notices[0]


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P", "RGB key"])
def test_read_refuses_transparency(tmp_path: Path, pixels: np.ndarray, kind: str) -> None:
    path = tmp_path / "image.png"
    if kind == "RGB key":
        pixels[3, 3] = (1, 2, 3)
        Image.fromarray(pixels).save(path, transparency=(1, 2, 3))
    elif kind == "P":
        Image.fromarray(pixels[..., 0] % 4, mode=None).convert("P").save(path, transparency=0)
    else:
        image = Image.fromarray(pixels).convert(kind)
        image.putalpha(254)
        image.save(path)
    with pytest.raises(ArgumentError, match="transparency, expected an opaque one"):
        read_rgb(path)


@pytest.mark.parametrize(("color", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_read_refuses_16_bits(tmp_path: Path, color: int, channels: int) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(png(16, color, 2, 2, b"\x12\x34" * 4 * channels))
    with pytest.raises(ArgumentError, match=r"deep\.png = more than 8 bits per channel"):
        read_rgb(path)


def test_read_refuses_16_bit_netpbm_and_float(tmp_path: Path) -> None:
    (tmp_path / "deep.ppm").write_bytes(b"P6\n2 2\n65535\n" + b"\x12\x34" * 12)
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "deep.tiff")
    for name in ("deep.ppm", "deep.tiff"):
        with pytest.raises(ArgumentError, match="more than 8 bits"):
            read_rgb(tmp_path / name)


def test_read_refuses_other_modes(tmp_path: Path) -> None:
    Image.new("LAB", (4, 4)).save(tmp_path / "lab.tiff")
    with pytest.raises(ArgumentError, match="mode LAB, expected RGB or gray"):
        read_rgb(tmp_path / "lab.tiff")


def test_read_refuses_large_images_before_their_pixels(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(8, 2, 100_000, 100_000, b"\0" * 100_000))
    with pytest.raises(ArgumentError, match="too large an image"):
        read_rgb(path)
    path.write_bytes(png(8, 2, 9000, 9000, b"\0" * 9000))
    with pytest.raises(ArgumentError, match="= 9000 x 9000 = 81000000 pixels, expected at most"):
        read_rgb(path)


def test_read_refuses_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ArgumentError, match=r"notes\.txt = not an image"):
        read_rgb(tmp_path / "notes.txt")


def test_read_refuses_damaged_images(tmp_path: Path, pixels: np.ndarray) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 20, 7):
        path.write_bytes(whole[:size])
        with pytest.raises(FastcoderError):
            read_rgb(path)


def test_read_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        read_rgb(tmp_path / "missing.png")


def file_bytes(image: Image.Image, kind: str) -> bytearray:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return bytearray(buffer.getvalue())


def test_read_refuses_what_makes_a_decoder_raise_errors_of_its_own(
    tmp_path: Path, pixels: np.ndarray
) -> None:
    path = tmp_path / "image.png"
    dds = file_bytes(Image.fromarray(pixels), "DDS")
    dds[80:84] = bytes(4)  # no pixel format: NotImplementedError
    path.write_bytes(dds)
    with pytest.raises(ArgumentError, match=r"image\.png = a damaged image: Unknown pixel format"):
        read_rgb(path)
    if not features.check("avif"):
        return
    avif = file_bytes(Image.fromarray(pixels), "AVIF")
    start = avif.index(b"mdat") + 4
    path.write_bytes(avif[:start] + bytes(len(avif) - start))  # no picture: RuntimeError
    with pytest.raises(ArgumentError, match=r"image\.png = a damaged image"):
        read_rgb(path)


def test_read_stops_at_the_limit_of_an_endless_file(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no endless file here")
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with pytest.raises(ArgumentError, match="/dev/zero = more than 16000 bytes"):
        read_rgb("/dev/zero", max_pixels=1000)


@pytest.mark.skipif(os.name == "nt", reason="no named pipes")
def test_read_takes_a_pipe(tmp_path: Path, pixels: np.ndarray) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = bytes(file_bytes(Image.fromarray(pixels), "PNG"))
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert np.array_equal(read_rgb(pipe).rgb, pixels)
    writer.join()


@pytest.fixture
def difficult(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A folder with one file that is turned and four that no codec may see."""
    pixels = rng.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(pixels).convert("RGBA").resize((80, 80)).save(tmp_path / "opaque.png")
    clear = Image.fromarray(pixels)
    clear.putalpha(100)
    clear.save(tmp_path / "clear.png")
    Image.fromarray(np.full((70, 90), 40_000, np.uint16)).save(tmp_path / "gray16.png")
    (tmp_path / "rgb16.png").write_bytes(png(16, 2, 70, 70, b"\x12\x34" * 3 * 70 * 70))
    Image.fromarray(np.zeros((70, 90), np.float32)).save(tmp_path / "float.tiff")
    return tmp_path


REFUSED = {"clear.png", "gray16.png", "rgb16.png", "float.tiff"}


def test_evaluation_sees_the_pixels_that_compression_sees(difficult: Path) -> None:
    torch.manual_seed(0)
    result = evaluate(FactorizedPrior(4, 6), difficult)
    assert {(row.name, row.width, row.height) for row in result.rows} == {
        ("turned.png", 70, 90),
        ("opaque.png", 80, 80),
    }
    assert {name for name, _ in result.failures} == REFUSED


def test_training_leaves_out_what_compression_refuses(difficult: Path) -> None:
    paths = sorted(difficult.iterdir())
    with (
        pytest.warns(BrokenImageWarning) as caught,
        CropSource(paths, 64, 64, seed=1) as source,
    ):
        source.next()
    assert {Path(str(item.message).split(" = ")[0]).name for item in caught} == REFUSED
