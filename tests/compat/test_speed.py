# SPDX-License-Identifier: Apache-2.0
"""What the drop-in coder gains in CompressAI's models: reported, not asserted.

The machine may be busy and one run is short; benchmarks/ has the numbers that documents quote.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from compressai.entropy_models import EntropyModel
from compressai.models import google

import fastcoder.compat.compressai as ours
from tests.compat import models

RUNS = 5
# Channels, image height and width, images.
SIZES = {"mbt2018": (32, 128, 128, 1), "cheng2020_anchor": (32, 128, 128, 1)}
SIZE = (128, 256, 256, 2)


@contextmanager
def coding() -> Iterator[list[float]]:
    """The seconds inside entropy models and coders, whichever are in place, as the only item."""
    spent = [0.0]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                spent[0] += time.perf_counter() - started

        return call

    def watched(coder: type) -> Callable[[], object]:
        class Watched:
            def __init__(self) -> None:
                self._coder = coder()

            def __getattr__(self, name: str) -> Callable[..., Any]:
                return timed(getattr(self._coder, name))

        return Watched

    with pytest.MonkeyPatch.context() as patch:
        for name in ("compress", "decompress"):
            patch.setattr(EntropyModel, name, timed(getattr(EntropyModel, name)))
        for name in ("BufferedRansEncoder", "RansDecoder"):
            patch.setattr(google, name, watched(getattr(google, name)))
        yield spent


def measured(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the whole call and of its entropy coding, the quickest of some runs."""
    call()
    whole, part = [], []
    for _ in range(RUNS):
        with coding() as spent:
            started = time.perf_counter()
            call()
            whole.append(time.perf_counter() - started)
        part.append(spent[0])
    return min(whole), min(part)


@pytest.mark.parametrize("name", models.NAMES)
@torch.no_grad()
def test_speed(name: str, tell: Callable[[str], None]) -> None:
    channels, height, width, count = SIZES.get(name, SIZE)
    model, images = models.make(name, channels), models.image(height, width, count)
    written = model.compress(images)
    calls = {
        "compress": lambda: model.compress(images),
        "decompress": lambda: model.decompress(written["strings"], written["shape"]),
    }
    for verb, call in calls.items():
        times = []
        for context in (nullcontext, ours.install):
            with context():
                times.append(measured(call))
        (whole, part), (our_whole, our_part) = times
        tell(
            f"{name} {verb}, {count} images of {height} x {width}: entropy coding "
            f"{1e3 * part:.1f} ms -> {1e3 * our_part:.1f} ms ({part / our_part:.1f} x), whole call "
            f"{1e3 * whole:.0f} ms -> {1e3 * our_whole:.0f} ms ({whole / our_whole:.2f} x)"
        )
