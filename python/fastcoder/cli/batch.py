# SPDX-License-Identifier: Apache-2.0
"""Commands over a folder: every file that can be done is done, and failures are named at the end.

A batch can be stopped at any time and run again: results are written completely or not at all, and
those that are there and whole are kept.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from fastcoder.cli.messages import EXPECTED, complain, one_line, shown
from fastcoder.cli.work import (
    Options,
    check_readable,
    compress_file,
    decompress_file,
    is_compressed,
    is_decompressed,
    load_model,
    read_file,
)
from fastcoder.errors import ArgumentError

__all__ = ["Batch", "find_compressed", "find_unreadable", "list_files", "plan", "run"]


class Task(NamedTuple):
    """A file and where its result goes."""

    source: Path
    target: Path


class Outcome(NamedTuple):
    """What became of a task: "done", "kept" or "failed", and what there is to say."""

    task: Task
    kind: str
    text: str


@dataclass(frozen=True)
class Batch:
    """One command over many files. Goes to other processes, so its functions are named."""

    verb: str  # "compress" or "decompress"
    options: Options
    debug: bool = False

    def do(self, task: Task) -> Outcome:
        """Do one task; an error is its outcome."""
        try:
            return self._do(task)
        except EXPECTED as error:
            if self.debug:
                raise
            return Outcome(task, "failed", one_line(error))

    def _do(self, task: Task) -> Outcome:
        work, is_whole = _VERBS[self.verb]
        options = self.options
        kept = Outcome(task, "kept", f"{shown(task.target)}: kept")
        check_readable(task.source)
        task.target.parent.mkdir(parents=True, exist_ok=True)
        if task.target.is_file() and not options.force:
            if is_whole(*task, options):
                return kept
            options = replace(options, force=True)
        try:
            return Outcome(task, "done", work(*task, options))
        except FileExistsError:  # another process has the same task
            if is_whole(*task, options):
                return kept
            raise


_VERBS: dict[
    str, tuple[Callable[[Path, Path, Options], str], Callable[[Path, Path, Options], bool]]
] = {
    "compress": (compress_file, is_compressed),
    "decompress": (decompress_file, is_decompressed),
}


def plan(sources: Sequence[Path], folder: Path, out: Path, suffix: str) -> list[Task]:
    """Give every file of a folder a place in `out`, in the same subfolders.

    Files whose names differ in the suffix only keep it: a.png.fc and a.jpg.fc. So does one whose
    place another has taken in that way: a.png.png.fc.
    """
    if out.exists() and not out.is_dir():
        raise ArgumentError(f"output = {out}, expected a folder")
    names = [source.relative_to(folder) for source in sources]
    targets = [name.with_suffix(suffix) for name in names]
    while len(count := Counter(targets)) < len(targets):
        targets = [
            target if count[target] == 1 else name.with_name(name.name + suffix)
            for name, target in zip(names, targets, strict=True)
        ]
    return [Task(source, out / target) for source, target in zip(sources, targets, strict=True)]


def find_compressed(folder: Path) -> list[Path]:
    """All .fc files below `folder`, sorted by path."""
    paths = sorted(
        path
        for path in folder.rglob("*.fc")
        if not os.path.isdir(path)  # noqa: PTH112  # is_dir raises where it may not look
    )
    if not paths:
        raise ArgumentError(f"input = {folder}, expected a folder with .fc files")
    return paths


def find_unreadable(folder: Path) -> list[Path]:
    """The subfolders that cannot be searched. Searching leaves them out without a word."""
    found: list[Path] = []
    for _ in os.walk(folder, onerror=lambda error: found.append(Path(error.filename))):
        pass
    return sorted(found)


def list_files(paths: Sequence[Path], max_pixels: int) -> int:
    """Print a line for every .fc file, and their sum; 1 if one of them is not whole."""
    failures: list[str] = []
    size = pixels = 0
    for path in paths:
        try:
            check_readable(path)
            data, content = read_file(path, max_pixels)
        except EXPECTED as error:
            failures.append(one_line(error))
            continue
        size += len(data)
        pixels += content.pixels
        bits = 8 * len(data) / content.pixels
        print(
            f"{shown(path)}: {content.width} x {content.height}, {len(data):,} bytes, "
            f"{bits:.3f} bit per pixel, {content.model} {content.fingerprint}"
        )
    print(
        f"{len(paths)} files: {size:,} bytes, {8 * size / max(pixels, 1):.3f} bit per pixel, "
        f"{len(failures)} failed"
    )
    for failure in failures:
        complain(f"fastcoder: failed: {failure}")
    return 1 if failures else 0


def run(batch: Batch, tasks: Sequence[Task], jobs: int) -> int:
    """Do all tasks, with a line for each, and say at the end what failed.

    Args:
        batch: What to do.
        tasks: In the order of their lines, if `jobs` is 1.
        jobs: Processes that work at the same time, each with the model in its memory.

    Returns:
        0 if every result is there, 1 if not, 130 after Ctrl-C.
    """
    load_model(batch.options.model)  # a wrong name is one error, and not one for every file
    outcomes: list[Outcome] = []
    interrupted = False
    results = (
        map(batch.do, tasks) if min(jobs, len(tasks)) <= 1 else _in_processes(batch, tasks, jobs)
    )
    try:
        for outcome in results:
            outcomes.append(outcome)
            text = (
                outcome.text
                if outcome.kind != "failed"
                else f"{shown(outcome.task.source)}: failed"
            )
            print(f"[{len(outcomes)}/{len(tasks)}] {text}", flush=True)
    except KeyboardInterrupt:
        interrupted = True
    return _summary(batch, outcomes, len(tasks), interrupted)


def _summary(batch: Batch, outcomes: Iterable[Outcome], count: int, interrupted: bool) -> int:
    kinds = Counter(outcome.kind for outcome in outcomes)
    left = count - sum(kinds.values())
    print(
        f"{count} files: {kinds['done']} {batch.verb}ed, {kinds['kept']} kept, "
        f"{kinds['failed']} failed" + (f", {left} left" if left else "")
    )
    for outcome in outcomes:
        if outcome.kind == "failed":
            complain(f"fastcoder: failed: {outcome.task.source}: {outcome.text}")
    if interrupted:
        complain("fastcoder: note: interrupted; the same command goes on from here")
        return 130
    return 1 if kinds["failed"] else 0


def _in_processes(batch: Batch, tasks: Sequence[Task], jobs: int) -> Iterator[Outcome]:
    # Not forked: torch has threads of its own by now.
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    pool = ProcessPoolExecutor(
        min(jobs, len(tasks)), context, _start_worker, (batch.options.model, threads)
    )
    try:
        futures = {pool.submit(batch.do, task): task for task in tasks}
        for future in as_completed(futures):
            yield _outcome(future, futures[future])
    finally:
        # After Ctrl-C the workers finish the files that they have or are about to get, and begin
        # no others. What they still did is counted as left; the next run finds it.
        pool.shutdown(wait=True, cancel_futures=True)


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return Outcome(task, "failed", "a process was killed; for want of memory, try fewer jobs")


def _start_worker(model: str | None, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(threads)
    load_model(model)
