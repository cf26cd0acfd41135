# SPDX-License-Identifier: Apache-2.0
"""What the commands say besides their results: one line each, on stderr, safe for any terminal."""

from __future__ import annotations

import sys

from fastcoder.errors import FastcoderError

__all__ = ["EXPECTED", "complain", "note", "one_line", "shown"]

# What a user can cause. Everything else is a defect of ours and shows its traceback.
EXPECTED = (FastcoderError, OSError, ValueError, MemoryError)


def complain(text: str) -> None:
    """Print a line to stderr, if there is one."""
    # With stderr closed it is None, which print would take for stdout.
    if sys.stderr is not None:
        print(shown(text), file=sys.stderr)


def note(text: str) -> None:
    """Print a line that is no error."""
    complain(f"fastcoder: note: {text}")


def shown(text: object) -> str:
    """Text of ours around names of files: what a terminal would obey or not take is escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in str(text)
    )


def one_line(error: BaseException) -> str:
    """What an error says, without line breaks."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror is not None:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror}"
    return " ".join(str(error).split())
