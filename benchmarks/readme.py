# SPDX-License-Identifier: Apache-2.0
"""Puts measured numbers into README.md: nothing there is typed by hand.

python -m benchmarks.readme       reads benchmarks/results/{bench,kodak}.json
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import photographs, report

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def replace(page: str, name: str, text: str) -> str:
    """Return ``page`` with ``text`` between the two markers of that name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    head, rest = page.split(begin)
    return head + begin + "\n" + text + "\n" + end + rest.split(end)[1]


def main() -> None:
    """Rewrite the two tables of README.md."""
    page = (ROOT / "README.md").read_text()
    page = replace(page, "bench", report.markdown(json.loads((RESULTS / "bench.json").read_text())))
    kodak = json.loads((RESULTS / "kodak.json").read_text())
    page = replace(page, "kodak", photographs.markdown(kodak))
    (ROOT / "README.md").write_text(page)


if __name__ == "__main__":
    main()
