# SPDX-License-Identifier: Apache-2.0
"""Counts the executions that logs of fuzzing report, for SECURITY.md.

Reads the output of `make fuzz` (libFuzzer, under sanitizers) and of fuzz_replay (without), in any
number of files; writes benchmarks/results/fuzzing.json and, with --write, the table. A log that
reports a failure makes it fail.

    make fuzz FUZZ_SECONDS=600 | tee fuzz.log
    build/cpp/tests/fuzz/fuzz_replay pulls tests/fuzz/corpus/pulls.txt 10000000 7 | tee replay.log
    python -m benchmarks.fuzzing fuzz.log replay.log [--write]
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import pages
from benchmarks.machine import machine
from benchmarks.pages import RESULTS, ROOT

RESULT = RESULTS / "fuzzing.json"
PAGE = ROOT / "SECURITY.md"
WHAT = {
    "compressai": "streams of CompressAI, and any lists as its tables",
    "large_tables": "large tables, from bytes and from a stream",
    "many": "batches of streams",
    "one_shot": "one-shot streams",
    "pulls": "streams in pieces: tables, intervals, integers, parametric symbols",
    "range_coder": "range-coded streams that arrive in pieces",
    "ranges": "parts of one-shot streams",
    "stack": "stacks",
    "tables": "tables from bytes, and coding with what was read",
    "torchac": "messages of torchac, and any rows",
}

REPLAYED = re.compile(r"^(\w+): (\d+) executions in ([0-9.]+) s, \d+ inputs in the corpus, 0 fail")
STARTED = re.compile(r"^==> fuzz_(\w+)")
EXECUTED = re.compile(r"^stat::number_of_executed_units: +(\d+)")
SLOWEST = re.compile(r"^stat::slowest_unit_time_sec: +(\d+)")
FAILED = re.compile(r"SUMMARY: |requirement broken|more than a second|the input that crashed")


def counts_of(lines: Iterable[str]) -> dict[str, dict[str, int]]:
    """Executions by target, without and with sanitizers. SystemExit at a failure."""
    counts = {target: {"replayed": 0, "sanitized": 0} for target in WHAT}
    target = ""
    for line in lines:
        if FAILED.search(line):
            raise SystemExit(f"a failure: {line.strip()}")
        if match := REPLAYED.match(line):
            counts[match[1]]["replayed"] += int(match[2])
        elif match := STARTED.match(line):
            target = match[1]
        elif match := EXECUTED.match(line):
            counts[target]["sanitized"] += int(match[1])
        elif (match := SLOWEST.match(line)) and int(match[1]) > 1:
            raise SystemExit(f"an execution of {target} took {match[1]} s")
    return counts


def table_of(result: dict[str, Any]) -> str:
    """Executions by target."""
    lines = ["| target | | executions | of them under ASan and UBSan |", "|---|---|---|---|"]
    for target, count in result["executions"].items():
        both = count["replayed"] + count["sanitized"]
        lines.append(f"| `{target}` | {WHAT[target]} | {both:,} | {count['sanitized']:,} |")
    sums = {
        key: sum(c[key] for c in result["executions"].values()) for key in ("replayed", "sanitized")
    }
    lines.append(f"| all | | {sum(sums.values()):,} | {sums['sanitized']:,} |")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true", help="write the table of SECURITY.md")
    arguments = parser.parse_args()
    lines = [line for log in arguments.logs for line in log.read_text().splitlines()]
    result = {"machine": machine(), "executions": counts_of(lines)}
    pages.keep(RESULT, result)
    if arguments.write:
        pages.write(PAGE, "fuzzing", table_of(result))
    print(table_of(result))


if __name__ == "__main__":
    main()
