# SPDX-License-Identifier: Apache-2.0
"""One small file per library; how to add one is in benchmarks/README.md.

An adapter turns the symbols of a workload into bytes and back, end to end from NumPy: int32 arrays
in, `bytes`, a new int32 array out. Its module imports the library, NumPy and the workloads, and
nothing of fastcoder: it runs in the library's own environment.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from numpy.typing import NDArray

from benchmarks.workloads import Workload

# Name to class. The module is imported when the adapter is made, in the process that measures it.
REGISTRY = {
    "fastcoder": "coder:Fastcoder",
    "fastcoder-range": "range_coder:RangeCoder",
    "fastcoder-parametric": "parametric:Parametric",
    "compressai": "compressai:CompressAI",
    "tfc": "tfc:TensorFlowCompression",
    "constriction": "constriction:Constriction",
    "torchac": "torchac:Torchac",
    "htscodecs": "htscodecs:Htscodecs",
    "zstd": "general:Zstd",
    "zlib": "general:Zlib",
    "memcpy": "general:Copy",
}


class Unsupported(Exception):
    """The library cannot code this workload; the message says why."""


class Missing(Exception):
    """The library is not here; the message says what was looked for."""


class Adapter(Protocol):
    """What the runner needs of a library.

    Attributes:
        label: Its name in the report.
        knows_model: Whether it codes with the distributions of the workload. Others are given the
            symbols only.
    """

    label: str
    knows_model: bool

    def version(self) -> str:
        """Version of the library."""

    def prepare(self, workload: Workload) -> None:
        """Build tables and whatever else a codec does once per model; not timed.

        Raises:
            Unsupported: If the library cannot code these symbols.
        """

    def encode(self) -> bytes:
        """Symbols to bytes; timed."""

    def decode(self, data: bytes) -> NDArray[Any]:
        """Bytes to symbols, int32; timed."""


def library_of(spec: str) -> str:
    """Return the name in front of the options of an adapter."""
    return spec.partition(":")[0]


def make(spec: str) -> Adapter:
    """Return an adapter.

    Args:
        spec: A name of `REGISTRY` and keyword arguments of its class, for example
            ``fastcoder:isa=avx2:precision=16``.

    Raises:
        ValueError: If there is no such name.
        Missing: If the library cannot be imported.
    """
    name, *options = spec.split(":")
    if name not in REGISTRY:
        raise ValueError(f"adapter = {name!r}, expected one of {', '.join(REGISTRY)}")
    module, _, kind = REGISTRY[name].partition(":")
    arguments = dict(option.split("=") for option in options)
    try:
        factory = getattr(importlib.import_module(f"benchmarks.adapters.{module}"), kind)
        adapter: Adapter = factory(**arguments)
    except (ImportError, OSError) as error:
        raise Missing(f"{type(error).__name__}: {error}") from error
    return adapter
