# SPDX-License-Identifier: Apache-2.0
"""The pages of docs/: their examples run, their links lead somewhere, tables are the measured."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path

import pytest

from benchmarks import chunked, pages, parametric, range_coding

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
WITH_EXAMPLES = [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_there_are_pages_with_examples():
    assert "docs/streaming.md" in map(name_of, WITH_EXAMPLES)


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_the_examples_of_a_page_run(page):
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_to_files(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("benchmark", [chunked, parametric, range_coding])
def test_a_table_is_the_measured_one(benchmark):
    measured = json.loads(benchmark.RESULT.read_text())["measurements"]
    page = benchmark.PAGE.read_text(encoding="utf-8")
    table = pages.between(page, benchmark.MARKER)
    assert table.strip() == benchmark.markdown(measured).strip()
