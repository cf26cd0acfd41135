# SPDX-License-Identifier: Apache-2.0
"""Which adapter runs on which workload."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.adapters import REGISTRY


@dataclass(frozen=True)
class Job:
    """One process of the runner.

    Attributes:
        adapter: See `adapters.make`.
        workloads: Their names, or () for all.
        cores: That it may use.
        together: One process per core at the same time, instead of one process.
    """

    adapter: str
    workloads: tuple[str, ...] = ()
    cores: int = 1
    together: bool = False


def jobs(isas: list[str]) -> list[Job]:
    """Return everything that `make bench` measures.

    Args:
        isas: Of fastcoder on this machine, best first.
    """
    best = f"fastcoder:isa={isas[0]}"
    large = ("W1", "W2", "W5", "W6")
    result = [Job(f"fastcoder:isa={isa}") for isa in isas]
    result += [Job(f"{best}:precision=16", ("W1", "W2", "W3", "W6"))]
    result += [Job(f"fastcoder:isa={isa}:precision=16", ("W1",)) for isa in isas[1:]]
    result += [Job(f"{best}:threads=2", large, cores=2), Job(best, large, cores=2, together=True)]
    return result + [Job(name) for name in REGISTRY if name != "fastcoder"]
