# SPDX-License-Identifier: Apache-2.0
"""Where numbers go: a file of benchmarks/results, and between the markers of a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastcoder.container import write_atomically

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


def write_text(file: Path, text: str) -> None:
    """Write a file completely or not at all: what it replaces took minutes to measure."""
    write_atomically(file, text.encode(), overwrite=True)


def write(page: Path, name: str, text: str) -> None:
    """Put ``text`` between the two markers of that name."""
    write_text(page, replace(page.read_text(encoding="utf-8"), name, text))


def keep(file: Path, result: dict[str, Any]) -> None:
    """Keep the result of a program as a file of benchmarks/results."""
    file.parent.mkdir(exist_ok=True)
    write_text(file, json.dumps(result, indent=1) + "\n")
