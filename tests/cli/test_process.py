# SPDX-License-Identifier: Apache-2.0
"""The command as a process: imports, streams, names of files, Ctrl-C."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Fastcoder, assert_fails


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_closed_stderr_does_not_send_errors_to_stdout(
    fastcoder: Fastcoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    result = fastcoder("info", tmp_path / "missing.fc")
    assert (result.code, result.out) == (1, "")


def test_names_cannot_command_the_terminal(fastcoder: Fastcoder, photo: Path, model: Path) -> None:
    result = fastcoder("compress", photo, "-o", photo.with_name("a\x1b[31m.fc"), "--model", model)
    assert result.code == 0
    assert "a\\x1b[31m.fc: 100 x 75" in result.out
    assert_fails(fastcoder("info", photo.with_name("b\x1b[31m.fc")), "b\\x1b[31m.fc: No such file")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_stdout_cannot_show(photo: Path, model: Path) -> None:
    target = photo.with_name(os.fsdecode("ä".encode() + b"\xff.fc"))
    done = subprocess.run(
        [sys.executable, "-m", "fastcoder.cli", "compress", photo, "-o", target, "--model", model],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\xe4\\udcff.fc: 100 x 75" in done.stdout
    assert target.exists()


def test_ctrl_c_during_the_imports_is_quiet() -> None:
    done = python(
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from fastcoder.cli import main\n"
        "main()\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_help_loads_neither_torch_nor_pillow() -> None:
    done = python(
        "import sys; from fastcoder.cli.app import run\n"
        "try: run(['--help'])\n"
        "finally: assert not {'torch', 'PIL', 'matplotlib'} & set(sys.modules)\n"
    )
    assert done.returncode == 0, done.stderr
    assert "compress" in done.stdout


@pytest.mark.parametrize("missing", ["typer", "torch", "PIL"])
def test_missing_extra_says_what_to_install(tmp_path: Path, photo: Path, missing: str) -> None:
    done = python(
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {missing!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
        f"sys.argv[1:] = ['compress', {str(photo)!r}]\n"
        "from fastcoder.cli import main\n"
        "main()\n"
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"needs {missing}" in done.stderr
    assert 'pip install "fastcoder[torch,cli]"' in done.stderr
    assert not photo.with_suffix(".fc").exists()
