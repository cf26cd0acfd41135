# SPDX-License-Identifier: Apache-2.0
"""Three ways in which codecs decode in steps, on integers: what is known chooses the next rows.

They have no networks: a fixed integer function of the symbols that are known takes their place, so
that encoder and decoder agree exactly and the time is the coder's. Symbols of one step lie together
in memory, so that a decoder pulls them to where they belong.

`raster`: one position after the other, its channels at once, rows from the twelve positions of a
5x5 window that came before (as Minnen et al. 2018). `checkerboard`: the positions of even parity,
then the others, rows from four neighbors (as He et al. 2021). `slices`: ten groups of channels,
rows from the groups before (as Minnen and Singh 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastcoder as fc

Array = NDArray[Any]
LEVELS = 64

# Magnitude around a symbol, in eighths, to levels of scale above the smallest.
_LEVEL_OF = np.minimum(np.round(9 * np.log2(1 + np.arange(513) / 2)), 40).astype(np.uint8)


def _levels(base: Array, eighths: Array) -> Array:
    """Rows: a base level per channel, and more where the symbols around are large."""
    return base + _LEVEL_OF[np.minimum(eighths, 512)]


class Model:
    """The symbols of all steps, and the rows of each given those before.

    Attributes:
        symbols: int32 in the model's own layout.
        steps: How many pulls a decoder needs.
    """

    name = ""
    steps = 0

    def __init__(self, height: int, width: int, channels: int) -> None:
        self.height, self.width, self.channels = height, width, channels
        self.base = np.arange(channels, dtype=np.uint8) % 12

    def empty(self) -> Array:
        """Symbols of which nothing is known: no row may depend on the value that stands there."""
        raise NotImplementedError

    def place(self, symbols: Array, step: int) -> Array:
        """Where the symbols of a step are, contiguous."""
        raise NotImplementedError

    def rows(self, symbols: Array, step: int) -> Array:
        """uint8 rows of the symbols of a step, from the symbols of the steps before."""
        raise NotImplementedError


class Raster(Model):
    """Layout [row, column, channel] with two rows and columns of zeros around."""

    name = "raster"
    _WEIGHTS = (np.array([1, 1, 2, 1, 1, 1, 2, 4, 2, 1], np.int32), np.array([2, 4], np.int32))

    def __init__(self, height: int, width: int, channels: int) -> None:
        super().__init__(height, width, channels)
        self.steps = height * width

    def empty(self) -> Array:
        """Poisoned where nothing is known; what is outside is 0."""
        symbols = np.zeros((self.height + 2, self.width + 4, self.channels), np.int32)
        symbols[2:, 2:-2] = np.iinfo(np.int32).min
        return symbols

    def place(self, symbols: Array, step: int) -> Array:
        """As in the base class."""
        row, column = divmod(step, self.width)
        return symbols[row + 2, column + 2]

    def rows(self, symbols: Array, step: int) -> Array:
        """As in the base class."""
        row, column = divmod(step, self.width)
        above = np.abs(symbols[row : row + 2, column : column + 5]).reshape(10, -1)
        left = np.abs(symbols[row + 2, column : column + 2])
        return _levels(self.base, (self._WEIGHTS[0] @ above + self._WEIGHTS[1] @ left) // 3)


class Checkerboard(Model):
    """Layout [parity, position, channel]; the last position of each parity is a zero outside."""

    name = "checkerboard"
    steps = 2

    def __init__(self, height: int, width: int, channels: int) -> None:
        super().__init__(height, width, channels)
        row, column = np.divmod(np.arange(height * width), width)
        parity = (row + column) % 2
        self.sizes = [int((parity == p).sum()) for p in (0, 1)]
        number = np.full((height + 2, width + 2), self.sizes[0])  # of an even position; outside
        number[1:-1, 1:-1].flat[parity == 0] = np.arange(self.sizes[0])
        odd = np.stack([row[parity == 1] + 1, column[parity == 1] + 1])
        shifts = ((-1, 0), (1, 0), (0, -1), (0, 1))
        self.neighbors = np.stack([number[odd[0] + a, odd[1] + b] for a, b in shifts])

    def empty(self) -> Array:
        """Poisoned where nothing is known; what is outside is 0."""
        symbols = np.full((2, max(self.sizes) + 1, self.channels), np.iinfo(np.int32).min)
        symbols[0, self.sizes[0]] = 0
        return symbols.astype(np.int32)

    def place(self, symbols: Array, step: int) -> Array:
        """As in the base class."""
        return symbols[step, : self.sizes[step]]

    def rows(self, symbols: Array, step: int) -> Array:
        """As in the base class."""
        if step == 0:
            return np.broadcast_to(self.base + np.uint8(8), (self.sizes[0], self.channels)).copy()
        around = np.abs(symbols[0, self.neighbors]).sum(axis=0)
        return _levels(self.base, 2 * around)


class Slices(Model):
    """Layout [slice, position, channel of the slice]."""

    name = "slices"
    steps = 10

    def empty(self) -> Array:
        """Poisoned where nothing is known; what is outside is 0."""
        shape = (10, self.height * self.width, -(-self.channels // 10))
        return np.full(shape, np.iinfo(np.int32).min, np.int32)

    def place(self, symbols: Array, step: int) -> Array:
        """As in the base class."""
        return symbols[step]

    def rows(self, symbols: Array, step: int) -> Array:
        """As in the base class."""
        size = symbols.shape[2]
        base = self.base[:size] + np.uint8(step)
        if step == 0:
            return np.broadcast_to(base + np.uint8(8), symbols[0].shape).copy()
        known = np.abs(symbols[max(step - 4, 0) : step]).sum(axis=(0, 2), dtype=np.int64)
        return _levels(base, (8 * known // (size * min(step, 4)))[:, None])


MODELS: tuple[type[Model], ...] = (Raster, Checkerboard, Slices)


def table() -> fc.CdfTable:
    """The rows of all models."""
    return fc.CdfTable.gaussian(scales())


def scales() -> Array:
    """Standard deviations of the rows."""
    return fc.scale_table(levels=LEVELS)


def draw(model: Model, seed: int) -> Array:
    """Symbols that follow the model: each step is drawn from its rows."""
    rng, sigma, symbols = np.random.default_rng(seed), scales(), model.empty()
    for step in range(model.steps):
        place = model.place(symbols, step)
        rows = model.rows(symbols, step)
        place[...] = np.rint(rng.normal(0.0, sigma[rows]))
    return symbols


def pushes(model: Model, symbols: Array) -> Iterator[tuple[Array, Array]]:
    """(symbols, rows) of every step; an encoder knows everything and may do so in any order."""
    for step in range(model.steps):
        yield model.place(symbols, step), model.rows(symbols, step)


def encode(model: Model, symbols: Array, rows: fc.CdfTable) -> bytes:
    """One stream of all steps."""
    encoder = fc.Encoder(check=True)
    for values, indexes in pushes(model, symbols):
        encoder.push(values, indexes, rows)
    return encoder.finish()


def decode(
    model: Model,
    stream: bytes,
    rows: fc.CdfTable,
    watch: Callable[[int, fc.Decoder], None] | None = None,
) -> Array:
    """The symbols; `watch` is called before every step with its number and the decoder."""
    decoder, symbols = fc.Decoder(stream), model.empty()
    for step in range(model.steps):
        if watch is not None:
            watch(step, decoder)
        decoder.pull(model.rows(symbols, step), rows, out=model.place(symbols, step))
    decoder.finish()
    return symbols
