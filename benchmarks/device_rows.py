# SPDX-License-Identifier: Apache-2.0
"""What it costs that every device finds the same rows, and what happens where one does not.

For every photograph of a folder the latents of the embedded model are coded with rows found in
several ways; file sizes are real ones. Then floats are added up in several orders, and rows of one
photograph are changed on purpose, with and without the symbol hash. Writes
benchmarks/results/device_rows.json and, with --write, the tables of
docs/decisions/0006-integer-hyper-synthesis.md.

    python -m benchmarks.device_rows DIR [--also LABEL=MODEL ...] [--faults N] [--write]

A model given with --also has other integers for the same latents (`fastcoder quantize`).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

import fastcoder as fc
from benchmarks import pages
from benchmarks.machine import machine
from benchmarks.pages import RESULTS, ROOT
from fastcoder.torch import IntegerTransform, LatentPart, Latents, ScaleHyperprior, load, load_model
from fastcoder.torch.calibration import mark
from fastcoder.torch.exact import ExactTransform
from fastcoder.torch.images import find_images, read_rgb, to_tensor
from fastcoder.torch.integer import INPUT_UNIT

RESULT = RESULTS / "device_rows.json"
PAGE = ROOT / "docs" / "decisions" / "0006-integer-hyper-synthesis.md"
MARKER = "device rows"
EXACT = "float network, evaluated exactly"
MARKS = (1e-6, 1e-5, 1e-4, 1e-3)
# What makes the libraries behind PyTorch compute as on a lesser processor.
PROCESSORS = {
    "AVX2, 1 thread": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "MKL_CBWR": "AVX2",
        "OMP_NUM_THREADS": "1",
    },
    "SSE4.1, 2 threads": {
        "ATEN_CPU_CAPABILITY": "default",
        "DNNL_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "OMP_NUM_THREADS": "2",
    },
}
FAULT_SIDE = 256  # pixels of the photograph in which rows are changed


def scales_of(codec: ScaleHyperprior, network: nn.Module, z: Tensor) -> NDArray[np.float64]:
    """What a float network predicts in float32 for z (1, C, H, W), within the table."""
    with torch.inference_mode():
        sigma = network(z.float())[0].double().numpy()
    known = codec.tables.scales
    return np.clip(sigma, known[0], known[-1])


def rows_of(codec: ScaleHyperprior, z: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows that floats and that integers choose."""
    if codec.tables.hyper is None:
        raise TypeError("the model has no integer network")
    floats = scales_of(codec, codec.scale_network(), z)
    integers = codec.tables.hyper(z / INPUT_UNIT)[0].numpy().astype(np.uint8)
    return fc.scale_indexes(floats, codec.tables.scales), integers


def answer(source: Path, target: Path) -> None:
    """The other process: rows of every z of a file, written to another file."""
    codec = embedded()
    with np.load(source) as arrays:
        rows = {name: rows_of(codec, torch.from_numpy(arrays[name])) for name in arrays.files}
    floats = {f"{name} float": pair[0] for name, pair in rows.items()}
    np.savez(target, **floats, **{f"{name} integer": pair[1] for name, pair in rows.items()})


def compare_processors(codec: ScaleHyperprior, found: list[Tensor]) -> dict[str, dict[str, int]]:
    """What other instruction sets change, for the z of all photographs."""
    here = [rows_of(codec, z) for z in found]
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "z.npz", Path(folder) / "rows.npz"
        np.savez(source, **{str(number): z.numpy() for number, z in enumerate(found)})
        for label, environment in PROCESSORS.items():
            command = [sys.executable, "-m", "benchmarks.device_rows", str(source)]
            command += ["--answer", str(target)]
            subprocess.run(command, env=os.environ | environment, cwd=ROOT, check=True)
            with np.load(target) as there:
                pairs = [
                    [int((here[n][k] != there[f"{n} {kind}"]).sum()) for n in range(len(here))]
                    for k, kind in enumerate(("float", "integer"))
                ]
            result[label] = {
                "rows_differ": sum(pairs[0]),
                "images_broken": sum(count > 0 for count in pairs[0]),
                "integer_rows_differ": sum(pairs[1]),
                "integer_images_broken": sum(count > 0 for count in pairs[1]),
            }
    return result


def embedded() -> ScaleHyperprior:
    """The embedded model, which has a hyperprior."""
    codec = load()
    if not isinstance(codec, ScaleHyperprior):
        raise TypeError("the embedded model has no hyperprior")
    return codec


class Photograph:
    """The latents of one photograph and the scales that the float network gives."""

    def __init__(self, codec: ScaleHyperprior, image: Tensor) -> None:
        self.codec = codec
        self.latents = codec.latents(image)
        self.z_part, self.y_part = self.latents.part("z"), self.latents.part("y")
        z = torch.from_numpy(self.z_part.symbols.astype(np.float64))
        centers = torch.from_numpy(codec.tables.centers)[:, None, None]
        self.z = (z + centers)[None]
        self.exact = ExactTransform(codec.scale_network())

    def scales(self, network: nn.Module) -> NDArray[np.float64]:
        """What a float network predicts in float32, within the table."""
        return scales_of(self.codec, network, self.z)

    def exact_rows(self) -> NDArray[Any]:
        """Rows of the float network, evaluated exactly."""
        known = self.codec.tables.scales
        sigma = self.exact(self.z)[0].numpy()
        return fc.scale_indexes(np.clip(sigma, known[0], known[-1]), known)

    def integer_rows(self, network: IntegerTransform) -> NDArray[Any]:
        """Rows of an integer network."""
        return network(self.z / INPUT_UNIT)[0].numpy().astype(np.uint8)

    def size(self, rows: NDArray[Any], marks: list[LatentPart]) -> int:
        """Bytes of the file with these rows for y."""
        y = dataclasses.replace(self.y_part, indexes=rows)
        parts = (self.z_part, *marks, y)
        height, width = self.latents.height, self.latents.width
        return len(self.codec.pack_latents(Latents(height, width, parts)))


def reordered(network: nn.Sequential, seed: int) -> Iterator[tuple[nn.Sequential, Tensor]]:
    """The same float network with the channels of z in other orders, and the orders."""
    generator = torch.Generator().manual_seed(seed)
    first, *rest = network
    while True:
        order = torch.randperm(first.in_channels, generator=generator)
        twin = nn.ConvTranspose2d(first.in_channels, first.out_channels, 5, 2, 2, 1)
        with torch.no_grad():
            twin.weight.copy_(first.weight[order])
            twin.bias.copy_(first.bias)
        yield nn.Sequential(twin, *rest), order


def compare_floats(photograph: Photograph, sums: dict[str, float], seed: int) -> None:
    """Adds what another order of the sums of the first layer changes, in float32 and integers."""
    network = photograph.codec.scale_network()
    known = photograph.codec.tables.scales
    twin, order = next(reordered(network, seed))
    one = photograph.scales(network)
    with torch.inference_mode():
        other = np.clip(
            twin(photograph.z[:, order].float())[0].double().numpy(), known[0], known[-1]
        )
    free = (one > known[0]) & (one < known[-1])
    sums["latents"] += one.size
    sums["scales_differ"] += int((one != other).sum())
    sums["free"] += int(free.sum())
    distance = np.abs(one / other - 1)
    sums["largest"] = max(sums["largest"], float(distance.max()))
    sums["mean_sum"] += float(distance[free].sum())
    rows = fc.scale_indexes(one, known), fc.scale_indexes(other, known)
    wrong = int((rows[0] != rows[1]).sum())
    sums["rows_differ"] += wrong
    sums["images_broken"] += wrong > 0
    integers = photograph.codec.tables.hyper
    if integers is not None:
        first = dataclasses.replace(
            integers.layers[0],
            weight=np.ascontiguousarray(integers.layers[0].weight[order.numpy()]),
        )
        shuffled = IntegerTransform(
            [first, *integers.layers[1:]],
            input_shift=integers.input_shift,
            input_limit=integers.input_limit,
        )
        z = photograph.z / INPUT_UNIT
        differ = integers(z) != shuffled(z[:, order], dtype=torch.float32)
        sums["integer_rows_differ"] += int(differ.sum())
        sums["integer_images_broken"] += bool(differ.any())


def count_faults(photograph: Photograph, count: int, check: bool) -> dict[str, int]:
    """Decodes ``count`` times with one row of y replaced by a neighbor."""
    z, y = photograph.z_part, photograph.y_part
    encoder = fc.Encoder(check=check)
    encoder.push(z.symbols, z.indexes, z.table)
    encoder.push(y.symbols, y.indexes, y.table)
    stream = encoder.finish()
    rng = np.random.default_rng(1)
    indexes, symbols = y.indexes.flatten(), y.symbols.flatten()
    outcome = {"noticed": 0, "wrong": 0, "right": 0}
    for _ in tqdm(range(count), desc="hash" if check else "no hash", unit="fault"):
        place = int(rng.integers(indexes.size))
        true = int(indexes[place])
        other = true + int(rng.choice([-1, 1]))
        indexes[place] = other if 0 <= other < y.table.rows else 2 * true - other
        decoder = fc.Decoder(stream)
        decoder.pull(z.indexes, z.table, dtype=np.int16)
        try:
            decoded = decoder.pull(indexes, y.table, dtype=np.int16)
            decoder.finish()
        except (fc.StreamError, fc.SymbolRangeError):
            outcome["noticed"] += 1
        else:
            outcome["right" if np.array_equal(decoded, symbols) else "wrong"] += 1
        indexes[place] = true
    return outcome


def fastest(run: Callable[[], object], runs: int = 9) -> float:
    """Seconds of the fastest of several runs."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def measure(folder: Path, others: dict[str, ScaleHyperprior], faults: int) -> dict[str, Any]:
    """Every photograph of a folder in every way."""
    codec = embedded()
    if codec.tables.hyper is None:
        raise TypeError("the embedded model has no integer network")
    found = []
    networks = {"integers (embedded model)": codec.tables.hyper}
    for label, other in others.items():
        if other.tables.hyper is None:
            raise TypeError(f"{label} has no integer network")
        networks[label] = other.tables.hyper
    sizes: dict[str, list[int]] = {EXACT: []} | {label: [] for label in networks}
    sizes |= {f"float network, marks for {eps:g}": [] for eps in MARKS}
    marked = dict.fromkeys(MARKS, 0)
    names = ("latents", "free", "scales_differ", "largest", "mean_sum", "rows_differ")
    broken = ("images_broken", "integer_rows_differ", "integer_images_broken")
    sums = dict.fromkeys((*names, *broken), 0.0)
    paths = find_images(folder)
    for number, path in enumerate(tqdm(paths, unit="photograph")):
        photograph = Photograph(codec, to_tensor(read_rgb(path).rgb[None])[0])
        found.append(photograph.z)
        sizes[EXACT].append(photograph.size(photograph.exact_rows(), []))
        for label, network in networks.items():
            sizes[label].append(photograph.size(photograph.integer_rows(network), []))
        sigma = photograph.scales(codec.scale_network())
        for eps in MARKS:
            rows, marks = mark(sigma, codec.tables.scales, eps)
            marked[eps] += marks[-1].symbols.size if len(marks) == 3 else 0
            sizes[f"float network, marks for {eps:g}"].append(photograph.size(rows, marks))
        compare_floats(photograph, sums, number)
    seconds = {
        EXACT: fastest(photograph.exact_rows),
        "integers, sums in float64": fastest(lambda: photograph.integer_rows(codec.tables.hyper)),
        "integers, sums in float32": fastest(
            lambda: codec.tables.hyper(photograph.z / INPUT_UNIT, dtype=torch.float32)
        ),
        "float network in float32": fastest(lambda: photograph.scales(codec.scale_network())),
    }
    crop = to_tensor(read_rgb(paths[0]).rgb[None, :FAULT_SIDE, :FAULT_SIDE])[0]
    small = Photograph(codec, crop)
    return {
        "photographs": len(paths),
        "sizes": sizes,
        "largest_sums": {label: network.largest_sum for label, network in networks.items()},
        "marks": {f"{eps:g}": count / len(paths) for eps, count in marked.items()},
        "floats": sums,
        "seconds": seconds,
        "processors": compare_processors(codec, found),
        "faults": {
            "with": count_faults(small, faults, True),
            "without": count_faults(small, faults, False),
        },
    }


def markdown(measured: dict[str, Any]) -> str:
    """The tables of the page."""
    base = np.array(measured["sizes"][EXACT], np.float64)
    lines = [
        "| rows of y come from | bytes of all files | against the first line | worst photograph |",
        "|---|---:|---:|---:|",
    ]
    for label, values in measured["sizes"].items():
        sizes = np.array(values, np.float64)
        total = 100 * (sizes.sum() / base.sum() - 1)
        worst = 100 * (sizes / base - 1).max()
        lines.append(f"| {label} | {int(sizes.sum()):,} | {total:+.3f} % | {worst:+.3f} % |")
    marks = ", ".join(f"{count:.0f} at {eps}" for eps, count in measured["marks"].items())
    floats = measured["floats"]
    lines += [
        "",
        f"Mean number of marks in a photograph: {marks}. Largest sum that a network can reach: "
        + "; ".join(f"{label} {value:,}" for label, value in measured["largest_sums"].items())
        + ".",
        "",
        "Milliseconds from z of one photograph to its rows, on one core: "
        + "; ".join(f"{label} {1000 * time:.1f}" for label, time in measured["seconds"].items())
        + ".",
        "",
        f"Another order of the channels of z, {measured['photographs']} photographs, "
        f"{int(floats['latents']):,} latents:",
        "",
        "| | float32 | integers |",
        "|---|---:|---:|",
        f"| scales that differ | {int(floats['scales_differ']):,} | |",
        f"| largest relative difference | {floats['largest']:.1e} | |",
        f"| mean relative difference | {floats['mean_sum'] / floats['free']:.1e} | |",
        f"| rows that differ | {int(floats['rows_differ'])} "
        f"| {int(floats['integer_rows_differ'])} |",
        f"| photographs that would not decode | {int(floats['images_broken'])} "
        f"| {int(floats['integer_images_broken'])} |",
        "",
        "The same sums on other instruction sets, against those of this machine:",
        "",
        "| | rows that differ, float32 | photographs that would not decode | rows that differ, "
        "integers | photographs |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {label} | {row['rows_differ']} | {row['images_broken']} "
            f"| {row['integer_rows_differ']} | {row['integer_images_broken']} |"
            for label, row in measured["processors"].items()
        ),
        "",
        "One row of y replaced by a neighbor, then decoded:",
        "",
        "| | faults | raised an error | decoded rightly all the same | wrong in silence |",
        "|---|---:|---:|---:|---:|",
    ]
    for kind, name in (("with", "with symbol hash"), ("without", "without")):
        outcome = measured["faults"][kind]
        lines.append(
            f"| {name} | {sum(outcome.values()):,} | {outcome['noticed']:,} "
            f"| {outcome['right']:,} | {outcome['wrong']:,} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--also", action="append", default=[], metavar="LABEL=MODEL")
    parser.add_argument("--faults", type=int, default=100_000)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="also write the tables of the page")
    arguments = parser.parse_args()
    if arguments.answer is not None:
        answer(arguments.folder, arguments.answer)
        return
    others = {}
    for text in arguments.also:
        label, name = text.split("=", 1)
        others[label] = load_model(name)
    measured = measure(arguments.folder, others, arguments.faults)
    pages.keep(RESULT, {"machine": machine(), "measurements": measured})
    print(markdown(measured))
    if arguments.write:
        pages.write(PAGE, MARKER, markdown(measured))


if __name__ == "__main__":
    main()
