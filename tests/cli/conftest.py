# SPDX-License-Identifier: Apache-2.0
"""Commands run in this process, two tiny models and a small photograph."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from fastcoder.cli.app import run
from fastcoder.cli.images import write_rgb
from fastcoder.torch import ImageCodec, ScaleHyperprior, save_model


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Fastcoder = Callable[..., Result]


@pytest.fixture
def fastcoder(capsys: pytest.CaptureFixture[str]) -> Fastcoder:
    """Run a command in this process; a traceback would be an exception of the test."""

    def call(*arguments: object) -> Result:
        try:
            code = run([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


def make_model(path: Path, seed: int) -> Path:
    """A model with random weights, lively enough to give symbols of some size."""
    torch.manual_seed(seed)
    model = ScaleHyperprior(8, 12)
    with torch.no_grad():
        model.analysis[-1].weight.mul_(30.0)
    save_model(model, path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny.safetensors", 1)


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "other.safetensors", 2)


@pytest.fixture
def photo(tmp_path: Path, rng: np.random.Generator) -> Path:
    """100 x 75 pixels: no multiple of anything that a network likes."""
    y, x = np.mgrid[:75, :100]
    smooth = np.stack([x * 2, y * 3, 128 + 100 * np.sin(x / 9) * np.cos(y / 7)], axis=-1)
    path = tmp_path / "photo.png"
    write_rgb(path, np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8))
    return path


@pytest.fixture
def compressed(fastcoder: Fastcoder, photo: Path, model: Path) -> Path:
    path = photo.with_suffix(".fc")
    assert fastcoder("compress", photo, "--model", model).code == 0
    return path


def restored(codec: ImageCodec, data: bytes) -> np.ndarray:
    image = codec.decompress(data)
    return (image * 255).round().byte().permute(1, 2, 0).numpy()


def assert_fails(result: Result, *parts: str, code: int = 1) -> None:
    """One line, no traceback, and every part in it."""
    assert result.code == code
    assert result.err.startswith("fastcoder: error: ")
    assert result.err.count("\n") == 1
    for part in parts:
        assert part in result.err
