# SPDX-License-Identifier: Apache-2.0
"""What every test shares: hypothesis profiles, seeds, one run per instruction set."""

from __future__ import annotations

import os
import random
import sys
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Workers of pytest-xdist share the cores; torch would start a thread per core in each of them.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: one example may hold a table of 65,536 slots, and shared machines stutter.
# The examples of one test may share its fixtures: `isa` is meant for all of them.
# `ci` draws the same examples on every run, so that a red build is always about the change.
shared = [HealthCheck.function_scoped_fixture]
settings.register_profile("default", deadline=None, max_examples=50, suppress_health_check=shared)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.register_profile(
    "slow",
    settings.get_profile("default"),
    max_examples=2000,
    suppress_health_check=[*shared, HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for `isa` once per instruction set of this machine."""
    if "isa" in metafunc.fixturenames:
        import fastcoder

        metafunc.parametrize("isa", fastcoder.isa.available(), indirect=True)


@pytest.fixture
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Select one instruction set for the test and put the former one back."""
    import fastcoder

    former = fastcoder.isa.active()
    fastcoder.isa.use(request.param)
    yield request.param
    fastcoder.isa.use(former)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator whose seed is the test's own name: stable when other tests come and go."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(autouse=True)
def _global_seeds(request: pytest.FixtureRequest) -> None:
    """Fix the global generators too; torch only where a test module has loaded it."""
    seed = zlib.crc32(request.node.nodeid.encode())
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the legacy state is what is being fixed here
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
