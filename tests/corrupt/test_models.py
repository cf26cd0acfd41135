# SPDX-License-Identifier: Apache-2.0
"""Files of models, altered by somebody who knows how they are built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import fastcoder as fc  # noqa: E402
from fastcoder.torch import ScaleHyperprior, load_model, save_model  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    return path, save_model(ScaleHyperprior(6, 6), path).fingerprint


def content(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata())  # noqa: SIM118


def loaded_fingerprint(path: Path) -> str | None:
    """None for an error that names the file; any other error is a failure."""
    try:
        return load_model(path).fingerprint
    except fc.errors.ArgumentError as error:
        message = str(error)
    assert str(path) in message
    return None


VALUES = st.sampled_from(
    ["", "0", "-1", "999999999", "2", "[]", "null", "1e9", "x" * 50, "[" * 5000, '{"a": 1}']
) | st.text(max_size=8)
REPLACEMENTS = [
    lambda t: t.flatten(),
    lambda t: t[:0],
    lambda t: t.double(),
    lambda t: t.to(torch.uint8),
    lambda t: torch.full_like(t, float("nan")) if t.is_floating_point() else -t,
    lambda t: torch.cat([t, t]),
    lambda t: torch.zeros(()),
    lambda t: t.bool(),
    lambda t: t.to(torch.bfloat16),
]


def test_a_table_of_a_type_that_numpy_lacks_is_an_error(model: tuple[Path, str]) -> None:
    path, _ = model
    tensors, metadata = content(path)
    tensors["tables.bottleneck"] = tensors["tables.bottleneck"].to(torch.bfloat16)
    altered = path.with_name("altered.safetensors")
    save_file(tensors, altered, metadata=metadata)
    with pytest.raises(fc.errors.ArgumentError, match="damaged model"):
        load_model(altered)


@settings(max_examples=25)
@given(st.data())
def test_altered_parts_are_an_error(model: tuple[Path, str], data: st.DataObject) -> None:
    path, fingerprint = model
    tensors, metadata = content(path)
    for _ in range(data.draw(st.integers(1, 3))):
        keys = sorted(tensors)
        tables = [key for key in keys if key.startswith("tables.")] or keys
        key = data.draw(st.sampled_from(keys) | st.sampled_from(tables))
        what = data.draw(st.sampled_from(["drop", "replace", "rename", "bit", "metadata", "none"]))
        if what == "drop" and len(tensors) > 1:
            del tensors[key]
        elif what == "replace":
            change = data.draw(st.sampled_from(REPLACEMENTS))
            if tensors[key].ndim:
                tensors[key] = change(tensors[key]).contiguous()
        elif what == "rename":
            tensors[data.draw(st.sampled_from([key + "x", "tables.x", "y"]))] = tensors.pop(key)
        elif what == "bit" and tensors[key].numel():
            raw = tensors[key].contiguous().view(torch.uint8).numpy().copy()
            raw.reshape(-1)[data.draw(st.integers(0, raw.size - 1))] ^= 1 << data.draw(
                st.integers(0, 7)
            )
            tensors[key] = torch.from_numpy(raw).view(tensors[key].dtype)
        elif what == "metadata":
            field = data.draw(st.sampled_from([*sorted(metadata), "options"]))
            metadata[field] = data.draw(VALUES)
    altered = path.with_name("altered.safetensors")
    save_file(tensors, altered, metadata=metadata)
    assert loaded_fingerprint(altered) in (fingerprint, None)


@settings(max_examples=40)
@given(st.data())
def test_altered_bytes_are_an_error_or_change_nothing(
    model: tuple[Path, str], data: st.DataObject
) -> None:
    path, fingerprint = model
    content = bytearray(path.read_bytes())
    head = 8 + int.from_bytes(content[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        most = min(data.draw(st.sampled_from([8, head, len(content)])), len(content)) - 1
        place = data.draw(st.integers(0, most))
        change = data.draw(st.sampled_from(["set", "cut", "insert", "remove"]))
        if change == "set":
            content[place] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del content[max(place, 1) :]
        elif change == "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=4))
        else:
            del content[place : place + data.draw(st.integers(1, 4))]
        if len(content) < 16:
            break
    altered = path.with_name("altered.safetensors")
    altered.write_bytes(content)
    assert loaded_fingerprint(altered) in (fingerprint, None)


def test_a_header_that_claims_everything_is_an_error(tmp_path: Path) -> None:
    for header in (
        {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}},
        {"a": {"dtype": "F32", "shape": [2**63, 2], "data_offsets": [0, 0]}},
        {"__metadata__": {"format": "x" * 1000}},
    ):
        text = json.dumps(header).encode()
        path = tmp_path / "model.safetensors"
        path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(np.zeros(4)))
        with pytest.raises(fc.errors.ArgumentError):
            load_model(path)
