# SPDX-License-Identifier: Apache-2.0
"""Images of any size to bytes and back; what the codecs are made of; what they refuse."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import fastcoder
from fastcoder import container
from fastcoder.torch import FactorizedPrior, ImageCodec, MeanScaleHyperprior, ScaleHyperprior
from fastcoder.torch.codecs.base import pad_image

CODECS = [FactorizedPrior, ScaleHyperprior, MeanScaleHyperprior]
SIZES = [(1, 1), (1, 70), (2, 3), (16, 16), (17, 63), (64, 64), (65, 130)]


def loud(codec: type[FactorizedPrior] | type[ScaleHyperprior]) -> ImageCodec:
    """A tiny random model whose latents are not all zero."""
    torch.manual_seed(3)
    model = codec(6, 9)
    with torch.no_grad():
        model.analysis[-1].weight.mul_(200.0)
        if isinstance(model, ScaleHyperprior):
            model.hyper_analysis[-1].weight.mul_(20.0)
            model.hyper_synthesis[-1].bias[:9].fill_(60.0)  # the scales, not the means
    return model.eval()


@pytest.fixture(scope="module", params=CODECS, ids=lambda c: c.name)
def model(request: pytest.FixtureRequest) -> ImageCodec:
    return loud(request.param)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_decompress_restores_latents_and_size(model: ImageCodec, size: tuple[int, int]) -> None:
    image = torch.rand(3, *size)
    data = model.compress(image)
    latents = model.latents(image)
    decoded = model.unpack_latents(data)
    assert [part.name for part in decoded.parts] == [part.name for part in latents.parts]
    for part, original in zip(decoded.parts, latents.parts, strict=True):
        np.testing.assert_array_equal(part.symbols, original.symbols)
        np.testing.assert_array_equal(part.indexes, original.indexes)
        assert part.symbols.dtype == np.int16
        assert part.indexes.dtype == np.uint8
    restored = model.decompress(data)
    assert restored.shape == image.shape
    assert restored.dtype == torch.float32
    assert 0.0 <= float(restored.min()) <= float(restored.max()) <= 1.0
    torch.testing.assert_close(restored, model.reconstruct(latents), rtol=0, atol=0)


def test_decompress_equals_the_forward_pass(model: ImageCodec) -> None:
    image = torch.rand(3, 70, 100)
    with torch.no_grad():
        expected = model(image[None]).image[0].clamp(0, 1)
    torch.testing.assert_close(model.decompress(model.compress(image)), expected, atol=1e-5, rtol=0)


def test_compressed_size_is_the_estimated_one(model: ImageCodec) -> None:
    image = torch.rand(3, 256, 256)
    latents = model.latents(image)
    stream = container.unpack(model.pack_latents(latents)).stream
    bits = sum(part.bits() for part in latents.parts)
    with torch.no_grad():
        estimated = float(model(image[None]).bits())
    assert any(part.symbols.any() for part in latents.parts)
    assert 8 * len(stream) <= bits * 1.002 + 64 + 32  # 32 for the symbol hash
    assert bits == pytest.approx(estimated, rel=0.005)


def test_compress_takes_a_batch_of_one_and_other_floats(model: ImageCodec) -> None:
    image = (torch.rand(3, 20, 30) * 16).round() / 16  # exact in half precision
    data = model.compress(image)
    assert model.compress(image[None]) == data
    assert model.compress(image.double()) == data
    assert model.compress(image.half()) == data
    assert model.compress(image.transpose(1, 2).contiguous().transpose(1, 2)) == data


def test_compress_does_not_depend_on_the_training_mode(model: ImageCodec) -> None:
    image = torch.rand(3, 20, 30)
    data = model.compress(image)
    model.train()
    try:
        assert model.compress(image) == data
    finally:
        model.eval()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "image = torch.uint8, expected"),
        (torch.zeros(3, 4, 4, dtype=torch.float8_e5m2), "image = torch.float8_e5m2, expected"),
        (torch.zeros(3, 4, 4, device="meta"), "image = torch.strided on meta, expected a dense"),
        (torch.zeros(3, 4, 4).to_sparse(), "image = torch.sparse_coo on cpu, expected a dense"),
        (np.zeros((3, 4, 4), np.float32), "image = float32, expected"),
        ("photo.png", "image = str, expected"),
    ],
)
def test_compress_refuses_other_types(model: ImageCodec, image: object, message: str) -> None:
    with pytest.raises(fastcoder.ArgumentTypeError, match=message):
        model.compress(image)


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4), (2, 3, 4, 4), (3, 0, 4), (4, 4, 3)])
def test_compress_refuses_other_shapes(model: ImageCodec, shape: tuple[int, ...]) -> None:
    with pytest.raises(fastcoder.ShapeError, match=r"image.shape = .*, expected \(3, H, W\)"):
        model.compress(torch.zeros(shape))


@pytest.mark.parametrize("bad", [math.nan, -0.01, 1.01, math.inf])
def test_compress_names_the_first_value_outside(model: ImageCodec, bad: float) -> None:
    image = torch.zeros(3, 4, 5)
    image[1, 2, 3] = bad
    with pytest.raises(
        fastcoder.ArgumentError, match=r"image\[33\] = .*, expected 0 <= image <= 1"
    ):
        model.compress(image)


def test_decompress_refuses_another_model(model: ImageCodec) -> None:
    other = copy.deepcopy(model)
    with torch.no_grad():
        next(other.synthesis.parameters()).add_(1e-3)
    assert other.fingerprint != model.fingerprint
    data = other.compress(torch.rand(3, 8, 8))
    with pytest.raises(fastcoder.StreamError, match=other.fingerprint) as caught:
        model.decompress(data)
    assert model.fingerprint in str(caught.value)


def test_decompress_refuses_every_altered_byte(model: ImageCodec) -> None:
    data = model.compress(torch.rand(3, 8, 8))
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] ^= 1 << position % 8
        with pytest.raises(fastcoder.StreamError):
            model.decompress(bytes(altered))
        with pytest.raises(fastcoder.StreamError):
            model.decompress(data[:position])


def test_decompress_refuses_a_huge_claim_before_it_allocates(model: ImageCodec) -> None:
    file = container.unpack(model.compress(torch.rand(3, 8, 8)))
    huge = container.ImageFile(file.model, file.fingerprint, 8192, 8192, file.stream)
    with pytest.raises(fastcoder.StreamError):
        model.decompress(container.pack(huge))
    with pytest.raises(fastcoder.StreamError, match="expected at most 63"):
        model.decompress(model.compress(torch.rand(3, 8, 8)), max_pixels=63)


def repacked(model: ImageCodec, data: bytes, check: bool, shift: int) -> bytes:
    """A file with a right checksum whose last part has other symbols, as somebody may forge it."""
    encoder = fastcoder.Encoder(check=check)
    *first, last = model.unpack_latents(data).parts
    for part in first:
        encoder.push(part.symbols, part.indexes, part.table)
    encoder.push(last.symbols.astype(np.int32) + shift, last.indexes, last.table)
    return container.pack(replace(container.unpack(data), stream=encoder.finish()))


def test_decompress_refuses_latents_that_no_encoder_writes(model: ImageCodec) -> None:
    data = model.compress(torch.rand(3, 8, 8))
    assert repacked(model, data, True, 0) == data
    with pytest.raises(fastcoder.CorruptStreamError, match=r"symbols\[0\] = ") as caught:
        model.decompress(repacked(model, data, True, 100_000))
    assert isinstance(caught.value.__cause__, fastcoder.SymbolRangeError)


def test_decompress_refuses_a_stream_without_hash(model: ImageCodec) -> None:
    data = model.compress(torch.rand(3, 8, 8))
    with pytest.raises(fastcoder.CorruptStreamError, match="without symbol hash"):
        model.decompress(repacked(model, data, False, 0))


@pytest.mark.parametrize("limit", [None, "a", math.nan])
def test_decompress_refuses_limits_that_are_no_integers(model: ImageCodec, limit: object) -> None:
    data = model.compress(torch.rand(3, 8, 8))
    with pytest.raises(fastcoder.ArgumentTypeError, match=r"type\(max_pixels\) = "):
        model.decompress(data, max_pixels=limit)


def test_coding_needs_float32_weights() -> None:
    model = loud(ScaleHyperprior)
    image = torch.rand(3, 8, 8)
    data = model.compress(image)
    for convert in (model.half, model.double):
        convert()
        with pytest.raises(fastcoder.ArgumentTypeError, match=r"weights = .*, expected torch.fl"):
            model.compress(image)
        with pytest.raises(fastcoder.ArgumentTypeError, match=r"weights = .*, expected torch.fl"):
            model.decompress(data)
    model.float()  # rounded by half precision on the way: another model
    assert model.fingerprint != container.unpack(data).fingerprint
    assert model.decompress(model.compress(image)).shape == image.shape


def test_tables_follow_the_weights() -> None:
    model = loud(ScaleHyperprior)
    first = model.fingerprint
    tables = model.tables
    assert model.tables is tables
    twin = copy.deepcopy(model)
    assert twin.tables is tables  # the same weights by content
    with torch.no_grad():
        model.bottleneck.biases[0].add_(0.5)
    assert model.fingerprint != first
    assert model.tables.bottleneck.fingerprint != tables.bottleneck.fingerprint
    model.load_state_dict(twin.state_dict())
    assert model.fingerprint == first


def test_attached_tables_stay_until_the_weights_change() -> None:
    model = loud(ScaleHyperprior)
    coarse = model.build_tables(precision=12)
    built = model.fingerprint
    model.attach_tables(coarse)
    assert model.tables is coarse
    assert model.fingerprint != built
    image = torch.rand(3, 30, 30)
    torch.testing.assert_close(
        model.decompress(model.compress(image)), model.reconstruct(model.latents(image))
    )
    with pytest.raises(fastcoder.ArgumentError, match=r"tables.bottleneck.rows = 9, expected 6"):
        model.attach_tables(loud(FactorizedPrior).build_tables())


def test_compress_refuses_broken_weights() -> None:
    model = loud(FactorizedPrior)
    with torch.no_grad():
        model.analysis[0].bias.fill_(math.nan)
    with pytest.raises(fastcoder.ArgumentError, match="latents = not finite"):
        model.compress(torch.rand(3, 8, 8))


def test_layers_are_those_of_the_paper() -> None:
    """Counted by hand from figure 4 for N = 128, M = 192, with all biases."""
    n, m = 128, 192
    kernels = 25 * (3 * n + 2 * n * n + n * m)
    biases = 3 * n + m
    norm = 3 * (n * n + n)
    analysis = kernels + biases + norm
    synthesis = kernels + 3 * n + 3 + norm
    density = 3 + 9 + 9 + 3 + 3 * 3 + 1 + 3 * 3  # matrices, biases, factors of one channel
    counts = {"analysis": analysis, "synthesis": synthesis}
    model = ScaleHyperprior()
    counts["hyper_analysis"] = 9 * m * n + 2 * 25 * n * n + 3 * n
    counts["hyper_synthesis"] = 2 * 25 * n * n + 9 * n * m + 2 * n + m
    counts["bottleneck"] = n * density
    for name, count in counts.items():
        part = getattr(model, name)
        assert sum(parameter.numel() for parameter in part.parameters()) == count, name
    assert sum(p.numel() for p in model.parameters()) == sum(counts.values())


def test_mean_scale_layers_are_those_of_the_paper() -> None:
    """As above, for N = 128, M = 192: the hyper synthesis widens to M, 3/2 M and 2 M."""
    n, m = 128, 192
    model = MeanScaleHyperprior()
    counts = {
        "hyper_analysis": 9 * m * n + 2 * 25 * n * n + 3 * n,
        "hyper_synthesis": 25 * (n * m + m * m * 3 // 2) + 9 * m * 3 // 2 * 2 * m + m * 9 // 2,
    }
    for name, count in counts.items():
        part = getattr(model, name)
        assert sum(parameter.numel() for parameter in part.parameters()) == count, name
    kinds = [type(layer).__name__ for layer in model.hyper_synthesis[1::2]]
    assert kinds == ["LeakyReLU", "LeakyReLU"]


def test_means_are_what_the_symbols_are_relative_to() -> None:
    model = loud(MeanScaleHyperprior)
    with torch.no_grad():
        model.hyper_synthesis[-1].bias[9:].copy_(torch.linspace(-400.0, 400.0, 9))
    image = torch.rand(1, 3, 64, 128)
    latents = model.latents(image)
    y = torch.from_numpy(latents.part("y").symbols)
    with torch.no_grad():
        original = model.analysis(image)[0]
        z = torch.from_numpy(latents.part("z").symbols)[None]
        centers = model.bottleneck.centers().float()[None, :, None, None]
        sigma, mean = model.hyper_synthesis(z + centers)[0].chunk(2)
    assert latents.mean is not None
    assert torch.equal(latents.mean, mean)
    assert torch.equal(y.float(), (original - mean).round())
    assert float(mean.abs().max()) > 300
    np.testing.assert_allclose(latents.sigma, sigma.clamp(0.11, 256), rtol=1e-3, atol=1e-3)


def test_latents_have_the_shapes_of_the_paper() -> None:
    latents = loud(ScaleHyperprior).latents(torch.rand(3, 100, 200))
    assert latents.mean is None
    assert latents.part("z").symbols.shape == (6, 2, 4)
    assert latents.part("y").symbols.shape == (9, 8, 16)
    assert latents.sigma is not None
    assert latents.sigma.shape == (9, 8, 16)
    assert float(latents.sigma.min()) >= 0.11
    with pytest.raises(KeyError):
        latents.part("x")


@pytest.mark.parametrize("mode", ["noise", "ste", "round"])
def test_forward_gives_an_image_of_the_size_and_gradients(model: ImageCodec, mode: str) -> None:
    x = torch.rand(2, 3, 40, 70)
    output = model(x, mode)
    assert output.image.shape == x.shape
    assert {"y"} <= set(output.likelihoods) <= {"y", "z"}
    (output.image.square().mean() + output.bits()).backward()
    if mode != "round":
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert bool(torch.isfinite(parameter.grad).all()), name
    model.zero_grad(set_to_none=True)


@pytest.mark.parametrize("size", [*SIZES, (3, 200)], ids=str)
def test_pad_image_reflects_at_any_size(size: tuple[int, int]) -> None:
    x = torch.rand(1, 2, *size)
    padded = pad_image(x, 64).numpy()
    height, width = size
    assert padded.shape[2] % 64 == padded.shape[3] % 64 == 0
    rows, columns = (
        np.pad(np.arange(side), (0, -side % 64), mode="reflect" if side > 1 else "edge")
        for side in (height, width)
    )
    np.testing.assert_array_equal(padded, x.numpy()[:, :, rows][:, :, :, columns])


@pytest.mark.parametrize("size", [1.5, "a", None, True])
@pytest.mark.parametrize("codec", CODECS)
def test_codecs_refuse_sizes_that_are_no_integers(
    codec: type[FactorizedPrior] | type[ScaleHyperprior], size: object
) -> None:
    with pytest.raises(fastcoder.ArgumentTypeError, match=r"type\(channels\) = "):
        codec(size, 4)
    with pytest.raises(fastcoder.ArgumentTypeError, match=r"type\(latent_channels\) = "):
        codec(4, size)


def test_codecs_refuse_sizes_that_are_not_positive() -> None:
    with pytest.raises(fastcoder.ArgumentError, match="channels = 0, expected 1 <= channels"):
        ScaleHyperprior(0, 4)
