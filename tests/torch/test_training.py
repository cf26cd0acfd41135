# SPDX-License-Identifier: Apache-2.0
"""Training runs: they learn, resume, survive Ctrl-C and broken files, and leave whole files.

A little over 400 lines, because all of them share the runs that the fixtures train once.
"""

from __future__ import annotations

import copy
import csv
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from PIL import Image

import fastcoder
from fastcoder.torch import load_model, read_metadata
from fastcoder.torch.images import find_images
from fastcoder.torch.training import TrainConfig, Trainer, train
from fastcoder.torch.training.__main__ import main
from fastcoder.torch.training.config import learning_rate
from fastcoder.torch.training.data import BrokenImageWarning, CropSource, split_holdout
from fastcoder.torch.training.optimizers import Soap


@pytest.fixture
def config(photographs: Path, tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        data=photographs,
        out=tmp_path / "run",
        channels=6,
        latent_channels=8,
        steps=20,
        batch=2,
        crop=64,
        lr=2e-3,
        warmup=2,
        progress=False,
    )


def rows(config: TrainConfig, kind: str) -> list[dict[str, str]]:
    with (config.out / "log.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["kind"] == kind]


@pytest.mark.parametrize("model", ["scale-hyperprior", "factorized-prior", "mean-scale-hyperprior"])
@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_train_lowers_the_loss_and_leaves_a_usable_model(
    config: TrainConfig, model: str, optimizer: str
) -> None:
    config = replace(
        config,
        model=model,
        optimizer=optimizer,
        steps=60,
        holdout=2,
        validate_every=30,
        ste_from=0.8,
    )
    train(config)
    losses = [float(row["loss"]) for row in rows(config, "train")]
    assert [row["step"] for row in rows(config, "train")] == ["50", "60"]
    assert losses[-1] < losses[0]
    assert [row["step"] for row in rows(config, "validate")] == ["30", "60"]
    trained = load_model(config.out / "model.safetensors")
    assert trained.name == model
    image = torch.rand(3, 40, 50)
    assert trained.decompress(trained.compress(image)).shape == image.shape
    metadata = read_metadata(config.out / "model.safetensors")
    assert (metadata["steps"], metadata["lmbda"]) == ("60", str(config.lmbda))


def test_train_resumes_where_it_stopped(config: TrainConfig) -> None:
    config = replace(config, optimizer="soap")
    train(replace(config, steps=10))
    stopped = Trainer(replace(config, resume=True))
    assert stopped.step == 10
    assert stopped.seconds > 0
    saved = torch.load(config.out / "checkpoint.pt", weights_only=True)
    for part in ("model", "average"):
        for name, tensor in getattr(stopped, part).state_dict().items():
            assert torch.equal(tensor, saved[part][name])
    crops = torch.rand(2, 3, 64, 64)
    again = Trainer(replace(config, resume=True))
    for trainer in (stopped, again):
        torch.manual_seed(0)
        trainer.train_step(crops)
    for one, other in zip(stopped.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)
    train(replace(config, resume=True))
    assert [row["step"] for row in rows(config, "train")] == ["10", "20"]


def test_train_does_not_overwrite_a_run(config: TrainConfig) -> None:
    train(replace(config, steps=1))
    with pytest.raises(FileExistsError, match=r"holds a run"):
        train(config)


def test_train_saves_at_ctrl_c_and_goes_on(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.train_step

    def interrupted(self: Trainer, crops: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.step == 4:
            signal.raise_signal(signal.SIGINT)
        return step(self, crops)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    assert signal.getsignal(signal.SIGINT) is handler
    assert Trainer(replace(config, resume=True)).step == 5  # the step under way was finished
    assert load_model(config.out / "model.safetensors").channels == 6
    train(replace(config, resume=True))
    assert Trainer(replace(config, resume=True)).step == 20


def test_further_ctrl_c_cut_neither_the_step_nor_the_checkpoint(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, save = Trainer.train_step, torch.save

    def interrupted_step(self: Trainer, crops: torch.Tensor) -> dict[str, torch.Tensor]:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return step(self, crops)

    def interrupted_save(state: object, file: BinaryIO) -> None:
        signal.raise_signal(signal.SIGINT)
        save(state, file)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted_step)
        patch.setattr(torch, "save", interrupted_save)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    assert Trainer(replace(config, resume=True)).step == 1


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_text(path: Path) -> None:
    path.write_text("no checkpoint")


def damage_other(path: Path) -> None:
    torch.save([1, 2], path)


def damage_config(path: Path) -> None:
    torch.save({"config": 1}, path)


def damage_parts(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    del state["average"]
    torch.save(state, path)


@pytest.mark.parametrize(
    "damage",
    [damage_cut, damage_empty, damage_text, damage_other, damage_config, damage_parts],
)
def test_train_refuses_damaged_checkpoints(
    config: TrainConfig, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = config.out / "checkpoint.pt"
    config.out.mkdir()
    Trainer(config).save()
    damage(path)
    for options in ({"resume": True}, {"init": path, "out": tmp_path / "tuned"}):
        with pytest.raises(
            fastcoder.ArgumentError, match=r"checkpoint = '.*checkpoint\.pt', expected one"
        ):
            train(replace(config, **options))
    assert not (tmp_path / "tuned").exists()


def test_checkpoint_is_whole_or_the_former_one(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(replace(config, steps=2))
    former = (config.out / "checkpoint.pt").read_bytes()

    def half(state: object, file: object) -> None:
        file.write(b"half of a checkpoint")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match=r"No space left"):
        train(replace(config, resume=True))
    assert (config.out / "checkpoint.pt").read_bytes() == former
    assert [path.name for path in config.out.glob(".*")] == []


def test_train_can_start_from_the_weights_of_another_run(
    config: TrainConfig, tmp_path: Path
) -> None:
    train(config)
    tuned = replace(config, out=tmp_path / "tuned", init=config.out / "checkpoint.pt", lmbda=0.1)
    start = Trainer(tuned)
    average = Trainer(replace(config, resume=True)).average
    assert start.step == 0
    for one, other in zip(start.model.parameters(), average.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(ValueError, match=r"channels = 7, expected 6"):
        Trainer(replace(tuned, channels=7))


def test_train_reports_broken_images_and_goes_on(
    config: TrainConfig, photographs: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(photographs, data)
    (data / "note.txt").write_text("not an image")
    (data / "broken.png").write_bytes((data / "0.png").read_bytes()[:300])
    (data / "empty.jpg").write_bytes(b"")
    with pytest.warns(BrokenImageWarning, match=r"left out") as caught:
        train(replace(config, data=data))
    names = {Path(str(item.message).split(" = ")[0]).name for item in caught}
    assert names == {"broken.png", "empty.jpg"}
    assert Trainer(replace(config, resume=True)).step == 20


def test_train_validates_without_a_broken_image(
    config: TrainConfig, photographs: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(photographs, data)
    _, held_out = split_holdout(find_images(data), 2)
    held_out[0].write_bytes(b"?")
    with pytest.warns(BrokenImageWarning, match=held_out[0].name):
        train(replace(config, data=data, holdout=2, validate_every=20))
    assert [row["step"] for row in rows(config, "validate")] == ["20"]


def test_train_explains_a_folder_without_images(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for data in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(FileNotFoundError, match=r"data = .*, expected"):
            train(replace(config, data=data))
    (tmp_path / "empty" / "bad.png").write_bytes(b"?")
    with (
        pytest.warns(BrokenImageWarning),
        pytest.raises(fastcoder.ArgumentError, match=r"data = no readable image"),
    ):
        train(replace(config, data=tmp_path / "empty"))
    assert not config.out.exists()


def test_train_step_survives_a_batch_that_breaks_the_loss(config: TrainConfig) -> None:
    trainer = Trainer(config)
    before = [parameter.clone() for parameter in trainer.model.parameters()]
    trainer.train_step(torch.full((2, 3, 64, 64), torch.nan))
    assert trainer.skipped == 1
    for one, other in zip(before, trainer.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("model", "vq"),
        ("optimizer", "sgd"),
        ("schedule", "linear"),
        ("steps", 0),
        ("crop", 100),
        ("lmbda", 0.0),
        ("ema", 1.0),
        ("lr", -1.0),
        ("final_lr", 1.5),
        ("minutes", 0.0),
        ("batch", 0),
        ("decay_from", -0.1),
    ],
)
def test_config_names_the_option_outside_its_interval(
    config: TrainConfig, option: str, value: object
) -> None:
    with pytest.raises(fastcoder.ArgumentError, match=rf"{option} = .*, expected"):
        replace(config, **{option: value})


def test_learning_rate_follows_its_schedule(config: TrainConfig) -> None:
    config = replace(config, lr=1.0, warmup=10, final_lr=0.1, decay_from=0.5)
    assert learning_rate(config, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(config, 100, 0.5) == pytest.approx(1.0)
    assert learning_rate(config, 100, 0.75) == pytest.approx(0.55)
    assert learning_rate(config, 100, 1.0) == pytest.approx(0.1)
    steps = replace(config, schedule="step", final_lr=0.0, decay_from=0.0)
    rates = [learning_rate(steps, 100, progress) for progress in (0.0, 0.3, 0.4, 0.6, 0.7, 1.0)]
    assert rates == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01, 0.01])
    assert learning_rate(replace(config, schedule="constant"), 100, 0.9) == 1.0


def test_progress_is_the_further_of_steps_and_minutes(config: TrainConfig) -> None:
    trainer = Trainer(replace(config, steps=100, minutes=2.0))
    trainer.step, trainer.seconds = 10, 60.0
    assert trainer.progress == 0.5
    trainer.step = 80
    assert trainer.progress == 0.8


def test_command_takes_every_option(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch, photographs: Path
) -> None:
    options = "--channels 6 --latent-channels 8 --steps 3 --batch 1 --crop 64 --no-progress"
    arguments = ["--data", str(photographs), "--out", str(config.out), *options.split()]
    monkeypatch.setattr("sys.argv", ["training", *arguments, "--minutes", "5", "--bf16"])
    main()
    state = torch.load(config.out / "checkpoint.pt", weights_only=True)
    assert state["step"] == 3
    assert state["config"]["bf16"] is True
    assert state["config"]["minutes"] == 5.0


def test_holdout_depends_on_names_only(photographs: Path) -> None:
    paths = find_images(photographs)
    training, held_out = split_holdout(paths, 3)
    assert sorted(training + held_out) == paths
    assert len(held_out) == 3
    assert split_holdout(paths[::-1], 3) == (training, held_out)
    with pytest.raises(fastcoder.ArgumentError, match=r"holdout = 8, expected"):
        split_holdout(paths, 8)


def contains(image: np.ndarray, crop: np.ndarray) -> bool:
    corners = image[: image.shape[0] - 63, : image.shape[1] - 63] == crop[0, 0]
    return any(
        np.array_equal(image[y : y + 64, x : x + 64], crop)
        for y, x in zip(*np.nonzero(corners), strict=True)
    )


def test_crops_are_parts_of_the_images(photographs: Path) -> None:
    with CropSource([photographs / "0.png"], 64, 3, seed=5) as source:
        batches = [source.next() for _ in range(3)]
    assert all(batch.shape == (3, 64, 64, 3) and batch.dtype == np.uint8 for batch in batches)
    assert not np.array_equal(batches[0], batches[1])
    image = np.asarray(Image.open(photographs / "0.png"))
    for crop in batches[0][..., 0]:
        flips = (crop, crop[::-1], crop[:, ::-1], crop[::-1, ::-1])
        assert any(contains(image[..., 0], flip) for flip in flips)


def test_crops_of_small_images_and_without_memory(photographs: Path) -> None:
    with CropSource([photographs / "0.png"], 256, 1, seed=5, memory=0) as source:
        assert source.next().shape == (1, 256, 256, 3)


def test_soap_beats_adam_where_the_axes_are_mixed() -> None:
    rotation = torch.linalg.qr(torch.randn(20, 20))[0]
    matrix = rotation.T @ torch.diag(torch.logspace(0, -2, 20)) @ rotation
    start = torch.randn(20, 6)
    results = []
    for kind in (Soap, torch.optim.Adam):
        x = torch.nn.Parameter(start.clone())
        optimizer = kind([x], lr=0.03, betas=(0.95, 0.95))
        for step in range(400):
            optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / 400)
            optimizer.zero_grad()
            (matrix @ x).square().sum().backward()
            optimizer.step()
        results.append(float((matrix @ x).square().sum().detach()))
    assert results[0] < 0.05 * results[1]


def test_soap_is_adam_for_vectors() -> None:
    start = torch.randn(7)
    results = []
    for kind in (Soap, torch.optim.Adam):
        x = torch.nn.Parameter(start.clone())
        optimizer = kind([x], lr=0.01, betas=(0.95, 0.95), eps=1e-8)
        for target in range(20):
            optimizer.zero_grad()
            (x - target).square().sum().backward()
            optimizer.step()
        results.append(x.detach())
    torch.testing.assert_close(results[0], results[1])


def test_soap_keeps_its_bases_orthogonal_and_continues_from_a_state() -> None:
    torch.manual_seed(0)
    kernel = torch.nn.Parameter(torch.randn(4, 6, 3, 3))
    optimizer = Soap([kernel], lr=0.01)

    def step(parameter: torch.nn.Parameter, optimizer: Soap) -> None:
        optimizer.zero_grad()
        parameter.square().square().sum().backward()
        optimizer.step()

    for _ in range(45):
        step(kernel, optimizer)
    bases = optimizer.state[kernel]["bases"]
    assert [basis.shape[0] for basis in bases] == [4, 6, 9]
    for basis in bases:
        torch.testing.assert_close(basis @ basis.T, torch.eye(len(basis)), atol=1e-5, rtol=0)
    twin = torch.nn.Parameter(kernel.detach().clone())
    other = Soap([twin], lr=0.01)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for _ in range(15):
        step(kernel, optimizer)
        step(twin, other)
    assert torch.equal(kernel, twin)
