# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks`: every adapter on every workload, each pair in a process of its own.

Writes out/bench.json and out/bench.md and prints the latter. README.md says what is measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import adapters, report, runner, workloads
from benchmarks.machine import machine

ROOT = Path(__file__).resolve().parents[1]


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
