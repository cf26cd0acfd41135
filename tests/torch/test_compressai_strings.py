# SPDX-License-Identifier: Apache-2.0
"""Codecs made of CompressAI's checkpoints write and read the strings that CompressAI does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import fastcoder
from fastcoder.compat.compressai import RansEncoder
from fastcoder.torch import (
    FactorizedPrior,
    MeanScaleHyperprior,
    ScaleHyperprior,
    load_model,
    save_model,
)
from tests.reference_checkpoints import KINDS, SCALES, Plain, checkpoint

Codec = type[FactorizedPrior] | type[ScaleHyperprior]
CODECS: dict[str, Codec] = dict(
    zip(
        KINDS,
        (FactorizedPrior, FactorizedPrior, ScaleHyperprior, MeanScaleHyperprior),
        strict=True,
    )
)


@pytest.fixture
def images() -> Tensor:
    return torch.from_numpy(np.random.default_rng(8).random((2, 3, 64, 128), np.float32))


def original_strings(state: dict[str, Tensor], images: Tensor) -> dict[str, list[list[bytes]]]:
    """What CompressAI writes: its coder's calls on the latents of the formulas."""
    expected = Plain(state)(images)
    coder = RansEncoder()

    def strings(module: str, symbols: Tensor, indexes: Tensor) -> list[bytes]:
        cdfs, sizes, offsets = (
            state[f"{module}.{name}"].tolist()
            for name in ("_quantized_cdf", "_cdf_length", "_offset")
        )
        return [
            coder.encode_with_indexes(
                part.int().flatten().tolist(), rows.flatten().tolist(), cdfs, sizes, offsets
            )
            for part, rows in zip(symbols, indexes, strict=True)
        ]

    first = expected.get("z", expected["y"])
    channels = torch.arange(first.shape[1])[None, :, None, None].expand(first.shape)
    groups = [strings("entropy_bottleneck", first, channels)]
    if "z" in expected:
        sigma = expected["sigma"].float().clamp(min=0.11)
        rows = sum((sigma > scale).int() for scale in torch.from_numpy(SCALES[:-1]))
        groups.insert(0, strings("gaussian_conditional", expected["y"], rows))
    return {"strings": groups, "shape": tuple(first.shape[-2:])}


@pytest.mark.parametrize("kind", CODECS)
def test_strings_are_those_of_the_original(kind: str, images: Tensor, tmp_path: Path) -> None:
    state = checkpoint(kind)
    codec = CODECS[kind].from_compressai(state)
    expected = original_strings(state, images)
    assert codec.compress_strings(images) == expected
    one = codec.compress_strings(images[1].double())
    assert one["strings"] == [group[1:] for group in expected["strings"]]
    image = Plain(state)(images)["image"].clamp(0, 1)
    decoded = codec.decompress_strings(**expected)
    assert decoded.dtype == torch.float32
    np.testing.assert_allclose(decoded, image, rtol=0, atol=1e-5)
    with torch.no_grad():
        assert torch.equal(decoded, codec(images).image.clamp(0, 1))
    save_model(codec, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, CODECS[kind])
    assert loaded.compress_strings(images) == expected
    assert torch.equal(loaded.decompress_strings(**expected), decoded)


def test_strings_hold_symbols_that_files_clip(images: Tensor) -> None:
    state = checkpoint("mean")
    for part in ("weight", "bias"):
        state[f"g_a.6.{part}"] = state[f"g_a.6.{part}"] * 2.0**16
        state[f"g_s.0.{part}"] = state[f"g_s.0.{part}"] * 2.0**-16
    state["h_a.0.weight"] = state["h_a.0.weight"] * 2.0**-16
    codec = MeanScaleHyperprior.from_compressai(state)
    with torch.no_grad():
        expected = codec(images).image.clamp(0, 1)
        y = codec.analysis(images)
    assert float(y.abs().max()) > 2**17
    decoded = codec.decompress_strings(**codec.compress_strings(images))
    assert torch.equal(decoded, expected)
    with torch.no_grad():
        codec.analysis[-1].bias.fill_(2.0**33)
    codec.attach_tables(MeanScaleHyperprior.from_compressai(state).tables)
    with pytest.raises(fastcoder.ArgumentError, match=r"latents = .*, expected \|latents\| < 2"):
        codec.compress_strings(images)


def test_strings_need_the_tables_of_a_checkpoint(images: Tensor, tmp_path: Path) -> None:
    codec = ScaleHyperprior.from_compressai(checkpoint("hyperprior", ready=False))
    with pytest.raises(fastcoder.ArgumentError, match=r"tables = .*, expected those of a Comp"):
        codec.compress_strings(images)
    codec = ScaleHyperprior.from_compressai(checkpoint("hyperprior"))
    strings = codec.compress_strings(images)
    rounded = save_model(codec, tmp_path / "half", half=True)
    assert isinstance(rounded, ScaleHyperprior)
    with torch.no_grad():
        codec.synthesis[0].bias.add_(1.0)
    for other in (codec, rounded):
        assert not other.tables.of_compressai
        with pytest.raises(fastcoder.ArgumentError, match=r"leave the weights as they are"):
            other.decompress_strings(**strings)
        assert other.decompress(other.compress(images[0])).shape == images[0].shape


@pytest.mark.parametrize("size", [(60, 50), (1, 1), (64, 65)])
def test_strings_take_the_sizes_that_the_original_takes(size: tuple[int, int]) -> None:
    """Nothing is padded: a factorized prior takes any size, h_s has to give back that of y."""
    images = torch.rand(1, 3, *size)
    codec = FactorizedPrior.from_compressai(checkpoint("factorized"))
    strings = codec.compress_strings(images)
    assert strings["shape"] == tuple(-(-side // 16) for side in size)
    decoded = codec.decompress_strings(**strings)
    assert decoded.shape == (1, 3, *(-(-side // 16) * 16 for side in size))
    codec = ScaleHyperprior.from_compressai(checkpoint("hyperprior"))
    if size == (60, 50):
        assert codec.compress_strings(images)["shape"] == (1, 1)
    else:
        with pytest.raises(fastcoder.ShapeError, match="sides that are multiples of 64"):
            codec.compress_strings(images)


def test_damaged_strings_are_refused(images: Tensor) -> None:
    codec = ScaleHyperprior.from_compressai(checkpoint("hyperprior"))
    good = codec.compress_strings(images[0])
    (y,), (z,) = good["strings"]
    for strings in ([[y[:-4]], [z]], [[y + y[:4]], [z]], [[y], [z[:-4]]], [[b""], [z]]):
        with pytest.raises(fastcoder.StreamError):
            codec.decompress_strings(strings, good["shape"])
    refused = 0
    for position in range(len(y)):
        damaged = y[:position] + bytes([y[position] ^ 1 << position % 8]) + y[position + 1 :]
        try:
            assert codec.decompress_strings([[damaged], [z]], good["shape"]).shape == (
                1,
                3,
                64,
                128,
            )
        except fastcoder.StreamError:
            refused += 1
    assert refused > len(y) / 2  # a bit of an escape's distance is nobody else's business


@pytest.mark.parametrize(
    ("strings", "shape", "error", "message"),
    [
        ([[b""]], (1, 2), "ArgumentError", "strings = 1, expected a list of 2 lists"),
        (b"", (1, 2), "ArgumentError", "strings = bytes, expected a list of 2 lists"),
        ([[], []], (1, 2), "ArgumentError", r"strings\[0\] = \[\], expected a list of bytes"),
        ([b"", b""], (1, 2), "ArgumentError", r"strings\[0\] = b'', expected a list of bytes"),
        ([[b""], [b"", b""]], (1, 2), "ArgumentError", r"len\(strings\[1\]\) = 2, expected 1"),
        ([[b""], ["a"]], (1, 2), "ArgumentTypeError", r"type\(strings\[1\]\[0\]\) = str"),
        ([[b""], [b""]], (1, 2, 3), "ShapeError", r"shape = \(1, 2, 3\), expected"),
        ([[b""], [b""]], (0, 2), "ShapeError", r"shape = \(0, 2\), expected"),
        ([[b""], [b""]], (1.0, 2), "ArgumentTypeError", r"type\(shape\[0\]\) = float"),
        ([[b""], [b""]], 3, "ArgumentTypeError", r"type\(shape\) = int, expected two integers"),
        ([[b""], [b""]], (2**20, 2**20), "StreamError", r"pixels, expected at most"),
    ],
)
def test_strings_of_another_form_are_refused(
    strings: object, shape: object, error: str, message: str
) -> None:
    codec = ScaleHyperprior.from_compressai(checkpoint("hyperprior"))
    with pytest.raises(getattr(fastcoder, error), match=message):
        codec.decompress_strings(strings, shape)


@pytest.mark.parametrize("shape", [(4, 4), (2, 1, 4, 4), (0, 3, 4, 4)])
def test_compress_strings_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    codec = FactorizedPrior.from_compressai(checkpoint("factorized"))
    with pytest.raises(fastcoder.ShapeError, match=r"image.shape = .*, expected \(3, H, W\) or"):
        codec.compress_strings(torch.zeros(shape))
