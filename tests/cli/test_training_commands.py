# SPDX-License-Identifier: Apache-2.0
"""`fastcoder train`, `quantize` and `evaluate`: what they write, say, and leave alone."""

import inspect
import shutil
from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np
import pytest
import torch

from fastcoder.cli import app as commands
from fastcoder.torch import load_model, training
from fastcoder.torch.images import read_rgb
from fastcoder.torch.training import QuantizeConfig, TrainConfig
from tests.cli.conftest import Fastcoder, assert_fails, restored


def test_train_then_resume_then_use(fastcoder: Fastcoder, tmp_path: Path, photo: Path) -> None:
    out = tmp_path / "run"
    options = ["--data", photo.parent, "--out", out, "--channels", 8, "--latent-channels", 12]
    options += ["--batch", 1, "--crop", 64, "--lmbda", 0.01, "--no-progress", "--device", "cpu"]
    result = fastcoder("train", *options, "--steps", 2)
    assert result.code == 0, result.err
    assert (out / "log.csv").exists()
    assert_fails(fastcoder("train", *options, "--steps", 2), "run")
    assert fastcoder("train", *options, "--steps", 3, "--resume").code == 0
    trained = out / "model.safetensors"
    assert fastcoder("compress", photo, "--model", trained).code == 0
    assert fastcoder("info", photo.with_suffix(".fc"), "--model", trained).code == 0


def test_train_options_are_those_of_the_training() -> None:
    ours = inspect.signature(commands.train).parameters
    theirs = {field.name: field.default for field in fields(TrainConfig)}
    defaults = {
        name: MISSING if option.default is inspect.Parameter.empty else option.default
        for name, option in ours.items()
    }
    assert defaults == theirs


def test_train_refuses_bad_options(fastcoder: Fastcoder, tmp_path: Path, photo: Path) -> None:
    out = tmp_path / "run"
    result = fastcoder("train", "--data", photo.parent, "--out", out, "--lmbda", -1)
    assert_fails(result, "lmbda = -1.0, expected 0 < lmbda < inf")
    assert_fails(
        fastcoder("train", "--data", tmp_path / "no", "--out", out), "expected an existing folder"
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("device", "nix", "device = 'nix', expected a device of this machine ("),
        ("device", "meta", "device = 'meta', expected a device of this machine ("),
        ("seed", -1, "seed = -1, expected 0 <= seed < "),
        ("seed", 10**20, "seed = 100000000000000000000, expected 0 <= seed < "),
        ("warmup", -5, "warmup = -5, expected 0 <= warmup < inf"),
        ("clip", "nan", "clip = nan, expected 0 <= clip < inf"),
    ],
)
def test_train_names_the_option_and_leaves_no_folder(
    fastcoder: Fastcoder, tmp_path: Path, photo: Path, option: str, value: object, message: str
) -> None:
    out = tmp_path / "run"
    result = fastcoder("train", "--data", photo.parent, "--out", out, f"--{option}", value)
    assert_fails(result, message)
    assert not out.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_train_on_an_absent_device(fastcoder: Fastcoder, tmp_path: Path, photo: Path) -> None:
    result = fastcoder(
        "train", "--data", photo.parent, "--out", tmp_path / "run", "--device", "cuda"
    )
    assert_fails(result, "device = 'cuda', expected a device of this machine (")


@pytest.mark.parametrize("saved", [False, True])
def test_train_says_at_ctrl_c_what_there_is(
    fastcoder: Fastcoder,
    tmp_path: Path,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    saved: bool,
) -> None:
    def interrupted(config: TrainConfig) -> None:
        if saved:
            (config.out / "checkpoint.pt").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", interrupted)
    result = fastcoder("train", "--data", photo.parent, "--out", tmp_path)
    assert result.code == 130
    assert ("--resume goes on from it" in result.err) == saved
    assert ("interrupted; nothing saved" in result.err) != saved


def test_evaluate_measures_real_files(
    fastcoder: Fastcoder, photo: Path, model: Path, compressed: Path
) -> None:
    (photo.parent / "broken.png").write_bytes(photo.read_bytes()[:100])
    result = fastcoder("evaluate", photo.parent, "--model", model)
    assert result.code == 0
    assert "broken.png was left out" in result.err
    (row,) = (line for line in result.out.splitlines() if line.startswith("photo.png"))
    size = compressed.stat().st_size
    assert f"{size:,}" in row
    assert f"{8 * size / 7500:.4f}" in row
    pixels = restored(load_model(model), compressed.read_bytes()).astype(float)
    mse = np.mean((pixels - read_rgb(photo).rgb) ** 2)
    assert f"{10 * np.log10(255**2 / mse):.3f}" in row
    assert "mean of 1" in result.out


def test_evaluate_of_an_empty_folder(fastcoder: Fastcoder, tmp_path: Path, model: Path) -> None:
    result = fastcoder("evaluate", tmp_path, "--model", model)
    assert_fails(result, "expected a folder with images")


@pytest.fixture
def two_photos(photo: Path) -> Path:
    """A folder of two photographs: one to learn from, one to measure on."""
    shutil.copy(photo, photo.with_name("second.png"))
    return photo.parent


def test_quantize_then_use(
    fastcoder: Fastcoder, tmp_path: Path, two_photos: Path, model: Path
) -> None:
    out = tmp_path / "integers.safetensors"
    options = ["--crops", 2, "--crop", 128, "--steps", 3, "--batch", 1, "--holdout", 1]
    options += ["--no-progress", "--device", "cpu"]
    result = fastcoder("quantize", model, two_photos, "-o", out, *options)
    assert result.code == 0, result.err
    quantized = load_model(out)
    assert quantized.tables.hyper is not None
    assert f"fingerprint {quantized.fingerprint}" in result.out
    assert "bits with floats" in result.out
    assert_fails(fastcoder("quantize", model, two_photos, "-o", out, *options), "exists; --force")
    assert fastcoder("quantize", model, two_photos, "-o", out, *options, "--force").code == 0
    picture = two_photos / "second.png"
    assert fastcoder("compress", picture, "--model", out).code == 0
    compressed = picture.with_suffix(".fc")
    assert fastcoder("decompress", compressed, "-o", tmp_path / "b.png", "--model", out).code == 0
    assert_fails(
        fastcoder("decompress", compressed, "-o", tmp_path / "c.png", "--model", model),
        "the file was made with another model",
    )


def test_quantize_options_are_those_of_the_training() -> None:
    ours = inspect.signature(commands.quantize).parameters
    theirs = {field.name: field.default for field in fields(QuantizeConfig)}
    defaults = {
        name: MISSING if option.default is inspect.Parameter.empty else option.default
        for name, option in ours.items()
        if name not in ("model", "force")
    }
    assert defaults == theirs


def test_quantize_refuses_bad_options(
    fastcoder: Fastcoder, tmp_path: Path, two_photos: Path, model: Path
) -> None:
    out = tmp_path / "out.safetensors"
    result = fastcoder("quantize", model, two_photos, "-o", out, "--weight-bits", 7)
    assert_fails(result, "weight_bits = 7, expected 8 or 16")
    result = fastcoder("quantize", model, two_photos, "-o", model, "--force")
    assert_fails(result, "expected another file than the input")
    result = fastcoder("quantize", "nix", two_photos, "-o", out)
    assert_fails(result, "model = 'nix', expected a model file or one of: default")
    result = fastcoder("quantize", model, two_photos, "-o", out, "--holdout", 2)
    assert_fails(result, "holdout = 2, expected 0 <= holdout < 2")
    assert not out.exists()


@pytest.mark.parametrize("saved", [False, True])
def test_quantize_says_at_ctrl_c_what_there_is(
    fastcoder: Fastcoder,
    tmp_path: Path,
    two_photos: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    saved: bool,
) -> None:
    def interrupted(codec: object, config: QuantizeConfig, metadata: object) -> None:
        if saved:
            config.checkpoint_path.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "quantize", interrupted)
    result = fastcoder("quantize", model, two_photos, "-o", tmp_path / "out.safetensors")
    assert result.code == 130
    assert ("interrupted; --resume goes on" in result.err) == saved
    assert ("interrupted; nothing saved" in result.err) != saved
