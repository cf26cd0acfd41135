# SPDX-License-Identifier: Apache-2.0
"""Training of an image codec: loss = lmbda * 255^2 * MSE + bits per pixel.

A run is described by a TrainConfig and leaves in its folder: `checkpoint.pt` (everything needed to
go on), `log.csv` and `model.safetensors` (the averaged weights, for use). Files are written whole
and then renamed, so that an interrupted run never leaves half of one.
"""

from __future__ import annotations

import copy
import dataclasses
import io
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from fastcoder.container import write_atomically
from fastcoder.errors import ArgumentError
from fastcoder.torch.codecs import CODECS, ImageCodec
from fastcoder.torch.codecs.base import CodecOutput, LatentMode
from fastcoder.torch.images import find_images, to_tensor
from fastcoder.torch.storage import save_model
from fastcoder.torch.training.config import TrainConfig, learning_rate
from fastcoder.torch.training.data import CropSource, read_pixels, split_holdout
from fastcoder.torch.training.log import CsvLog
from fastcoder.torch.training.optimizers import Soap
from fastcoder.torch.training.running import interruptible, usable_device

# What a checkpoint consists of, and what of its config has to be that of the run.
_PARTS = {"model", "average", "optimizer", "step", "seconds", "skipped", "config"}
_SHAPE = ("model", "channels", "latent_channels")


class Trainer:
    """One run: owns the model, its average, the optimizer and the counters."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.device = usable_device(config.device)
        torch.manual_seed(config.seed)
        model = CODECS[config.model](config.channels, config.latent_channels)
        self.model: ImageCodec = model.to(self.device)
        for parameter in self.model.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self.step = 0
        self.seconds = 0.0
        self.skipped = 0
        if config.init is not None:
            self.model.load_state_dict(_read_checkpoint(config.init, config)["average"])
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimizer = self._make_optimizer()
        if config.resume:
            self._restore(_read_checkpoint(self.checkpoint_path, config))
        self.autocast = config.bf16 if config.bf16 is not None else _has_bf16(self.device)

    @property
    def checkpoint_path(self) -> Path:
        """Where the run keeps its state."""
        return self.config.out / "checkpoint.pt"

    @property
    def progress(self) -> float:
        """Part of the run that is done, in [0, 1]."""
        done = self.step / self.config.steps
        if self.config.minutes is not None:
            done = max(done, self.seconds / (60 * self.config.minutes))
        return min(1.0, done)

    def train_step(self, crops: Tensor) -> dict[str, Tensor]:
        """One optimizer step on crops (N, 3, H, W) in [0, 1]; returns loss, bpp and mse."""
        config = self.config
        progress = self.progress
        rate = learning_rate(config, self.step, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        mode: LatentMode = "ste" if progress >= config.ste_from else "noise"
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            output = self.model(crops, mode)
        losses = rate_distortion(output, crops, config.lmbda)
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        limit = config.clip if config.clip > 0 else math.inf
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
            self._average_weights()
        else:  # one broken batch must not destroy a long run
            self.skipped += 1
        self.step += 1
        return {name: value.detach() for name, value in losses.items()}

    def save(self) -> None:
        """Writes the checkpoint atomically."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "skipped": self.skipped,
            "config": {
                name: str(value) if isinstance(value, Path) else value
                for name, value in dataclasses.asdict(self.config).items()
            },
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomically(self.checkpoint_path, buffer.getvalue(), overwrite=True)

    def export(self) -> None:
        """Writes the averaged weights with their tables to out/model.safetensors."""
        config = self.config
        metadata = {"lmbda": str(config.lmbda), "steps": str(self.step), "seed": str(config.seed)}
        save_model(self.average, config.out / "model.safetensors", metadata=metadata)

    @torch.no_grad()
    def validate(self, images: list[Tensor]) -> dict[str, float]:
        """Mean loss, bpp and PSNR of the averaged weights with rounding, in full float32."""
        totals = {"loss": 0.0, "bpp": 0.0, "psnr": 0.0}
        for image in images:
            crops = image.to(self.device)
            output = self.average(crops, "round")
            output = output._replace(image=output.image.clamp(0, 1))
            losses = rate_distortion(output, crops, self.config.lmbda)
            totals["loss"] += float(losses["loss"]) / len(images)
            totals["bpp"] += float(losses["bpp"]) / len(images)
            totals["psnr"] += psnr(float(losses["mse"])) / len(images)
        return totals

    def _make_optimizer(self) -> torch.optim.Optimizer:
        parameters = self.model.parameters()
        if self.config.optimizer == "soap":
            return Soap(parameters, self.config.lr)
        return torch.optim.Adam(parameters, self.config.lr, fused=True)

    def _average_weights(self) -> None:
        # The average forgets the random start quickly: its memory grows with the steps done.
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.model.parameters()), 1.0 - decay
            )

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        if state["config"]["optimizer"] == self.config.optimizer:
            self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])
        self.seconds = float(state["seconds"])
        self.skipped = int(state["skipped"])


def train(config: TrainConfig) -> None:
    """Runs a training to its end, or until Ctrl-C, which saves a checkpoint first.

    Raises:
        FileNotFoundError: no images, or no checkpoint to resume from.
        FileExistsError: the folder holds a run and neither resume was asked for.
        ArgumentError: an option is outside its interval or does not fit the checkpoint.
        KeyboardInterrupt: after the checkpoint was saved, if the run had begun.
    """
    paths, held_out = split_holdout(find_images(config.data), config.holdout)
    if not config.resume and (config.out / "checkpoint.pt").exists():
        raise FileExistsError(
            f"out = {str(config.out)!r} holds a run, expected resume or a new one"
        )
    trainer = Trainer(config)
    validation = (read_pixels(path) for path in held_out)
    images = [_whole_blocks(to_tensor(rgb[None])) for rgb in validation if rgb is not None]
    seed = config.seed + trainer.step  # a resumed run draws new crops
    with (
        interruptible() as interrupted,
        CropSource(paths, config.crop, config.batch, seed) as source,
        CsvLog(config.out / "log.csv", append=config.resume) as log,
        _progress_bar(trainer) as bar,
    ):
        _run(trainer, source, images, log, bar, interrupted)
    trainer.export()
    if interrupted:
        raise KeyboardInterrupt


def _progress_bar(trainer: Trainer) -> tqdm[Any]:
    config = trainer.config
    # With a time budget the number of steps is not known before.
    total = config.steps if config.minutes is None else None
    return tqdm(total=total, initial=trainer.step, unit="step", disable=not config.progress)


def _run(
    trainer: Trainer,
    source: CropSource,
    images: list[Tensor],
    log: CsvLog,
    bar: tqdm[Any],
    interrupted: list[int],
) -> None:
    config = trainer.config
    saved = start = time.monotonic() - trainer.seconds
    saved += trainer.seconds
    sums: dict[str, Tensor] = {}
    count = 0
    while trainer.progress < 1 and not interrupted:
        crops = to_tensor(source.next()).to(trainer.device, non_blocking=True)
        for name, value in trainer.train_step(crops).items():
            sums[name] = sums.get(name, 0) + value
        count += 1
        trainer.seconds = time.monotonic() - start
        bar.update()
        if count == 50 or trainer.progress >= 1:
            means = {name: float(value) / count for name, value in sums.items()}
            quality = psnr(means["mse"])
            bar.set_postfix(
                {
                    "loss": f"{means['loss']:.4f}",
                    "bpp": f"{means['bpp']:.4f}",
                    "psnr": f"{quality:.2f}",
                    "done": f"{trainer.progress:.1%}",
                }
            )
            rate = learning_rate(config, trainer.step, trainer.progress)
            log.write("train", trainer.step, trainer.seconds, rate, means, quality)
            sums, count = {}, 0
        if images and (trainer.step % config.validate_every == 0 or trainer.progress >= 1):
            result = trainer.validate(images)
            rate = learning_rate(config, trainer.step, trainer.progress)
            log.write("validate", trainer.step, trainer.seconds, rate, result, result["psnr"])
        if time.monotonic() - saved > 60 * config.checkpoint_minutes:
            trainer.save()
            saved = time.monotonic()
    trainer.save()


def rate_distortion(output: CodecOutput, target: Tensor, lmbda: float) -> dict[str, Tensor]:
    """Loss, bits per pixel and mean squared error (of values in [0, 1]) of a batch."""
    pixels = target.shape[0] * target.shape[-2] * target.shape[-1]
    bpp = output.bits() / pixels
    mse = (output.image.float() - target).square().mean()
    return {"loss": lmbda * 255**2 * mse + bpp, "bpp": bpp, "mse": mse}


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of values in [0, 1]."""
    return -10 * math.log10(max(mse, 1e-12))


def _read_checkpoint(path: Path, config: TrainConfig) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint = {str(path)!r}, expected an existing file")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        own = {option: state["config"][option] for option in _SHAPE}
        missing = _PARTS - state.keys()
    except (OSError, MemoryError):
        raise
    except Exception as error:
        # The unpickler raises what the bytes lead it to: KeyError, EOFError, IndexError, ...
        raise ArgumentError(f"checkpoint = {str(path)!r}, expected one of a training") from error
    if missing:
        raise ArgumentError(f"checkpoint = {str(path)!r}, expected one with {sorted(missing)}")
    for option, stored in own.items():
        if stored != getattr(config, option):
            raise ArgumentError(
                f"{option} = {getattr(config, option)!r}, expected {stored!r} as in {path}"
            )
    return state


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # Without the instructions bfloat16 is emulated and slower than float32.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())


def _whole_blocks(image: Tensor) -> Tensor:
    """Cuts an image to multiples of 64, so that no padding enters the numbers."""
    height, width = (max(64, side // 64 * 64) for side in image.shape[-2:])
    return image[..., :height, :width]
