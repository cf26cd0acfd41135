# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks`: every adapter on every workload, each pair in a process of its own.

Writes out/bench.json and out/bench.md and prints the latter. README.md says what is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import fastcoder as fc
from benchmarks import adapters, report, runner, workloads
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


def run(adapter: str, workload: Path, budget: float) -> dict[str, Any]:
    """Measure one pair in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.runner", adapter, str(workload), str(budget)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--adapters", nargs="+", default=adapters.available(), metavar="NAME")
    parser.add_argument("--workloads", nargs="+", default=workloads.NAMES, choices=workloads.NAMES)
    parser.add_argument("--seconds", type=float, default=0.7, help="per pair and direction")
    parser.add_argument("--seed", type=int, default=1, help="of the workloads")
    parser.add_argument("--out", type=Path, default=ROOT / "out")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    measurements = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.workloads:
            path = Path(folder) / f"{name}.npz"
            runner.save(workloads.make(name, arguments.seed), path)
            for adapter in arguments.adapters:
                print(f"{name} {adapter}", file=sys.stderr)
                measurements.append(run(adapter, path, arguments.seconds))
            path.unlink()
    results = {"machine": machine(), "seed": arguments.seed, "measurements": measurements}
    (arguments.out / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
    text = report.markdown(results)
    (arguments.out / "bench.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
