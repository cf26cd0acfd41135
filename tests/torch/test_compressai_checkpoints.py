# SPDX-License-Identifier: Apache-2.0
"""Checkpoints with CompressAI's names: same likelihoods, images, tables; and what is refused."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import fastcoder
from fastcoder.torch import (
    FactorizedPrior,
    MeanScaleHyperprior,
    ScaleHyperprior,
    load_model,
    save_model,
)
from tests.reference_checkpoints import KINDS, SCALES, M, N, Plain, checkpoint

Codec = type[FactorizedPrior] | type[ScaleHyperprior]
CODECS: dict[str, Codec] = dict(
    zip(
        KINDS,
        (FactorizedPrior, FactorizedPrior, ScaleHyperprior, MeanScaleHyperprior),
        strict=True,
    )
)


@pytest.fixture
def images() -> Tensor:
    return torch.from_numpy(np.random.default_rng(8).random((2, 3, 64, 128), np.float32))


def with_rows(kind: str) -> bool:
    return not kind.startswith("factorized")


@pytest.mark.parametrize("filters", [(3, 3, 3, 3), (3, 3, 3), (2, 4)], ids=str)
@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("ready", [True, False])
def test_forward_gives_the_likelihoods_and_images_of_the_formulas(
    kind: str, filters: tuple[int, ...], ready: bool, images: Tensor
) -> None:
    state = checkpoint(kind, filters, ready)
    codec = CODECS[kind].from_compressai(state)
    assert not codec.training
    assert (codec.channels, codec.latent_channels) == (N, M)
    assert codec.bottleneck.filters == filters
    expected = Plain(state)(images)
    with torch.no_grad():
        output = codec(images)
    assert set(output.likelihoods) == ({"y", "z"} if with_rows(kind) else {"y"})
    for name, likelihood in output.likelihoods.items():
        np.testing.assert_allclose(likelihood, expected[f"p_{name}"], rtol=0, atol=1e-6)
        assert float(likelihood.std()) > 1e-3  # there was something to compare
    scale = float(expected["image"].abs().max())
    np.testing.assert_allclose(output.image, expected["image"], rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("kind", CODECS)
def test_tables_and_medians_are_taken_over_exactly(kind: str) -> None:
    state = checkpoint(kind)
    tables = CODECS[kind].from_compressai(state).tables
    modules = {"entropy_bottleneck": tables.bottleneck}
    if with_rows(kind):
        assert tables.gaussian is not None
        modules["gaussian_conditional"] = tables.gaussian
        assert tables.rule == "ceil"
        np.testing.assert_array_equal(tables.scales, SCALES.astype(np.float64))
    for module, table in modules.items():
        cdfs, lengths, offsets = (
            state[f"{module}.{name}"].numpy()
            for name in ("_quantized_cdf", "_cdf_length", "_offset")
        )
        assert (table.rows, table.precision, table.escape) == (len(cdfs), 16, True)
        np.testing.assert_array_equal(table.offsets, offsets)
        for row, length in enumerate(lengths):
            np.testing.assert_array_equal(table.cdf(row), cdfs[row, :length])
    medians = state["entropy_bottleneck.quantiles"][:, 0, 1].numpy()
    assert tables.medians.dtype == np.float32
    np.testing.assert_array_equal(tables.medians, medians)
    np.testing.assert_array_equal(tables.centers, medians.astype(np.float64))


@pytest.mark.parametrize("kind", CODECS)
def test_stored_numbers_are_taken_over_exactly(kind: str) -> None:
    """Above all the stored numbers of the normalization, also those below their bounds."""
    state = checkpoint(kind)
    weights = CODECS[kind].from_compressai(state).state_dict()
    layers = {
        "analysis": "g_a",
        "synthesis": "g_s",
        "hyper_analysis": "h_a",
        "hyper_synthesis": "h_s",
    }
    seen = 0
    for name, tensor in weights.items():
        module, _, rest = name.partition(".")
        theirs = f"{layers.get(module, 'entropy_bottleneck')}.{rest.replace('.stored', '')}"
        if theirs in state:
            assert torch.equal(tensor, state[theirs]), name
            assert tensor.data_ptr() != state[theirs].data_ptr()
            seen += 1
    assert seen == len(weights) - 1  # without the medians
    assert kind == "factorized-relu" or float(weights["analysis.1.beta.stored"].min()) < 1e-3


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("ready", [True, False])
def test_fc_files_hold_the_latents_of_the_formulas(
    kind: str, ready: bool, images: Tensor, tmp_path: Path
) -> None:
    state = checkpoint(kind, ready=ready)
    codec = CODECS[kind].from_compressai(state)
    expected = Plain(state)(images[:1])
    latents = codec.unpack_latents(codec.compress(images[0]))
    for part in latents.parts:
        np.testing.assert_array_equal(part.symbols, expected[part.name][0])
        assert len(np.unique(part.symbols)) > 3
    if with_rows(kind) and ready:
        sigma = np.maximum(expected["sigma"][0].numpy(), np.float32(0.11))
        indexes = np.searchsorted(SCALES[:-1].astype(np.float64), sigma, side="left")
        rows = latents.part("y").indexes
        # The exact network rounds its weights and activations, which can move a row by one.
        assert np.abs(rows.astype(int) - indexes).max() <= 1
        assert (rows == indexes).mean() > 0.97
        assert len(np.unique(indexes)) > 3
    image = expected["image"][0].clamp(0, 1)
    np.testing.assert_allclose(codec.reconstruct(latents), image, rtol=0, atol=1e-4)
    stored = save_model(codec, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.fingerprint == stored.fingerprint
    assert (
        stored.fingerprint == codec.fingerprint
    ) == ready  # tables of ours come from half floats
    if ready:
        assert loaded.tables.digest() == codec.tables.digest()
        assert loaded.compress(images[0]) == codec.compress(images[0])


def old_numbers(state: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    renamed = {}
    for key, tensor in state.items():
        for new, old in names.items():
            key = key.replace(f".{new}.", f".{old}")
        renamed[key] = tensor
    return renamed


@pytest.mark.parametrize(
    "rename",
    [
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: old_numbers(
            state, {"matrices": "_matrix", "biases": "_bias", "factors": "_factor"}
        ),
        lambda state: old_numbers(
            state, {"matrices": "_matrices.", "biases": "_biases.", "factors": "_factors."}
        ),
        lambda state: {key: value for key, value in state.items() if "bound" not in key},
        lambda state: {
            key: value.double() if value.is_floating_point() else value.long()
            for key, value in state.items()
        },
        lambda state: {key: value.clone().requires_grad_(value.is_floating_point())
                       for key, value in state.items()},
    ],
    ids=["module", "_matrix0", "_matrices.0", "no-bounds", "double", "grad"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["factorized", "mean"])
def test_other_forms_of_a_checkpoint_give_the_same_codec(
    kind: str, rename: Callable[[dict[str, Tensor]], dict[str, Tensor]]
) -> None:
    state = checkpoint(kind)
    other = rename(dict(state))
    codec = CODECS[kind].from_compressai(other)
    expected = CODECS[kind].from_compressai(state)
    for name, tensor in expected.state_dict().items():
        assert torch.equal(codec.state_dict()[name], tensor), name
    assert codec.tables.digest() == expected.tables.digest()
    if "bound" in " ".join(other):
        assert codec.fingerprint == expected.fingerprint


def test_bound_of_a_checkpoint_counts(images: Tensor) -> None:
    state = checkpoint("hyperprior")
    for name in ("scale_bound", "lower_bound_scale.bound"):
        state[f"gaussian_conditional.{name}"] = torch.tensor([2.0])
    codec = ScaleHyperprior.from_compressai(state)
    sigma = Plain(state)(images)["sigma"]
    with torch.no_grad():
        likelihood = codec(images).likelihoods["y"]
    zero = math.erf(0.5 / (2.0 * math.sqrt(2)))
    assert bool((sigma < 2).any())
    assert float(likelihood[sigma < 2].max()) == pytest.approx(zero, abs=1e-6)
    latents = codec.latents(images[0])
    assert latents.part("y").indexes.min() == np.searchsorted(SCALES, 2.0)
    assert codec.decompress(codec.compress(images[0])).shape == (3, 64, 128)


def test_loading_leaves_the_random_numbers_and_the_checkpoint_alone() -> None:
    state = checkpoint("mean")
    before = copy.deepcopy(state)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    codec = MeanScaleHyperprior.from_compressai(state)
    assert torch.equal(torch.rand(1), expected)
    assert all(parameter.requires_grad for parameter in codec.parameters())
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(state[key], before[key]) for key in before)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: [s], "ArgumentTypeError", r"type\(state_dict\) = list, expected"),
        (lambda s: {"state_dict": s, "epoch": 3}, "ArgumentTypeError",
         r"type\(state_dict\['state_dict'\]\) = dict, expected Tensor"),
        (lambda s: {k: v for k, v in s.items() if k != "g_a.0.weight"}, "ArgumentError",
         r"state_dict\['g_a.0.weight'\] = missing"),
        (lambda s: {k: v for k, v in s.items() if k != "h_s.2.bias"}, "ArgumentError",
         r"1 missing keys \(h_s.2.bias\), expected the keys of CompressAI's ScaleHyperprior"),
        (lambda s: {k: v for k, v in s.items() if "matrices" not in k}, "ArgumentError",
         r"missing keys \(entropy_bottleneck.matrices.0, "),
        (lambda s: {**s, "context_prediction.weight": torch.zeros(3)}, "ArgumentError",
         r"1 unknown keys \(context_prediction.weight\)"),
        (lambda s: {**s, "h_s.2.weight": torch.zeros(N, N, 5, 4)}, "ShapeError",
         r"state_dict\['h_s.2.weight'\].shape = \(5, 5, 5, 4\), expected \(5, 5, 5, 5\)"),
        (lambda s: {**s, "entropy_bottleneck.quantiles": torch.zeros(N, 3)}, "ShapeError",
         r"quantiles'\].shape = \(5, 3\), expected \(5, 1, 3\)"),
        (lambda s: {**s, "g_a.0.weight": torch.zeros(3)}, "ShapeError", "expected 4 axes"),
        (lambda s: {**s, "entropy_bottleneck.matrices.1": torch.zeros(3)}, "ShapeError",
         r"matrices.1.shape = \(3,\), expected"),
        (lambda s: {**s, "h_s.2.bias": torch.full((N,), math.nan)}, "ArgumentError",
         r"state_dict\['h_s.2.bias'\] = not finite"),
        (lambda s: {**s, "h_s.2.bias": torch.zeros(N, dtype=torch.int32)}, "ArgumentTypeError",
         r"state_dict\['h_s.2.bias'\] = torch.int32, expected floats"),
        (lambda s: {**s, "h_s.2.bias": torch.zeros(N, device="meta")}, "ArgumentTypeError",
         r"h_s.2.bias'\] = torch.float32 torch.strided on meta"),
        (lambda s: {**s, "module.h_s.2.bias": torch.zeros(N)}, "ArgumentError",
         r"state_dict\['module.h_s.2.bias'\] = a second h_s.2.bias"),
        (lambda s: {**s, "g_a.1.beta_reparam.lower_bound.bound": torch.tensor([0.1])},
         "ArgumentError", r"g_a.1.beta_reparam.lower_bound.bound'\] = .*, expected 0.0010"),
        (lambda s: {**s, "gaussian_conditional.scale_table": torch.tensor([2.0, 1.0])},
         "ArgumentError", r"scales\[1\] = 1.0, expected 2.0 < scale"),
        (lambda s: {**s, "gaussian_conditional._offset": torch.zeros(0)}, "TableError",
         r"gaussian_conditional._offset'\] = empty, expected all tables or none"),
        (lambda s: {**s, "gaussian_conditional._offset": torch.zeros(3, dtype=torch.int32)},
         "TableError", r"_offset'\].shape = \(3,\), expected \(16,\)"),
        (lambda s: {**s, "gaussian_conditional._offset": torch.zeros(16)}, "TableError",
         r"_offset'\] = torch.float32, expected integers"),
        (lambda s: {**s, "entropy_bottleneck._cdf_length": torch.full((N,), 99)}, "TableError",
         r"_cdf_length'\]\[0\] = 99, expected 2 <= length <= "),
        (lambda s: {**s, "entropy_bottleneck._cdf_length": torch.full((N,), -1)}, "TableError",
         r"_cdf_length'\]\[0\] = -1, expected"),
        (lambda s: {**s, "entropy_bottleneck._quantized_cdf":
                    s["entropy_bottleneck._quantized_cdf"] // 2}, "TableError",
         r"state_dict\['entropy_bottleneck._quantized_cdf'\]: cdf"),
        (lambda s: {**s, "entropy_bottleneck._offset": torch.full((N,), 2**40)}, "TableError",
         r"state_dict\['entropy_bottleneck._quantized_cdf'\]: offsets"),
    ],
)  # fmt: skip
def test_damaged_checkpoints_are_refused_by_name(
    change: Callable[[dict[str, Tensor]], object], error: str, message: str
) -> None:
    with pytest.raises(getattr(fastcoder, error), match=message):
        ScaleHyperprior.from_compressai(change(checkpoint("hyperprior")))


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("codec", [FactorizedPrior, ScaleHyperprior, MeanScaleHyperprior])
def test_checkpoints_of_other_models_are_refused(kind: str, codec: Codec) -> None:
    if codec is not CODECS[kind]:
        with pytest.raises((fastcoder.ArgumentError, fastcoder.ShapeError), match="state_dict"):
            codec.from_compressai(checkpoint(kind))
