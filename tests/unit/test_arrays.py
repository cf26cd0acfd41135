# SPDX-License-Identifier: Apache-2.0
"""Array-likes at the border: no copy where none is needed, a clear error where none helps."""

from __future__ import annotations

import array
import ctypes
from typing import Any

import numpy as np
import pytest

import fastcoder as fc
from fastcoder import _arrays
from tests import generators
from tests.generators import native_table, parse_error

TABLE = native_table(generators.table_of(10, True, [9, 9]))
VALUES = np.arange(12, dtype=np.int32).reshape(3, 4) % 9

NO_COPY = ("c", "read_only", "three_d", "flat", "memoryview", "dlpack")
COPY = ("fortran", "strided", "reversed", "byte_swapped", "unaligned")


@pytest.mark.parametrize("layout", NO_COPY)
@pytest.mark.parametrize("dtype", generators.SYMBOL_DTYPES)
def test_contiguous_arrays_are_not_copied(layout, dtype):
    source = np.ascontiguousarray(VALUES.astype(dtype))
    laid = source if layout == "read_only" else generators.LAYOUTS[layout](source)
    result = _arrays.as_symbols(laid)
    assert np.shares_memory(result, source)
    assert result.dtype == dtype


@pytest.mark.parametrize("layout", COPY)
def test_other_layouts_become_contiguous_copies(layout):
    result = _arrays.as_symbols(generators.LAYOUTS[layout](VALUES))
    assert result.flags.c_contiguous
    assert result.flags.aligned
    assert result.dtype.isnative
    np.testing.assert_array_equal(result, VALUES)


def test_a_contiguous_tensor_is_not_copied():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(12, dtype=torch.int32).reshape(3, 4)
    result = _arrays.as_symbols(tensor)
    tensor[1, 2] = 99
    assert result[1, 2] == 99


def test_buffers_of_ctypes_and_array_are_not_copied():
    for buffer in (array.array("i", [1, 2, 3]), (ctypes.c_int32 * 3)(1, 2, 3)):
        result = _arrays.as_symbols(buffer)
        buffer[1] = 7
        assert result.tolist() == [1, 7, 3]


def test_bytes_are_uint8():
    stream = fc.encode(b"\0\1\2", [0, 0, 0], TABLE)
    assert fc.decode(stream, bytearray(3), TABLE, dtype=np.uint8).tobytes() == b"\0\1\2"


class OnDevice:
    """Looks like a CUDA tensor; touching its memory would be the mistake."""

    device = "cuda:0"
    dtype = "int32"

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self, **options: Any) -> Any:
        raise AssertionError("memory on a device must not be exported")

    def __array__(self, *arguments: Any) -> Any:
        raise AssertionError("memory on a device must not be copied silently")


@pytest.mark.parametrize("name", ["symbols", "indexes"])
def test_an_array_on_a_device_is_a_type_error_that_says_what_to_do(name):
    arguments = {"symbols": [0], "indexes": [0], name: OnDevice()}
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.encode(**arguments, table=TABLE)
    assert name in parse_error(caught.value)[0]
    assert ".cpu()" in str(caught.value)
    assert "cuda:0" in str(caught.value)


def test_a_tensor_without_data_is_a_type_error():
    torch = pytest.importorskip("torch")
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.encode(torch.empty(3, dtype=torch.int32, device="meta"), [0, 0, 0], TABLE)
    assert "symbols" in parse_error(caught.value)[0]


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "bfloat16", "float16", "bool", "complex64"]
)
def test_tensors_of_a_wrong_dtype_are_a_type_error(dtype):
    torch = pytest.importorskip("torch")
    for arguments in (
        (torch.zeros(3, dtype=getattr(torch, dtype)), np.zeros(3, np.uint8)),
        (np.zeros(3, np.int8), torch.zeros(3, dtype=getattr(torch, dtype))),
    ):
        with pytest.raises(fc.ArgumentTypeError) as caught:
            fc.encode(*arguments, TABLE)
        assert dtype in str(caught.value)


def test_a_tensor_with_a_gradient_is_read():
    torch = pytest.importorskip("torch")
    sigma = torch.tensor([0.5, 3.0], requires_grad=True)
    assert fc.scale_indexes(sigma, [1.0, 4.0]).tolist() == [0, 1]


def test_a_quantized_or_sparse_tensor_is_a_type_error():
    torch = pytest.importorskip("torch")
    with pytest.raises(fc.ArgumentTypeError):
        fc.encode(torch.eye(3, dtype=torch.int32).to_sparse(), np.zeros((3, 3), np.uint8), TABLE)


def test_a_tensor_with_a_pending_negation_gives_its_values():
    torch = pytest.importorskip("torch")
    sigma = torch.tensor([1 - 0.5j, 1 - 3j]).conj().imag  # 0.5 and 3, stored as -0.5 and -3
    assert sigma.is_neg()
    assert fc.scale_indexes(sigma, [1.0, 4.0]).tolist() == [0, 1]


class Broken:
    """Claims DLPack and fails in it."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("no")


class OnlyArray:
    """Speaks NumPy's own protocol, as data frames and images do."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array([1, 2, 3], np.int16)


def test_an_object_that_cannot_export_is_a_type_error():
    with pytest.raises(fc.ArgumentTypeError) as caught:
        fc.encode(Broken(), [0], TABLE)
    assert "symbols" in parse_error(caught.value)[0]


def test_an_object_with_array_is_read():
    stream = fc.encode(OnlyArray(), [0, 0, 0], TABLE)
    assert fc.decode(stream, [0, 0, 0], TABLE).tolist() == [1, 2, 3]


def test_numpy_scalars_and_integers_are_zero_dimensional():
    for symbol in (3, np.int8(3), np.array(3)):
        stream = fc.encode(symbol, np.uint8(1), TABLE)
        assert fc.decode(stream, np.array(1), TABLE).shape == ()


@pytest.mark.parametrize("strides", [(0,), (-4,), (12,)])
def test_strides_of_every_sign_are_followed(strides):
    base = np.array([5, 1, 2, 3, 4, 0, 1], np.int32)
    start = base[6:] if strides[0] < 0 else base[:1]
    view = np.lib.stride_tricks.as_strided(start, shape=(3,), strides=strides)
    expected = view.tolist()
    stream = fc.encode(view, [0, 0, 0], TABLE)
    assert fc.decode(stream, [0, 0, 0], TABLE).tolist() == expected


def test_subclasses_of_arrays_are_read():
    matrix = np.arange(4, dtype=np.int32).reshape(2, 2).view(np.ndarray)
    masked = np.ma.masked_array([1, 2, 3], mask=[False, False, False], dtype=np.int32)
    assert (
        fc.decode(
            fc.encode(matrix, np.zeros((2, 2), np.uint8), TABLE), [[0, 0], [0, 0]], TABLE
        ).tolist()
        == matrix.tolist()
    )
    decoded = fc.decode(fc.encode(masked, [0, 0, 0], TABLE), [0, 0, 0], TABLE)
    assert type(decoded) is np.ndarray
    assert decoded.tolist() == [1, 2, 3]


class OnHost:
    """DLPack of a NumPy array as a type of device (3 and 11 are pinned host memory)."""

    def __init__(self, values: np.ndarray, device: int) -> None:
        self.values, self.kind = values, device

    def __dlpack_device__(self) -> tuple[int, int]:
        return (self.kind, 0)

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)


@pytest.mark.parametrize("device", [3, 11])
def test_pinned_memory_is_memory(device):
    expected = fc.encode([1, 2, 3], [0, 0, 1], TABLE)
    assert fc.encode(OnHost(np.array([1, 2, 3]), device), [0, 0, 1], TABLE) == expected


def test_what_only_looks_like_an_array_is_a_type_error():
    class NoDevice:
        def __dlpack__(self, **options: Any) -> Any: ...

    class Raises:
        def __array__(self, *_: Any, **options: Any) -> Any:
            raise RuntimeError("no memory behind this")

    released = memoryview(bytearray(4))
    released.release()
    masked = np.ma.masked_array([1, 2, 3], mask=[False, True, False], dtype=np.int32)
    for value in (NoDevice(), Raises(), released, masked, OnHost(np.arange(3), 2)):
        with pytest.raises(fc.ArgumentTypeError, match=r"^type\(symbols\) = "):
            fc.encode(value, [0, 0, 0], TABLE)
    for value in (released, np.zeros(3, "M8[s]")):
        with pytest.raises(fc.ArgumentTypeError, match=r"^type\(stream\) = "):
            fc.Decoder(value)


def test_a_tensor_without_memory_is_a_type_error():
    torch = pytest.importorskip("torch")
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        fake = torch.zeros(3, dtype=torch.int32)
    for value in (fake, torch.zeros(3, dtype=torch.int32, device="meta")):
        with pytest.raises(fc.ArgumentTypeError, match=r"^type\(symbols\) = torch.int32 on "):
            fc.encode(value, [0, 0, 0], TABLE)
