# SPDX-License-Identifier: Apache-2.0
"""`fastcoder train` and `fastcoder evaluate`: what they write, say, and leave alone."""

import inspect
from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np
import pytest
import torch

from fastcoder.cli import app as commands
from fastcoder.torch import load_model, training
from fastcoder.torch.images import read_rgb
from fastcoder.torch.training import TrainConfig
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
