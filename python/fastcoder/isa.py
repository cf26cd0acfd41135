# SPDX-License-Identifier: Apache-2.0
"""Which instruction set the coder runs on. The choice never changes a byte of a stream."""

from __future__ import annotations

from . import _core
from .errors import ArgumentTypeError

__all__ = ["active", "available", "use"]


def available() -> list[str]:
    """Names that this build has and this machine can run, best first.

    Returns:
        For example ``["scalar"]``.
    """
    return _core.available_isas()


def active() -> str:
    """The one in use: the first available, or the environment variable ``FASTCODER_ISA``.

    Raises:
        IsaError: If the variable names none of ``available()``.
    """
    return _core.active_isa()


def use(isa: str) -> None:
    """Change it for the whole process.

    Args:
        isa: One of ``available()``.

    Raises:
        IsaError: If it is not; the message lists the legal names.
        ArgumentTypeError: If it is not a string.

    Example:
        >>> former = active()
        >>> use("scalar")
        >>> active()
        'scalar'
        >>> use(former)
    """
    if not isinstance(isa, str):
        raise ArgumentTypeError(f"type(isa) = {type(isa).__name__}, expected str")
    _core.use_isa(ascii(isa)[1:-1])
