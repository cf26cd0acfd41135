# SPDX-License-Identifier: Apache-2.0
"""How many threads a call uses. The number never changes a byte of a stream.

All calls share one pool. Its threads start when a call first wants them and are kept; the calling
thread always works too. A forked child has a pool of its own.
"""

from __future__ import annotations

from typing import SupportsIndex

from . import _core
from ._arrays import as_count, as_integer

__all__ = ["as_threads", "get_threads", "set_threads"]


def get_threads() -> int:
    """Threads of a call with ``threads=None``, the calling one included.

    Returns:
        What the last :func:`set_threads` said; before the first, the environment variable
        ``FASTCODER_THREADS`` (0 to 1024, with the meaning of :func:`set_threads`); else 1.
    """
    return _core.get_threads()


def set_threads(threads: SupportsIndex) -> None:
    """Change it for the whole process.

    Args:
        threads: 1 to 1024; or 0 for as many as there are processors that this process may run on
            at the time of this call.

    Raises:
        ArgumentError: If it is outside its interval.
        ArgumentTypeError: If it is not an integer.

    Example:
        >>> former = get_threads()
        >>> set_threads(2)
        >>> get_threads()
        2
        >>> set_threads(former)
    """
    _core.set_threads(_checked(threads))


def as_threads(value: SupportsIndex | None) -> int:
    """The argument ``threads`` of a call as a number of threads, at least 1."""
    if value is None:
        return _core.get_threads()
    return _checked(value) or _core.processor_count()


def _checked(value: SupportsIndex) -> int:
    return as_count(as_integer(value, "threads"), "threads", 0, _core.MAX_THREADS)
