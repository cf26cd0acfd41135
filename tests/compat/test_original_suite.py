# SPDX-License-Identifier: Apache-2.0
"""CompressAI's own tests pass and fail with the drop-in coder exactly as without it.

The files are the ones about the coder, entropy models, layers, models and the zoo. The others are
about data sets, training, plots and command lines and need files that the distribution lacks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

FILES = (
    "entropy_models",
    "entropy_models_vbr",
    "models",
    "coder",
    "ops",
    "layers",
    "init",
    "zoo",
    "scripting",
    "update_model",
)
# They download trained weights. So do those with CompressAI's own mark `pretrained`, all of
# test_waseda and test_codec.
DOWNLOADS = (
    "test_entropy_models.py::TestEntropyBottleneck::test_update",
    "test_entropy_models.py::TestGaussianConditional::test_update",
    "test_entropy_models_vbr.py::TestEntropyBottleneckVbr::test_update",
)
PLUGINS = Path(__file__).resolve().parent / "plugins"


def run(folder: Path, coder: str) -> tuple[dict[str, str], float]:
    """Outcome of each test with that coder, and the seconds that they took."""
    tests, outcomes = folder / "sdist" / "tests", folder / f"outcomes-{coder}.json"
    outcomes.unlink(missing_ok=True)
    variables = {
        **os.environ,
        "FASTCODER_SUITE_CODER": coder,
        "FASTCODER_SUITE_OUTCOMES": str(outcomes),
        "PYTHONPATH": os.pathsep.join((os.environ.get("PYTHONPATH", ""), str(PLUGINS))),
        # The second run finds what the first compiled in test_compiling.
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--rootdir", str(tests.parent)]
    command += ["-p", "original_suite", "-p", "no:cacheprovider", "-m", "not pretrained"]
    command += [f"--deselect=tests/{test}" for test in DOWNLOADS]
    command += [str(tests / f"test_{name}.py") for name in FILES]
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: some test failed
    assert outcomes.exists(), done.stdout + done.stderr
    return json.loads(outcomes.read_text()), time.monotonic() - started


@pytest.fixture(scope="module")
def original(folder: Path) -> tuple[dict[str, str], float]:
    return run(folder, "original")


@pytest.mark.parametrize("coder", ["before", "after"])
def test_same_outcomes(
    folder: Path,
    original: tuple[dict[str, str], float],
    coder: str,
    tell: Callable[[str], None],
) -> None:
    expected, seconds_without = original
    outcomes, seconds = run(folder, coder)
    changed = {
        test: (expected.get(test, "missing"), outcomes.get(test, "missing"))
        for test in sorted({*expected, *outcomes})
        if expected.get(test) != outcomes.get(test)
    }
    counts = Counter(outcomes.values())
    assert not changed, changed
    assert counts["passed"] > 100
    tell(
        f"CompressAI's own tests, install() {coder} the import: {counts['passed']} passed, "
        f"{counts['skipped']} skipped, {len(outcomes) - counts['passed'] - counts['skipped']} "
        f"others, the same without it; {seconds:.0f} s, without it {seconds_without:.0f} s"
    )
