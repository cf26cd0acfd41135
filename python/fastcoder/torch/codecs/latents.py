# SPDX-License-Identifier: Apache-2.0
"""What stands between the networks and the coder: integer latents, their rows, and the tables."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastcoder import CdfTable, cost
from fastcoder.errors import FastcoderError, TableError
from fastcoder.scales import Rule
from fastcoder.torch.entropy_models import EntropyBottleneck
from fastcoder.torch.entropy_models.factorized import MEDIAN_STEP
from fastcoder.torch.integer import IntegerTransform

# What the arrays of a stored model may be.
_KINDS = {
    "bottleneck": np.dtype(np.uint8),
    "medians": np.dtype(np.int32),
    "centers": np.dtype(np.float32),
    "gaussian": np.dtype(np.uint8),
    "scales": np.dtype(np.float64),
    "rule": np.dtype(np.uint8),
}
_HYPER = "tables.hyper."


@dataclass(frozen=True, eq=False)
class CodecTables:
    """Everything integer that encoder and decoder of a codec share; data of the model.

    Attributes:
        bottleneck: one row per channel of the latents with a factorized density.
        medians: centers of those rows: int32[rows] in units of 2^-8, or the very numbers,
            float32[rows], where a bottleneck has fixed medians.
        gaussian: one row per scale, or None in a codec without a hyperprior.
        scales: float64[rows of gaussian], or empty.
        rule: how a sigma chooses its row; `fastcoder.scale_indexes` explains it.
        hyper: the integer network from z to the rows of y. None in a codec without a hyperprior,
            and where the float network is evaluated exactly instead (fastcoder.torch.exact).
    """

    bottleneck: CdfTable
    medians: NDArray[np.int32] | NDArray[np.float32]
    gaussian: CdfTable | None = None
    scales: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    rule: Rule = "nearest"
    hyper: IntegerTransform | None = None

    def __post_init__(self) -> None:
        """Raises TableError for parts that do not fit together."""
        if self.medians.shape != (self.bottleneck.rows,):
            raise TableError(
                f"medians.shape = {self.medians.shape}, expected ({self.bottleneck.rows},)"
            )
        rows = 0 if self.gaussian is None else self.gaussian.rows
        if self.scales.shape != (rows,):
            raise TableError(f"scales.shape = {self.scales.shape}, expected ({rows},)")
        if self.hyper is not None and self.gaussian is None:
            raise TableError("hyper = a network, expected None without rows for it to choose from")
        if not np.isfinite(self.medians).all():
            raise TableError("medians = not finite, expected finite numbers")

    @property
    def centers(self) -> NDArray[np.float64]:
        """The medians as exact numbers, float64[rows of bottleneck]."""
        if self.medians.dtype == np.int32:
            return self.medians.astype(np.float64) * MEDIAN_STEP
        return self.medians.astype(np.float64)

    @property
    def of_compressai(self) -> bool:
        """Whether CompressAI's coder can use them: its precision, an escape, float32 medians."""
        tables = [self.bottleneck] if self.gaussian is None else [self.bottleneck, self.gaussian]
        fits = all(table.precision == 16 and table.escape for table in tables)
        return fits and self.medians.dtype == np.float32

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The tables as arrays by name, to be stored beside the weights."""
        arrays: dict[str, NDArray[Any]] = {
            "tables.bottleneck": np.frombuffer(self.bottleneck.to_bytes(), np.uint8),
            "tables.medians" if self.medians.dtype == np.int32 else "tables.centers": self.medians,
        }
        if self.gaussian is not None:
            arrays["tables.gaussian"] = np.frombuffer(self.gaussian.to_bytes(), np.uint8)
            arrays["tables.scales"] = self.scales
        if self.rule != "nearest":
            arrays["tables.rule"] = np.frombuffer(self.rule.encode(), np.uint8)
        if self.hyper is not None:
            arrays |= {_HYPER + name: array for name, array in self.hyper.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> CodecTables:
        """Reads what `to_arrays` wrote.

        Raises:
            TableError: an array is missing, damaged or does not fit.
        """
        for name, kind in _KINDS.items():
            array = arrays.get(f"tables.{name}")
            if array is not None and (array.dtype != kind or array.ndim != 1):
                raise TableError(f"tables.{name} = {array.dtype}{array.shape}, expected {kind}[n]")
        fixed = "tables.centers" in arrays
        medians = "tables.centers" if fixed else "tables.medians"
        for name in ("tables.bottleneck", medians):
            if name not in arrays:
                raise TableError(f"{name} = missing, expected an array")
        if fixed and "tables.medians" in arrays:
            raise TableError("tables.medians = given, expected them or tables.centers")
        rule = arrays.get("tables.rule")
        if rule is not None and rule.tobytes() != b"ceil":
            raise TableError(f"tables.rule = {rule.tobytes()!r}, expected b'ceil'")
        gaussian = arrays.get("tables.gaussian")
        network = {
            name.removeprefix(_HYPER): array
            for name, array in arrays.items()
            if name.startswith(_HYPER)
        }
        try:
            hyper = IntegerTransform.from_arrays(network) if network else None
        except FastcoderError as error:
            raise TableError(f"tables.hyper: {error}") from None
        return cls(
            bottleneck=CdfTable.from_bytes(arrays["tables.bottleneck"].tobytes()),
            medians=np.array(arrays[medians]),
            gaussian=None if gaussian is None else CdfTable.from_bytes(gaussian.tobytes()),
            scales=arrays.get("tables.scales", np.zeros(0)).astype(np.float64),
            rule="nearest" if rule is None else "ceil",
            hyper=hyper,
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


class CodedParts(NamedTuple):
    """The latents of one image in coding order, and what chose their rows; see `Latents`."""

    parts: tuple[LatentPart, ...]
    sigma: Tensor | None = None
    mean: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Latents:
    """An image as integers, in the order in which they are coded.

    Attributes:
        height: of the image in pixels, before padding.
        width: the same.
        parts: ("z", then "y") with a hyperprior, else ("y",).
        sigma: float64 (channels, height, width) of y: the exact numbers that chose the rows, or
            the scales of the rows where integers chose them; None without a hyperprior.
        mean: float32, same shape: what the symbols of y are relative to; None if they are not.
    """

    height: int
    width: int
    parts: tuple[LatentPart, ...]
    sigma: Tensor | None = None
    mean: Tensor | None = None

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


def centers(tables: CodecTables, like: Tensor) -> Tensor:
    """The medians as numbers (1, channels, 1, 1), dtype and device of `like`."""
    return torch.from_numpy(tables.centers).to(like.device, like.dtype)[None, :, None, None]


def table_medians(bottleneck: EntropyBottleneck) -> NDArray[np.int32] | NDArray[np.float32]:
    """The centers of a bottleneck in the form that its tables store."""
    if bottleneck.fixed_medians is not None:
        return bottleneck.centers().float().numpy()
    return bottleneck.medians().numpy()
