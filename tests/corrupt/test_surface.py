# SPDX-License-Identifier: Apache-2.0
"""Any bytes at every Python entry point: a result, or an error of this package."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import fastcoder as fc
from fastcoder import container
from fastcoder.compat import compressai, torchac

TABLE = fc.CdfTable.gaussian([0.3, 3.0, 20.0])
LARGE = fc.LargeTable.from_pmf([np.arange(1.0, 400.0)], [0], precision=18)
PARAMETRIC = fc.parametric.Gaussian(0.0, 1.0, support=(-20, 20))
INDEXES = np.arange(40, dtype=np.uint8) % 3
SYMBOLS = np.rint(np.random.default_rng(0).normal(0, [0.3, 3.0, 20.0, 1.0] * 10)).astype(np.int32)
CDF = [[0, 20000, 50000, 65000, 65536]] * 3


def wide_stream() -> bytes:
    encoder = fc.Encoder(check=True)
    encoder.push(SYMBOLS, INDEXES, TABLE)
    encoder.push_bits([1, 2, 3], 20)
    encoder.push_table(LARGE)
    encoder.push_integers([7, 10**12], fc.codes.EliasGamma())
    return encoder.finish()


def range_stream() -> bytes:
    encoder = fc.RangeEncoder()
    encoder.push(SYMBOLS, INDEXES, TABLE)
    encoder.push(SYMBOLS % 8, None, fc.AdaptiveTable.uniform(16))
    return encoder.finish()


def image_file() -> bytes:
    return container.pack(container.ImageFile("demo", "0123456789abcdef", 48, 64, b"a stream"))


ENCODED = {
    "one-shot": fc.encode(SYMBOLS, INDEXES, TABLE),
    "stream": wide_stream(),
    "range": range_stream(),
    "table": TABLE.to_bytes(),
    "large table": LARGE.to_bytes(),
    "stack": fc.Stack(b"some initial bytes").to_bytes(),
    "file": image_file(),
    "compressai": compressai.RansEncoder().encode_with_indexes(
        np.abs(SYMBOLS) % 9, INDEXES, CDF, [5] * 3, [0] * 3
    ),
    "torchac": torchac.encode_float_cdf(
        np.tile(np.array([0, 0.2, 0.9, 1], np.float32), (40, 1)), (INDEXES % 3).astype(np.int16)
    ),
}


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """A stream with a few changes; of another kind, or none at all, now and then."""
    data = bytearray(draw(st.sampled_from(list(ENCODED.values())) | st.binary(max_size=64)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data)))
        change = draw(st.sampled_from(["set", "cut", "insert", "remove", "splice"]))
        if change == "set":
            data[place : place + 1] = draw(st.binary(min_size=1, max_size=4))
        elif change == "cut":
            del data[place:]
        elif change == "insert":
            data[place:place] = draw(st.binary(max_size=8))
        elif change == "remove":
            del data[place : place + draw(st.integers(1, 8))]
        else:
            data[place:] = draw(st.sampled_from(list(ENCODED.values())))[place:]
    return bytes(data)


def either(run: Callable[[], Any]) -> Any:
    """The result, or None for an error of ours, whose message is one line."""
    try:
        return run()
    except fc.FastcoderError as error:
        message = str(error)
    assert message
    assert "\n" not in message
    return None


@given(hostile())
def test_one_shot_streams(data: bytes) -> None:
    symbols = either(lambda: fc.decode(data, INDEXES, TABLE))
    if data == ENCODED["one-shot"]:
        np.testing.assert_array_equal(symbols, SYMBOLS)
    part = either(lambda: fc.decode_range(data, 0, INDEXES[:20], TABLE))
    assert part is None or part.shape == (20,)
    many = either(lambda: fc.decode_many([data] * 3, [INDEXES] * 3, TABLE))
    assert (many is None) == (symbols is None)


@given(hostile(), st.lists(st.sampled_from("tbLTip"), max_size=6))
def test_streams_in_pieces(data: bytes, pieces: list[str]) -> None:
    decoder = either(lambda: fc.Decoder(data))
    if decoder is None:
        return
    pulls: dict[str, Callable[[], Any]] = {
        "t": lambda: decoder.pull(INDEXES, TABLE),
        "b": lambda: decoder.pull_bits(3, 20),
        "L": lambda: decoder.pull(None, LARGE, shape=5),
        "T": decoder.pull_table,
        "i": lambda: decoder.pull_integers(2, fc.codes.EliasGamma()),
        "p": lambda: decoder.pull_parametric(PARAMETRIC, shape=4),
    }
    for piece in pieces:
        before = either(decoder.tell)
        if either(pulls[piece]) is None:
            assert either(decoder.tell) == before
    either(decoder.finish)


@given(hostile(), st.lists(st.integers(1, 30), max_size=5), st.booleans())
def test_range_coded_streams(data: bytes, sizes: list[int], static: bool) -> None:
    decoder = fc.RangeDecoder()
    learned = fc.AdaptiveTable.uniform(16)
    rest = data
    for size in [*sizes, len(data)]:
        piece, last = rest[:size], size >= len(rest)
        either(lambda piece=piece, last=last: decoder.feed(piece, last=last))
        rest = rest[size:]
        if static:
            either(lambda: decoder.pull(INDEXES[:7], TABLE))
        else:
            either(lambda: decoder.pull(None, learned, shape=7))
        assert decoder.needed >= 0
    either(decoder.finish)


@given(hostile())
def test_tables_and_stacks(data: bytes) -> None:
    table = either(lambda: fc.CdfTable.from_bytes(data))
    assert table is None or table.to_bytes() == data
    large = either(lambda: fc.LargeTable.from_bytes(data))
    assert large is None or large.to_bytes() == data
    stack = either(lambda: fc.Stack.from_bytes(data))
    if stack is not None:
        before = stack.to_bytes()
        symbols = either(lambda: stack.pop(INDEXES[:9], TABLE))
        if symbols is not None:
            stack.push(symbols, INDEXES[:9], TABLE)
        assert stack.to_bytes() == before == data


@given(hostile(), st.booleans())
def test_image_files(data: bytes, seal: bool) -> None:
    if seal:
        data += zlib.crc32(data).to_bytes(4, "little")
    file = either(lambda: container.unpack(data))
    assert file is None or container.pack(file) == data


@given(hostile(), st.lists(st.integers(-2, 4), min_size=1, max_size=12))
def test_streams_of_compressai(data: bytes, indexes: list[int]) -> None:
    symbols = either(
        lambda: compressai.RansDecoder().decode_with_indexes(data, indexes, CDF, [5] * 3, [0] * 3)
    )
    assert symbols is None or len(symbols) == len(indexes)
    decoder = compressai.RansDecoder()
    if either(lambda: decoder.set_stream(data) or True):
        either(lambda: decoder.decode_stream(indexes, CDF, [5] * 3, [0] * 3))
    either(lambda: compressai.decode_many([data] * 2, [indexes] * 2, CDF, [5] * 3, [0] * 3))


@given(
    st.lists(
        st.lists(st.integers(-(2**33), 2**33) | st.integers(0, 65536), max_size=6), max_size=3
    ),
    st.lists(st.integers(-1, 7) | st.integers(-(2**40), 2**40), max_size=3),
    st.lists(st.integers(-(2**31), 2**31), max_size=3),
    st.lists(st.integers(0, 3), max_size=4),
)
def test_any_lists_as_tables_of_compressai(
    cdfs: list[list[int]], sizes: list[int], offsets: list[int], indexes: list[int]
) -> None:
    symbols = [0] * len(indexes)
    stream = either(
        lambda: compressai.RansEncoder().encode_with_indexes(symbols, indexes, cdfs, sizes, offsets)
    )
    if stream is not None:
        decoder = compressai.RansDecoder()
        assert decoder.decode_with_indexes(stream, indexes, cdfs, sizes, offsets) == symbols


@given(hostile(), st.integers(0, 50))
def test_messages_of_torchac(data: bytes, count: int) -> None:
    cdf = np.tile(np.array([0, 0.2, 0.9, 1], np.float32), (count, 1))
    symbols = either(lambda: torchac.decode_float_cdf(cdf, data))
    if symbols is not None:
        assert torchac.encode_float_cdf(cdf, symbols) == data
