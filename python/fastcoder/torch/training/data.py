# SPDX-License-Identifier: Apache-2.0
"""Training images: a folder of photographs of any size, random crops with flips, kept in memory.

Decoding a photograph takes a hundred times longer than cutting a crop from it, so decoded images
stay in memory up to a budget; what does not fit is decoded again when it is drawn.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastcoder.errors import ArgumentError
from fastcoder.torch.images import read_rgb

if TYPE_CHECKING:
    from typing_extensions import Self


class BrokenImageWarning(UserWarning):
    """A file with an image suffix that could not be read; it is left out."""


def split_holdout(paths: Sequence[Path], count: int) -> tuple[list[Path], list[Path]]:
    """Sets `count` images aside, chosen by a hash of their names: (training, held out).

    The choice depends on nothing but names, so it survives new images, a resumed run and a
    different machine.
    """
    if not 0 <= count < len(paths):
        raise ArgumentError(f"holdout = {count}, expected 0 <= holdout < {len(paths)}")
    ranked = sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())
    return sorted(ranked[count:]), sorted(ranked[:count])


def read_pixels(path: Path) -> NDArray[np.uint8] | None:
    """Reads an image: uint8 (H, W, 3), or None and a BrokenImageWarning."""
    try:
        return read_rgb(path).rgb
    except (OSError, ArgumentError) as error:
        warnings.warn(f"{error}; left out", BrokenImageWarning, stacklevel=2)
        return None


class CropSource:
    """Endless batches of random crops; the next one is prepared while the present one is used.

    Args:
        paths: image files. A broken one is reported by a BrokenImageWarning and left out.
        crop: side of the square crops, in pixels. Smaller images are mirrored up to it.
        batch: crops per batch.
        seed: of the random choices.
        memory: bytes of decoded images to keep.
    """

    def __init__(
        self, paths: Sequence[Path], crop: int, batch: int, seed: int, memory: int = 4 << 30
    ) -> None:
        self._paths = list(paths)
        self._crop = crop
        self._batch = batch
        self._random = np.random.default_rng(seed)
        self._memory = memory
        self._cache: dict[Path, NDArray[np.uint8]] = {}
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="crops")
        self._next = self._worker.submit(self._make_batch)

    def __enter__(self) -> Self:
        """Waits for the first batch: a folder without a readable image is an error already here."""
        try:
            self._next.result()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops the background thread."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def next(self) -> NDArray[np.uint8]:
        """The next batch: uint8 (batch, crop, crop, 3).

        Raises:
            ArgumentError: no readable image is left.
        """
        with self._lock:
            pixels = self._next.result()
            self._next = self._worker.submit(self._make_batch)
        return pixels

    def _make_batch(self) -> NDArray[np.uint8]:
        pixels = np.empty((self._batch, self._crop, self._crop, 3), np.uint8)
        for row in pixels:
            row[...] = self._make_crop()
        return pixels

    def _make_crop(self) -> NDArray[np.uint8]:
        image = self._draw()
        top, left = (
            int(self._random.integers(0, side - self._crop + 1)) for side in image.shape[:2]
        )
        crop = image[top : top + self._crop, left : left + self._crop]
        if self._random.random() < 0.5:
            crop = crop[:, ::-1]
        if self._random.random() < 0.5:
            crop = crop[::-1]
        return crop

    def _draw(self) -> NDArray[np.uint8]:
        """A random image of at least crop x crop; broken files leave the list on the way."""
        while self._paths:
            position = int(self._random.integers(len(self._paths)))
            path = self._paths[position]
            image = self._cache.get(path)
            if image is not None:
                return image
            image = read_pixels(path)
            if image is None:
                del self._paths[position]
                continue
            missing = [(0, max(0, self._crop - side)) for side in image.shape[:2]]
            image = np.pad(image, [*missing, (0, 0)], mode="symmetric")
            if image.nbytes <= self._memory:
                self._memory -= image.nbytes
                self._cache[path] = image
            return image
        raise ArgumentError("data = no readable image, expected at least one")
