# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks`: every adapter on every workload, each pair in a process of its own.

Writes out/bench.json, and the tables and charts made from it. README.md says what is measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastcoder as fc
from benchmarks import adapters, chart, pages, peers, report, runner, workloads
from benchmarks.machine import machine
from benchmarks.runner import Effort
from benchmarks.suite import Job, jobs
from benchmarks.workloads import Workload

ROOT = Path(__file__).resolve().parents[1]
_TIMEOUT = 900  # seconds for one pair


def last_json(command: list[str], library: str) -> Any:  # noqa: ANN401
    """Run a command in the environment of a library and return the JSON of its last line.

    Raises:
        RuntimeError: If it fails; the message is its last line.
    """
    variables = peers.environment_of(library)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=variables, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"no result within {_TIMEOUT} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"exit status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def arguments(effort: Effort) -> list[str]:
    """Return it as `runner` and `operations` read it."""
    return ["--seconds", str(effort.seconds), "--runs", str(effort.runs)]


def measure(job: Job, workload: Path, effort: Effort) -> dict[str, Any]:
    """Measure one pair; what goes wrong in its process is a result with a reason."""
    library = adapters.library_of(job.adapter)
    python = str(peers.python_of(library))
    command = [python, "-m", "benchmarks.runner", job.adapter, str(workload)]
    command += [*arguments(effort), "--cores", str(job.cores)]
    try:
        result: dict[str, Any] = last_json(command + ["--together"] * job.together, library)
    except RuntimeError as error:
        result = {"status": "failed", "reason": str(error)}
    return {"adapter": job.adapter, "together": job.together, **result}


def inputs(names: list[str], seed: int, photographs: Path) -> Iterator[Workload]:
    """Make the workloads, the random ones first."""
    for name in workloads.NAMES:
        if name in names:
            yield workloads.make(name, seed)
    wanted = set(names) - set(workloads.NAMES)
    if not wanted:
        return
    try:
        from benchmarks import latents
    except ImportError as error:
        print(f"{', '.join(sorted(wanted))}: missing, {error}", file=sys.stderr)
        return
    yield from (w for w in latents.make(photographs) if w.name in wanted)


def describe(workload: Workload) -> dict[str, Any]:
    """What the report says about a workload; also printed."""
    row = {
        "name": workload.name,
        "symbols": workload.symbols.size,
        "bits_per_symbol": workload.exact_bits / workload.symbols.size,
        "least": int(workload.symbols.min()),
        "greatest": int(workload.symbols.max()),
        "source": workload.source,
    }
    entropy = f"{row['bits_per_symbol']:.4f} bits per symbol under the exact model"
    bounds = f"{row['least']}..{row['greatest']}"
    print(f"{workload.name}: {workload.symbols.size} symbols {bounds}, {entropy}", file=sys.stderr)
    return row


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything that was asked for."""
    selected = jobs(fc.isa.available())
    if options.adapters:
        selected = [Job(adapter) for adapter in options.adapters]
    effort = Effort(options.seconds, options.runs)
    results: dict[str, Any] = {"machine": machine(), "seed": options.seed, "workloads": []}
    results.update(measurements=[], operations=[])
    missing: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for workload in inputs(options.workloads, options.seed, options.photographs):
            results["workloads"].append(describe(workload))
            path = Path(folder) / f"{workload.name}.npz"
            runner.save(workload, path)
            for job in selected:
                if job.workloads and workload.name not in job.workloads:
                    continue
                row = missing.get(job.adapter) or measure(job, path, effort)
                if row["status"] == "missing":
                    missing[job.adapter] = row
                if row["status"] != "measured":
                    print(f"  {job.adapter}: {row['status']}, {row['reason']}", file=sys.stderr)
                size = workload.symbols.size
                results["measurements"].append({"workload": workload.name, "symbols": size, **row})
            if workload.name == "W1" and not options.adapters:
                command = [sys.executable, "-m", "benchmarks.operations", str(path)]
                results["operations"] = last_json(command + arguments(effort), "fastcoder")
            path.unlink()
    return results


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [*workloads.NAMES, "W7", "Y", "Z"]
    parser.add_argument("--adapters", nargs="+", metavar="NAME[:OPTION=VALUE...]")
    parser.add_argument("--workloads", nargs="+", default=names, choices=names)
    parser.add_argument(
        "--seconds", type=float, default=0.2, help="least time per pair and direction"
    )
    parser.add_argument("--runs", type=int, default=5, help="least runs per direction")
    parser.add_argument("--seed", type=int, default=1, help="of the workloads")
    parser.add_argument(
        "--photographs",
        type=Path,
        default=ROOT / "examples" / "kodim23.png",
        help="an image or a folder of images, for W7, Y and Z",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "out")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results = run(options)
    pages.keep(options.out / "bench.json", results)
    text = report.page(results)
    pages.write_text(options.out / "bench.md", text)
    chart.draw(results, options.out / "speed")
    print(text)
    ours = [r for r in results["measurements"] if r["adapter"].startswith("fastcoder")]
    if any(row["status"] == "failed" for row in ours):
        sys.exit("fastcoder failed: see above")


if __name__ == "__main__":
    main()
