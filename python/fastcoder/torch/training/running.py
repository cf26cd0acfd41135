# SPDX-License-Identifier: Apache-2.0
"""What every long run needs from the machine: a usable device, and an orderly end at Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import torch

from fastcoder.errors import ArgumentError


def usable_device(name: str) -> torch.device:
    """The device of that name, or "auto": CUDA where there is one, else the CPU.

    Raises:
        ArgumentError: this machine has no such device, or it holds no values.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # "meta" exists but holds no values
    except (RuntimeError, AssertionError) as error:  # a build without CUDA asserts
        reason = str(error).splitlines()[0]
        raise ArgumentError(
            f"device = {name!r}, expected a device of this machine ({reason})"
        ) from error
    return device


@contextlib.contextmanager
def interruptible() -> Iterator[list[int]]:
    """Turns Ctrl-C into an entry of a list, so that it cuts neither a step nor a checkpoint.

    That holds for an impatient second one, too: they all end with this context.
    """
    received: list[int] = []

    def note(number: int, frame: object) -> None:
        received.append(number)

    try:
        previous = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: signals cannot be caught here
        yield received
        return
    try:
        yield received
    finally:
        signal.signal(signal.SIGINT, previous)
