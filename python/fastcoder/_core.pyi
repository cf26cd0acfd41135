# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DEFAULT_SCALE_LEVELS: Final[int]
VERSION: Final[str]

class CdfTable:
    @staticmethod
    def from_pmf(
        pmf: NDArray[np.float64],
        lengths: NDArray[np.uint32],
        offsets: NDArray[np.int32],
        precision: int,
        escape: bool,
    ) -> CdfTable: ...
    @staticmethod
    def from_cdf(
        cdf: NDArray[np.uint32],
        slots: NDArray[np.uint32],
        offsets: NDArray[np.int32],
        precision: int,
        escape: bool,
    ) -> CdfTable: ...
    @staticmethod
    def from_bytes(bytes: bytes) -> CdfTable: ...
    @staticmethod
    def from_scales(
        distribution: str, scales: NDArray[np.float64], precision: int, tail_mass: float
    ) -> CdfTable: ...
    @property
    def rows(self) -> int: ...
    @property
    def precision(self) -> int: ...
    @property
    def escape(self) -> bool: ...
    @property
    def fingerprint(self) -> int: ...
    def offsets(self) -> NDArray[np.int32]: ...
    def cdf(self, row: int) -> NDArray[np.uint32]: ...
    def to_bytes(self) -> bytes: ...

class Encoder:
    def __init__(self) -> None: ...
    def push(
        self, symbols: NDArray[Any], indexes: NDArray[Any] | None, table: CdfTable
    ) -> None: ...
    def finish(self, lanes: int, segment: int, threads: int, check: bool) -> bytes: ...

class Decoder:
    def __init__(self, stream: bytes) -> None: ...
    def pull(self, indexes: NDArray[Any] | None, table: CdfTable, out: NDArray[Any]) -> None: ...
    def finish(self) -> None: ...

def encode(
    symbols: NDArray[Any],
    indexes: NDArray[Any] | None,
    table: CdfTable,
    lanes: int,
    segment: int,
    threads: int,
) -> bytes: ...
def decode(
    stream: bytes,
    indexes: NDArray[Any] | None,
    table: CdfTable,
    out: NDArray[Any],
    threads: int,
) -> None: ...
def check_stream(stream: bytes, table: CdfTable, count: int) -> None: ...
def encode_many(
    symbols: Sequence[NDArray[Any]],
    indexes: Sequence[NDArray[Any] | None],
    table: CdfTable,
    lanes: int,
    segment: int,
    threads: int,
) -> list[bytes]: ...
def decode_many(
    streams: Sequence[bytes],
    indexes: Sequence[NDArray[Any] | None],
    table: CdfTable,
    out: Sequence[NDArray[Any]],
    threads: int,
) -> None: ...
def cost(symbols: NDArray[Any], indexes: NDArray[Any] | None, table: CdfTable) -> float: ...
def check_options(lanes: int, segment: int) -> None: ...
def scale_table(minimum: float, maximum: float, levels: int) -> NDArray[np.float64]: ...
def scale_thresholds(scales: NDArray[np.float64], nearest: bool) -> NDArray[np.float64]: ...
def scale_indexes(
    sigma: NDArray[np.float32] | NDArray[np.float64],
    thresholds: NDArray[np.float64],
    out: NDArray[np.uint8] | NDArray[np.uint16],
) -> None: ...
def available_isas() -> list[str]: ...
def active_isa() -> str: ...
def use_isa(isa: str) -> None: ...
