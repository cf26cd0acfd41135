# SPDX-License-Identifier: Apache-2.0
"""Peak memory of one call, where the system tells (Linux)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_Result = TypeVar("_Result")
_PROC = Path("/proc/self")


def growth(function: Callable[[], _Result]) -> tuple[_Result, float | None]:
    """Call a function.

    Returns:
        Its result, and the MiB by which the process was larger during the call than before it,
        the result included. Of the first call of its kind: later ones find memory that the
        allocator kept.
    """
    try:
        (_PROC / "clear_refs").write_text("5")  # the high-water mark starts again from here
    except OSError:
        return function(), None
    before = _status("VmRSS")
    result = function()
    after = _status("VmHWM")
    return result, None if before is None or after is None else after - before


def _status(name: str) -> float | None:
    try:
        lines = (_PROC / "status").read_text().splitlines()
    except OSError:
        return None
    found = [line for line in lines if line.startswith(f"{name}:")]
    return int(found[0].split()[1]) / 1024 if found else None
