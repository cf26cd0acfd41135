# SPDX-License-Identifier: Apache-2.0
"""Tests against the real CompressAI and the real torchac; `make test-compat` runs them.

They need an environment of their own, build/compat, and are invisible to every other run of pytest.
What a test measured or counted it gives to the fixture `tell`; the end of the run prints it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Set by the Makefile: the folder with CompressAI's own tests.
FOLDER = os.environ.get("FASTCODER_COMPAT")
collect_ignore_glob = [] if FOLDER else ["*"]
_TOLD = "told"


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep one line for the summary at the end of the run."""

    def keep(line: str) -> None:
        request.node.user_properties.append((_TOLD, line))

    return keep


@pytest.fixture(scope="session")
def folder() -> Path:
    """What the Makefile made: `sdist` is CompressAI's source distribution, unpacked."""
    return Path(str(FOLDER)).resolve()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests told, in their order."""
    reports = [r for r in terminalreporter.getreports("passed") if r.when == "call"]
    lines = [line for r in reports for kind, line in r.user_properties if kind == _TOLD]
    if lines:
        terminalreporter.section("compatibility", sep="-")
        for line in lines:
            terminalreporter.write_line(line)
