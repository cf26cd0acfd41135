# SPDX-License-Identifier: Apache-2.0
"""Commands over a folder: all that can be done is done, and the rest is named and can be redone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fastcoder.cli.images import write_rgb
from fastcoder.container import unpack
from fastcoder.torch.images import read_rgb
from tests.cli.conftest import Fastcoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photographs, one of them in a subfolder, and a file that is none."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "photographs"
    (folder / "more").mkdir(parents=True)
    for name in ("a.png", "b.png", "more/c.png"):
        write_rgb(folder / name, rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    (folder / "notes.txt").write_text("no photograph")
    return folder


def names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_there_and_back(
    fastcoder: Fastcoder, folder: Path, tmp_path: Path, model: Path, jobs: int
) -> None:
    out, back = tmp_path / "out", tmp_path / "back"
    options = ("--model", model, "--jobs", jobs)
    result = fastcoder("compress", folder, "-o", out, *options)
    assert (result.code, result.err) == (0, "")
    assert names(out) == ["a.fc", "b.fc", "more/c.fc"]
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["[1/3]", "[2/3]", "[3/3]"]
    assert lines[3] == "3 files: 3 compressed, 0 kept, 0 failed"
    single = tmp_path / "single.fc"
    assert fastcoder("compress", folder / "b.png", "-o", single, "--model", model).code == 0
    assert single.read_bytes() == (out / "b.fc").read_bytes()

    result = fastcoder("decompress", out, "-o", back, "--model", model)
    assert (result.code, result.err) == (0, "")
    assert names(back) == ["a.png", "b.png", "more/c.png"]
    assert result.out.splitlines()[3] == "3 files: 3 decompressed, 0 kept, 0 failed"
    assert read_rgb(back / "more/c.png").rgb.shape == (20, 30, 3)

    result = fastcoder("info", out)
    assert (result.code, result.err) == (0, "")
    total = sum((out / name).stat().st_size for name in names(out))
    assert result.out.splitlines()[3].startswith(f"3 files: {total:,} bytes, ")


def test_failures_are_named_at_the_end_and_can_be_redone(
    fastcoder: Fastcoder, folder: Path, tmp_path: Path, model: Path
) -> None:
    good = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(good[:60])
    out = tmp_path / "out"
    command = ("compress", folder, "-o", out, "--model", model)
    result = fastcoder(*command)
    assert result.code == 1
    assert result.out.splitlines()[-1] == "3 files: 2 compressed, 0 kept, 1 failed"
    assert result.err.startswith(f"fastcoder: failed: {folder / 'b.png'}: ")
    assert result.err.count("\n") == 1
    assert names(out) == ["a.fc", "more/c.fc"]

    (folder / "b.png").write_bytes(good)
    kept = (out / "a.fc").stat()
    result = fastcoder(*command)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1] == "3 files: 1 compressed, 2 kept, 0 failed"
    assert (out / "a.fc").stat().st_ino == kept.st_ino


def test_what_is_not_whole_or_older_is_made_again(
    fastcoder: Fastcoder, folder: Path, tmp_path: Path, model: Path
) -> None:
    out, back = tmp_path / "out", tmp_path / "back"
    compress = ("compress", folder, "-o", out, "--model", model)
    decompress = ("decompress", out, "-o", back, "--model", model)
    assert fastcoder(*compress).code == fastcoder(*decompress).code == 0
    whole = (out / "a.fc").read_bytes()
    (out / "a.fc").write_bytes(whole[:-1])  # half-written, by another program
    (out / "b.fc").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(out / "more/c.fc", (0, 0))
    assert "3 compressed, 0 kept" in fastcoder(*compress).out
    assert (out / "a.fc").read_bytes() == whole
    (out / "b.fc").write_bytes(b"a file of another program")
    result = fastcoder(*compress)
    assert (result.code, result.out.splitlines()[-1]) == (
        1,
        "3 files: 0 compressed, 2 kept, 1 failed",
    )
    assert (out / "b.fc").read_bytes() == b"a file of another program"
    assert fastcoder(*compress, "--force").code == 0

    future = time.time() + 1000
    os.utime(back / "more/c.png", (future, future))
    picture = (back / "a.png").read_bytes()
    (back / "a.png").write_bytes(picture[: len(picture) // 2])
    write_rgb(back / "b.png", np.zeros((5, 5, 3), np.uint8), overwrite=True)
    for name in ("a.png", "b.png"):
        os.utime(back / name, (future, future))
    result = fastcoder(*decompress)
    assert "0 decompressed, 1 kept, 2 failed" in result.out
    assert result.err.count("--force replaces it") == 2
    assert "3 decompressed" in fastcoder(*decompress, "--force").out
    assert (back / "a.png").read_bytes() == picture


def test_photographs_are_not_replaced_by_what_was_made_of_them(
    fastcoder: Fastcoder, folder: Path, model: Path
) -> None:
    photographs = [(folder / name).read_bytes() for name in ("a.png", "b.png", "more/c.png")]
    for name in ("a.png", "b.png", "more/c.png"):
        os.utime(folder / name, (0, 0))
    assert fastcoder("compress", folder, "--model", model).code == 0
    result = fastcoder("decompress", folder, "--model", model)
    assert result.code == 1
    assert result.err.count("--force replaces it") == 3
    for name, photograph in zip(("a.png", "b.png", "more/c.png"), photographs, strict=True):
        assert (folder / name).read_bytes() == photograph


def test_what_cannot_be_read_is_named_and_waits_for_nobody(
    fastcoder: Fastcoder,
    folder: Path,
    tmp_path: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "pipe.fc")
    (folder / "folder.png").mkdir()
    (folder / "link.png").symlink_to("nowhere.png")
    result = fastcoder("compress", folder, "-o", tmp_path / "out", "--model", model)
    assert result.code == 1
    assert result.out.splitlines()[-1] == "5 files: 3 compressed, 0 kept, 2 failed"
    assert "pipe.png" in result.err
    assert "link.png" in result.err
    for command in (("info", folder), ("decompress", folder, "--model", model)):
        result = fastcoder(*command)
        assert result.code == 1
        assert "pipe.fc" in result.err

    scandir = os.scandir

    def forbidden(path: str = ".") -> object:
        if Path(path).name == "more":  # for the superuser no folder is
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    result = fastcoder("compress", folder, "-o", tmp_path / "out", "--model", model)
    assert result.code == 1
    assert f"{folder / 'more'}" in result.err


def test_a_file_of_another_model_is_not_replaced(
    fastcoder: Fastcoder, folder: Path, tmp_path: Path, model: Path, other_model: Path
) -> None:
    out = tmp_path / "out"
    assert fastcoder("compress", folder, "-o", out, "--model", model).code == 0
    fingerprint = unpack((out / "a.fc").read_bytes()).fingerprint
    result = fastcoder("compress", folder, "-o", out, "--model", other_model)
    assert result.code == 1
    assert result.err.count("--force replaces it") == 3
    assert unpack((out / "a.fc").read_bytes()).fingerprint == fingerprint
    result = fastcoder("compress", folder, "-o", out, "--model", other_model, "--force")
    assert result.code == 0
    assert unpack((out / "a.fc").read_bytes()).fingerprint != fingerprint


def test_photographs_of_one_name_keep_their_suffixes(
    fastcoder: Fastcoder, folder: Path, tmp_path: Path, model: Path
) -> None:
    shutil.copy(folder / "a.png", folder / "a.jpg")  # Pillow looks at the content
    out = tmp_path / "out"
    assert fastcoder("compress", folder, "-o", out, "--model", model).code == 0
    assert names(out) == ["a.jpg.fc", "a.png.fc", "b.fc", "more/c.fc"]


def test_no_photograph_takes_the_place_of_another(
    fastcoder: Fastcoder, folder: Path, tmp_path: Path, model: Path
) -> None:
    for name in ("a.jpg", "a.png.png", "a.png.png.png"):
        shutil.copy(folder / "a.png", folder / name)
    out = tmp_path / "out"
    result = fastcoder("compress", folder, "-o", out, "--model", model)
    assert result.out.splitlines()[-1] == "6 files: 6 compressed, 0 kept, 0 failed"
    ours = ["a.jpg.fc", "a.png.fc", "a.png.png.fc", "a.png.png.png.fc"]
    assert names(out) == [*ours, "b.fc", "more/c.fc"]


def test_without_an_output_results_stand_beside_the_files(
    fastcoder: Fastcoder, folder: Path, model: Path
) -> None:
    assert fastcoder("compress", folder, "--model", model).code == 0
    assert {"a.fc", "more/c.fc"} < set(names(folder))


def test_folders_that_are_none(fastcoder: Fastcoder, folder: Path, model: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    options = ("--model", model)
    for command in ("compress", "decompress", "info"):
        result = fastcoder(command, empty, *options)
        assert result.code == 1
        assert "expected a folder with" in result.err
    result = fastcoder("compress", folder, "-o", folder / "a.png", *options)
    assert (result.code, result.out) == (1, "")
    assert "a.png, expected a folder" in result.err
    result = fastcoder("compress", folder, "--model", "nonesuch")
    assert result.err.count("nonesuch") == 1


def test_info_names_what_is_damaged(
    fastcoder: Fastcoder, folder: Path, tmp_path: Path, model: Path
) -> None:
    out = tmp_path / "out"
    fastcoder("compress", folder, "-o", out, "--model", model)
    (out / "b.fc").write_bytes((out / "b.fc").read_bytes()[:30])
    result = fastcoder("info", out)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert f"fastcoder: failed: {out / 'b.fc'}: " in result.err
    assert result.out.splitlines()[-1].endswith("1 failed")


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_batch_goes_on(
    fastcoder: Fastcoder, folder: Path, tmp_path: Path, model: Path, number: signal.Signals
) -> None:
    for i in range(60):
        shutil.copy(folder / "a.png", folder / f"copy{i:02}.png")
    out = tmp_path / "out"
    command = ["compress", folder, "-o", out, "--model", model]
    child = subprocess.Popen(
        [sys.executable, "-m", "fastcoder.cli", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for _ in range(3):
        assert child.stdout.readline().startswith("[")
    child.send_signal(number)
    rest, errors = child.communicate(timeout=120)
    done = 3 + rest.count("[")
    if number == signal.SIGINT:
        assert child.returncode == 130
        assert "goes on from here" in errors
        assert f"63 files: {done} compressed, 0 kept, 0 failed, {63 - done} left" in rest
    assert 3 <= done < 63
    result = fastcoder(*command)
    assert result.code == 0
    assert result.out.splitlines()[-1].endswith(" kept, 0 failed")
    assert len([name for name in names(out) if name.endswith(".fc")]) == 63
    for name in names(out):
        if name.endswith(".fc"):
            unpack((out / name).read_bytes())
