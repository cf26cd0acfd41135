# SPDX-License-Identifier: Apache-2.0
"""Corpora as text, one input per line in hexadecimal, and as the folders that libFuzzer wants.

    python tests/fuzz/corpus.py unpack tests/fuzz/corpus/one_shot.txt build/fuzz/corpus/one_shot
    python tests/fuzz/corpus.py pack build/fuzz/merged/one_shot tests/fuzz/corpus/one_shot.txt

An input is the plan of an execution: which valid stream it starts from, and what is done to it. So
any short bytes are a seed; those that are kept were found by libFuzzer and chosen by -merge=1.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

MOST_BYTES = 1200  # of a corpus in the repository, about


def unpack(text: Path, folder: Path) -> None:
    """One file per input, named by its content as libFuzzer does."""
    folder.mkdir(parents=True, exist_ok=True)
    for line in text.read_text(encoding="ascii").splitlines():
        data = bytes.fromhex(line)
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(folder: Path, text: Path) -> None:
    """As many inputs as there is room for, of every length; and the plan that damages nothing."""
    inputs = sorted({path.read_bytes() for path in folder.iterdir()}, key=lambda b: (len(b), b))
    step = 1 + sum(map(len, inputs)) // MOST_BYTES
    kept = {b"\0\0", *inputs[::step]} - {b""}
    lines = [data.hex() + "\n" for data in sorted(kept, key=lambda b: (len(b), b))]
    text.write_text("".join(lines), encoding="ascii")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["unpack", "pack"])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    {"unpack": unpack, "pack": pack}[arguments.action](arguments.source, arguments.target)


if __name__ == "__main__":
    main()
