# SPDX-License-Identifier: Apache-2.0
"""The command `fastcoder`. This file only finds out whether the extras are there."""

import io
import sys

__all__ = ["main"]

# What `fastcoder[torch,cli]` installs, by the names that an import reports.
EXTRAS = frozenset({"PIL", "pytorch_msssim", "safetensors", "torch", "tqdm", "typer"})


def main() -> None:
    """Run the command line in `sys.argv` and end the process: 0 done, 1 failed, 2 wrong usage."""
    # A name that stdout's encoding lacks must not turn finished work into a failure.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from fastcoder.cli.app import run
    except ImportError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        sys.exit(explain_missing(missing))
    except KeyboardInterrupt:  # the imports take a moment
        sys.exit(130)
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
