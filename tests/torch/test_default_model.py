# SPDX-License-Identifier: Apache-2.0
"""The embedded model: its identity, its size, and a file that every machine decodes alike."""

from __future__ import annotations

import hashlib
import importlib.resources
from pathlib import Path

import pytest

import fastcoder
from fastcoder import container
from fastcoder.torch import ImageCodec, load
from fastcoder.torch.storage import EMBEDDED

GOLDEN = Path(__file__).parent / "golden" / "default.fc"

FINGERPRINT = "8b5f17878b038db7"
LATENTS = "db5dee77408c4860ba53d9cb7b4d5939252101bdbef03b152855b8b910892b69"


@pytest.fixture(scope="module")
def model() -> ImageCodec:
    return load()


def test_default_model_is_small_and_has_a_card(model: ImageCodec) -> None:
    folder = importlib.resources.files("fastcoder") / "models"
    assert len((folder / EMBEDDED["default"]).read_bytes()) <= 3_000_000
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert FINGERPRINT in card
    assert model.fingerprint == FINGERPRINT


def test_default_model_decodes_the_golden_file_to_the_same_integers(model: ImageCodec) -> None:
    """Rows included: they come out of a network, on any machine the same."""
    latents = model.unpack_latents(GOLDEN.read_bytes())
    state = hashlib.sha256()
    for part in latents.parts:
        state.update(part.symbols.astype("<i2").tobytes())
        state.update(part.indexes.tobytes())
    assert (latents.height, latents.width) == (90, 130)
    assert state.hexdigest() == LATENTS
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
