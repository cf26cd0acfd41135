# SPDX-License-Identifier: Apache-2.0
"""Where numbers go: a file of benchmarks/results, and between the markers of a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"


def between(page: str, name: str) -> str:
    """Return what stands in ``page`` between the two markers of that name."""
    begin, end = _markers(name)
    return page.split(begin)[1].split(end)[0]


def replace(page: str, name: str, text: str) -> str:
    """Return ``page`` with ``text`` between the two markers of that name."""
    begin, end = _markers(name)
    head, rest = page.split(begin)
    return head + begin + "\n" + text + "\n" + end + rest.split(end)[1]


def write(page: Path, name: str, text: str) -> None:
    """Put ``text`` between the two markers of that name."""
    page.write_text(replace(page.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def keep(file: Path, result: dict[str, Any]) -> None:
    """Keep the result of a program as a file of benchmarks/results."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
