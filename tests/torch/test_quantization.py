# SPDX-License-Identifier: Apache-2.0
"""Integer networks for trained models: they learn, say their cost, and change nothing else."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import fastcoder
from fastcoder.torch import (
    FactorizedPrior,
    IntegerTransform,
    MeanScaleHyperprior,
    ScaleHyperprior,
    load_model,
    read_metadata,
)
from fastcoder.torch.training import QuantizeConfig, integer_training, quantization, quantize
from fastcoder.torch.training.data import CropSource
from fastcoder.torch.training.integer_training import (
    TrainedTransform,
    rate_between_rows,
    row_costs,
    start_from,
)


def lively(kind: type[ScaleHyperprior], seed: int = 5) -> ScaleHyperprior:
    """Random weights, but z and the scales of y vary from place to place."""
    torch.manual_seed(seed)
    codec = kind(6, 8).eval()
    with torch.no_grad():
        codec.analysis[-1].weight.mul_(30.0)
        codec.hyper_analysis[-1].weight.mul_(60.0)
        codec.hyper_synthesis[-1].bias[:8].uniform_(0.5, 4.0)
        for layer in codec.hyper_synthesis[::2]:
            layer.weight.mul_(2.0)
    return codec


@pytest.fixture
def codec() -> ScaleHyperprior:
    return lively(ScaleHyperprior)


@pytest.fixture
def config(photographs: Path, tmp_path: Path) -> QuantizeConfig:
    return QuantizeConfig(
        data=photographs,
        out=tmp_path / "integers.safetensors",
        crops=6,
        crop=128,
        steps=40,
        batch=3,
        holdout=2,
        lr=5e-3,
        progress=False,
    )


@pytest.mark.parametrize(("kind", "bits"), [(ScaleHyperprior, 8), (MeanScaleHyperprior, 16)])
def test_quantize_learns_and_leaves_everything_else_as_it_was(
    config: QuantizeConfig, kind: type[ScaleHyperprior], bits: int
) -> None:
    codec = lively(kind)
    fingerprint = codec.fingerprint
    config = replace(config, weight_bits=bits, activation_bits=bits)
    plain = quantize(codec, replace(config, steps=0))
    result = quantize(codec, config, metadata={"lmbda": "0.5", "fingerprint": "of another"})
    assert codec.fingerprint == fingerprint
    assert codec.tables.hyper is None
    assert plain.bits_before == result.bits_before
    assert result.bits_after < plain.bits_after
    assert result.cost == result.bits_after / result.bits_before - 1

    loaded = load_model(config.out)
    assert isinstance(loaded.tables.hyper, IntegerTransform)
    assert loaded.tables.hyper.layers[0].weight.dtype == f"int{bits}"
    assert loaded.fingerprint == result.model.fingerprint != fingerprint
    for name, weight in codec.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)
    metadata = read_metadata(config.out)
    assert metadata["lmbda"] == "0.5"
    assert metadata["integers"] == f"weights {bits}, activations {bits}, steps 40"
    image = torch.rand(3, 100, 130)
    before, after = codec.latents(image), loaded.latents(image)
    for name in ("z", "y"):
        assert np.array_equal(before.part(name).symbols, after.part(name).symbols)
    data = loaded.compress(image)
    assert torch.equal(loaded.decompress(data), codec.reconstruct(before))


def test_what_is_trained_gives_the_integers_that_are_exported(codec: ScaleHyperprior) -> None:
    torch.manual_seed(1)
    z = torch.randint(-3000, 3000, (2, 6, 4, 4), dtype=torch.int32)
    rows = torch.randint(0, 128, (2, 8, 16, 16))
    network = start_from(
        codec.hyper_synthesis,
        z,
        rows,
        128,
        weight_bits=8,
        activation_bits=8,
        input_shift=4,
        input_limit=300,
    )
    assert isinstance(network, TrainedTransform)
    with torch.no_grad():
        for parameter in network.parameters():  # away from what least squares chose
            parameter.add_(0.03 * parameter.abs().mean() * torch.randn(parameter.shape))
        trained = (network(z.float()) + 0.5).floor()
    exported = network.export()
    assert exported.largest_sum < 2**24  # so that float32, in training, is exact too
    assert torch.equal(trained.int(), exported(z))
    assert len(exported(z).unique()) > 20


def test_start_does_what_the_float_layers_do(codec: ScaleHyperprior) -> None:
    """Rows that are linear in the float activations are found again, up to the rounding."""
    torch.manual_seed(2)
    z = 16 * torch.randint(-190, 190, (6, 6, 4, 4), dtype=torch.int32)  # no rounding at the input
    *hidden, last = codec.hyper_synthesis
    with torch.no_grad():
        last.weight.mul_(6.0)
        last.bias.uniform_(50.0, 70.0)
        rows = last(torch.nn.Sequential(*hidden)(z / 256.0))
    differences = []
    for bits in (8, 16):
        network = start_from(
            codec.hyper_synthesis,
            z,
            rows.round(),
            128,
            weight_bits=bits,
            activation_bits=bits,
            input_shift=4,
            input_limit=300,
        ).export()
        differences.append((network(z) - rows).abs().median().item())
    assert rows.std() > 5
    assert 0 < rows.min() < rows.max() < 127
    assert differences[0] < 2.0
    assert differences[1] < 0.5


def test_rate_between_rows_is_the_cost_in_a_row(codec: ScaleHyperprior) -> None:
    table = codec.tables.gaussian
    assert table is not None
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 128, 500)
    y = rng.integers(-40, 41, 500)
    costs = row_costs(table, 40)
    assert costs.shape == (128, 81)
    exact = rate_between_rows(torch.from_numpy(rows).double(), torch.from_numpy(y), costs)
    bits = fastcoder.cost(y, rows, table)
    assert float(exact.double().sum()) == pytest.approx(bits, rel=1e-6)
    # Halfway the rate is the mean of both sides, and the slope is their difference.
    half = torch.tensor([10.5], requires_grad=True)
    rate = rate_between_rows(half, torch.tensor([2]), costs)
    assert rate.item() == pytest.approx(float(costs[10:12, 42].mean()), rel=1e-6)
    rate.backward()
    assert half.grad is not None
    assert half.grad.item() == pytest.approx(float(costs[11, 42] - costs[10, 42]), rel=1e-6)


def test_gradients_of_the_clips() -> None:
    v = torch.tensor([-100.0, 0.0, 127.5, 255.0, 400.0], requires_grad=True)
    integer_training.activation(v, 255.0).sum().backward()
    assert v.grad is not None
    assert v.grad[2].item() == 1.0
    assert v.grad[1].item() == pytest.approx(float(v.grad[3]))
    assert v.grad[1].item() == pytest.approx(np.exp(-0.67497), rel=1e-4)
    assert v.grad[0] < 0.02
    assert v.grad[4] < 0.02

    w = torch.tensor([-5.0, 3.0, 12.0], requires_grad=True)
    integer_training.bound(w, 0.0, 10.0).backward(torch.tensor([1.0, 1.0, 1.0]))
    assert w.grad is not None
    assert w.grad.tolist() == [0.0, 1.0, 1.0]  # only the one above may follow the gradient down
    w.grad = None
    integer_training.bound(w, 0.0, 10.0).backward(torch.tensor([-1.0, -1.0, -1.0]))
    assert w.grad.tolist() == [-1.0, -1.0, 0.0]


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    train_step = quantization._Trainer.train_step

    def interrupted(self: object) -> float:
        if self.step == step:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGINT)
        return float(train_step(self))

    monkeypatch.setattr(quantization._Trainer, "train_step", interrupted)


def test_ctrl_c_saves_and_resume_goes_on(
    codec: ScaleHyperprior, config: QuantizeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(15, patch)
        with pytest.raises(KeyboardInterrupt):
            quantize(codec, config)
    assert config.checkpoint_path.exists()
    assert not config.out.exists()
    state = torch.load(config.checkpoint_path, weights_only=True)
    assert state["step"] == 16

    with pytest.raises(fastcoder.ArgumentError, match=r"'weight_bits': 8, .*expected .*: 16,"):
        quantize(codec, replace(config, weight_bits=16, resume=True))
    with pytest.raises(fastcoder.ArgumentError, match="fingerprint"):
        quantize(lively(ScaleHyperprior, 6), replace(config, resume=True))
    result = quantize(codec, replace(config, resume=True))
    assert not config.checkpoint_path.exists()
    assert load_model(config.out).fingerprint == result.model.fingerprint


def test_ctrl_c_before_training_leaves_nothing(
    codec: ScaleHyperprior, config: QuantizeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_batch = CropSource.next

    def interrupted(self: CropSource) -> np.ndarray:
        signal.raise_signal(signal.SIGINT)
        return next_batch(self)

    monkeypatch.setattr(CropSource, "next", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quantize(codec, config)
    assert not config.checkpoint_path.exists()


def test_damaged_checkpoints_are_refused(codec: ScaleHyperprior, config: QuantizeConfig) -> None:
    again = replace(config, resume=True)
    with pytest.raises(FileNotFoundError, match=r"checkpoint = .*, expected an existing file"):
        quantize(codec, again)
    config.checkpoint_path.write_bytes(b"no checkpoint")
    with pytest.raises(fastcoder.ArgumentError, match="expected one of a quantization"):
        quantize(codec, again)
    torch.save({"shape": {"weight_bits": 8, "activation_bits": 8}}, config.checkpoint_path)
    with pytest.raises(fastcoder.ArgumentError, match="expected one with"):
        quantize(codec, again)


def test_quantize_refuses_codecs_without_a_hyperprior(config: QuantizeConfig) -> None:
    with pytest.raises(fastcoder.ArgumentError, match="model = factorized-prior, expected a codec"):
        quantize(FactorizedPrior(6, 8), config)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("weight_bits", 4, "weight_bits = 4, expected 8 or 16"),
        ("crop", 100, "crop = 100, expected a positive multiple of 64"),
        ("holdout", 0, "holdout = 0, expected >= 1"),
        ("lr", float("nan"), "lr = nan, expected 0 < lr < inf"),
        ("steps", -1, "steps = -1, expected 0 <= steps < "),
    ],
)
def test_config_names_the_option_outside_its_interval(
    config: QuantizeConfig, option: str, value: object, message: str
) -> None:
    with pytest.raises(fastcoder.ArgumentError, match=message.replace("*", r"\*")):
        replace(config, **{option: value})
