# SPDX-License-Identifier: Apache-2.0
"""Images as the strings that CompressAI's models write, for codecs made from its checkpoints.

Everything here is what CompressAI does, in its order and precision: float32 networks, also from z
to the rows of y, and its rule for these. So the same latents give the same bytes. What that rules
out is said in docs/decisions/0002: another machine may find another row and lose the image. The
`.fc` files of the same codec do not have that weakness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastcoder._arrays import as_integer
from fastcoder.compat.compressai import decode_many, encode_many
from fastcoder.container import MAX_PIXELS
from fastcoder.errors import ArgumentError, ArgumentTypeError, ShapeError, StreamError
from fastcoder.torch.arrays import to_array
from fastcoder.torch.codecs.latents import CodecTables, centers, channel_indexes
from fastcoder.torch.scales import scale_indexes

if TYPE_CHECKING:
    from fastcoder.torch.codecs.compressai import CheckpointCodec
    from fastcoder.torch.codecs.hyperprior import ScaleHyperprior

_SYMBOL_LIMIT = 2.0**31


class Strings(TypedDict):
    """What `compress` of a CompressAI model returns, and the arguments of its `decompress`.

    Attributes:
        strings: those of y and, with a hyperprior, those of z; one per image of the batch.
        shape: height and width of z, or of y in a codec without a hyperprior.
    """

    strings: list[list[bytes]]
    shape: tuple[int, int]


def encode_images(codec: CheckpointCodec, x: Tensor) -> Strings:
    """Codes (N, 3, H, W); the sides are not padded, as CompressAI does not."""
    tables = _ready_tables(codec)
    y = codec.analysis(x)
    if tables.gaussian is None:
        symbols = _symbols(y, centers(tables, y))
        return {"strings": [_encode_channels(symbols, tables)], "shape": _sides(y)}
    hyper = cast("ScaleHyperprior", codec)
    z = hyper.hyper_analysis(hyper.hyper_input(y))
    z_symbols = _symbols(z, centers(tables, z))
    sigma, mean = hyper.parameters_of_y(z_symbols.to(z) + centers(tables, z))
    if sigma.shape != y.shape:
        raise ShapeError(
            f"image.shape = {tuple(x.shape)}, expected sides that are multiples of {codec.stride}"
        )
    rows = _rows(codec, sigma, tables)
    y_symbols = _symbols(y, mean)
    y_strings = encode_many(list(y_symbols.numpy()), list(rows), tables.gaussian)
    return {"strings": [y_strings, _encode_channels(z_symbols, tables)], "shape": _sides(z)}


def decode_images(
    codec: CheckpointCodec,
    strings: Sequence[Sequence[bytes]],
    shape: Sequence[int],
    max_pixels: int = MAX_PIXELS,
) -> Tensor:
    """Decodes what `encode_images` or the model in CompressAI wrote: (N, 3, H, W), not clamped."""
    tables = _ready_tables(codec)
    groups = _checked_strings(strings, 1 if tables.gaussian is None else 2)
    height, width = _checked_shape(shape, len(groups[0]), codec.stride, max_pixels)
    first = _decode_channels(groups[-1], (height, width), tables)
    value = torch.from_numpy(first).to(codec._device, torch.float32)
    value = value + centers(tables, value)
    if tables.gaussian is not None:
        sigma, mean = cast("ScaleHyperprior", codec).parameters_of_y(value)
        rows = _rows(codec, sigma, tables)
        symbols = np.stack(decode_many(groups[0], list(rows), tables.gaussian))
        value = torch.from_numpy(symbols).to(codec._device, torch.float32)
        value = value if mean is None else value + mean
    image: Tensor = codec.synthesis(value)
    return image


def _ready_tables(codec: CheckpointCodec) -> CodecTables:
    tables = codec.tables
    if not tables.of_compressai:
        raise ArgumentError(
            "tables = built by this codec, expected those of a CompressAI checkpoint: call update()"
            " of the model before state_dict(), and leave the weights as they are"
        )
    return tables


def _sides(latents: Tensor) -> tuple[int, int]:
    return latents.shape[-2], latents.shape[-1]


def _symbols(latents: Tensor, mean: Tensor | None) -> Tensor:
    """round(latents - mean) as int32 on the CPU; ArgumentError if a value does not fit."""
    steps = (latents.float() if mean is None else latents.float() - mean).round()
    if not bool((steps.abs() < _SYMBOL_LIMIT).all()):  # NaN too
        raise ArgumentError("latents = not finite, expected |latents| < 2**31")
    return torch.from_numpy(to_array(steps.to(torch.int32)))


def _rows(codec: CheckpointCodec, sigma: Tensor, tables: CodecTables) -> NDArray[Any]:
    """The first scale that is not below sigma, and the last one for any sigma above all."""
    bound = cast("ScaleHyperprior", codec).gaussian.scale_bound
    largest = float(tables.scales[-1])
    bounded = sigma.clamp(min=bound).clamp(max=largest)
    return to_array(scale_indexes(bounded, tables.scales.tolist(), "ceil"))


def _encode_channels(symbols: Tensor, tables: CodecTables) -> list[bytes]:
    indexes = _channels(cast("tuple[int, int, int]", tuple(symbols.shape[1:])))
    return encode_many(list(symbols.numpy()), [indexes] * len(symbols), tables.bottleneck)


def _decode_channels(
    strings: list[bytes], sides: tuple[int, int], tables: CodecTables
) -> NDArray[np.int32]:
    indexes = _channels((tables.bottleneck.rows, *sides))
    return np.stack(decode_many(strings, [indexes] * len(strings), tables.bottleneck))


def _channels(shape: tuple[int, int, int]) -> NDArray[Any]:
    return np.ascontiguousarray(channel_indexes(shape))


def _checked_strings(strings: object, count: int) -> list[list[bytes]]:
    if not isinstance(strings, (list, tuple)) or len(strings) != count:
        found = len(strings) if isinstance(strings, (list, tuple)) else type(strings).__name__
        raise ArgumentError(f"strings = {found}, expected a list of {count} lists")
    groups: list[list[bytes]] = []
    for position, group in enumerate(strings):
        if not isinstance(group, (list, tuple)) or not group:
            raise ArgumentError(f"strings[{position}] = {group!r:.40}, expected a list of bytes")
        for image, string in enumerate(group):
            if not isinstance(string, bytes):
                raise ArgumentTypeError(
                    f"type(strings[{position}][{image}]) = {type(string).__name__}, expected bytes"
                )
        if len(group) != len(strings[0]):
            raise ArgumentError(
                f"len(strings[{position}]) = {len(group)}, expected {len(strings[0])}"
            )
        groups.append(list(group))
    return groups


def _checked_shape(shape: object, images: int, stride: int, max_pixels: int) -> tuple[int, int]:
    if not isinstance(shape, Sequence):
        raise ArgumentTypeError(f"type(shape) = {type(shape).__name__}, expected two integers")
    sides = tuple(as_integer(side, f"shape[{axis}]") for axis, side in enumerate(shape))
    if len(sides) != 2 or min(sides) < 1:
        raise ShapeError(f"shape = {sides}, expected (height >= 1, width >= 1)")
    pixels = images * sides[0] * sides[1] * stride**2
    if pixels > as_integer(max_pixels, "max_pixels"):
        raise StreamError(f"shape = {sides}: {pixels} pixels, expected at most {max_pixels}")
    return sides[0], sides[1]
