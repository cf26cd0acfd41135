# SPDX-License-Identifier: Apache-2.0
"""Writes golden streams of parametric symbols, by the reference. Run it from the repository root:

    python -m tests.golden.make_parametric v1

It never overwrites, as make_streams.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

import fastcoder.parametric
from tests import reference_intervals
from tests.reference import Interval
from tests.reference_parametric import Curve, Distribution

FOLDER = Path(__file__).parent
MODELS = {"gaussian": "Gaussian", "laplace": "Laplace", "logistic": "Logistic"}


def draw(families: list[str], count: int, low: int, high: int, lanes: int | None, seed: int) -> Any:
    """A case without its stream: fixed-point parameters and symbols, mostly near their means."""
    rng = random.Random(seed)
    components, weights = [], []
    for family in families:
        means = [rng.randrange(1024 * low - 3000, 1024 * high + 3000) for _ in range(count)]
        scales = [rng.choice([0, 2000, 2560, 3000, 4200, 7680, rng.randrange(7681)]) for _ in means]
        components.append({"family": family, "mean": means, "scale": scales})
    for _ in range(count):
        cuts = sorted(rng.randrange(65537) for _ in families[1:])
        weights.append([b - a for a, b in zip([0, *cuts], [*cuts, 65536], strict=True)])
    symbols = []
    for i in range(count):
        near = rng.choice(components)["mean"][i] // 1024 + rng.randrange(-2, 4)
        symbols.append(min(max(rng.choice([near, near, rng.randrange(low, high + 1)]), low), high))
    return {"support": [low, high], "lanes": lanes, "components": components, "weights": weights,
            "symbols": symbols}  # fmt: skip


def cases() -> dict[str, Any]:
    return {
        "gaussian": draw(["gaussian"], 90, -100, 100, None, 1),
        "gaussian, 32 lanes": draw(["gaussian"], 100, -30000, 30000, 32, 2),
        "laplace, 32 lanes": draw(["laplace"], 70, -7, 8, 32, 3),
        "logistic": draw(["logistic"], 40, 0, 255, 4, 4),
        "one symbol": draw(["laplace"], 3, 5, 5, None, 5),
        "mixture": draw(["gaussian", "laplace", "logistic"], 80, -128, 127, 32, 6),
        "edges": draw(["gaussian", "gaussian"], 40, -524288, -524200, 1, 7),
    }


def distributions(case: dict[str, Any]) -> list[Distribution]:
    low, high = case["support"]
    return [
        Distribution(low, high, tuple(
            Curve(c["family"], c["mean"][i], c["scale"][i], w)
            for c, w in zip(case["components"], case["weights"][i], strict=True)
        ))
        for i in range(len(case["symbols"]))
    ]  # fmt: skip


def reference_stream(case: dict[str, Any]) -> bytes:
    intervals = [
        Interval(*distribution.interval(symbol), 24)
        for distribution, symbol in zip(distributions(case), case["symbols"], strict=True)
    ]
    return reference_intervals.encode_intervals(intervals, check=True, lanes=case["lanes"])


def check_decoding(case: dict[str, Any], stream: bytes) -> None:
    decoder = reference_intervals.IntervalDecoder(stream)
    for distribution, symbol in zip(distributions(case), case["symbols"], strict=True):
        assert distribution.find(decoder.peek(24)) == symbol
        decoder.advance(*distribution.interval(symbol), 24)
    decoder.finish()


def native_model(case: dict[str, Any]) -> fastcoder.parametric.ParametricModel:
    models = [
        getattr(fastcoder.parametric, MODELS[c["family"]]).from_fixed(
            np.array(c["mean"]), np.array(c["scale"]), support=case["support"]
        )
        for c in case["components"]
    ]
    if len(models) == 1:
        return models[0]
    return fastcoder.parametric.Mixture(models, np.array(case["weights"]).T / 65536)


def load() -> list[dict[str, Any]]:
    found = []
    for path in sorted(FOLDER.glob("v*/parametric.json")):
        for name, case in json.loads(path.read_text(encoding="ascii")).items():
            found.append({"name": name, **case})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="folder to write, for example v1")
    folder = FOLDER / parser.parse_args().version
    folder.mkdir(exist_ok=True)
    lines = []
    for name, case in cases().items():
        case["stream"] = reference_stream(case).hex()
        lines.append(f"{json.dumps(name)}: {json.dumps(case)}")
    with (folder / "parametric.json").open("x", encoding="ascii") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
