# SPDX-License-Identifier: Apache-2.0
"""The image codec on a folder of photographs, against JPEG and WebP of the same size.

    python -m benchmarks.photographs DIR [--model MODEL] [--out FILE]

Real files on both sides. For every photograph the other format gets the highest quality whose
file is not larger than ours; the means are over photographs. Writes JSON and prints a table.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from benchmarks import pages, report
from benchmarks.machine import machine
from fastcoder.torch import load, load_model
from fastcoder.torch.evaluation import compare, evaluate
from fastcoder.torch.images import find_images, read_rgb

ROOT = Path(__file__).resolve().parents[1]
OTHERS: dict[str, dict[str, Any]] = {
    "JPEG": {"subsampling": "4:2:0", "optimize": True},
    "WEBP": {"method": 6},
}


def best_of(
    original: NDArray[np.uint8], size: int, kind: str, options: dict[str, Any]
) -> tuple[int, float]:
    """Size and PSNR of the highest quality that is not larger than ``size``, by bisection."""
    found = None
    low, high = 1, 100
    while low <= high:
        quality = (low + high) // 2
        buffer = io.BytesIO()
        Image.fromarray(original).save(buffer, kind, quality=quality, **options)
        data = buffer.getvalue()
        if len(data) <= size or quality == 1:
            with Image.open(io.BytesIO(data)) as image:
                found = len(data), compare(np.asarray(image.convert("RGB")), original).psnr
            low = quality + 1
        else:
            high = quality - 1
    if found is None:
        raise RuntimeError(f"no {kind} of quality 1")
    return found


def measure(folder: Path, model_name: str | None) -> dict[str, Any]:
    """Every photograph of a folder with every format."""
    model = load_model(model_name) if model_name else load()
    with tqdm(total=len(find_images(folder)), desc="fastcoder", unit="image") as bar:
        ours = evaluate(model, folder, on_row=lambda _: bar.update())
    if ours.failures:
        raise RuntimeError(f"{len(ours.failures)} photographs failed: {ours.failures[0]}")
    rows = []
    for row in tqdm(ours.rows, desc="others", unit="image"):
        original = read_rgb(folder / row.name).rgb
        pixels = row.height * row.width
        record: dict[str, Any] = {"name": row.name, "pixels": pixels}
        record["fastcoder"] = {"bpp": row.bpp, "psnr": row.psnr, "ms_ssim": row.ms_ssim}
        for kind, options in OTHERS.items():
            size, quality = best_of(original, row.file_bytes, kind, options)
            record[kind] = {"bpp": 8 * size / pixels, "psnr": quality}
        rows.append(record)
    return {
        "machine": machine(),
        "folder": folder.name,
        "model": {"name": model.name, "fingerprint": model.fingerprint},
        "threads": torch.get_num_threads(),
        "real_over_estimated": ours.difference,
        "encode_seconds": ours.mean("encode_seconds"),
        "decode_seconds": ours.mean("decode_seconds"),
        "photographs": rows,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", help="model file; by default the embedded model")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "photographs.json")
    options = parser.parse_args()
    result = measure(options.folder, options.model)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    pages.keep(options.out, result)
    print(report.photographs(result), end="")


if __name__ == "__main__":
    main()
