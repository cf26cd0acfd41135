# SPDX-License-Identifier: Apache-2.0
"""The demo: two processes agree on a small photograph, and a single other latent is noticed."""

import importlib.util
import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from fastcoder.cli.images import write_rgb
from fastcoder.torch import FactorizedPrior, ImageCodec, ScaleHyperprior, load_model, save_model
from fastcoder.torch.images import read_rgb

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location("demo", EXAMPLES / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "demo", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "NETWORK_RUNS", 2)
    monkeypatch.setattr(module, "CODER_RUNS", 2)
    return module


@pytest.fixture
def photo(tmp_path: Path, rng: np.random.Generator) -> Path:
    coarse = rng.integers(0, 256, (18, 17, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    write_rgb(path, np.kron(coarse, np.ones((10, 10, 1), np.uint8)))
    return path


def lively(model: ImageCodec, path: Path) -> Path:
    with torch.no_grad():
        model.analysis[-1].weight.mul_(30.0)
    save_model(model, path)
    return path


def second_process(demo: ModuleType, monkeypatch: pytest.MonkeyPatch, change: str | None) -> None:
    """Replace the second process by this one, and let it find one other number."""

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        options = dict(zip(command[2::2], command[3::2], strict=True))
        target = Path(options["--out"])
        model = load_model(options["--model"])
        demo.decode_in_this_process(model, Path(options["--decode"]), target)
        with np.load(target) as file:
            arrays = {name: file[name] for name in file.files}
        if change is not None:
            arrays[change].flat[-1] ^= 1
        np.savez(target, **arrays)
        times = json.dumps({"network": 0.1, "coder": 0.001})
        return subprocess.CompletedProcess(command, 0, times)

    monkeypatch.setattr(demo.subprocess, "run", run)


def test_demo_runs_end_to_end(tmp_path: Path, photo: Path) -> None:
    torch.manual_seed(1)
    model = lively(ScaleHyperprior(8, 12), tmp_path / "tiny.safetensors")
    out = tmp_path / "out"
    command = [sys.executable, EXAMPLES / "demo.py", "--image", photo, "--model", model]
    done = subprocess.run([*command, "--out", out], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("ok  ") == 4
    assert "FAILED" not in done.stdout
    assert f"{(out / 'demo.fc').stat().st_size:,}" in done.stdout
    rgb = read_rgb(out / "demo-decoded.png").rgb
    restored = load_model(model).decompress((out / "demo.fc").read_bytes())
    assert np.array_equal(rgb, (restored * 255).round().byte().permute(1, 2, 0).numpy())
    assert read_rgb(out / "demo.png").rgb.shape[1] > 1000


@pytest.mark.parametrize("change", [None, "z", "y", "rgb"])
def test_demo_fails_if_the_second_process_finds_something_else(
    demo: ModuleType,
    tmp_path: Path,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: str | None,
) -> None:
    torch.manual_seed(1)
    model = lively(ScaleHyperprior(8, 12), tmp_path / "tiny.safetensors")
    second_process(demo, monkeypatch, change)
    monkeypatch.setattr("picture.draw", lambda *arguments: None)  # seconds, and drawn above
    arguments = Namespace(image=photo, model=str(model), out=tmp_path / "out")
    assert demo.demonstrate(arguments) == (change is None)
    assert capsys.readouterr().out.count("FAILED") == (change is not None)


def test_demo_takes_a_factorized_prior(
    demo: ModuleType, tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    model = lively(FactorizedPrior(8, 12), tmp_path / "tiny.safetensors")
    second_process(demo, monkeypatch, None)
    assert demo.demonstrate(Namespace(image=photo, model=str(model), out=tmp_path / "out"))
