# SPDX-License-Identifier: Apache-2.0
"""What stands between the networks and the coder: integer latents, their rows, and the tables."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fastcoder import CdfTable, cost
from fastcoder.errors import TableError


@dataclass(frozen=True, eq=False)
class CodecTables:
    """Everything integer that encoder and decoder of a codec share; data of the model.

    Attributes:
        bottleneck: one row per channel of the latents with a factorized density.
        medians: int32[rows], centers of those rows in units of 2^-8.
        gaussian: one row per scale, or None in a codec without a hyperprior.
        scales: float64[rows of gaussian], or empty.
    """

    bottleneck: CdfTable
    medians: NDArray[np.int32]
    gaussian: CdfTable | None = None
    scales: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        """Raises TableError for parts that do not fit together."""
        if self.medians.shape != (self.bottleneck.rows,):
            raise TableError(
                f"medians.shape = {self.medians.shape}, expected ({self.bottleneck.rows},)"
            )
        rows = 0 if self.gaussian is None else self.gaussian.rows
        if self.scales.shape != (rows,):
            raise TableError(f"scales.shape = {self.scales.shape}, expected ({rows},)")

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The tables as arrays by name, to be stored beside the weights."""
        arrays: dict[str, NDArray[Any]] = {
            "tables.bottleneck": np.frombuffer(self.bottleneck.to_bytes(), np.uint8),
            "tables.medians": self.medians,
        }
        if self.gaussian is not None:
            arrays["tables.gaussian"] = np.frombuffer(self.gaussian.to_bytes(), np.uint8)
            arrays["tables.scales"] = self.scales
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> CodecTables:
        """Reads what `to_arrays` wrote.

        Raises:
            TableError: an array is missing, damaged or does not fit.
        """
        kinds = {"medians": np.int32, "scales": np.float64, "bottleneck": np.uint8}
        for name, kind in (*kinds.items(), ("gaussian", np.uint8)):
            array = arrays.get(f"tables.{name}")
            if array is not None and (array.dtype != kind or array.ndim != 1):
                raise TableError(f"tables.{name} = {array.dtype}{array.shape}, expected {kind}[n]")
        for name in ("bottleneck", "medians"):
            if f"tables.{name}" not in arrays:
                raise TableError(f"tables.{name} = missing, expected an array")
        gaussian = arrays.get("tables.gaussian")
        return cls(
            bottleneck=CdfTable.from_bytes(arrays["tables.bottleneck"].tobytes()),
            medians=arrays["tables.medians"].astype(np.int32),
            gaussian=None if gaussian is None else CdfTable.from_bytes(gaussian.tobytes()),
            scales=arrays.get("tables.scales", np.zeros(0)).astype(np.float64),
        )

    def digest(self) -> bytes:
        """32 bytes that change with any part."""
        state = hashlib.sha256()
        for name, array in sorted(self.to_arrays().items()):
            little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")))
            state.update(f"{name} {array.dtype.str[1:]} {array.shape}\n".encode())
            state.update(little.tobytes())
        return state.digest()


@dataclass(frozen=True, eq=False)
class LatentPart:
    """One array of latents as the coder sees it.

    Attributes:
        name: "z" or "y".
        symbols: int16 (channels, height, width).
        indexes: uint8 or uint16, same shape: the row of each symbol.
        table: the rows.
    """

    name: str
    symbols: NDArray[np.int16]
    indexes: NDArray[np.uint8] | NDArray[np.uint16]
    table: CdfTable

    def bits(self) -> float:
        """Bits of the part under its quantized table, escapes included."""
        return cost(self.symbols, self.indexes, self.table)


@dataclass(frozen=True, eq=False)
class Latents:
    """An image as integers, in the order in which they are coded.

    Attributes:
        height: of the image in pixels, before padding.
        width: the same.
        parts: ("z", then "y") with a hyperprior, else ("y",).
        sigma: float64 (channels, height, width) of y, the exact numbers that chose the rows; None
            without a hyperprior.
    """

    height: int
    width: int
    parts: tuple[LatentPart, ...]
    sigma: Tensor | None = None

    def part(self, name: str) -> LatentPart:
        """The part of that name. Raises KeyError if there is none."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)


def channel_indexes(shape: tuple[int, int, int]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The row of each symbol when every channel has a row of its own; a view, not a copy."""
    if shape[0] <= 256:
        return np.broadcast_to(np.arange(shape[0], dtype=np.uint8)[:, None, None], shape)
    return np.broadcast_to(np.arange(shape[0], dtype=np.uint16)[:, None, None], shape)
