# SPDX-License-Identifier: Apache-2.0
"""Other libraries, each in an environment of its own under build/peers, with pinned versions.

    python -m benchmarks.peers [NAME ...]

makes the environments that are not there yet. One that cannot be made (no wheel for this Python,
no network) is reported and leaves the others alone; the benchmarks call such a library missing.
htscodecs is no Python package: on Debian and Ubuntu it is `apt-get install libhtscodecs2`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / "build" / "peers"
_HERE = Path(__file__).resolve().parent

# Name to the command line options of pip.
PEERS: dict[str, tuple[str, ...]] = {
    "compressai": ("--no-deps",),
    "constriction": (),
    "tfc": (),
    "torchac": (),
    "zstd": (),
}


def python_of(library: str) -> Path:
    """The interpreter that has the library: its own environment's, else the one that runs this."""
    made = ENVIRONMENTS / library / "bin" / "python"
    return made if made.exists() else Path(sys.executable)


def environment_of(library: str) -> dict[str, str]:
    """Environment variables for its process: one thread, quiet, its own tools first."""
    variables = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    folder = ENVIRONMENTS / library
    if folder.exists():
        variables["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        variables["TORCH_EXTENSIONS_DIR"] = str(folder / "extensions")
    return variables


def install(name: str) -> str:
    """Make one environment.

    Returns:
        What happened: "installed", "there already", or the last line of the error.
    """
    folder, requirements = ENVIRONMENTS / name, _HERE / f"{name}.txt"
    stamp = folder / "requirements.txt"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return "there already"
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [*pip, *PEERS[name], "-r", str(requirements)],
        # Imports the library, and lets torchac build its module.
        [python, "-c", f"from benchmarks import adapters; adapters.make({name!r})"],
    ]
    for command in commands:
        variables = environment_of(name)
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            return f"missing: {lines[-1] if lines else 'no message'}"
    stamp.write_text(requirements.read_text())
    return "installed"
