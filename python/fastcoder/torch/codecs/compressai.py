# SPDX-License-Identifier: Apache-2.0
"""CompressAI's checkpoints as codecs of ours: names, constants, medians and tables.

A state_dict of CompressAI's bmshj2018_factorized, bmshj2018_hyperprior or mbt2018_mean has the same
numbers as a codec here, under other names. What training fixed is taken over exactly: the stored
(reparametrized) weights, the medians that its auxiliary loss has found and, if the model had been
made ready for coding, the integer rows. Nothing here imports CompressAI.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from fastcoder import CdfTable
from fastcoder.container import MAX_PIXELS
from fastcoder.errors import ArgumentError, ArgumentTypeError, ShapeError, TableError
from fastcoder.torch.codecs.base import ImageCodec, checked_images
from fastcoder.torch.codecs.compressai_strings import Strings, decode_images, encode_images
from fastcoder.torch.codecs.latents import CodecTables
from fastcoder.torch.entropy_models.base import LIKELIHOOD_MINIMUM
from fastcoder.torch.layers import BETA_BOUND, GAMMA_BOUND, PEDESTAL

_Codec = TypeVar("_Codec", bound="CheckpointCodec")

_BOTTLENECK = "entropy_bottleneck"
_GAUSSIAN = "gaussian_conditional"
_QUANTILES = f"{_BOTTLENECK}.quantiles"

# CompressAI's modules and ours.
_MODULES = {
    "g_a": "analysis",
    "g_s": "synthesis",
    "h_a": "hyper_analysis",
    "h_s": "hyper_synthesis",
    _BOTTLENECK: "bottleneck",
}

# The density's parameters had other names in older versions: `_matrix0`, then `_matrices.0`.
_OLD_NAMES = {
    "_matrix": "matrices.",
    "_matrices.": "matrices.",
    "_bias": "biases.",
    "_biases.": "biases.",
    "_factor": "factors.",
    "_factors.": "factors.",
}

# Buffers that hold constants. Ours are the same, and other ones would be another model.
_CONSTANTS = {
    r"g_[as]\.\d+\.(beta|gamma)_reparam\.pedestal": PEDESTAL,
    r"g_[as]\.\d+\.beta_reparam\.lower_bound\.bound": BETA_BOUND,
    r"g_[as]\.\d+\.gamma_reparam\.lower_bound\.bound": GAMMA_BOUND,
    rf"({_BOTTLENECK}|{_GAUSSIAN})\.likelihood_lower_bound\.bound": LIKELIHOOD_MINIMUM,
}

# Buffers that are read elsewhere, and `target`, which only CompressAI's auxiliary loss needs.
_ROWS = ("_quantized_cdf", "_cdf_length", "_offset")
_BOTTLENECK_BUFFERS = {f"{_BOTTLENECK}.{name}" for name in (*_ROWS, "target")}
_SCALE_BOUNDS = (f"{_GAUSSIAN}.lower_bound_scale.bound", f"{_GAUSSIAN}.scale_bound")
_SCALE_TABLE = f"{_GAUSSIAN}.scale_table"
_GAUSSIAN_BUFFERS = {f"{_GAUSSIAN}.{name}" for name in _ROWS} | {_SCALE_TABLE, *_SCALE_BOUNDS}

_NAMED = 5  # keys that a message lists
_PRECISION = 16  # of every table that CompressAI's coder reads


class CheckpointCodec(ImageCodec):
    """A codec that can be made from the state_dict of its counterpart in CompressAI.

    Beside its own `.fc` files it then reads and writes the strings of that model.
    """

    analysis: nn.Sequential
    synthesis: nn.Sequential

    @classmethod
    def from_compressai(cls: type[_Codec], state_dict: Mapping[str, Tensor]) -> _Codec:
        """Makes a codec with the weights, medians and tables of a CompressAI model.

        Takes the models that CompressAI calls bmshj2018_factorized (also with `_relu`), for
        `FactorizedPrior`, bmshj2018_hyperprior, for `ScaleHyperprior`, and mbt2018_mean, for
        `MeanScaleHyperprior`, of any size, with the key names of old versions and of DataParallel.

        In evaluation mode the codec has the likelihoods and reconstructions of the original. If
        the tables were made (by `update()` there), `compress` uses these very rows, and sigma
        chooses them by CompressAI's rule ("ceil"); else the codec builds tables of its own.

        Args:
            state_dict: what `state_dict()` of the model returned, on any device. It is copied.

        Returns:
            The codec in float32, on the CPU, in evaluation mode.

        Raises:
            ArgumentTypeError: something in it is no tensor of numbers.
            ArgumentError: keys are missing, or there are keys that such a model does not have, or
                constants have other values.
            ShapeError: a tensor has another shape.
            TableError: the tables are damaged, or do not belong to the model.
        """
        entries = _renamed(state_dict)
        channels, latent_channels = _sizes(entries)
        options = cls._options_of(entries)
        with torch.device("meta"):  # memory is taken when all shapes have turned out right
            codec = cast("Any", cls)(channels, latent_channels, **options)
        weights = _weights(codec, entries)
        _check_constants(entries)
        codec.load_state_dict(weights, assign=True)
        tables = _tables(codec, entries)
        if tables is not None:
            codec.attach_tables(tables)
        return cast("_Codec", codec.eval())

    @torch.inference_mode()
    def compress_strings(self, image: Tensor) -> Strings:
        """Codes images to the bytes that the model in CompressAI would write.

        Args:
            image: floating (3, H, W) or (N, 3, H, W), values in [0, 1], not padded here: sides
                have to be multiples of 64 with a hyperprior.

        Returns:
            A dictionary of `strings` and `shape`, the arguments of `decompress_strings` and of
            the `decompress` of CompressAI.

        Raises:
            ArgumentTypeError: not a dense floating tensor with values, or the weights are not
                float32.
            ArgumentError: a wrong shape, a value outside [0, 1], or a codec without the tables of
                a CompressAI checkpoint.
        """
        return encode_images(self, checked_images(image).to(self._device, torch.float32))

    @torch.inference_mode()
    def decompress_strings(
        self,
        strings: Sequence[Sequence[bytes]],
        shape: Sequence[int],
        *,
        max_pixels: int = MAX_PIXELS,
    ) -> Tensor:
        """Restores images from the bytes that the model in CompressAI wrote.

        They have to come from a machine whose floats agree with those of this one: CompressAI
        chooses the rows of y by a float network. A disagreement is mostly, not always, noticed.

        Args:
            strings: [[y, ...]], or [[y, ...], [z, ...]] with a hyperprior; one per image.
            shape: (height, width) of the latents that were coded first, as CompressAI returns it.
            max_pixels: a shape that makes more pixels is an error.

        Returns:
            float32 (N, 3, H, W) in [0, 1] on the device of the model.

        Raises:
            StreamError: not such bytes, or too many pixels.
            ArgumentTypeError: not bytes, or the weights are not float32.
            ArgumentError: a wrong number of strings, a wrong shape, or a codec without the tables
                of a CompressAI checkpoint.
        """
        return decode_images(self, strings, shape, max_pixels).float().clamp(0.0, 1.0)

    @classmethod
    def _options_of(cls, entries: Mapping[str, Tensor]) -> dict[str, Any]:
        """Keyword arguments that a checkpoint asks for."""
        return bottleneck_options(entries)


def bottleneck_options(entries: Mapping[str, Tensor]) -> dict[str, Any]:
    """The widths of the density, read from the shapes of its matrices."""
    widths: list[int] = []
    while (matrix := entries.get(f"{_BOTTLENECK}.matrices.{len(widths)}")) is not None:
        if matrix.dim() != 3:
            name = f"{_BOTTLENECK}.matrices.{len(widths)}"
            raise ShapeError(f"{name}.shape = {tuple(matrix.shape)}, expected (channels, out, in)")
        widths.append(matrix.shape[1])
    options: dict[str, Any] = {"fixed_medians": True}
    if widths:
        options["filters"] = widths[:-1]
    return options


def gaussian_options(entries: Mapping[str, Tensor]) -> dict[str, Any]:
    """The scales and their lower bound; no scales if the tables were never made."""
    options: dict[str, Any] = {}
    scales = entries.get(_SCALE_TABLE)
    if scales is not None and scales.numel():
        options["scales"] = _floats(_SCALE_TABLE, scales).double().tolist()
    for name in _SCALE_BOUNDS:
        if name in entries and entries[name].numel() == 1:
            options["scale_bound"] = float(_floats(name, entries[name]))
    return options


def _renamed(state_dict: object) -> dict[str, Tensor]:
    """The entries under the names of CompressAI's present version."""
    if not isinstance(state_dict, Mapping):
        kind = type(state_dict).__name__
        raise ArgumentTypeError(f"type(state_dict) = {kind}, expected a mapping of tensors")
    entries: dict[str, Tensor] = {}
    for key, tensor in state_dict.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            raise ArgumentTypeError(
                f"type(state_dict[{key!r}]) = {type(tensor).__name__}, expected Tensor: "
                "a state_dict itself, not what it was stored with"
            )
        if tensor.layout != torch.strided or tensor.device.type == "meta" or tensor.is_complex():
            found = f"{tensor.dtype} {tensor.layout} on {tensor.device}"
            raise ArgumentTypeError(f"state_dict[{key!r}] = {found}, expected real, dense numbers")
        name = _present_name(key.removeprefix("module."))
        if name in entries:
            raise ArgumentError(f"state_dict[{key!r}] = a second {name}, expected one")
        entries[name] = tensor.detach().cpu()
    return entries


def _present_name(name: str) -> str:
    module, _, rest = name.partition(".")
    if module == _BOTTLENECK:
        for old, new in _OLD_NAMES.items():
            number = rest.removeprefix(old)
            if number != rest and number.isdecimal():
                return f"{module}.{new}{number}"
    return name


def _sizes(entries: Mapping[str, Tensor]) -> tuple[int, int]:
    """N and M."""
    sizes = []
    for name in ("g_a.0.weight", "g_a.6.weight"):
        if name not in entries:
            raise ArgumentError(f"state_dict[{name!r}] = missing, expected a tensor")
        if entries[name].dim() != 4:
            shape = tuple(entries[name].shape)
            raise ShapeError(f"state_dict[{name!r}].shape = {shape}, expected 4 axes")
        sizes.append(entries[name].shape[0])
    return sizes[0], sizes[1]


def _weights(codec: CheckpointCodec, entries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state_dict of `codec` with the numbers of a checkpoint, all of which have to be there."""
    wanted = codec.state_dict()
    names = {_their_name(name): name for name in wanted}
    buffers = _BOTTLENECK_BUFFERS | (_GAUSSIAN_BUFFERS if hasattr(codec, "gaussian") else set())
    missing = sorted(set(names) - set(entries))
    unknown = [
        name
        for name in entries
        if name not in names
        and name not in buffers
        and not any(re.fullmatch(pattern, name) for pattern in _CONSTANTS)
    ]
    for title, keys in (("missing", missing), ("unknown", unknown)):
        if keys:
            listed = ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")
            raise ArgumentError(
                f"state_dict = {len(keys)} {title} keys ({listed}), "
                f"expected the keys of CompressAI's {type(codec).__name__}"
            )
    weights = {}
    for theirs, ours in names.items():
        tensor = _floats(theirs, entries[theirs])
        shape = tuple(wanted[ours].shape)
        if theirs == _QUANTILES:  # lower tail, median, upper tail of each channel
            shape = (*shape, 1, 3)
        if tensor.shape != shape:
            found = tuple(tensor.shape)
            raise ShapeError(f"state_dict[{theirs!r}].shape = {found}, expected {shape}")
        weights[ours] = (tensor[:, 0, 1] if theirs == _QUANTILES else tensor).clone()
    return weights


def _their_name(name: str) -> str:
    """The key in CompressAI's state_dict that holds one of our parameters."""
    module, _, rest = name.partition(".")
    theirs = next(key for key, ours in _MODULES.items() if ours == module)
    if rest == "fixed_medians":
        return _QUANTILES
    return f"{theirs}.{rest.removesuffix('.stored')}"


def _floats(name: str, tensor: Tensor) -> Tensor:
    """A tensor of the checkpoint as contiguous float32."""
    if not tensor.is_floating_point():
        raise ArgumentTypeError(f"state_dict[{name!r}] = {tensor.dtype}, expected floats")
    values = tensor.float().contiguous()
    if not bool(torch.isfinite(values).all()):
        raise ArgumentError(f"state_dict[{name!r}] = not finite, expected finite numbers")
    return values


def _check_constants(entries: Mapping[str, Tensor]) -> None:
    for name, tensor in entries.items():
        for pattern, value in _CONSTANTS.items():
            if re.fullmatch(pattern, name) and not np.allclose(tensor, value, rtol=1e-6, atol=0):
                raise ArgumentError(f"state_dict[{name!r}] = {tensor.tolist()}, expected {value}")


def _tables(codec: CheckpointCodec, entries: Mapping[str, Tensor]) -> CodecTables | None:
    """The tables of a checkpoint, or None if `update()` was never called on its model."""
    scales = getattr(codec, "gaussian", None)
    modules = [_BOTTLENECK] if scales is None else [_BOTTLENECK, _GAUSSIAN]
    names = [f"{module}.{name}" for module in modules for name in _ROWS]
    empty = [name for name in names if name not in entries or not entries[name].numel()]
    if len(empty) == len(names):
        return None
    if empty:
        raise TableError(f"state_dict[{empty[0]!r}] = empty, expected all tables or none")
    medians = _floats(_QUANTILES, entries[_QUANTILES])[:, 0, 1].numpy()
    bottleneck = _table(entries, _BOTTLENECK, codec.bottleneck_channels)
    if scales is None:
        return CodecTables(bottleneck, medians)
    gaussian = _table(entries, _GAUSSIAN, len(scales.scales))
    return CodecTables(bottleneck, medians, gaussian, np.array(scales.scales), "ceil")


def _table(entries: Mapping[str, Tensor], module: str, rows: int) -> CdfTable:
    """Rows as CompressAI keeps them: padded, with their lengths beside them."""
    arrays = []
    for name in _ROWS:
        tensor = entries[f"{module}.{name}"]
        if tensor.is_floating_point() or tensor.dtype == torch.bool:
            raise TableError(f"state_dict['{module}.{name}'] = {tensor.dtype}, expected integers")
        arrays.append(tensor.to(torch.int64).numpy())
    cdfs, lengths, offsets = arrays
    for name, array, axes in zip(_ROWS, arrays, (2, 1, 1), strict=True):
        if array.ndim != axes or len(array) != rows:
            wanted = (rows, "slots") if axes == 2 else (rows,)
            raise TableError(
                f"state_dict['{module}.{name}'].shape = {array.shape}, expected {wanted}"
            )
    for row, length in enumerate(lengths.tolist()):
        if not 2 <= length <= cdfs.shape[1]:
            raise TableError(
                f"state_dict['{module}._cdf_length'][{row}] = {length}, "
                f"expected 2 <= length <= {cdfs.shape[1]}"
            )
    cut = [cdf[:length] for cdf, length in zip(cdfs, lengths, strict=True)]
    try:
        return CdfTable.from_cdf(cut, offsets, precision=_PRECISION, escape=True)
    except (TableError, ArgumentError) as error:
        raise TableError(f"state_dict['{module}._quantized_cdf']: {error}") from error
