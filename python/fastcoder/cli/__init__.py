# SPDX-License-Identifier: Apache-2.0
"""The command `fastcoder`. This file only finds out whether the extras are there."""

import sys

__all__ = ["main"]

# What `fastcoder[torch,cli]` installs, by the names that an import reports.
EXTRAS = frozenset({"PIL", "pytorch_msssim", "safetensors", "torch", "tqdm", "typer"})


def main() -> None:
    """Run the command line in `sys.argv` and end the process: 0 done, 1 failed, 2 wrong usage."""
    try:
        from fastcoder.cli.app import run
    except ImportError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        sys.exit(explain_missing(missing))
    sys.exit(run(sys.argv[1:]))


def missing_extra(error: ImportError) -> str | None:
    """Name the module of an extra whose absence is behind an error, if that is its cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError) and cause.name in EXTRAS:
            return cause.name
        cause = cause.__cause__
    return None


def explain_missing(module: str) -> str:
    """Say how to get a module that belongs to an extra."""
    return (
        f"fastcoder: error: this command needs {module}, which is not installed; "
        'pip install "fastcoder[torch,cli]"'
    )
