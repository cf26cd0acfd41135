# SPDX-License-Identifier: Apache-2.0
"""Gives a trained scale hyperprior an integer network for the way from z to the rows of y.

Only that network is trained, on latents of photographs that are computed once; every other weight
stays, and with them the latents and the images. The loss is the rate of y under the integer tables,
interpolated between neighboring rows.
"""

from __future__ import annotations

import copy
import io
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fastcoder import cost
from fastcoder.container import check_writable, write_atomically
from fastcoder.errors import ArgumentError
from fastcoder.torch.arrays import SYMBOL_LIMIT
from fastcoder.torch.codecs import ImageCodec, ScaleHyperprior
from fastcoder.torch.codecs.base import rounded_latents
from fastcoder.torch.codecs.latents import centers
from fastcoder.torch.exact import ExactTransform
from fastcoder.torch.images import find_images, to_tensor
from fastcoder.torch.integer import INPUT_UNIT
from fastcoder.torch.scales import scale_indexes
from fastcoder.torch.storage import save_model
from fastcoder.torch.training.data import CropSource, split_holdout
from fastcoder.torch.training.integer_training import rate_between_rows, row_costs, start_from
from fastcoder.torch.training.running import interruptible, usable_device

_FIRST_LOOK = 64  # crops that choose units and fit the last layer
_ANALYSIS_BATCH = 4
_INPUT_SHIFT = 4  # z in steps of 1/16: finer ones changed nothing
_WARMUP = 50
_KEPT_METADATA = ("lmbda", "steps", "seed")
_CHECKPOINT = {"network", "shape", "optimizer", "step", "seconds", "fingerprint"}


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig:
    """Options of a quantization.

    Attributes:
        data: folder of training photographs, searched recursively.
        out: the model file to write; the checkpoint stands beside it until then.
        weight_bits: 8 or 16.
        activation_bits: 8 or 16.
        crops: how many crops the network is trained on.
        crop: side of a crop, a multiple of 64.
        steps: number of optimizer steps; 0 only converts.
        batch: crops per step.
        lr: peak learning rate, as a part of the range of the integers.
        holdout: photographs set aside; the cost is measured on a crop of each.
        checkpoint_minutes: minutes between checkpoints.
        resume: go on from the checkpoint.
        device: "auto", "cpu", "cuda" or any torch device.
        seed: of crops and batches.
        progress: show progress bars.
    """

    data: Path
    out: Path
    weight_bits: int = 8
    activation_bits: int = 8
    crops: int = 800
    crop: int = 512
    steps: int = 4000
    batch: int = 4
    lr: float = 5e-4
    holdout: int = 16
    checkpoint_minutes: float = 2.0
    resume: bool = False
    device: str = "auto"
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        """Raises ArgumentError for an option outside its interval."""
        for option in ("weight_bits", "activation_bits"):
            if getattr(self, option) not in (8, 16):
                raise ArgumentError(f"{option} = {getattr(self, option)}, expected 8 or 16")
        if self.crop < 64 or self.crop % 64:
            raise ArgumentError(f"crop = {self.crop}, expected a positive multiple of 64")
        for option in ("crops", "batch", "holdout"):
            if getattr(self, option) < 1:
                raise ArgumentError(f"{option} = {getattr(self, option)}, expected >= 1")
        for option in ("lr", "checkpoint_minutes"):
            if not 0 < getattr(self, option) < math.inf:
                raise ArgumentError(
                    f"{option} = {getattr(self, option)}, expected 0 < {option} < inf"
                )
        for option in ("steps", "seed"):
            if not 0 <= getattr(self, option) < 2**63:
                raise ArgumentError(
                    f"{option} = {getattr(self, option)}, expected 0 <= {option} < 2**63"
                )

    @property
    def checkpoint_path(self) -> Path:
        """Where an unfinished quantization keeps its state."""
        return self.out.with_name(self.out.name + ".checkpoint.pt")


class QuantizeResult(NamedTuple):
    """What came out.

    Attributes:
        model: the codec with its integer network, as it was stored.
        bits_before: of y of the held-out crops, rows from the float network evaluated exactly.
        bits_after: the same, rows from the integer network.
    """

    model: ImageCodec
    bits_before: float
    bits_after: float

    @property
    def cost(self) -> float:
        """Relative change of the rate of y: 0.002 means 0.2 % more bits."""
        return self.bits_after / self.bits_before - 1 if self.bits_before else 0.0


class _Crops(NamedTuple):
    """Latents of crops: z int32 (n, C, h, w) in units of 2^-8, y int16 (n, M, 4 h, 4 w)."""

    z: Tensor
    y: Tensor


def quantize(
    model: ImageCodec, config: QuantizeConfig, *, metadata: Mapping[str, str] | None = None
) -> QuantizeResult:
    """Trains an integer network for a trained scale hyperprior and stores both together.

    Args:
        model: a codec with a hyperprior; it is not changed. The file has float16 weights if its
            weights are such, else float32.
        config: what to do.
        metadata: those of the source model; what it says of the training is kept.

    Raises:
        ArgumentError: another kind of model, or a checkpoint of another one.
        FileNotFoundError: no photographs, or no checkpoint to resume from.
        KeyboardInterrupt: at Ctrl-C, after the checkpoint was saved if training had begun.
    """
    if not isinstance(model, ScaleHyperprior):
        raise ArgumentError(f"model = {model.name}, expected a codec with a hyperprior")
    device = usable_device(config.device)
    paths, held_out = split_holdout(find_images(config.data), config.holdout)
    check_writable(config.out, overwrite=True)
    state = _read_checkpoint(config, model) if config.resume else None
    work = copy.deepcopy(model).eval().to(device)
    with interruptible() as interrupted:
        held = _analyze(work, held_out, config.holdout, config, interrupted)
        latents = _analyze(work, paths, config.crops, config, interrupted)
        work.cpu()
        trainer = _Trainer(work, latents, config, device, state)
        trainer.run(interrupted)
    network = trainer.network.cpu().export()
    tables = replace(work.tables, hyper=network)
    before = cost(held.y.numpy(), _exact_rows(work, held.z).numpy(), trainer.table)
    after = cost(held.y.numpy(), network(held.z).numpy(), trainer.table)
    half = all(torch.equal(tensor, tensor.half().float()) for tensor in work.state_dict().values())
    work.attach_tables(tables)
    kept = {name: text for name, text in (metadata or {}).items() if name in _KEPT_METADATA}
    kept["integers"] = (
        f"weights {config.weight_bits}, activations {config.activation_bits}, steps {config.steps}"
    )
    stored = save_model(work, config.out, half=half, metadata=kept)
    config.checkpoint_path.unlink(missing_ok=True)
    return QuantizeResult(stored, before, after)


class _Trainer:
    """Owns the network, the optimizer and the counters."""

    def __init__(
        self,
        model: ScaleHyperprior,
        latents: _Crops,
        config: QuantizeConfig,
        device: torch.device,
        state: dict[str, Any] | None,
    ) -> None:
        self.config = config
        self.device = device
        self.latents = latents
        self.fingerprint = model.fingerprint
        self.step = 0
        self.seconds = 0.0
        self.random = np.random.default_rng([config.seed, 1])
        table = model.tables.gaussian
        if table is None:
            raise ArgumentError("model.tables.gaussian = None, expected rows")
        self.table = table
        look = latents.z[:_FIRST_LOOK]
        self.network = start_from(
            model.scale_network(),
            look,
            _exact_rows(model, look),
            table.rows,
            weight_bits=config.weight_bits,
            activation_bits=config.activation_bits,
            input_shift=_INPUT_SHIFT,
            input_limit=_input_limit(latents.z),
        )
        if state is not None:
            self._restore(state)
        self.network.to(device)
        self.costs = row_costs(table, int(latents.y.abs().max())).to(device)
        self.optimizer = torch.optim.Adam(self._groups(), config.lr, eps=1e-12)
        if state is not None:
            self.optimizer.load_state_dict(state["optimizer"])

    def run(self, interrupted: list[int]) -> None:
        """Trains to the end, or until Ctrl-C, which saves a checkpoint and raises."""
        config = self.config
        start = time.monotonic() - self.seconds
        saved = time.monotonic()
        mean = 0.0
        with tqdm(
            total=config.steps, initial=self.step, unit="step", disable=not config.progress
        ) as bar:
            while self.step < config.steps:
                if interrupted:
                    self.save()
                    raise KeyboardInterrupt
                bits = self.train_step()
                mean = bits if not mean else 0.98 * mean + 0.02 * bits
                self.seconds = time.monotonic() - start
                bar.update()
                if self.step % 50 == 0:
                    bar.set_postfix(bits_of_y=f"{mean:.5f}")
                if time.monotonic() - saved > 60 * config.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()

    def train_step(self) -> float:
        """One optimizer step on a random batch; returns bits per latent of y."""
        config = self.config
        done = self.step / config.steps
        rate = min(1.0, (self.step + 1) / _WARMUP) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["base"]
        count = len(self.latents.z)
        chosen = torch.from_numpy(
            self.random.choice(count, min(config.batch, count), replace=False)
        )
        z, y = self.latents.z[chosen].to(self.device), self.latents.y[chosen].to(self.device)
        y = y.contiguous(memory_format=torch.channels_last)
        bits = rate_between_rows(self.network(z.float()), y, self.costs).sum()
        self.optimizer.zero_grad(set_to_none=True)
        (bits / len(chosen)).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1
        return float(bits.detach()) / y.numel()

    def save(self) -> None:
        """Writes the checkpoint atomically."""
        buffer = io.BytesIO()
        state = {
            "network": self.network.state_dict(),
            "shape": _shape(self.config) | {"input_limit": self.network.input_limit},
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "fingerprint": self.fingerprint,
        }
        torch.save(state, buffer)
        write_atomically(self.config.checkpoint_path, buffer.getvalue(), overwrite=True)

    def _groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = []
        for layer in self.network.chain:
            for parameter, largest in ((layer.weight, layer.most), (layer.bias, layer.high)):
                groups.append({"params": [parameter], "base": self.config.lr * float(largest)})
        return groups

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.network.input_limit = int(state["shape"]["input_limit"])
        self.step = int(state["step"])
        self.seconds = float(state["seconds"])
        self.random = np.random.default_rng([self.config.seed, 1, self.step])


def _input_limit(z: Tensor) -> int:
    """Twice as far out as any z of the photographs."""
    return int(min(2**20, 2 * max(1, int(z.abs().max()) >> _INPUT_SHIFT)))


@torch.inference_mode()
def _analyze(
    model: ScaleHyperprior,
    paths: list[Path],
    count: int,
    config: QuantizeConfig,
    interrupted: list[int],
) -> _Crops:
    """Latents of random crops."""
    z_parts: list[Tensor] = []
    y_parts: list[Tensor] = []
    tables = model.tables
    device = next(model.parameters()).device
    with (
        CropSource(paths, config.crop, min(_ANALYSIS_BATCH, count), config.seed) as source,
        tqdm(total=count, unit="crop", disable=not config.progress) as bar,
    ):
        done = 0
        while done < count:
            if interrupted:
                raise KeyboardInterrupt
            x = to_tensor(source.next())[: count - done].to(device)
            y = model.analysis(x)
            z = model.hyper_analysis(model.hyper_input(y))
            middle = centers(tables, z)
            z = rounded_latents(z - middle) + middle
            mean = model.parameters_of_y(z)[1]
            if mean is not None:
                y = y - mean
            units = (z / INPUT_UNIT).round()
            z_parts.append(units.to(torch.int32).cpu())
            symbols = rounded_latents(y).clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT)
            y_parts.append(symbols.to(torch.int16).cpu())
            done += len(x)
            bar.update(len(x))
    return _Crops(torch.cat(z_parts), torch.cat(y_parts))


def _exact_rows(model: ScaleHyperprior, z: Tensor) -> Tensor:
    """The rows that the float network chooses, one crop after the other; int32."""
    exact = ExactTransform(model.scale_network())
    tables = model.tables
    low = max(model.gaussian.scale_bound, tables.scales[0])
    high = max(low, tables.scales[-1])
    chosen = []
    for image in z.unbind():
        sigma = exact(image[None].double() * INPUT_UNIT).clamp(low, high)
        chosen.append(scale_indexes(sigma, tables.scales.tolist(), tables.rule).to(torch.int32))
    return torch.cat(chosen)


def _shape(config: QuantizeConfig) -> dict[str, int]:
    return {"weight_bits": config.weight_bits, "activation_bits": config.activation_bits}


def _read_checkpoint(config: QuantizeConfig, model: ScaleHyperprior) -> dict[str, Any]:
    path = config.checkpoint_path
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint = {str(path)!r}, expected an existing file")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        missing = _CHECKPOINT - state.keys()
        own = {name: state["shape"][name] for name in _shape(config)}
    except (OSError, MemoryError):
        raise
    except Exception as error:
        # The unpickler raises what the bytes lead it to: KeyError, EOFError, IndexError, ...
        raise ArgumentError(
            f"checkpoint = {str(path)!r}, expected one of a quantization"
        ) from error
    if missing:
        raise ArgumentError(f"checkpoint = {str(path)!r}, expected one with {sorted(missing)}")
    wanted = _shape(config) | {"fingerprint": model.fingerprint}
    found = own | {"fingerprint": state["fingerprint"]}
    if found != wanted:
        raise ArgumentError(f"checkpoint = {found}, expected {wanted}")
    return state
