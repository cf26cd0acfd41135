# SPDX-License-Identifier: Apache-2.0
"""Array-likes to contiguous NumPy arrays: the only place that looks at types, dtypes and layout.

Contiguous NumPy arrays, CPU tensors and buffers come through without a copy. Values are not looked
at here; the native core checks them.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .errors import ArgumentError, ArgumentTypeError, ShapeError

__all__ = [
    "SYMBOL_DTYPES",
    "ArrayInput",
    "as_array",
    "as_bytes",
    "as_count",
    "as_flag",
    "as_float",
    "as_floats",
    "as_indexes",
    "as_integer",
    "as_sequence",
    "as_shape",
    "as_symbols",
    "contiguous",
    "symbol_dtype",
]

# Anything with the buffer protocol or DLPack (NumPy arrays, CPU tensors, array.array, ...), or
# nested sequences of numbers. Protocols cannot express all of it, so it is checked when called.
ArrayInput: TypeAlias = Any

SYMBOL_DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
INDEX_DTYPES = ("uint8", "uint16", "int32", "int64")

# A look at one of them takes 0.1 us; its name takes 1 us. Another byte order is another dtype.
_SYMBOL_KINDS = frozenset(map(np.dtype, SYMBOL_DTYPES))

# Memory that NumPy can read: the CPU's, and pinned for CUDA or ROCm.
_DLPACK_HOSTS = (1, 3, 11)


def as_array(value: ArrayInput, name: str) -> NDArray[Any]:
    """View ``value`` as a NumPy array of whatever dtype it has.

    Raises:
        ArgumentTypeError: If it is not array-like, or lives on a device.
    """
    if np.ma.is_masked(value):
        raise ArgumentTypeError(f"type({name}) = MaskedArray, expected one with nothing masked")
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        return _from_dlpack(value, name)
    try:
        if hasattr(value, "__array__"):
            return np.asarray(value)
        if isinstance(value, Sequence) and not isinstance(value, (bytes, memoryview, str)):
            array = np.asarray(value)
            # NumPy has no integers to look at and would say float64.
            return array.astype(np.int32) if array.size == 0 else array
        if not isinstance(value, (int, np.generic)):
            value = memoryview(value)
        return np.asarray(value)
    except (
        AttributeError,
        BufferError,
        OverflowError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ArgumentTypeError(
            f"type({name}) = {type(value).__name__}, expected an array ({error})"
        ) from error


def _from_dlpack(value: ArrayInput, name: str) -> NDArray[Any]:
    found = f"{getattr(value, 'dtype', 'unknown')} on {getattr(value, 'device', 'unknown')}"
    try:
        on_host = value.__dlpack_device__()[0] in _DLPACK_HOSTS
        # torch's FakeTensor says that it is on the CPU and has no memory.
        if on_host and not hasattr(value, "fake_mode"):
            if getattr(value, "requires_grad", False):
                value = value.detach()
            # A tensor may carry a negation that was not carried out yet; DLPack cannot say so.
            if hasattr(value, "resolve_neg"):
                value = value.resolve_neg()
            return np.from_dlpack(value)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ArgumentTypeError(
            f"type({name}) = {found}, expected one that NumPy can view ({error})"
        ) from error
    raise ArgumentTypeError(f"type({name}) = {found}, expected one on the cpu: call .cpu() first")


def contiguous(array: NDArray[Any]) -> NDArray[Any]:
    """``array`` itself if it is in C order, aligned and in native byte order, else a copy so."""
    native = array.dtype.newbyteorder("=")
    result: NDArray[Any] = np.require(array, dtype=native, requirements=["C", "A"])
    return result


def _as_integers(value: ArrayInput, name: str, dtypes: tuple[str, ...]) -> NDArray[Any]:
    array = as_array(value, name)
    if array.dtype.name not in dtypes:
        raise ArgumentTypeError(f"{name}.dtype = {array.dtype}, expected {', '.join(dtypes)}")
    return contiguous(array)


def as_symbols(value: ArrayInput, name: str = "symbols") -> NDArray[Any]:
    """Contiguous symbols of any dtype of ``SYMBOL_DTYPES``."""
    return _as_integers(value, name, SYMBOL_DTYPES)


def as_indexes(value: ArrayInput | None, rows: int) -> NDArray[Any] | None:
    """Contiguous indexes, or None, which only a table of one row allows."""
    if value is not None:
        return _as_integers(value, "indexes", INDEX_DTYPES)
    if rows != 1:
        raise ArgumentError(f"indexes = None, expected an array for a table of {rows} rows")
    return None


def as_floats(value: ArrayInput, name: str) -> NDArray[Any]:
    """Contiguous float32 or float64; float16 and integers become one of them."""
    array = as_array(value, name)
    if array.dtype.name not in ("float32", "float64"):
        if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
            raise ArgumentTypeError(
                f"{name}.dtype = {array.dtype}, expected float32, float64 or integers"
            )
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    return contiguous(array)


def symbol_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The dtype that decoded symbols are asked for."""
    try:
        result = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(
            f"dtype = {dtype!r}, expected {', '.join(SYMBOL_DTYPES)}"
        ) from error
    if result not in _SYMBOL_KINDS:
        raise ArgumentTypeError(f"dtype = {result}, expected {', '.join(SYMBOL_DTYPES)}")
    return result


def as_float(value: SupportsFloat, name: str) -> float:
    """A real number as a float; its interval is the core's to check."""
    if isinstance(value, (str, bytes)):
        raise ArgumentTypeError(f"type({name}) = {type(value).__name__}, expected float")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(f"type({name}) = {type(value).__name__}, expected float") from error
    except OverflowError as error:
        raise ArgumentError(f"{name} = more than a float holds, expected a float") from error


def as_integer(value: SupportsIndex, name: str) -> int:
    """An integer argument; a float or a bool is a type error."""
    if isinstance(value, (bool, np.bool_)):
        raise ArgumentTypeError(f"type({name}) = bool, expected int")
    try:
        return operator.index(value)
    except TypeError as error:
        raise ArgumentTypeError(f"type({name}) = {type(value).__name__}, expected int") from error


def as_count(value: SupportsIndex | None, name: str, low: int, high: int) -> int:
    """An integer in ``[low, high]``; None stands for 0, "choose for me"."""
    if value is None:
        return 0
    result = as_integer(value, name)
    if not low <= result <= high:
        raise ArgumentError(f"{name} = {result}, expected {low} <= {name} <= {high}")
    return result


def as_flag(value: bool, name: str) -> bool:
    """A bool argument: anything else is more likely a misplaced argument than a truth value."""
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentTypeError(f"type({name}) = {type(value).__name__}, expected bool")
    return bool(value)


def as_shape(value: SupportsIndex | Sequence[SupportsIndex]) -> tuple[int, ...]:
    """A shape given as an integer or a sequence of integers."""
    sizes = tuple(value) if isinstance(value, Sequence) else (value,)
    shape = tuple(as_integer(size, f"shape[{axis}]") for axis, size in enumerate(sizes))
    for axis, size in enumerate(shape):
        if size < 0:
            raise ShapeError(f"shape[{axis}] = {size}, expected size >= 0")
    return shape


def as_sequence(value: Sequence[Any], name: str) -> Sequence[Any]:
    """A list or tuple of messages; an array would be one message."""
    if not isinstance(value, (list, tuple)):
        raise ArgumentTypeError(f"type({name}) = {type(value).__name__}, expected a list")
    return value


def as_bytes(value: ArrayInput, name: str) -> bytes:
    """Bytes, or a copy of another buffer of bytes."""
    if isinstance(value, bytes):
        return value
    try:
        return bytes(memoryview(value))
    except (BufferError, TypeError, ValueError) as error:
        raise ArgumentTypeError(f"type({name}) = {type(value).__name__}, expected bytes") from error
