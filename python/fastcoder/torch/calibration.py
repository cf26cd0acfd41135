# SPDX-License-Identifier: Apache-2.0
"""Float models on several devices: scales next to a threshold are sent instead of trusted.

Two devices compute the same scale with a small relative difference. It matters only where a
threshold between two rows lies in between. The encoder marks every latent whose scale is within a
factor 1 +- eps of a threshold and says on which side it is; the decoder takes that row whatever
its own scale says. As long as the scales of the two differ by at most eps, they use the same
rows. Nothing of the model has to change, but eps has to be a bound: beyond it, the symbol hash
ends decoding with an error. A network of integers (fastcoder.torch.integer) needs no bound.

Source: Tian, Guan, Xiang, Zhang, Han, Yang, "Towards real-time neural video codec for
cross-platform application using calibration information", 2023 (arXiv 2309.11276).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastcoder import CdfTable, Decoder, Encoder, scale_indexes
from fastcoder.container import MAX_PIXELS, ImageFile, pack
from fastcoder.errors import ArgumentError, CorruptStreamError, SymbolRangeError
from fastcoder.scales import Rule, scale_thresholds
from fastcoder.torch.arrays import to_device, to_symbols
from fastcoder.torch.codecs import LatentPart, Latents, ScaleHyperprior
from fastcoder.torch.codecs.base import checked_file, checked_image, pad_image, rounded_latents
from fastcoder.torch.codecs.latents import centers, channel_indexes

Rows = NDArray[np.uint8] | NDArray[np.uint16]

# The density of marks is sent as a multiple of 2^-14 in two digits of 7 bits.
_DENSITY_BITS = 14
_DIGIT = CdfTable.from_cdf([list(range(129))], [0], precision=7, escape=False)
_SIDE = CdfTable.from_cdf([[0, 1, 2]], [0], precision=1, escape=False)


def margin(
    sigma: NDArray[np.float64],
    scales: NDArray[np.float64] | Sequence[float],
    rule: Rule = "nearest",
) -> NDArray[np.float64]:
    """How far scales are from the nearest threshold between two rows.

    Args:
        sigma: positive scales, any shape.
        scales: at least two increasing positive scales, one per row.
        rule: as in `fastcoder.scale_indexes`.

    Returns:
        float64, shape of sigma: the smallest relative change that moves a scale to a threshold.

    Example:
        >>> margin(np.array([1.4, 2.0, 2.1]), [1.0, 2.0, 4.0], rule="ceil").round(3).tolist()
        [0.286, 0.0, 0.048]
    """
    thresholds = scale_thresholds(scales, rule)
    if not len(thresholds):
        raise ArgumentError(f"scales = {len(scales)} of them, expected at least 2")
    values = np.asarray(sigma, np.float64)
    nearest = thresholds[_nearest_threshold(values, thresholds)]
    distance: NDArray[np.float64] = np.abs(values - nearest) / values
    return distance


def mark(
    sigma: NDArray[np.float64],
    scales: NDArray[np.float64] | Sequence[float],
    eps: float,
    rule: Rule = "nearest",
) -> tuple[Rows, list[LatentPart]]:
    """The encoder's half: rows of scales, and what a decoder has to be told of them.

    Args:
        sigma: positive scales, any shape.
        scales: increasing positive scales, one per row.
        eps: bound of the relative difference of the decoder's scales, > 0.
        rule: as in `fastcoder.scale_indexes`.

    Returns:
        The rows (uint8 or uint16, shape of sigma), and the marks as arrays with their tables, to
        be pushed in this order before the symbols.

    Raises:
        ArgumentError: eps is not positive, or neighboring thresholds are nearer than 8 eps.

    Example:
        >>> rows, marks = mark(np.array([0.5, 1.9999, 3.0]), [1.0, 2.0, 4.0], 1e-3, "ceil")
        >>> rows.tolist(), marks[1].symbols.tolist(), marks[2].symbols.tolist()
        ([0, 1, 2], [0, 1, 0], [0])
    """
    check_eps(eps, scales, rule)
    values = np.asarray(sigma, np.float64)
    rows = scale_indexes(values, scales, rule)
    reach = eps * (1 + 1e-6)  # the products below are rounded
    low = scale_indexes(values * (1 - reach), scales, rule)
    high = scale_indexes(values * (1 + reach), scales, rule)
    marked = low != high
    count = int(marked.sum())
    density = 0
    if count:
        exact = (count << _DENSITY_BITS) / marked.size
        density = min(max(1, round(exact)), 2**_DENSITY_BITS - 1)
    digits = np.array([density >> 7, density & 127], np.int16)
    parts = [LatentPart("marks.density", digits, np.zeros(2, np.uint8), _DIGIT)]
    if count:
        flags = marked.astype(np.int16)
        sides = (rows[marked] - low[marked]).astype(np.int16)
        none = np.zeros(flags.shape, np.uint8)
        parts.append(LatentPart("marks.flags", flags, none, _flag_table(density)))
        parts.append(LatentPart("marks.sides", sides, np.zeros(count, np.uint8), _SIDE))
    return rows, parts


def pull_rows(
    decoder: Decoder,
    sigma: NDArray[np.float64],
    scales: NDArray[np.float64] | Sequence[float],
    rule: Rule = "nearest",
) -> tuple[Rows, list[LatentPart]]:
    """The decoder's half: reads the marks and gives the rows that the encoder used.

    Args:
        decoder: stands where the encoder pushed the marks.
        sigma: the decoder's own scales, shape of the encoder's.
        scales: as in `mark`.
        rule: as in `mark`.

    Returns:
        As `mark`.

    Raises:
        StreamError: what was read cannot be marks.
    """
    values = np.asarray(sigma, np.float64)
    rows = scale_indexes(values, scales, rule)
    digits = decoder.pull(np.zeros(2, np.uint8), _DIGIT, dtype=np.int16)
    parts = [LatentPart("marks.density", digits, np.zeros(2, np.uint8), _DIGIT)]
    density = int(digits[0]) << 7 | int(digits[1])
    if not density:
        return rows, parts
    none = np.zeros(values.shape, np.uint8)
    flags = decoder.pull(none, _flag_table(density), dtype=np.int16)
    marked = flags != 0
    few = np.zeros(int(marked.sum()), np.uint8)
    sides = decoder.pull(few, _SIDE, dtype=np.int16)
    parts.append(LatentPart("marks.flags", flags, none, _flag_table(density)))
    parts.append(LatentPart("marks.sides", sides, few, _SIDE))
    thresholds = scale_thresholds(scales, rule)
    if len(thresholds):
        rows[marked] = _nearest_threshold(values[marked], thresholds) + sides
    return rows, parts


def check_eps(
    eps: float, scales: NDArray[np.float64] | Sequence[float], rule: Rule = "nearest"
) -> None:
    """Raises ArgumentError unless at most one threshold can be within eps of a scale."""
    thresholds = scale_thresholds(scales, rule)
    most = float(np.min(thresholds[1:] / thresholds[:-1]) - 1) / 8 if len(thresholds) > 1 else 0.1
    if not 0 < eps < most:
        raise ArgumentError(f"eps = {eps}, expected 0 < eps < {most:.3g}")


class Calibrated:
    """A codec with a hyperprior whose files decode on devices with slightly different floats.

    The scales come from the float network, on the device of the model. A file says by its
    fingerprint that it has marks, and of which eps; the codec itself refuses it.

    Args:
        codec: any codec with a hyperprior; it is used, not copied.
        eps: bound of the relative difference between the scales of any two devices.

    Example:
        >>> codec = Calibrated(ScaleHyperprior(8, 12).eval(), eps=1e-4)
        >>> data = codec.compress(torch.rand(3, 50, 70))
        >>> codec.decompress(data).shape
        torch.Size([3, 50, 70])

    Raises:
        ArgumentError: eps is not positive, or too large for the thresholds of the codec.
    """

    def __init__(self, codec: ScaleHyperprior, eps: float = 1e-4) -> None:
        check_eps(eps, codec.gaussian.scales, codec.tables.rule)
        self.codec = codec
        self.eps = float(eps)

    @property
    def name(self) -> str:
        """Name of the model in its files."""
        return f"{self.codec.name}-calibrated"

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name the codec and eps together."""
        text = f"{self.name} {self.codec.fingerprint} {self.eps.hex()}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def compress(self, image: Tensor) -> bytes:
        """Compresses one image; arguments and errors are those of `ImageCodec.compress`."""
        return self.pack_latents(self.latents(image))

    def decompress(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Tensor:
        """Restores an image; arguments and errors are those of `ImageCodec.decompress`."""
        return self.codec.reconstruct(self.unpack_latents(data, max_pixels=max_pixels))

    @torch.inference_mode()
    def latents(self, image: Tensor) -> Latents:
        """The integers that stand for an image: parts z, marks, y."""
        codec, tables = self.codec, self.codec.tables
        checked = checked_image(image).to(next(codec.parameters()).device, torch.float32)
        y = codec.analysis(pad_image(checked, codec.stride))
        z = codec.hyper_analysis(codec.hyper_input(y))
        z_symbols = to_symbols(rounded_latents(z - centers(tables, z))[0])
        sigma, mean = self._parameters(z_symbols)
        rows, marks = mark(sigma, tables.scales, self.eps, tables.rule)
        y_symbols = to_symbols(rounded_latents(y[0] if mean is None else y[0] - mean))
        parts = (self._z_part(z_symbols), *marks, self._y_part(y_symbols, rows))
        height, width = checked.shape[-2:]
        return Latents(height, width, parts, torch.from_numpy(sigma), mean)

    def pack_latents(self, latents: Latents) -> bytes:
        """Codes latents into an `.fc` file."""
        encoder = Encoder(check=True)
        for part in latents.parts:
            encoder.push(part.symbols, part.indexes, part.table)
        stream = encoder.finish()
        return pack(ImageFile(self.name, self.fingerprint, latents.height, latents.width, stream))

    @torch.inference_mode()
    def unpack_latents(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Latents:
        """Decodes an `.fc` file to the very latents it was made of.

        Raises:
            StreamError: as `ImageCodec.decompress`; also if this device's scales differ by more
                than eps from those of the device that made the file.
        """
        codec, tables = self.codec, self.codec.tables
        file = checked_file(data, self.name, self.fingerprint, max_pixels)
        height, width = (-(-side // codec.stride) for side in (file.height, file.width))
        indexes = channel_indexes((codec.channels, height, width))
        try:
            decoder = Decoder(file.stream)
            z_symbols = decoder.pull(indexes, tables.bottleneck, dtype=np.int16)
            sigma, mean = self._parameters(z_symbols)
            rows, marks = pull_rows(decoder, sigma, tables.scales, tables.rule)
            y_symbols = decoder.pull(rows, self._rows_of_y, dtype=np.int16)
            decoder.finish()
        except SymbolRangeError as error:  # the width of a latent is our choice, not the caller's
            raise CorruptStreamError(str(error)) from error
        parts = (self._z_part(z_symbols), *marks, self._y_part(y_symbols, rows))
        return Latents(file.height, file.width, parts, torch.from_numpy(sigma), mean)

    def _parameters(
        self, z_symbols: NDArray[np.int16]
    ) -> tuple[NDArray[np.float64], Tensor | None]:
        """Scales as this device computes them, float64 (M, H, W), and means on the device."""
        codec, tables = self.codec, self.codec.tables
        z = to_device(z_symbols, next(codec.parameters()).device)[None].float()
        sigma, mean = codec.parameters_of_y(z + centers(tables, z))
        low = max(codec.gaussian.scale_bound, tables.scales[0])
        bounded = sigma[0].double().clamp(low, max(low, tables.scales[-1])).cpu().numpy()
        return bounded, None if mean is None else mean[0]

    @property
    def _rows_of_y(self) -> CdfTable:
        table = self.codec.tables.gaussian
        if table is None:
            raise ArgumentError("codec.tables.gaussian = None, expected rows")
        return table

    def _z_part(self, symbols: NDArray[np.int16]) -> LatentPart:
        table = self.codec.tables.bottleneck
        return LatentPart("z", symbols, channel_indexes(symbols.shape), table)

    def _y_part(self, symbols: NDArray[np.int16], rows: Rows) -> LatentPart:
        return LatentPart("y", symbols, rows, self._rows_of_y)


def _flag_table(density: int) -> CdfTable:
    total = 2**_DENSITY_BITS
    return CdfTable.from_cdf(
        [[0, total - density, total]], [0], precision=_DENSITY_BITS, escape=False
    )


def _nearest_threshold(
    values: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Position of the threshold with the smallest ratio to each value."""
    above = np.searchsorted(thresholds, values)
    last = len(thresholds) - 1
    below = np.clip(above - 1, 0, last)
    above = np.clip(above, 0, last)
    nearer = values * values < thresholds[below] * thresholds[above]
    return np.where(nearer, below, above).astype(np.int64)
