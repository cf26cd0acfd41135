# SPDX-License-Identifier: Apache-2.0
"""The embedded model on the photograph of the demo, through the command line."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastcoder.cli.app import run
from fastcoder.container import unpack
from fastcoder.torch import load
from fastcoder.torch.images import read_rgb

PHOTOGRAPH = Path(__file__).resolve().parents[2] / "examples" / "kodim23.png"


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def fastcoder(*arguments: object) -> None:
    with pytest.raises(SystemExit) as end:
        run([str(argument) for argument in arguments])
    assert not end.value.code


def test_embedded_model_compresses_the_photograph_better_than_jpeg(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compressed, back = tmp_path / "photo.fc", tmp_path / "back.png"
    fastcoder("compress", PHOTOGRAPH, "-o", compressed)
    command = [sys.executable, "-m", "fastcoder.cli", "decompress", compressed, "-o", back]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (second.returncode, second.stderr) == (0, "")

    data = compressed.read_bytes()
    model = load()
    assert unpack(data).fingerprint == model.fingerprint
    here = (model.decompress(data) * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(read_rgb(back).rgb, here)

    original = read_rgb(PHOTOGRAPH).rgb
    assert 8 * len(data) / original[..., 0].size < 0.40
    quality = 0
    jpeg = b""
    while True:
        buffer = io.BytesIO()
        Image.fromarray(original).save(buffer, "JPEG", quality=quality + 1, optimize=True)
        if len(buffer.getvalue()) > len(data):
            break
        jpeg, quality = buffer.getvalue(), quality + 1
    gain = psnr(here, original) - psnr(np.array(Image.open(io.BytesIO(jpeg))), original)
    assert gain > 1.0, f"{gain:.2f} dB over JPEG of quality {quality}"

    capsys.readouterr()
    fastcoder("info", compressed)
    out = capsys.readouterr().out
    assert model.tables.bottleneck.fingerprint in out
    assert model.tables.gaussian is not None
    assert model.tables.gaussian.fingerprint in out
