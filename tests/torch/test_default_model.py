# SPDX-License-Identifier: Apache-2.0
"""The embedded model: its identity, its size, and a file that every machine decodes alike."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fastcoder
from benchmarks import device_rows, pages
from fastcoder import container
from fastcoder.torch import ImageCodec, IntegerTransform, Latents, load
from fastcoder.torch.storage import EMBEDDED
from tests import reference_integer

GOLDEN = Path(__file__).parent / "golden" / "default.fc"

FINGERPRINT = "c1b4387409c31326"
LATENTS = "a13b4e77fd1f96dc5dd92c5acfd2f917634b50fe07de6e6c2594dc6d46e82bc1"


@pytest.fixture(scope="module")
def model() -> ImageCodec:
    return load()


def test_default_model_is_small_and_has_a_card(model: ImageCodec) -> None:
    folder = importlib.resources.files("fastcoder") / "models"
    assert len((folder / EMBEDDED["default"]).read_bytes()) <= 3_000_000
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert FINGERPRINT in card
    assert model.fingerprint == FINGERPRINT


def digest(latents: Latents) -> str:
    state = hashlib.sha256()
    for part in latents.parts:
        state.update(part.symbols.astype("<i2").tobytes())
        state.update(part.indexes.tobytes())
    return state.hexdigest()


def test_default_model_chooses_rows_by_integers(model: ImageCodec) -> None:
    network = model.tables.hyper
    assert isinstance(network, IntegerTransform)
    assert network.largest_sum < 2**24  # so that float32 will do where float64 is slow
    assert all(layer.weight.dtype == np.int8 for layer in network.layers)


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("libraries", [True, False])
def test_default_model_decodes_the_golden_file_to_the_same_integers(
    model: ImageCodec, threads: int, libraries: bool
) -> None:
    """Rows included: they come out of a network, on any machine the same."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        with torch.backends.mkldnn.flags(enabled=libraries):
            latents = model.unpack_latents(GOLDEN.read_bytes())
    finally:
        torch.set_num_threads(before)
    assert (latents.height, latents.width) == (90, 130)
    assert digest(latents) == LATENTS
    assert model.pack_latents(latents) == GOLDEN.read_bytes()


def test_default_model_decodes_the_golden_file_like_a_lesser_processor() -> None:
    """Another process, where PyTorch's libraries keep to the instructions of 2008."""
    code = "from tests.torch.test_default_model import *; "
    code += "print(digest(load().unpack_latents(GOLDEN.read_bytes())))"
    environment = {
        "ATEN_CPU_CAPABILITY": "default",
        "DNNL_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "FASTCODER_ISA": "scalar",
        "OMP_NUM_THREADS": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == LATENTS


def test_default_model_finds_the_golden_rows_in_every_arithmetic(model: ImageCodec) -> None:
    network = model.tables.hyper
    assert network is not None
    latents = model.unpack_latents(GOLDEN.read_bytes())
    z = latents.part("z").symbols.astype(np.int64) * 256 + model.tables.medians[:, None, None]
    rows = latents.part("y").indexes
    assert np.array_equal(reference_integer.evaluate(network, z), rows)
    for dtype in (torch.float64, torch.float32):
        assert np.array_equal(network(torch.from_numpy(z)[None], dtype=dtype)[0].numpy(), rows)


def test_default_model_decodes_the_golden_file_in_another_layout() -> None:
    model = load().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert digest(model.unpack_latents(GOLDEN.read_bytes())) == LATENTS


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_default_model_decodes_the_golden_file_on_cuda() -> None:
    model = load().cuda()
    latents = model.unpack_latents(GOLDEN.read_bytes())
    assert digest(latents) == LATENTS
    assert model.pack_latents(latents) == GOLDEN.read_bytes()


def test_default_model_refuses_the_golden_file_with_one_row_changed(model: ImageCodec) -> None:
    latents = model.unpack_latents(GOLDEN.read_bytes())
    part = latents.part("y")
    stream = container.unpack(GOLDEN.read_bytes()).stream
    decoder = fastcoder.Decoder(stream)
    z = latents.part("z")
    decoder.pull(z.indexes, z.table)
    indexes = part.indexes.copy()
    indexes.flat[indexes.argmax()] -= 1

    def rest() -> None:
        decoder.pull(indexes, part.table)
        decoder.finish()

    with pytest.raises(fastcoder.StreamError):
        rest()


def test_the_tables_of_the_decision_are_the_measured_ones() -> None:
    measured = json.loads(device_rows.RESULT.read_text())["measurements"]
    table = pages.between(device_rows.PAGE.read_text(encoding="utf-8"), device_rows.MARKER)
    assert table.strip() == device_rows.markdown(measured).strip()
