# SPDX-License-Identifier: Apache-2.0
"""The four functions of torchac, with its arguments and its bytes.

::

    import torchac                                      # before
    import fastcoder.compat.torchac as torchac          # after

torchac codes every symbol with a row of its own: a cumulative distribution in floats, or in 16-bit
integers. Messages written by either are read by the other. What differs:

* No compiler is needed, and no torch: NumPy arrays are taken and given back as such. Tensors give
  tensors, int16 on the CPU. Any strides are fine; torchac reads only contiguous tensors rightly.
* Arguments are checked unless that is switched off; a symbol that its row gives no room is always
  an error, because what torchac writes then cannot be read back.
* Bytes are accepted only if they are the message of the symbols that they decode to. So a message
  that was cut or lengthened, or ends otherwise, is an error, unless it is by chance the message of
  other symbols; torchac reads zeros behind the end. A bit that was flipped further ahead gives
  other symbols, and often an error: the format has no checksum.

The coder is that of I. Witten, R. Neal and J. Cleary ("Arithmetic coding for data compression",
Communications of the ACM 30(6), 1987).
"""

from __future__ import annotations

import math
import sys
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .._arrays import ArrayInput, as_array, as_bytes, as_flag, contiguous
from ..errors import ArgumentError, ShapeError, TableError

__all__ = [
    "decode_float_cdf",
    "decode_int16_normalized_cdf",
    "encode_float_cdf",
    "encode_int16_normalized_cdf",
]

# An int16 array, or a tensor if the rows are one; without torch there is no name for the latter.
SymbolOutput: TypeAlias = Any

_FLOATS = ("float32", "float64")
_INT16 = ("int16", "uint16")


def encode_float_cdf(
    cdf_float: ArrayInput,
    sym: ArrayInput,
    needs_normalization: bool = True,
    check_input_bounds: bool = True,
) -> bytes:
    """Code symbols with one cumulative distribution in floats for each.

    Args:
        cdf_float: Shape ``(..., Lp)``, float32 or float64, ``2 <= Lp <= 65537``. Entry ``k`` of a
            row is the probability of all symbols below ``k``: 0 at first, 1 at last.
        sym: Shape ``(...)``, int16, in ``[0, Lp - 2]``.
        needs_normalization: Give each symbol ``2**-16`` of its own and share out the rest, so that
            none is without room: entry ``k`` becomes ``round(cdf * (65537 - Lp)) + k``. If not, it
            becomes ``round(cdf * 65536)``. Halves go to even.
        check_input_bounds: Look at every entry: it has to be in [0, 1], and a row may not decrease
            once it is rounded. If not, only the entries on both sides of a symbol are looked at.

    Returns:
        The message, without any header.

    Raises:
        ArgumentError: If an argument has another dtype or is not on the CPU. It is a ValueError,
            as are all below.
        ShapeError: If the shapes do not fit together.
        TableError: If an entry is out of bounds or not a number, or a symbol has no room.
        SymbolRangeError: If a symbol is not in its row.

    Example:
        >>> rows = np.linspace(0, 1, 6, dtype=np.float32) + np.zeros((4, 1), np.float32)
        >>> encode_float_cdf(rows, np.array([0, 1, 2, 4], np.int16)).hex()
        '1000'
    """
    return _encode(
        "cdf_float",
        _floats(cdf_float),
        sym,
        as_flag(needs_normalization, "needs_normalization"),
        as_flag(check_input_bounds, "check_input_bounds"),
    )


def decode_float_cdf(
    cdf_float: ArrayInput,
    byte_stream: bytes | bytearray | memoryview,
    needs_normalization: bool = True,
    check_input_bounds: bool = True,
) -> SymbolOutput:
    """Symbols of a message of :func:`encode_float_cdf`.

    Args:
        cdf_float: As it was coded, to the last bit.
        byte_stream: The message, no byte more or less.
        needs_normalization: As it was coded.
        check_input_bounds: As for :func:`encode_float_cdf`.

    Returns:
        Symbols, int16, shape ``cdf_float.shape[:-1]``: an array, or a tensor on the CPU if
        ``cdf_float`` is one.

    Raises:
        TruncatedStreamError: If bytes are missing.
        CorruptStreamError: If no message of these rows has these bytes.
        ArgumentError: As :func:`encode_float_cdf`.
        ShapeError: If ``cdf_float`` has no axis.
        TableError: If an entry is out of bounds or not a number.

    Example:
        >>> rows = np.linspace(0, 1, 6, dtype=np.float32) + np.zeros((4, 1), np.float32)
        >>> decode_float_cdf(rows, bytes.fromhex("1000")).tolist()
        [0, 1, 2, 4]
        >>> decode_float_cdf(rows, b"")
        Traceback (most recent call last):
            ...
        fastcoder.errors.TruncatedStreamError: len(byte_stream) = 0, expected more for 4 symbols
    """
    return _decode(
        "cdf_float",
        cdf_float,
        _floats(cdf_float),
        byte_stream,
        as_flag(needs_normalization, "needs_normalization"),
        as_flag(check_input_bounds, "check_input_bounds"),
    )


def encode_int16_normalized_cdf(cdf_int: ArrayInput, sym: ArrayInput) -> bytes:
    """Code symbols with one cumulative distribution in 16-bit integers for each.

    Args:
        cdf_int: Shape ``(..., Lp)``, int16 or uint16, ``2 <= Lp <= 65537``, in units of
            ``2**-16`` and modulo ``2**16``: the last entry is taken to be 65536 whatever it is.
            The entries on both sides of a symbol are checked.
        sym: Shape ``(...)``, int16, in ``[0, Lp - 2]``.

    Returns:
        The message, without any header.

    Raises:
        ArgumentError: If an argument has another dtype or is not on the CPU. It is a ValueError,
            as are all below.
        ShapeError: If the shapes do not fit together.
        TableError: If a symbol has no room in its row.
        SymbolRangeError: If a symbol is not in its row.

    Example:
        >>> rows = np.array([[0, 16384, 32768, 0]] * 3, np.uint16).view(np.int16)
        >>> encode_int16_normalized_cdf(rows, np.array([2, 0, 1], np.int16)).hex()
        '8a'
    """
    return _encode("cdf_int", _integers(cdf_int), sym, False, False)


def decode_int16_normalized_cdf(
    cdf_int: ArrayInput, byte_stream: bytes | bytearray | memoryview
) -> SymbolOutput:
    """Symbols of a message of :func:`encode_int16_normalized_cdf`.

    Args:
        cdf_int: As it was coded. In a row that decreases somewhere, as one does that reaches 65536
            early, a slot is found by halving, as torchac does.
        byte_stream: The message, no byte more or less.

    Returns:
        Symbols, int16, shape ``cdf_int.shape[:-1]``: an array, or a tensor on the CPU if
        ``cdf_int`` is one.

    Raises:
        TruncatedStreamError: If bytes are missing.
        CorruptStreamError: If no message of these rows has these bytes.
        ArgumentError: As :func:`encode_int16_normalized_cdf`.
        ShapeError: If ``cdf_int`` has no axis.

    Example:
        >>> rows = np.array([[0, 16384, 32768, 0]] * 3, np.uint16).view(np.int16)
        >>> decode_int16_normalized_cdf(rows, bytes.fromhex("8a")).tolist()
        [2, 0, 1]
    """
    return _decode("cdf_int", cdf_int, _integers(cdf_int), byte_stream, False, False)


def _is_tensor(value: ArrayInput) -> bool:
    """Whether it is a torch tensor: there is none before torch is imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _checked(value: ArrayInput, name: str, dtypes: tuple[str, ...]) -> NDArray[Any]:
    """The array of one of these dtypes; anything else is a ValueError, as in torchac."""
    if _is_tensor(value):
        if value.device.type != "cpu":
            raise ArgumentError(f"{name}.device = {value.device}, expected cpu")
        found = str(value.dtype).removeprefix("torch.")
    else:
        value = as_array(value, name)
        found = value.dtype.name
    if found not in dtypes:
        raise ArgumentError(f"{name}.dtype = {found}, expected {' or '.join(dtypes)}")
    return as_array(value, name)


def _floats(value: ArrayInput) -> NDArray[Any]:
    return _checked(value, "cdf_float", _FLOATS)


def _integers(value: ArrayInput) -> NDArray[np.int16]:
    array = _checked(value, "cdf_int", _INT16)
    return array if array.dtype.kind == "i" else array.view(array.dtype.str.replace("u", "i"))


def _rows(name: str, cdf: NDArray[Any]) -> NDArray[Any]:
    """One row per symbol, in two axes; copied unless rows are contiguous and evenly spaced."""
    if cdf.ndim == 0:
        raise ShapeError(f"{name}.ndim = 0, expected at least 1")
    if not 2 <= cdf.shape[-1] <= 65537:
        raise TableError(
            f"{name}.shape[{cdf.ndim - 1}] = {cdf.shape[-1]}, expected 2 <= size <= 65537"
        )
    rows = cdf.reshape(math.prod(cdf.shape[:-1]), cdf.shape[-1])
    step, size = rows.strides[0], rows.itemsize
    at_rest = rows.dtype.isnative and rows.flags.aligned and rows.strides[1] == size
    return rows if at_rest and step >= 0 and step % size == 0 else contiguous(rows)


def _encode(name: str, cdf: NDArray[Any], sym: ArrayInput, normalize: bool, check: bool) -> bytes:
    symbols = _checked(sym, "sym", ("int16",))
    rows = _rows(name, cdf)
    if symbols.shape != cdf.shape[:-1]:
        raise ShapeError(
            f"sym.shape = {symbols.shape}, expected {cdf.shape[:-1]}, "
            f"that of {name} without its last axis"
        )
    return _core.encode_binary(rows, contiguous(symbols), normalize, check)


def _decode(
    name: str,
    given: ArrayInput,
    cdf: NDArray[Any],
    byte_stream: bytes | bytearray | memoryview,
    normalize: bool,
    check: bool,
) -> SymbolOutput:
    rows = _rows(name, cdf)
    symbols = np.empty(cdf.shape[:-1], np.int16)
    _core.decode_binary(rows, as_bytes(byte_stream, "byte_stream"), normalize, check, symbols)
    return sys.modules["torch"].from_numpy(symbols) if _is_tensor(given) else symbols
