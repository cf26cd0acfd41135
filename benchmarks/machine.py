# SPDX-License-Identifier: Apache-2.0
"""What a reader needs to compare two runs."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

import fastcoder as fc
from fastcoder import _core

ROOT = Path(__file__).resolve().parents[1]


def cpu_name() -> str:
    """Name of the processor as the system reports it."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        found = re.search(r"^model name\s*: (.+)$", path.read_text(), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def compiler() -> str:
    """What the compiler wrote about itself into the extension."""
    found = re.search(
        rb"GCC: \([^)]*\) [0-9.]+|clang version [0-9.]+", Path(_core.__file__).read_bytes()
    )
    return found[0].decode() if found else "unknown compiler"


def commit() -> str | None:
    """The commit of the checkout, with a plus sign if it has changes; None outside of one."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def machine() -> dict[str, Any]:
    """Everything that a reader needs to compare two runs."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "fastcoder": fc.__version__,
        "compiler": compiler(),
        "isas": fc.isa.available(),
        "commit": commit(),
    }
