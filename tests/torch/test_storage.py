# SPDX-License-Identifier: Apache-2.0
"""A stored model is the same model: weights, tables, fingerprint; a damaged one is an error."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import fastcoder
from fastcoder.torch import (
    CodecTables,
    FactorizedPrior,
    ImageCodec,
    MeanScaleHyperprior,
    ScaleHyperprior,
    load,
    load_model,
    read_metadata,
    save_model,
)


@pytest.fixture(
    params=[FactorizedPrior, ScaleHyperprior, MeanScaleHyperprior], ids=lambda codec: codec.name
)
def model(request: pytest.FixtureRequest) -> ImageCodec:
    return request.param(6, 9)


def test_loaded_model_is_the_stored_one(model: ImageCodec, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    stored = save_model(model, path, metadata={"lmbda": "0.01"})
    loaded = load_model(path)
    assert type(loaded) is type(model)
    assert loaded.fingerprint == stored.fingerprint
    assert loaded.tables.digest() == stored.tables.digest()
    assert not loaded.training
    image = torch.rand(3, 50, 70)
    data = stored.compress(image)
    assert loaded.compress(image) == data
    assert torch.equal(loaded.decompress(data), stored.decompress(data))
    metadata = read_metadata(path)
    assert metadata["fingerprint"] == stored.fingerprint
    assert metadata["lmbda"] == "0.01"
    assert [item.name for item in tmp_path.iterdir()] == ["model.safetensors"]


def test_half_precision_rounds_a_copy(model: ImageCodec, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    half = save_model(model, tmp_path / "half")
    whole = save_model(model, tmp_path / "whole", half=False)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert torch.equal(whole.state_dict()[name], tensor)
        assert torch.equal(half.state_dict()[name], tensor.half().float())
    assert whole.fingerprint == model.fingerprint != half.fingerprint
    assert (tmp_path / "half").stat().st_size < (tmp_path / "whole").stat().st_size


def test_loaded_tables_are_those_of_the_file(model: ImageCodec, tmp_path: Path) -> None:
    """They are data: a model stored with other tables keeps them."""
    model.attach_tables(model.build_tables(precision=11))
    save_model(model, tmp_path / "model", half=False)
    loaded = load_model(tmp_path / "model")
    assert loaded.tables.bottleneck.precision == 11
    assert loaded.fingerprint == model.fingerprint


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        (FactorizedPrior, {"activation": "relu", "filters": [3, 3, 3, 3], "fixed_medians": True}),
        (ScaleHyperprior, {"scales": [0.1, 0.3, 4.0], "scale_bound": 0.25, "filters": [5]}),
        (MeanScaleHyperprior, {"scale_bound": 0.2}),
    ],
)
def test_options_of_a_codec_travel_with_it(
    codec: type[FactorizedPrior] | type[ScaleHyperprior],
    options: dict[str, object],
    tmp_path: Path,
) -> None:
    model = codec(5, 6, **options)
    assert model.options == options
    if "fixed_medians" in options:
        model.bottleneck.fixed_medians.copy_(torch.linspace(-2.7, 3.1, 6))
    stored = save_model(model, tmp_path / "model", half=False)
    loaded = load_model(tmp_path / "model")
    assert loaded.options == options
    assert loaded.fingerprint == stored.fingerprint == model.fingerprint
    assert model.fingerprint != codec(5, 6).fingerprint
    image = torch.rand(3, 40, 70)
    with torch.no_grad():
        mine, theirs = model.eval()(image[None]), loaded(image[None])
    assert torch.equal(mine.image, theirs.image)
    for name, likelihood in mine.likelihoods.items():
        assert torch.equal(likelihood, theirs.likelihoods[name])
    data = model.compress(image)
    assert torch.equal(loaded.decompress(data), model.decompress(data))


@pytest.mark.parametrize(
    "options",
    ["", "[1]", "3", '{"filters": 3}', '{"width": 3}', '{"filters": [1000]}', "[" * 100_000,
     '{"channels": 3}', '{"scale_bound": NaN}', '{"filters": [64, 64, 64]}',
     '{"activation": "gdn"}', '{"fixed_medians": 1}', '{"scales": []}'],
)  # fmt: skip
def test_load_refuses_options_that_are_none(options: str, tmp_path: Path) -> None:
    save_model(ScaleHyperprior(4, 4), tmp_path / "model")
    with safe_open(tmp_path / "model", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = {**file.metadata(), "options": options}
    save_file(tensors, tmp_path / "model", metadata=metadata)
    with pytest.raises(fastcoder.ArgumentError, match=r"model"):
        load_model(tmp_path / "model")


def test_load_refuses_every_kind_of_damage(model: ImageCodec, tmp_path: Path) -> None:
    path = tmp_path / "model"
    save_model(model, path)
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    rng = np.random.default_rng(0)
    flips = [*rng.integers(start, len(data), 25), start, len(data) - 1]
    damaged = [data[:cut] for cut in (0, 4, 100, start, len(data) - 1)]
    damaged += [data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :] for at in flips]
    damaged += [data + b"\0", b"{}" * 100]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(fastcoder.ArgumentError):
            load_model(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", "70000"),
        ("channels", "-6"),
        ("channels", "7"),
        ("latent_channels", "999999999999"),
        ("model", "vq"),
        ("format", "other"),
        ("fingerprint", "0" * 16),
    ],
)
def test_load_refuses_metadata_that_do_not_fit(
    model: ImageCodec, tmp_path: Path, field: str, value: str
) -> None:
    path = tmp_path / "model"
    save_model(model, path)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"][field] = value
    changed = json.dumps(header).encode()
    path.write_bytes(len(changed).to_bytes(8, "little") + changed + data[8 + size :])
    with pytest.raises(fastcoder.ArgumentError):
        load_model(path)


def test_load_explains_missing_files_and_names(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model = .*, expected an existing file"):
        load_model(tmp_path / "missing")
    with pytest.raises(fastcoder.ArgumentError, match=r"name = 'other', expected one of default"):
        load("other")


def test_save_refuses_what_half_precision_cannot_hold(tmp_path: Path) -> None:
    model = FactorizedPrior(4, 4)
    with torch.no_grad():
        model.synthesis[0].weight[0, 0, 0, 0] = 1e6
    with pytest.raises(fastcoder.ArgumentError, match=r"synthesis.0.weight = not finite"):
        save_model(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(fastcoder.ArgumentError, match=r"metadata = 'model', expected"):
        save_model(FactorizedPrior(4, 4), tmp_path / "model", metadata={"model": "mine"})
    with pytest.raises(fastcoder.ArgumentError, match=r"metadata = 'options', expected"):
        save_model(FactorizedPrior(4, 4), tmp_path / "model", metadata={"options": "mine"})


def test_tables_refuse_parts_that_do_not_fit() -> None:
    tables = ScaleHyperprior(4, 4).build_tables()
    arrays = tables.to_arrays()
    assert CodecTables.from_arrays(arrays).digest() == tables.digest()
    for name in arrays:
        with pytest.raises(fastcoder.TableError):
            CodecTables.from_arrays({**arrays, name: arrays[name][:-1]})
        with pytest.raises(fastcoder.TableError):
            CodecTables.from_arrays({**arrays, name: arrays[name].astype(np.float32)})
    centers = (arrays["tables.medians"] / 256).astype(np.float32)
    with pytest.raises(fastcoder.TableError, match=r"tables.medians = given"):
        CodecTables.from_arrays({**arrays, "tables.centers": centers})
    with pytest.raises(fastcoder.TableError, match=r"tables.rule = b'nearest', expected b'ceil'"):
        CodecTables.from_arrays({**arrays, "tables.rule": np.frombuffer(b"nearest", np.uint8)})
    del arrays["tables.medians"]
    with pytest.raises(fastcoder.TableError, match="medians = not finite"):
        CodecTables.from_arrays({**arrays, "tables.centers": centers * np.float32(np.nan)})
    arrays["tables.centers"] = centers
    fixed = CodecTables.from_arrays(arrays)
    np.testing.assert_array_equal(fixed.centers, tables.centers)
    assert fixed.digest() != tables.digest()
    for name in ("tables.bottleneck", "tables.centers", "tables.scales"):
        with pytest.raises(fastcoder.TableError):
            CodecTables.from_arrays({key: arrays[key] for key in arrays if key != name})
