# SPDX-License-Identifier: Apache-2.0
"""The options of a training run and its learning-rate schedule."""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastcoder.errors import ArgumentError
from fastcoder.torch.codecs import CODECS


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Options of a training run.

    Example:
        >>> config = TrainConfig(data=Path("photographs"), out=Path("run"), minutes=110.0)
        >>> config.optimizer, config.crop
        ('adam', 256)

    Attributes:
        data: folder of training images, searched recursively.
        out: folder of the run.
        model: "factorized-prior", "scale-hyperprior" or "mean-scale-hyperprior".
        channels: N, hidden channels.
        latent_channels: M, channels of the latents.
        lmbda: weight of the distortion; larger means better and bigger images.
        steps: number of optimizer steps.
        minutes: time budget; the schedule follows whichever of steps and minutes is further.
        batch: crops per step.
        crop: side of a crop, a multiple of 64.
        optimizer: "adam" or "soap".
        lr: peak learning rate.
        final_lr: learning rate at the end, as a fraction of lr.
        warmup: steps of linear increase.
        schedule: "cosine", "step" (a tenth in three steps of equal length) or "constant".
        decay_from: fraction of the run after which the schedule starts to decay.
        clip: largest norm of the gradient; 0 means no clipping.
        ema: decay of the weight average that is validated and exported.
        ste_from: fraction of the run from which the image is made of rounded latents (gradient of
            the identity) while the rate goes on with noise; 1 means never.
        bf16: bfloat16 autocast; None means where the processor has it.
        holdout: images set aside for validation.
        validate_every: steps between validations.
        checkpoint_minutes: minutes between checkpoints.
        resume: go on from out/checkpoint.pt; schedule options may differ.
        init: checkpoint whose averaged weights are the start of a new run.
        device: "auto", "cpu", "cuda" or any torch device.
        seed: of the weights, crops and noise.
        progress: show a progress bar.
    """

    data: Path
    out: Path
    model: str = "scale-hyperprior"
    channels: int = 128
    latent_channels: int = 192
    lmbda: float = 0.013
    steps: int = 500_000
    minutes: float | None = None
    batch: int = 8
    crop: int = 256
    optimizer: Literal["adam", "soap"] = "adam"
    lr: float = 3e-4
    final_lr: float = 0.01
    warmup: int = 500
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    decay_from: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    ste_from: float = 1.0
    bf16: bool | None = None
    holdout: int = 0
    validate_every: int = 2000
    checkpoint_minutes: float = 5.0
    resume: bool = False
    init: Path | None = None
    device: str = "auto"
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        """Raises ArgumentError for an option outside its interval."""
        if self.model not in CODECS:
            raise ArgumentError(f"model = {self.model!r}, expected one of {', '.join(CODECS)}")
        for option in ("optimizer", "schedule"):
            known = typing.get_args(typing.get_type_hints(TrainConfig)[option])
            if getattr(self, option) not in known:
                value = getattr(self, option)
                raise ArgumentError(f"{option} = {value!r}, expected one of {', '.join(known)}")
        positive = ("channels", "latent_channels", "steps", "batch", "validate_every")
        for option in (*positive, "lmbda", "lr", "checkpoint_minutes"):
            value = getattr(self, option)
            if not 0 < value < math.inf:
                raise ArgumentError(f"{option} = {value}, expected 0 < {option} < inf")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise ArgumentError(f"minutes = {self.minutes}, expected 0 < minutes < inf")
        if self.crop < 64 or self.crop % 64:
            raise ArgumentError(f"crop = {self.crop}, expected a positive multiple of 64")
        for option in ("final_lr", "decay_from", "ste_from"):
            value = getattr(self, option)
            if not 0 <= value <= 1:
                raise ArgumentError(f"{option} = {value}, expected 0 <= {option} <= 1")
        if not 0 <= self.ema < 1:
            raise ArgumentError(f"ema = {self.ema}, expected 0 <= ema < 1")
        for option, limit in (("clip", math.inf), ("warmup", math.inf), ("seed", 2**63)):
            value = getattr(self, option)
            if not 0 <= value < limit:
                raise ArgumentError(f"{option} = {value}, expected 0 <= {option} < {limit}")
        if self.resume and self.init is not None:
            raise ArgumentError("init = given, expected either resume or init, not both")


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Learning rate of a step; `progress` in [0, 1] is the part of the run that is done."""
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    done = max(0.0, progress - config.decay_from) / max(1e-9, 1.0 - config.decay_from)
    done = min(1.0, done)
    if config.schedule == "cosine":
        factor = config.final_lr + (1 - config.final_lr) * 0.5 * (1 + math.cos(math.pi * done))
    elif config.schedule == "step":
        factor = max(config.final_lr, 0.1 ** min(2, int(done * 3)))
    else:
        factor = 1.0
    return config.lr * warm * factor
