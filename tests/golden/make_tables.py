# SPDX-License-Identifier: Apache-2.0
"""Writes the golden tables of one version. Run it from the repository root:

    python -m tests.golden.make_tables v1

Float rows and the integers that they became: models ship such tables, so the same floats must
give the same integers on every machine. It never overwrites.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import fastcoder

TAIL_MASS = 2.0**-12


def cases() -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(2018)
    rows = [rng.dirichlet(np.full(size, 0.4)).tolist() for size in (1, 2, 7, 60)]
    ties = [[1.0, 1.0, 1.0], [0.2, 0.4, 0.2, 0.1], [0.0, 1.0, 0.0]]
    scales = [0.11, 0.5, 1.0, 2.5, 9.0]
    drawn: dict[str, dict[str, Any]] = {}
    for precision in (8, 14, 16):
        for escape in (False, True):
            for name, pmf in (("random", rows), ("ties", ties)):
                key = f"{name}, precision {precision}, escape {escape}"
                offsets = list(range(-1, len(pmf) - 1))
                drawn[key] = {
                    "pmf": pmf,
                    "offsets": offsets,
                    "precision": precision,
                    "escape": escape,
                }
        for distribution in ("gaussian", "laplace", "logistic"):
            drawn[f"{distribution}, precision {precision}"] = {
                "distribution": distribution,
                "scales": scales,
                "precision": precision,
                "tail_mass": TAIL_MASS,
            }
    return drawn


def make_table(case: dict[str, Any]) -> fastcoder.CdfTable:
    if "pmf" in case:
        options = {"precision": case["precision"], "escape": case["escape"]}
        return fastcoder.CdfTable.from_pmf(case["pmf"], case["offsets"], **options)
    make = getattr(fastcoder.CdfTable, case["distribution"])
    return make(case["scales"], precision=case["precision"], tail_mass=case["tail_mass"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="folder to write, for example v1")
    folder = Path(__file__).parent / parser.parse_args().version
    lines = []
    for name, case in cases().items():
        table = {**case, "table": make_table(case).to_bytes().hex()}
        lines.append(f"{json.dumps(name)}: {json.dumps(table)}")
    with (folder / "tables.json").open("x", encoding="ascii") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
