# SPDX-License-Identifier: Apache-2.0
"""Checkpoints with CompressAI's names: same likelihoods, images, tables; and what is refused.

CompressAI itself is not needed. `checkpoint` makes a state_dict with its names and shapes and
`Plain` evaluates its formulas in float64, straight from the papers, on that dictionary alone.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import fastcoder
from fastcoder.compat.compressai import RansEncoder
from fastcoder.torch import (
    FactorizedPrior,
    MeanScaleHyperprior,
    ScaleHyperprior,
    load_model,
    save_model,
)

N, M = 5, 7
Codec = type[FactorizedPrior] | type[ScaleHyperprior]
CODECS: dict[str, Codec] = {
    "factorized": FactorizedPrior,
    "factorized-relu": FactorizedPrior,
    "hyperprior": ScaleHyperprior,
    "mean": MeanScaleHyperprior,
}
SCALES = np.exp(np.linspace(math.log(0.11), math.log(40.0), 16)).astype(np.float32)


def random_rows(rng: np.random.Generator, rows: int) -> dict[str, Tensor]:
    """Integer rows as CompressAI keeps them: padded with 0, the last slot is the escape."""
    lengths = rng.integers(3, 30, rows)
    padded = np.zeros((rows, lengths.max()), np.int32)
    for row, length in enumerate(lengths):
        inner = rng.choice(np.arange(1, 2**16), length - 2, replace=False)
        padded[row, 1 : length - 1] = np.sort(inner)
        padded[row, length - 1] = 2**16
    return {
        "_quantized_cdf": torch.from_numpy(padded),
        "_cdf_length": torch.from_numpy(lengths.astype(np.int32)),
        "_offset": torch.from_numpy(-(lengths // 2).astype(np.int32)),
    }


def checkpoint(
    kind: str, filters: tuple[int, ...] = (3, 3, 3, 3), ready: bool = True
) -> dict[str, Tensor]:
    """A state_dict with random numbers; `ready`: as after update()."""
    rng = np.random.default_rng(50 + sorted(CODECS).index(kind))
    state: dict[str, Tensor] = {}

    def normal(name: str, *shape: int, gain: float = 1.0) -> None:
        state[name] = torch.from_numpy(rng.normal(0.0, gain, shape).astype(np.float32))

    def layer(name: str, inputs: int, outputs: int, kernel: int, gain: float) -> None:
        normal(
            f"{name}.weight", outputs, inputs, kernel, kernel, gain=gain / (inputs**0.5 * kernel)
        )
        normal(f"{name}.bias", outputs, gain=0.1 * gain)

    def transposed(name: str, inputs: int, outputs: int, gain: float = 1.0) -> None:
        layer(name, inputs, outputs, 5, 2.0 * gain)  # a quarter of the products is with zeros
        state[f"{name}.weight"] = state[f"{name}.weight"].transpose(0, 1).contiguous()

    def normalization(name: str) -> None:
        """Some of the stored numbers are below their bounds."""
        beta = np.append(rng.uniform(0.1, 1, N - 1), -0.05)
        state[f"{name}.beta"] = torch.from_numpy(beta.astype(np.float32))
        gamma = rng.uniform(-0.1, 0.3, (N, N)) + 0.3 * np.eye(N)
        state[f"{name}.gamma"] = torch.from_numpy(gamma.astype(np.float32))
        for part, minimum in (("beta", 1e-6), ("gamma", 0.0)):
            reparam = f"{name}.{part}_reparam"
            state[f"{reparam}.pedestal"] = torch.tensor([2.0**-36])
            state[f"{reparam}.lower_bound.bound"] = torch.tensor([(minimum + 2.0**-36) ** 0.5])

    for index, (inputs, outputs) in enumerate([(3, N), (N, N), (N, N), (N, M)]):
        layer(f"g_a.{2 * index}", inputs, outputs, 5, 3.0 if index == 3 else 1.5)
    for index, (inputs, outputs) in enumerate([(M, N), (N, N), (N, N), (N, 3)]):
        transposed(f"g_s.{2 * index}", inputs, outputs, 0.1 if index == 0 else 1.0)
    if kind != "factorized-relu":
        for name in ("g_a.1", "g_a.3", "g_a.5", "g_s.1", "g_s.3", "g_s.5"):
            normalization(name)
    if kind in ("hyperprior", "mean"):
        layer("h_a.0", M, N, 3, 1.0)
        layer("h_a.2", N, N, 5, 1.0)
        layer("h_a.4", N, N, 5, 2.0)
        first, second, last = (N, N, M) if kind == "hyperprior" else (M, M * 3 // 2, 2 * M)
        transposed("h_s.0", N, first)
        transposed("h_s.2", first, second)
        layer("h_s.4", second, last, 3, 6.0)

    channels = M if kind.startswith("factorized") else N
    widths = (1, *filters, 1)
    for index, (before, after) in enumerate(itertools.pairwise(widths)):
        normal(f"entropy_bottleneck.matrices.{index}", channels, after, before, gain=0.5)
        state[f"entropy_bottleneck.matrices.{index}"] -= 1.0  # wide densities
        normal(f"entropy_bottleneck.biases.{index}", channels, after, 1, gain=0.5)
        if index < len(filters):
            normal(f"entropy_bottleneck.factors.{index}", channels, after, 1, gain=0.5)
    normal("entropy_bottleneck.quantiles", channels, 1, 3)
    state["entropy_bottleneck.target"] = torch.tensor([-21.4, 0.0, 21.4])
    tables = {"entropy_bottleneck": channels}
    if kind in ("hyperprior", "mean"):
        tables["gaussian_conditional"] = len(SCALES)
        bound = torch.tensor([0.11])
        state["gaussian_conditional.scale_bound"] = bound
        state["gaussian_conditional.lower_bound_scale.bound"] = bound
        state["gaussian_conditional.scale_table"] = torch.from_numpy(
            SCALES if ready else SCALES[:0]
        )
    for module, rows in tables.items():
        state[f"{module}.likelihood_lower_bound.bound"] = torch.tensor([1e-9])
        for name, array in random_rows(rng, rows).items():
            state[f"{module}.{name}"] = array if ready else array.reshape(-1)[:0]
    return state


class Plain:
    """CompressAI's models in float64, in evaluation mode, on nothing but a state_dict."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = {
            name: tensor.double() if tensor.is_floating_point() else tensor
            for name, tensor in state.items()
        }
        self.mean_scale = state.get("h_s.4.weight", torch.zeros(M)).shape[0] == 2 * M
        quantiles = self.state["entropy_bottleneck.quantiles"]
        self.medians = quantiles[:, 0, 1].reshape(1, -1, 1, 1)

    def network(self, name: str, x: Tensor) -> Tensor:
        """Runs g_a, g_s, h_a or h_s; the parameters tell what stands between the convolutions."""
        down = name in ("g_a", "h_a")
        for index in range(0, 8 if name[0] == "g" else 6, 2):
            weight, bias = (self.state[f"{name}.{index}.{part}"] for part in ("weight", "bias"))
            kernel = weight.shape[-1]
            stride = 2 if kernel == 5 else 1
            if down or kernel == 3:
                x = functional.conv2d(x, weight, bias, stride, kernel // 2)
            else:
                x = functional.conv_transpose2d(x, weight, bias, stride, kernel // 2, 1)
            x = self.between(f"{name}.{index + 1}", x, last=index == (6 if name[0] == "g" else 4))
        return x

    def between(self, name: str, x: Tensor, last: bool) -> Tensor:
        if name.startswith("g") and f"{name}.beta" in self.state:
            beta = self.state[f"{name}.beta"].clamp(min=(1e-6 + 2.0**-36) ** 0.5) ** 2 - 2.0**-36
            gamma = self.state[f"{name}.gamma"].clamp(min=2.0**-18) ** 2 - 2.0**-36
            norm = beta.reshape(1, -1, 1, 1) + torch.einsum("ij,njhw->nihw", gamma, x * x)
            return x * norm.sqrt() if name.startswith("g_s") else x / norm.sqrt()
        if self.mean_scale and name.startswith("h"):
            return x if last else torch.where(x < 0, 0.01 * x, x)
        return x if last and not name.startswith("h_s") else x.clamp(min=0)

    def density(self, value: Tensor) -> Tensor:
        """c(v + 1/2) - c(v - 1/2), at least 1e-9, for (N, channels, H, W)."""
        layers = sum(name.startswith("entropy_bottleneck.matrices") for name in self.state)

        def cumulative(v: Tensor) -> Tensor:
            u = v.transpose(0, 1).reshape(v.shape[1], 1, -1)
            for index in range(layers):
                part = f"entropy_bottleneck.{{}}.{index}"
                matrix = torch.log1p(torch.exp(self.state[part.format("matrices")]))
                u = matrix @ u + self.state[part.format("biases")]
                if index < layers - 1:
                    u = u + torch.tanh(self.state[part.format("factors")]) * torch.tanh(u)
            shape = (v.shape[1], v.shape[0], *v.shape[2:])
            return torch.sigmoid(u).reshape(shape).transpose(0, 1)

        return (cumulative(value + 0.5) - cumulative(value - 0.5)).clamp(min=1e-9)

    def gaussian(self, value: Tensor, sigma: Tensor) -> Tensor:
        root = sigma.clamp(min=float(np.float32(0.11))) * math.sqrt(2)
        lower, upper = ((value.abs() + half) / root for half in (-0.5, 0.5))
        return (0.5 * (torch.erfc(lower) - torch.erfc(upper))).clamp(min=1e-9)

    def parameters(self, z: Tensor) -> tuple[Tensor, Tensor]:
        out = self.network("h_s", z)
        return (out[:, :M], out[:, M:]) if self.mean_scale else (out, torch.zeros_like(out))

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Symbols (y, z), likelihoods (p_y, p_z), sigma, mean and the image."""
        y = self.network("g_a", x.double())
        if "h_a.0.weight" not in self.state:
            symbols = self.rounded(y - self.medians)
            value = symbols + self.medians
            image = self.network("g_s", value)
            return {"y": symbols, "p_y": self.density(value), "image": image}
        z = self.network("h_a", y if self.mean_scale else y.abs())
        z_symbols = self.rounded(z - self.medians)
        z_value = z_symbols + self.medians
        sigma, mean = self.parameters(z_value)
        symbols = self.rounded(y - mean)
        return {
            "y": symbols,
            "z": z_symbols,
            "p_y": self.gaussian(symbols, sigma),
            "p_z": self.density(z_value),
            "sigma": sigma,
            "mean": mean,
            "image": self.network("g_s", symbols + mean),
        }

    @staticmethod
    def rounded(x: Tensor) -> Tensor:
        """Rounds; the test's own numbers must leave float32 no choice."""
        assert float((x - x.floor() - 0.5).abs().min()) > 1e-4
        return x.round()


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


def changed(state: dict[str, Tensor], **entries: object) -> dict[str, object]:
    return {**state, **entries}


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


# ---- strings -----------------------------------------------------------------------------------


def original_strings(state: dict[str, Tensor], images: Tensor) -> dict[str, list[list[bytes]]]:
    """What CompressAI writes: its coder's calls on the latents of the formulas."""
    expected = Plain(state)(images)
    coder = RansEncoder()

    def strings(module: str, symbols: Tensor, indexes: Tensor) -> list[bytes]:
        cdfs, sizes, offsets = (
            state[f"{module}.{name}"].tolist()
            for name in ("_quantized_cdf", "_cdf_length", "_offset")
        )
        return [
            coder.encode_with_indexes(
                part.int().flatten().tolist(), rows.flatten().tolist(), cdfs, sizes, offsets
            )
            for part, rows in zip(symbols, indexes, strict=True)
        ]

    first = expected.get("z", expected["y"])
    channels = torch.arange(first.shape[1])[None, :, None, None].expand(first.shape)
    groups = [strings("entropy_bottleneck", first, channels)]
    if "z" in expected:
        sigma = expected["sigma"].float().clamp(min=0.11)
        rows = sum((sigma > scale).int() for scale in torch.from_numpy(SCALES[:-1]))
        groups.insert(0, strings("gaussian_conditional", expected["y"], rows))
    return {"strings": groups, "shape": tuple(first.shape[-2:])}


@pytest.mark.parametrize("kind", CODECS)
def test_strings_are_those_of_the_original(kind: str, images: Tensor, tmp_path: Path) -> None:
    state = checkpoint(kind)
    codec = CODECS[kind].from_compressai(state)
    expected = original_strings(state, images)
    assert codec.compress_strings(images) == expected
    one = codec.compress_strings(images[1].double())
    assert one["strings"] == [group[1:] for group in expected["strings"]]
    image = Plain(state)(images)["image"].clamp(0, 1)
    decoded = codec.decompress_strings(**expected)
    assert decoded.dtype == torch.float32
    np.testing.assert_allclose(decoded, image, rtol=0, atol=1e-5)
    with torch.no_grad():
        assert torch.equal(decoded, codec(images).image.clamp(0, 1))
    save_model(codec, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, CODECS[kind])
    assert loaded.compress_strings(images) == expected
    assert torch.equal(loaded.decompress_strings(**expected), decoded)


def test_strings_hold_symbols_that_files_clip(images: Tensor) -> None:
    state = checkpoint("mean")
    for part in ("weight", "bias"):
        state[f"g_a.6.{part}"] = state[f"g_a.6.{part}"] * 2.0**16
        state[f"g_s.0.{part}"] = state[f"g_s.0.{part}"] * 2.0**-16
    state["h_a.0.weight"] = state["h_a.0.weight"] * 2.0**-16
    codec = MeanScaleHyperprior.from_compressai(state)
    with torch.no_grad():
        expected = codec(images).image.clamp(0, 1)
        y = codec.analysis(images)
    assert float(y.abs().max()) > 2**17
    decoded = codec.decompress_strings(**codec.compress_strings(images))
    assert torch.equal(decoded, expected)
    with torch.no_grad():
        codec.analysis[-1].bias.fill_(2.0**33)
    codec.attach_tables(MeanScaleHyperprior.from_compressai(state).tables)
    with pytest.raises(fastcoder.ArgumentError, match=r"latents = .*, expected \|latents\| < 2"):
        codec.compress_strings(images)


def test_strings_need_the_tables_of_a_checkpoint(images: Tensor, tmp_path: Path) -> None:
    codec = ScaleHyperprior.from_compressai(checkpoint("hyperprior", ready=False))
    with pytest.raises(fastcoder.ArgumentError, match=r"tables = .*, expected those of a Comp"):
        codec.compress_strings(images)
    codec = ScaleHyperprior.from_compressai(checkpoint("hyperprior"))
    strings = codec.compress_strings(images)
    rounded = save_model(codec, tmp_path / "half", half=True)
    assert isinstance(rounded, ScaleHyperprior)
    with torch.no_grad():
        codec.synthesis[0].bias.add_(1.0)
    for other in (codec, rounded):
        assert not other.tables.of_compressai
        with pytest.raises(fastcoder.ArgumentError, match=r"leave the weights as they are"):
            other.decompress_strings(**strings)
        assert other.decompress(other.compress(images[0])).shape == images[0].shape


@pytest.mark.parametrize("size", [(60, 50), (1, 1), (64, 65)])
def test_strings_take_the_sizes_that_the_original_takes(size: tuple[int, int]) -> None:
    """Nothing is padded: a factorized prior takes any size, h_s has to give back that of y."""
    images = torch.rand(1, 3, *size)
    codec = FactorizedPrior.from_compressai(checkpoint("factorized"))
    strings = codec.compress_strings(images)
    assert strings["shape"] == tuple(-(-side // 16) for side in size)
    decoded = codec.decompress_strings(**strings)
    assert decoded.shape == (1, 3, *(-(-side // 16) * 16 for side in size))
    codec = ScaleHyperprior.from_compressai(checkpoint("hyperprior"))
    if size == (60, 50):
        assert codec.compress_strings(images)["shape"] == (1, 1)
    else:
        with pytest.raises(fastcoder.ShapeError, match="sides that are multiples of 64"):
            codec.compress_strings(images)


def test_damaged_strings_are_refused(images: Tensor) -> None:
    codec = ScaleHyperprior.from_compressai(checkpoint("hyperprior"))
    good = codec.compress_strings(images[0])
    (y,), (z,) = good["strings"]
    for strings in ([[y[:-4]], [z]], [[y + y[:4]], [z]], [[y], [z[:-4]]], [[b""], [z]]):
        with pytest.raises(fastcoder.StreamError):
            codec.decompress_strings(strings, good["shape"])
    refused = 0
    for position in range(len(y)):
        damaged = y[:position] + bytes([y[position] ^ 1 << position % 8]) + y[position + 1 :]
        try:
            assert codec.decompress_strings([[damaged], [z]], good["shape"]).shape == (
                1,
                3,
                64,
                128,
            )
        except fastcoder.StreamError:
            refused += 1
    assert refused > len(y) / 2  # a bit of an escape's distance is nobody else's business


@pytest.mark.parametrize(
    ("strings", "shape", "error", "message"),
    [
        ([[b""]], (1, 2), "ArgumentError", "strings = 1, expected a list of 2 lists"),
        (b"", (1, 2), "ArgumentError", "strings = bytes, expected a list of 2 lists"),
        ([[], []], (1, 2), "ArgumentError", r"strings\[0\] = \[\], expected a list of bytes"),
        ([b"", b""], (1, 2), "ArgumentError", r"strings\[0\] = b'', expected a list of bytes"),
        ([[b""], [b"", b""]], (1, 2), "ArgumentError", r"len\(strings\[1\]\) = 2, expected 1"),
        ([[b""], ["a"]], (1, 2), "ArgumentTypeError", r"type\(strings\[1\]\[0\]\) = str"),
        ([[b""], [b""]], (1, 2, 3), "ShapeError", r"shape = \(1, 2, 3\), expected"),
        ([[b""], [b""]], (0, 2), "ShapeError", r"shape = \(0, 2\), expected"),
        ([[b""], [b""]], (1.0, 2), "ArgumentTypeError", r"type\(shape\[0\]\) = float"),
        ([[b""], [b""]], 3, "ArgumentTypeError", r"type\(shape\) = int, expected two integers"),
        ([[b""], [b""]], (2**20, 2**20), "StreamError", r"pixels, expected at most"),
    ],
)
def test_strings_of_another_form_are_refused(
    strings: object, shape: object, error: str, message: str
) -> None:
    codec = ScaleHyperprior.from_compressai(checkpoint("hyperprior"))
    with pytest.raises(getattr(fastcoder, error), match=message):
        codec.decompress_strings(strings, shape)


@pytest.mark.parametrize("shape", [(4, 4), (2, 1, 4, 4), (0, 3, 4, 4)])
def test_compress_strings_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    codec = FactorizedPrior.from_compressai(checkpoint("factorized"))
    with pytest.raises(fastcoder.ShapeError, match=r"image.shape = .*, expected \(3, H, W\) or"):
        codec.compress_strings(torch.zeros(shape))
