# SPDX-License-Identifier: Apache-2.0
"""The log of a run: one CSV line per 50 steps and per validation."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

COLUMNS = ("kind", "step", "seconds", "lr", "loss", "bpp", "psnr")


class CsvLog:
    """Writes rows to a CSV file and flushes after each, so that a killed run keeps them.

    Args:
        path: the file; its folder is made.
        append: go on with an existing file instead of starting over.
    """

    def __init__(self, path: Path, append: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not (append and path.exists())
        self._file = path.open("w" if fresh else "a", newline="")
        self._writer = csv.writer(self._file)
        if fresh:
            self._writer.writerow(COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(
        self,
        kind: str,
        step: int,
        seconds: float,
        lr: float,
        losses: Mapping[str, float],
        quality: float,
    ) -> None:
        """Adds one row; `losses` holds loss and bpp, `quality` is the PSNR in dB."""
        self._writer.writerow(
            (
                kind,
                step,
                f"{seconds:.1f}",
                f"{lr:.3e}",
                f"{losses['loss']:.5f}",
                f"{losses['bpp']:.5f}",
                f"{quality:.4f}",
            )
        )
        self._file.flush()
