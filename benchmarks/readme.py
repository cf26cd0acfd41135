# SPDX-License-Identifier: Apache-2.0
"""Puts measured numbers into README.md and docs/benchmarks.md: nothing there is typed by hand.

python -m benchmarks.readme [--take out/bench.json]

reads benchmarks/results/{bench,kodak}.json and writes the tables between the markers of the pages
and docs/images/speed.{svg,png}. With --take, that run becomes benchmarks/results/bench.json first.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks import chart, report
from benchmarks.pages import RESULTS, ROOT, replace, write_text

IMAGE = ROOT / "docs" / "images" / "speed"


def pages() -> dict[Path, str]:
    """Return the pages with the numbers of benchmarks/results."""
    results = json.loads((RESULTS / "bench.json").read_text())
    kodak = json.loads((RESULTS / "kodak.json").read_text())
    texts = {
        ROOT / "README.md": {
            "bench": report.summary(results),
            "kodak": report.photographs(kodak),
        },
        ROOT / "docs" / "benchmarks.md": {"bench": report.page(results)},
        ROOT / "docs" / "coming-from.md": {
            name: report.against(results, name) for name in ("tfc", "constriction")
        },
    }
    found = {}
    for path, parts in texts.items():
        found[path] = path.read_text()
        for name, text in parts.items():
            found[path] = replace(found[path], name, text)
    return found


def main() -> None:
    """Rewrite the tables and the chart."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--take", type=Path, metavar="FILE", help="a bench.json to publish")
    taken = parser.parse_args().take
    if taken:
        write_text(RESULTS / "bench.json", taken.read_text())
    for path, text in pages().items():
        write_text(path, text)
    chart.draw(json.loads((RESULTS / "bench.json").read_text()), IMAGE)


if __name__ == "__main__":
    main()
