# SPDX-License-Identifier: Apache-2.0
"""One file per library. An adapter turns symbols into bytes and back, end to end from NumPy."""

from __future__ import annotations

import importlib.util
from typing import Any, Protocol

from numpy.typing import NDArray

from benchmarks.workloads import Workload


class Adapter(Protocol):
    """What the runner needs of a library.

    Attributes:
        label: Its column in the report.
        knows_model: Whether it codes with the distributions of the workload. Others are given the
            symbols only.
    """

    label: str
    knows_model: bool

    def version(self) -> str:
        """Version of the library."""

    def prepare(self, workload: Workload) -> None:
        """Build tables and whatever else a codec does once per model; not timed."""

    def encode(self) -> bytes:
        """Symbols to bytes; timed."""

    def decode(self, data: bytes) -> NDArray[Any]:
        """Bytes to symbols, int32; timed."""


def available() -> list[str]:
    """Names of all adapters that work on this machine; `make` takes them."""
    from fastcoder import isa

    names = [f"fastcoder:{name}" for name in isa.available()]
    if importlib.util.find_spec("compression") is not None:  # Python 3.14
        names.append("zstd")
    return [*names, "zlib", "memcpy"]


def make(name: str) -> Adapter:
    """Return the adapter of that name.

    Raises:
        ValueError: If there is none.
    """
    from benchmarks.adapters import coder, general

    if name.startswith("fastcoder:"):
        return coder.Fastcoder(name.partition(":")[2])
    if name in general.ADAPTERS:
        return general.ADAPTERS[name]()
    raise ValueError(f"adapter = {name!r}, expected one of {', '.join(available())}")
