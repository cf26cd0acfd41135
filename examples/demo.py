# SPDX-License-Identifier: Apache-2.0
"""A photograph through fastcoder: compress, decompress in a second process, compare, draw.

    make demo                                          the photograph beside this file
    python examples/demo.py --image mine.jpg           your own
    python examples/demo.py --model run/model.safetensors

Exits with 1 if the second process finds a single other latent or pixel. Network times are medians
of 3 runs and coder times of 15, after one run that is not counted.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import fastcoder as fc
from fastcoder.container import unpack
from fastcoder.torch import ImageCodec, Latents, load, load_model
from fastcoder.torch.evaluation import compare
from fastcoder.torch.images import read_rgb

HERE = Path(__file__).resolve().parent
PHOTOGRAPH = HERE / "kodim23.png"
# What the picture shows enlarged: part of a side, so that it fits any photograph.
DETAIL = (0.50, 0.17, 0.25)
NETWORK_RUNS, CODER_RUNS = 3, 15


@dataclass(frozen=True)
class Measured:
    """A compressed image and how good it is."""

    rgb: NDArray[np.uint8]
    size: int
    psnr: float
    ms_ssim: float

    @property
    def bpp(self) -> float:
        """Bits of the file per pixel."""
        return float(8 * self.size / (self.rgb.shape[0] * self.rgb.shape[1]))

    @property
    def caption(self) -> str:
        """The numbers under the picture."""
        return f"{self.bpp:.3f} bpp  \u00b7  {self.psnr:.2f} dB"


def measure(rgb: NDArray[np.uint8], original: NDArray[np.uint8], size: int) -> Measured:
    """PSNR and MS-SSIM of 8-bit RGB against the original."""
    quality = compare(rgb, original)
    return Measured(rgb, size, quality.psnr, quality.ms_ssim)


def seconds(function: Callable[[], Any], runs: int) -> float:
    """Median duration of a call, the first one not counted."""
    durations: list[float] = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        function()
        durations.append(time.perf_counter() - start)
    return float(statistics.median(durations[1:]))


def to_rgb(image: torch.Tensor) -> NDArray[np.uint8]:
    """From float (3, H, W) in [0, 1] to uint8 (H, W, 3)."""
    return (image * 255).round().byte().permute(1, 2, 0).contiguous().numpy()


def encode_latents(latents: Latents) -> bytes:
    """What the coder does in `compress`, without the network and the container."""
    encoder = fc.Encoder(check=True)
    for part in latents.parts:
        encoder.push(part.symbols, part.indexes, part.table)
    return encoder.finish()


def decode_latents(stream: bytes, latents: Latents) -> None:
    """What the coder does in `decompress`; the rows are those that the network found before."""
    decoder = fc.Decoder(stream)
    for part in latents.parts:
        decoder.pull(part.indexes, part.table, dtype=np.int16)
    decoder.finish()


def open_model(name: str | None) -> ImageCodec:
    """The model in a file, or the embedded one."""
    return load_model(name) if name else load()


def decode_in_this_process(model: ImageCodec, source: Path, target: Path) -> None:
    """The second process: knows the model and the file, and writes down all that it found."""
    data = source.read_bytes()
    latents = model.unpack_latents(data)
    rgb = to_rgb(model.reconstruct(latents))
    stream = unpack(data).stream
    coder = seconds(lambda: decode_latents(stream, latents), CODER_RUNS)
    unpacking = seconds(lambda: model.unpack_latents(data), NETWORK_RUNS)
    synthesis = seconds(lambda: model.reconstruct(latents), NETWORK_RUNS)
    arrays: dict[str, Any] = {part.name: part.symbols for part in latents.parts}
    np.savez(target, rgb=rgb, **arrays)
    print(json.dumps({"network": unpacking - coder + synthesis, "coder": coder}))


def best_jpeg(original: NDArray[np.uint8], size: int) -> tuple[Measured, int]:
    """The JPEG of the highest quality that is not larger than `size` bytes, and that quality.

    4:2:0 with Huffman tables made for the image, which is how JPEG is at its best here.
    """
    smallest: tuple[bytes, int] | None = None
    for quality in range(95, 0, -1):
        buffer = io.BytesIO()
        image = Image.fromarray(original)
        image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0", optimize=True)
        smallest = (buffer.getvalue(), quality)
        if len(smallest[0]) <= size:
            break
    assert smallest is not None  # noqa: S101 - the loop ran
    data, quality = smallest
    return measure(np.array(Image.open(io.BytesIO(data))), original, len(data)), quality


def telling_channel(latents: Latents) -> int:
    """Of the eight channels of y that take the most bits, the one whose scales vary the most."""
    y, sigma = latents.part("y"), latents.sigma
    bits = [fc.cost(y.symbols[c], y.indexes[c], y.table) for c in range(len(y.symbols))]
    costly = np.argsort(bits)[-8:]
    spread = [float(np.log(sigma[c].numpy()).std()) if sigma is not None else 0.0 for c in costly]
    return int(costly[np.argmax(spread)])


def print_table(
    ours: Measured, jpeg: Measured, quality: int, times: dict[str, dict[str, float]], symbols: int
) -> None:
    """The numbers, measured just now."""
    print(f"\n{'':18}{'fastcoder':>14}{f'JPEG (q {quality})':>16}")
    for label, pattern, values in (
        ("file, bytes", "{:,}", (ours.size, jpeg.size)),
        ("bits per pixel", "{:.4f}", (ours.bpp, jpeg.bpp)),
        ("PSNR, dB", "{:.2f}", (ours.psnr, jpeg.psnr)),
        ("MS-SSIM", "{:.4f}", (ours.ms_ssim, jpeg.ms_ssim)),
    ):
        print(f"{label:18}{pattern.format(values[0]):>14}{pattern.format(values[1]):>16}")
    print(f"\n{'time, ms':18}{'network':>14}{'coder':>16}{'Msymbols/s':>16}")
    for label, time_of in times.items():
        speed = symbols / time_of["coder"] / 1e6
        network, coder = 1000 * time_of["network"], 1000 * time_of["coder"]
        print(f"{label:18}{network:14.1f}{coder:16.3f}{speed:16.1f}")


def check(results: dict[str, bool]) -> bool:
    """Print every check; tell whether all held."""
    print()
    for label, held in results.items():
        print(f"{'ok    ' if held else 'FAILED'}  {label}")
    return all(results.values())


def demonstrate(arguments: argparse.Namespace) -> bool:
    """The first process: everything but the decoding."""
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    compressed, decoded = folder / "demo.fc", folder / "decoded.npz"
    original = read_rgb(arguments.image).rgb
    x = torch.from_numpy(original).permute(2, 0, 1).float() / 255

    model = open_model(arguments.model)
    latents = model.latents(x)
    data = model.pack_latents(latents)
    compressed.write_bytes(data)
    expected = to_rgb(model.reconstruct(latents))
    encode = {
        "network": seconds(lambda: model.latents(x), NETWORK_RUNS),
        "coder": seconds(lambda: encode_latents(latents), CODER_RUNS),
    }

    command = [sys.executable, str(Path(__file__).resolve())]
    command += ["--decode", str(compressed), "--out", str(decoded)]
    command += ["--model", arguments.model] if arguments.model else []
    second = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    decode = json.loads(second.stdout)
    with np.load(decoded) as found:
        arrays = {name: found[name] for name in found.files}
    decoded.unlink()
    Image.fromarray(arrays["rgb"]).save(folder / "demo-decoded.png")

    ours = measure(arrays["rgb"], original, compressed.stat().st_size)
    jpeg, quality = best_jpeg(original, ours.size)
    counts = {part.name: part.symbols.size for part in latents.parts}
    height, width = original.shape[:2]
    print(f"{arguments.image.name}, {width} x {height}; {model.name}, {model.fingerprint}")
    print(" + ".join(f"{count:,} symbols of {name}" for name, count in counts.items()), end="")
    print(f", coder on {fc.isa.active()}, network on {torch.get_num_threads()} threads")
    times = {"encode": encode, "decode": decode}
    print_table(ours, jpeg, quality, times, sum(counts.values()))

    from picture import Panel, draw

    left, top, part = DETAIL
    detail = (int(left * width), int(top * height), int(part * width), int(part * height))
    panels = [
        Panel(original, "original", "24 bits per pixel"),
        Panel(arrays["rgb"], "fastcoder", ours.caption),
        Panel(jpeg.rgb, f"JPEG, quality {quality}", jpeg.caption),
    ]
    channel = telling_channel(latents)
    sigma = latents.sigma
    if sigma is not None:  # a factorized prior has no scales to show
        y = latents.part("y").symbols[channel].astype(np.int32)
        draw(folder / "demo.png", panels, detail, y, sigma[channel].numpy(), channel)
        print(f"\npicture: {folder / 'demo.png'}")
    return check(
        {
            **{
                f"{part.name} came back exactly in the second process": (
                    np.array_equal(part.symbols, arrays[part.name])
                )
                for part in latents.parts
            },
            "the image of the second process is the encoder's, pixel by pixel": (
                np.array_equal(expected, arrays["rgb"])
            ),
            "compressing again gives the same bytes": model.compress(x) == data,
        }
    )


def main() -> int:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(description="A photograph through fastcoder.")
    parser.add_argument("--image", type=Path, default=PHOTOGRAPH)
    parser.add_argument("--model", help="model file; by default the embedded model")
    parser.add_argument("--out", type=Path, default=HERE.parent / "out")
    parser.add_argument("--decode", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.decode is not None:
        decode_in_this_process(open_model(arguments.model), arguments.decode, arguments.out)
        return 0
    return 0 if demonstrate(arguments) else 1


if __name__ == "__main__":
    sys.exit(main())
