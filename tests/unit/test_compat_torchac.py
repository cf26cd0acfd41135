# SPDX-License-Identifier: Apache-2.0
"""The functions of torchac: its bytes, its errors, and what it does not notice."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcoder.compat import torchac
from fastcoder.errors import (
    ArgumentError,
    ArgumentTypeError,
    CorruptStreamError,
    ShapeError,
    StreamError,
    SymbolRangeError,
    TableError,
    TruncatedStreamError,
)
from tests import reference_torchac as reference
from tests.generators import parse_error

# Around what one comparison, one search and one window of the decoder look at.
LENGTHS = (2, 3, 4, 9, 16, 17, 18, 32, 33, 34, 49, 64, 65, 66, 128, 129, 257, 258, 300, 513)
KINDS = ("random", "peaked", "geometric", "certain", "flat", "middle")

# A slot over the middle of the interval leaves bits pending for as long as it is coded.
STRADDLING = np.array([0, 1, 32767, 32769, 65535, 0], np.uint16)


def float_rows(rng: np.random.Generator, kind: str, count: int, length: int, dtype=np.float32):
    """Non-decreasing rows from 0 to 1."""
    slots = np.arange(length - 1)
    pmf = np.ones((count, length - 1))
    if kind == "random":
        pmf = rng.random((count, length - 1))
    elif kind == "peaked":
        pmf = rng.random((count, length - 1)) ** 20
    elif kind == "geometric":
        centers = rng.integers(length - 1, size=(count, 1))
        pmf = np.exp(-rng.exponential(3.0) * np.abs(slots - centers))
    elif kind == "certain":
        pmf = (slots == rng.integers(length - 1, size=(count, 1))).astype(float)
    elif kind == "middle":
        pmf[:, (length - 1) // 2] = rng.choice([1e-4, 1e4])
    cdf = np.concatenate([np.zeros((count, 1)), np.cumsum(pmf + 1e-12, axis=1)], axis=1).astype(
        dtype
    )
    return cdf / cdf[:, -1:]


def drawn(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    """Symbols that follow their rows, or, one in five times, anything."""
    ends = rows.astype(np.int64)
    ends[:, -1] = 65536
    values = rng.integers(65536, size=len(rows))
    symbols = (ends[:, 1:-1] <= values[:, None]).sum(axis=1) if len(rows) else np.zeros(0)
    anything = rng.integers(rows.shape[1] - 1, size=len(rows))
    return np.where(rng.random(len(rows)) < 0.2, anything, symbols).astype(np.int16)


def linear(count: int = 4, length: int = 6) -> np.ndarray:
    return np.linspace(0, 1, length, dtype=np.float32) + np.zeros((count, 1), np.float32)


# --- bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ([], "40"),
        ([2] * 11 + [0], "7ffffffffffffffffffffffffffffffffffffffffc0002"),
        ([2] * 11 + [4], "800000000000000000000000000000000000000003fffa"),
        ([2] * 12, "7ffffffffffffffffffffffffffffffffffffffffffffc"),
        ([1, 2, 3] * 4, "400020000ffd2ffc28"),
        ([4, 0] * 6, "ffff0000ffff0000ffff0000ffff0000ffff0000ffff000040"),
        ([0] * 12, "00000000000000000000000000000000000000000000000040"),
    ],
)
def test_bytes_of_torchac_come_out_of_integer_rows(symbols, expected):
    rows = np.tile(STRADDLING, (len(symbols), 1))
    stream = torchac.encode_int16_normalized_cdf(rows, np.array(symbols, np.int16))
    assert stream.hex() == expected == reference.encode(rows, symbols).hex()
    assert torchac.decode_int16_normalized_cdf(rows, stream).tolist() == symbols


def test_bytes_of_torchac_come_out_of_float_rows():
    stream = torchac.encode_float_cdf(linear(), np.array([0, 1, 2, 4], np.int16))
    assert stream.hex() == "1000"
    number = np.arange(40)
    cdf = (np.arange(8) ** (1 + number[:, None] % 3)).astype(np.float32)
    cdf /= cdf[:, -1:]
    symbols = ((number * number + number // 7) % 7).astype(np.int16)
    for normalize, expected in (
        (True, "0148c2c7694710ddf28e575bf16d051080"),
        (False, "014897677307bf3de8de66153e4c3318"),
    ):
        stream = torchac.encode_float_cdf(cdf, symbols, normalize)
        assert stream.hex() == expected
        assert np.array_equal(torchac.decode_float_cdf(cdf, stream, normalize), symbols)


@given(
    kind=st.sampled_from(KINDS),
    count=st.sampled_from((0, 1, 2, 5, 40)),
    length=st.sampled_from(LENGTHS),
    double=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_streams_are_those_of_the_reference_and_come_back(isa, kind, count, length, double, seed):
    rng = np.random.default_rng(seed)
    cdf = float_rows(rng, kind, count, length, np.float64 if double else np.float32)
    rows = reference.integers(cdf)
    symbols = drawn(rng, rows)
    stream = reference.encode(rows, symbols.tolist())
    assert torchac.encode_float_cdf(cdf, symbols) == stream
    assert torchac.encode_float_cdf(cdf, symbols, check_input_bounds=False) == stream
    assert torchac.encode_int16_normalized_cdf(rows, symbols) == stream
    assert reference.decode(rows, stream) == symbols.tolist()
    for decoded in (
        torchac.decode_float_cdf(cdf, stream),
        torchac.decode_float_cdf(cdf, stream, check_input_bounds=False),
        torchac.decode_int16_normalized_cdf(rows.view(np.int16), stream),
    ):
        assert decoded.dtype == np.int16
        assert np.array_equal(decoded, symbols)


@given(
    count=st.integers(1, 60),
    length=st.sampled_from(LENGTHS),
    seed=st.integers(0, 2**32 - 1),
)
def test_slots_of_one_part_and_of_none_come_back(isa, count, length, seed):
    rng = np.random.default_rng(seed)
    inner = rng.integers(1, rng.choice([3, 300, 65536]), size=(count, length - 2))
    rows = np.zeros((count, length), np.uint16)
    rows[:, 1:-1] = np.sort(inner, axis=1)
    ends = rows.astype(np.int64)
    ends[:, -1] = 65536
    with_room = [rng.choice(np.flatnonzero(np.diff(row) > 0)) for row in ends]
    symbols = np.array(with_room, np.int16)
    stream = torchac.encode_int16_normalized_cdf(rows, symbols)
    assert stream == reference.encode(rows, symbols.tolist())
    assert np.array_equal(torchac.decode_int16_normalized_cdf(rows, stream), symbols)


def test_long_message_comes_back_and_pending_bits_cross_it(rng):
    count = 30_000
    rows = np.tile(STRADDLING, (count, 1))
    symbols = np.where(rng.random(count) < 0.0005, rng.integers(5, size=count), 2).astype(np.int16)
    stream = torchac.encode_int16_normalized_cdf(rows, symbols)
    assert stream == reference.encode(rows, symbols.tolist())
    assert np.array_equal(torchac.decode_int16_normalized_cdf(rows, stream), symbols)


@pytest.mark.parametrize("length", [32769, 40000, 65537])
def test_longest_rows_come_back(isa, length, rng):
    cdf = linear(12, length)
    symbols = rng.integers(min(length - 1, 32768), size=12).astype(np.int16)
    symbols[:2] = 0, min(length - 2, 32767)
    stream = torchac.encode_float_cdf(cdf, symbols)
    assert stream == reference.encode(reference.integers(cdf), symbols.tolist())
    assert np.array_equal(torchac.decode_float_cdf(cdf, stream), symbols)


def test_slot_that_no_int16_names_is_an_error():
    rows = np.arange(65536, dtype=np.uint16)[None]
    stream = reference.encode(rows, [50000])
    with pytest.raises(CorruptStreamError, match=r"sym\[0\] = .*, expected 0 <= sym < 32768"):
        torchac.decode_int16_normalized_cdf(rows, stream)


def test_row_that_wraps_is_searched_as_torchac_does():
    # 0.25, 1, 1, 1: the middle is not looked at before the symbol is found.
    rows = np.array([[0, 16384, 32768, 49152, 0, 0]] * 5, np.uint16)
    symbols = np.array([0, 1, 2, 1, 0], np.int16)
    stream = torchac.encode_int16_normalized_cdf(rows, symbols)
    assert reference.decode(rows, stream) == symbols.tolist()
    assert np.array_equal(torchac.decode_int16_normalized_cdf(rows, stream), symbols)


# --- arrays and tensors --------------------------------------------------------------------------


def layouts(array: np.ndarray):
    """The same values in other strides, alignments and byte orders."""
    yield np.asfortranarray(array)
    yield np.repeat(array, 2, axis=-1)[..., ::2]
    wider = np.concatenate([array, array], axis=-1)
    yield wider[..., : array.shape[-1]]
    yield np.ascontiguousarray(array[::-1])[::-1]
    yield array.astype(array.dtype.newbyteorder())
    packed = np.empty(array.shape, np.dtype([("pad", "u1"), ("value", array.dtype)]))
    packed["value"] = array
    yield packed["value"]


def test_any_strides_give_the_same(rng):
    cdf = float_rows(rng, "random", 30, 20)
    rows = reference.integers(cdf)
    symbols = drawn(rng, rows)
    stream = torchac.encode_float_cdf(cdf, symbols)
    for view in layouts(cdf):
        assert torchac.encode_float_cdf(view, symbols) == stream
        assert np.array_equal(torchac.decode_float_cdf(view, stream), symbols)
    for view in layouts(rows):
        assert torchac.encode_int16_normalized_cdf(view, symbols) == stream
        assert np.array_equal(torchac.decode_int16_normalized_cdf(view, stream), symbols)
    for view in layouts(symbols):
        assert torchac.encode_float_cdf(cdf, view) == stream


@pytest.mark.parametrize("length", [6, 20, 40, 70, 300])
def test_one_row_for_all_symbols_is_not_copied(length, rng):
    row = float_rows(rng, "random", 1, length)
    count = 200
    symbols = rng.integers(length - 1, size=count).astype(np.int16)
    for cdf, coder in (
        (row, (torchac.encode_float_cdf, torchac.decode_float_cdf)),
        (
            reference.integers(row),
            (torchac.encode_int16_normalized_cdf, torchac.decode_int16_normalized_cdf),
        ),
    ):
        encode, decode = coder
        view = np.broadcast_to(cdf, (count, length))
        assert np.shares_memory(torchac._rows("cdf", view), view)
        stream = encode(view, symbols)
        assert stream == encode(np.ascontiguousarray(view), symbols)
        assert np.array_equal(decode(view, stream), symbols)


@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 4), (0,), (3, 0, 2)])
def test_leading_shape_is_that_of_the_symbols(shape, rng):
    cdf = float_rows(rng, "random", int(np.prod(shape)), 5).reshape(*shape, 5)
    symbols = rng.integers(4, size=shape).astype(np.int16)
    stream = torchac.encode_float_cdf(cdf, symbols)
    decoded = torchac.decode_float_cdf(cdf, bytearray(stream))
    assert decoded.shape == shape
    assert np.array_equal(decoded, symbols)


def test_tensors_give_tensors(rng):
    torch = pytest.importorskip("torch")
    cdf = float_rows(rng, "random", 24, 9).reshape(2, 3, 4, 9)
    symbols = rng.integers(8, size=(2, 3, 4)).astype(np.int16)
    stream = torchac.encode_float_cdf(cdf, symbols)
    tensor = torch.from_numpy(cdf).requires_grad_()
    assert torchac.encode_float_cdf(tensor, torch.from_numpy(symbols)) == stream
    rows = torch.from_numpy(reference.integers(cdf).view(np.int16))
    assert torchac.encode_int16_normalized_cdf(rows, torch.from_numpy(symbols)) == stream
    for decoded in (
        torchac.decode_float_cdf(tensor, stream),
        torchac.decode_int16_normalized_cdf(rows, stream),
        torchac.decode_float_cdf(tensor.permute(0, 1, 2, 3).contiguous(), memoryview(stream)),
    ):
        assert isinstance(decoded, torch.Tensor)
        assert decoded.dtype == torch.int16
        assert decoded.device.type == "cpu"
        assert np.array_equal(decoded.numpy(), symbols)
    with pytest.raises(ArgumentError, match=r"cdf_float\.device = meta, expected cpu"):
        torchac.decode_float_cdf(tensor.to("meta"), stream)
    with pytest.raises(ArgumentError, match=r"sym\.device = meta, expected cpu"):
        torchac.encode_int16_normalized_cdf(rows, torch.from_numpy(symbols).to("meta"))
    with pytest.raises(ArgumentError, match=r"cdf_float\.dtype = bfloat16"):
        torchac.decode_float_cdf(tensor.bfloat16(), stream)


def test_arrays_need_no_torch_and_no_compiler():
    code = (
        "import os, sys, numpy as np\n"
        "from fastcoder.compat import torchac\n"
        "os.environ['PATH'] = ''\n"
        "rows = np.linspace(0, 1, 6, dtype=np.float32) + np.zeros((4, 1), np.float32)\n"
        "stream = torchac.encode_float_cdf(rows, np.array([0, 1, 2, 4], np.int16))\n"
        "print(torchac.decode_float_cdf(rows, stream).tolist(), 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[0, 1, 2, 4] False"


# --- arguments -----------------------------------------------------------------------------------

SYMBOLS = np.array([0, 1, 2, 4], np.int16)


@pytest.mark.parametrize(
    ("cdf", "symbols", "error", "name"),
    [
        (linear().astype(np.float16), SYMBOLS, ArgumentError, "cdf_float.dtype"),
        (linear().astype(np.int16), SYMBOLS, ArgumentError, "cdf_float.dtype"),
        (linear(), SYMBOLS.astype(np.int32), ArgumentError, "sym.dtype"),
        (linear(), SYMBOLS.tolist(), ArgumentError, "sym.dtype"),
        (linear(), SYMBOLS[:3], ShapeError, "sym.shape"),
        (linear(), SYMBOLS.reshape(2, 2), ShapeError, "sym.shape"),
        (np.array(0.5, np.float32), SYMBOLS, ShapeError, "cdf_float.ndim"),
        (linear()[:, :1], SYMBOLS, TableError, "cdf_float.shape[1]"),
        (np.zeros((4, 0), np.float32), SYMBOLS, TableError, "cdf_float.shape[1]"),
        (np.zeros((1, 65538), np.float32), SYMBOLS[:1], TableError, "cdf_float.shape[1]"),
    ],
)
def test_wrong_dtype_or_shape_is_a_value_error(cdf, symbols, error, name):
    with pytest.raises(error) as raised:
        torchac.encode_float_cdf(cdf, symbols)
    assert isinstance(raised.value, ValueError)
    argument, position, _ = parse_error(raised.value)
    assert argument + position == name


def test_wrong_dtype_or_shape_of_integers_is_a_value_error():
    rows = reference.integers(linear())
    for cdf in (rows.astype(np.int32), linear()):
        with pytest.raises(ArgumentError, match=r"cdf_int\.dtype = .*, expected int16 or uint16"):
            torchac.encode_int16_normalized_cdf(cdf, SYMBOLS)
        with pytest.raises(ArgumentError, match=r"cdf_int\.dtype = .*, expected int16 or uint16"):
            torchac.decode_int16_normalized_cdf(cdf, b"\x40")
    with pytest.raises(ShapeError):
        torchac.encode_int16_normalized_cdf(rows, SYMBOLS[:2])
    with pytest.raises(TableError):
        torchac.decode_int16_normalized_cdf(rows[:, :1], b"\x40")
    with pytest.raises(ShapeError):
        torchac.decode_int16_normalized_cdf(np.array(3, np.int16), b"\x40")


def test_wrong_types_are_type_errors():
    with pytest.raises(ArgumentTypeError, match=r"type\(byte_stream\) = str, expected bytes"):
        torchac.decode_float_cdf(linear(), "\x10\x00")
    with pytest.raises(ArgumentTypeError, match=r"type\(needs_normalization\)"):
        torchac.encode_float_cdf(linear(), SYMBOLS, "yes")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf, 1.0000001, -1e-30, -0.5, 3e38])
@pytest.mark.parametrize("place", [(0, 0), (2, 3), (3, 5)])
def test_entry_out_of_bounds_is_an_error_wherever_it_is(place, value, dtype):
    cdf = linear().astype(dtype)
    cdf[place] = value
    for code in (
        lambda: torchac.encode_float_cdf(cdf, np.zeros(4, np.int16)),
        lambda: torchac.decode_float_cdf(cdf, b"\x10\x00"),
    ):
        with pytest.raises(TableError, match="expected 0 <= cdf_float <= 1") as raised:
            code()
        argument, position, _ = parse_error(raised.value)
        assert (argument, position) == ("cdf_float", f"[{place[0]}][{place[1]}]")


def test_bounds_themselves_are_inside():
    cdf = linear()
    cdf[:, 0] = -0.0
    assert torchac.encode_float_cdf(cdf, SYMBOLS).hex() == "1000"
    assert torchac.encode_float_cdf(cdf.astype(np.float64), SYMBOLS).hex() == "1000"


def test_row_that_decreases_is_an_error_when_it_is_checked():
    cdf = linear()
    cdf[2, 4] = 0.3
    for code in (
        lambda: torchac.encode_float_cdf(cdf, SYMBOLS),
        lambda: torchac.decode_float_cdf(cdf, b"\x10\x00"),
    ):
        with pytest.raises(TableError, match=r"cdf_float\[2\]\[4\] = 0.3.*, expected at least 0.6"):
            code()
    # Noise that rounding takes is none.
    noisy = linear()
    noisy[:, 3] = np.nextafter(noisy[:, 2], np.float32(0))
    stream = torchac.encode_float_cdf(noisy, SYMBOLS)
    assert torchac.decode_float_cdf(noisy, stream).tolist() == SYMBOLS.tolist()


@pytest.mark.parametrize("symbol", [-1, 5, 6, -32768, 32767])
def test_symbol_outside_its_row_is_an_error(symbol):
    symbols = SYMBOLS.copy()
    symbols[2] = symbol
    for code in (
        lambda: torchac.encode_float_cdf(linear(), symbols),
        lambda: torchac.encode_float_cdf(linear(), symbols, check_input_bounds=False),
        lambda: torchac.encode_int16_normalized_cdf(reference.integers(linear()), symbols),
    ):
        with pytest.raises(SymbolRangeError) as raised:
            code()
        assert parse_error(raised.value) == ("sym", "[2]", str(symbol))
        assert str(raised.value).endswith("expected 0 <= sym < 5")


@pytest.mark.parametrize("end", [100, 99, 0])
def test_symbol_without_room_is_an_error(end):
    rows = np.array([[0, 100, end, 300, 0]] * 3, np.uint16)
    with pytest.raises(TableError) as raised:
        torchac.encode_int16_normalized_cdf(rows, np.array([0, 0, 1], np.int16))
    assert parse_error(raised.value)[:2] == ("cdf_int", "[2][2]")
    flat = np.array([[0, 0.5, 0.5, 1]], np.float32)
    with pytest.raises(TableError) as raised:
        torchac.encode_float_cdf(flat, np.array([1], np.int16), needs_normalization=False)
    assert parse_error(raised.value)[:2] == ("cdf_float", "[0][2]")
    assert torchac.encode_float_cdf(flat, np.array([1], np.int16))  # normalization gives it room


# --- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 6, 17, 65, 257])
def test_every_other_length_and_every_other_end_is_noticed(length, rng):
    cdf = float_rows(rng, "random", 50, length)
    symbols = rng.integers(length - 1, size=50).astype(np.int16)
    stream = torchac.encode_float_cdf(cdf, symbols)
    for size in range(len(stream)):
        with pytest.raises(StreamError):
            torchac.decode_float_cdf(cdf, stream[:size])
    with pytest.raises(TruncatedStreamError, match=r"len\(byte_stream\) = 0, expected more"):
        torchac.decode_float_cdf(cdf, b"")
    for more in (b"\x00", b"\x40", b"\xff" * 5, bytes(1000)):
        with pytest.raises(CorruptStreamError, match=r"len\(byte_stream\) = \d+, expected \d+ "):
            torchac.decode_float_cdf(cdf, stream + more)
    with pytest.raises(CorruptStreamError, match=r"byte_stream\[\d+\] = \d+, expected the end"):
        torchac.decode_float_cdf(cdf, stream[:-1] + bytes([stream[-1] ^ 1]))


def test_empty_message_is_one_byte_and_no_other():
    rows = np.zeros((0, 4), np.int16)
    assert torchac.decode_int16_normalized_cdf(rows, b"\x40").shape == (0,)
    with pytest.raises(TruncatedStreamError):
        torchac.decode_int16_normalized_cdf(rows, b"")
    for data in (b"\x00", b"\x41", b"\x80", b"\x40\x00", b"\x00\x40"):
        with pytest.raises(CorruptStreamError):
            torchac.decode_int16_normalized_cdf(rows, data)


@given(
    kind=st.sampled_from(KINDS),
    count=st.sampled_from((1, 5, 70)),
    length=st.sampled_from(LENGTHS),
    damage=st.sampled_from(("cut", "longer", "flip", "other")),
    seed=st.integers(0, 2**32 - 1),
)
def test_damaged_stream_is_an_error_or_the_stream_of_its_symbols(kind, count, length, damage, seed):
    rng = np.random.default_rng(seed)
    cdf = float_rows(rng, kind, count, length)
    data = bytearray(torchac.encode_float_cdf(cdf, drawn(rng, reference.integers(cdf))))
    if damage == "cut":
        data = data[: rng.integers(len(data))]
    elif damage == "longer":
        data += bytes(rng.integers(2, size=rng.integers(1, 5)).tolist())
    elif damage == "flip":
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    else:
        data = bytearray(rng.bytes(rng.integers(100)))
    try:
        symbols = torchac.decode_float_cdf(cdf, data)
    except StreamError:
        return
    assert torchac.encode_float_cdf(cdf, symbols) == data


@given(
    count=st.sampled_from((1, 3, 70)),
    length=st.sampled_from(LENGTHS),
    size=st.sampled_from((0, 1, 4, 40, 200)),
    kind=st.sampled_from(("any", "zeros", "ones", "falling", "floats")),
    seed=st.integers(0, 2**32 - 1),
)
def test_hostile_rows_and_bytes_are_errors_or_symbols(isa, count, length, size, kind, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(65536, size=(count, length)).astype(np.uint16)
    if kind == "zeros":
        rows[:] = 0
    elif kind == "ones":
        rows[:] = 65535
    elif kind == "falling":
        rows = -np.sort(rows, axis=1)
    data = rng.bytes(size)
    symbols = rng.integers(-1, length, size=count).astype(np.int16)
    if kind == "floats":  # any bits at all
        cdf = rng.integers(2**32, size=(count, length), dtype=np.uint32).view(np.float32)
        encode = lambda: torchac.encode_float_cdf(cdf, symbols, True, False)  # noqa: E731
        decode = lambda: torchac.decode_float_cdf(cdf, data, True, False)  # noqa: E731
    else:
        encode = lambda: torchac.encode_int16_normalized_cdf(rows, symbols)  # noqa: E731
        decode = lambda: torchac.decode_int16_normalized_cdf(rows, data)  # noqa: E731
    with contextlib.suppress(TableError, SymbolRangeError):
        encode()
    try:
        decoded = decode()
    except StreamError:
        return
    assert (decoded >= 0).all()
    assert (decoded <= length - 2).all()
