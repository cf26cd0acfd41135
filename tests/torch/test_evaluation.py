# SPDX-License-Identifier: Apache-2.0
"""Evaluation measures real files and is not stopped by a bad one."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastcoder.torch import EvaluationRow, FactorizedPrior, evaluate


@pytest.fixture(scope="module")
def model() -> FactorizedPrior:
    torch.manual_seed(0)
    codec = FactorizedPrior(6, 9)
    with torch.no_grad():
        codec.analysis[-1].weight.mul_(200.0)
    return codec


def test_evaluate_measures_what_compress_writes(
    model: FactorizedPrior, photographs: Path, tmp_path: Path
) -> None:
    shutil.copy(photographs / "0.png", tmp_path / "one.png")
    (tmp_path / "sub").mkdir()
    pixels = np.asarray(Image.open(photographs / "1.png"))[:100]
    Image.fromarray(pixels).save(tmp_path / "sub" / "small.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff not a photograph")
    seen: list[EvaluationRow] = []
    model.train()
    result = evaluate(model, tmp_path, on_row=seen.append)
    assert model.training  # left as it was found
    assert [row.name for row in result.rows] == ["one.png", "sub/small.png"]
    assert tuple(seen) == result.rows
    assert [name for name, _ in result.failures] == ["broken.jpg"]
    row = result.rows[1]
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255
    data = model.compress(image)
    assert row.file_bytes == len(data)
    assert row.bpp == 8 * len(data) / (100 * 300)
    restored = (model.decompress(data).permute(1, 2, 0).numpy() * 255).round()
    mse = np.square(restored - pixels).mean()
    assert row.psnr == pytest.approx(10 * math.log10(255**2 / mse), abs=1e-6)
    assert math.isnan(row.ms_ssim)
    assert 0 < result.rows[0].ms_ssim < 1
    assert result.mean("ms_ssim") == result.rows[0].ms_ssim
    assert result.mean("bpp") == pytest.approx(np.mean([row.bpp for row in result.rows]))
    for row in result.rows:  # 64 bytes: header, checksum, hash and flush, which small files feel
        assert 0 <= 8 * row.file_bytes - row.coded_bits <= 8 * 64 + 0.002 * row.coded_bits
    assert row.coded_bits == pytest.approx(row.estimated_bits, rel=0.005)


def test_evaluate_explains_a_folder_without_images(model: FactorizedPrior, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data = .*, expected a folder with images"):
        evaluate(model, tmp_path)
