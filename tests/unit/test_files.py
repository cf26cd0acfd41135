# SPDX-License-Identifier: Apache-2.0
"""Files on real disks: full ones, read-only ones, killed writers, several writers at once."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastcoder import container
from fastcoder.container import write_atomically

SIZE = 300_000


def python(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]


def is_whole(data: bytes) -> bool:
    return len(data) == SIZE and data == data[:1] * SIZE


WRITER = f"""
import sys
from fastcoder.container import write_atomically
path, letter, times = sys.argv[1:]
for _ in range(int(times)):
    write_atomically(path, letter.encode() * {SIZE}, overwrite=True)
    print("written", flush=True)
"""


def test_a_reader_sees_whole_files_whoever_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.fc"
    write_atomically(path, b"o" * SIZE)
    writers = [python(WRITER, path, letter, 20, stdout=subprocess.DEVNULL) for letter in "abc"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        data = path.read_bytes()
        assert is_whole(data)
        seen.add(data[:1])
        time.sleep(0.001)
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert seen & {b"a", b"b", b"c"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.fc"]


@pytest.mark.parametrize("links", [True, False])
def test_of_writers_that_may_not_replace_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def fail(source: Path, target: Path) -> None:
            raise PermissionError(1, "no hard links on this file system")

        monkeypatch.setattr(container.os, "link", fail)
    for trial in range(10):
        path = tmp_path / f"{trial}.fc"
        together = threading.Barrier(4)

        def write(letter: bytes, path: Path = path, together: threading.Barrier = together) -> int:
            together.wait()
            try:
                write_atomically(path, letter * SIZE)
            except FileExistsError:
                return 0
            return 1

        with ThreadPoolExecutor(4) as pool:
            won = sum(pool.map(write, (b"a", b"b", b"c", b"d")))
        assert won == 1 or (won > 1 and not links)
        assert is_whole(path.read_bytes())
    assert len(list(tmp_path.iterdir())) == 10


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
@pytest.mark.parametrize("delay", [0.0, 0.0007, 0.002, 0.004])
def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "a.fc"
    write_atomically(path, b"o" * SIZE)
    writer = python(WRITER, path, "n", 10_000, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "written\n"
    time.sleep(delay)
    writer.kill()
    writer.communicate()
    assert path.read_bytes() == b"n" * SIZE
    left = [entry.name for entry in tmp_path.iterdir() if entry != path]
    assert len(left) <= 1
    assert all(name.startswith(".a.fc.") and name.endswith(".tmp") for name in left)
    write_atomically(path, b"m" * SIZE, overwrite=True)
    assert path.read_bytes() == b"m" * SIZE


ON_A_FULL_DISK = """
import errno, sys
from pathlib import Path
from fastcoder.container import write_atomically
path = Path(sys.argv[1]) / "a.fc"
write_atomically(path, b"old")
for overwrite in (True, False):
    target = path if overwrite else path.with_name("b.fc")
    try:
        write_atomically(target, bytes(1_000_000), overwrite=overwrite)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        assert error.filename == str(target), error
    else:
        raise AssertionError("nothing was raised")
    assert [entry.name for entry in path.parent.iterdir()] == ["a.fc"]
    assert path.read_bytes() == b"old"
write_atomically(path, b"new", overwrite=True)
assert path.read_bytes() == b"new"
print("kept")
"""


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """On a disk of its own, which takes the right to mount one."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here")
    mount = f"mount -t tmpfs -o size=100k tmpfs {tmp_path}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode != 0:
        pytest.skip("not allowed to mount a disk")
    script = f'{mount} && exec "$0" -c "$1" {tmp_path}'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, sys.executable, ON_A_FULL_DISK],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.cwd(),
    )
    assert done.stdout == "kept\n", done.stderr


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_read_only_file_stays(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "a.fc"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(PermissionError if overwrite else FileExistsError, match=r"a\.fc"):
        write_atomically(path, b"new", overwrite=overwrite)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
