# SPDX-License-Identifier: Apache-2.0
"""A plugin for a run of CompressAI's own tests: `pytest -p original_suite`.

It sets the seeds before each test, so that two runs draw the same numbers, puts the drop-in coder
in place if FASTCODER_SUITE_CODER is "before" or "after" (the import of CompressAI), makes sure at
the end that it is there, and writes the outcome of each test to FASTCODER_SUITE_OUTCOMES.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

CODER = os.environ["FASTCODER_SUITE_CODER"]
OUTCOMES = Path(os.environ["FASTCODER_SUITE_OUTCOMES"])

if CODER == "after":
    import compressai.models
    import compressai.zoo  # noqa: F401 - every module that holds one of the four names
if CODER != "original":
    import fastcoder.compat.compressai

    fastcoder.compat.compressai.install()

_outcomes: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _seeds() -> None:
    import torch

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the legacy state is what the tests draw from
    torch.manual_seed(0)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test passed if its set-up, body and end did; else the first other outcome stands."""
    former = _outcomes.setdefault(report.nodeid, "passed")
    if former == "passed":
        _outcomes[report.nodeid] = report.outcome


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be imported is an outcome as well."""
    if report.failed:
        _outcomes[report.nodeid] = "not collected"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Check that the coder in place is the one asked for, and write the outcomes."""
    import compressai._CXX
    import compressai.ans
    import compressai.entropy_models.entropy_models as entropy_models
    import compressai.models.google as google

    found = [
        compressai.ans.RansEncoder,
        google.BufferedRansEncoder,
        google.RansDecoder,
        entropy_models._pmf_to_quantized_cdf,
        compressai._CXX.pmf_to_quantized_cdf,
    ]
    ours = [str(one.__module__).startswith("fastcoder") for one in found]
    if ours != [CODER != "original"] * len(found):
        raise RuntimeError(f"coder = {CODER}, but CompressAI holds {found}")
    if not hasattr(session.config, "workerinput"):  # a worker of pytest-xdist reports to the first
        OUTCOMES.write_text(json.dumps(_outcomes))
