# SPDX-License-Identifier: Apache-2.0
"""What the image codecs share: geometry, the way to bytes and back, and the model's fingerprint."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fastcoder import Decoder, Encoder
from fastcoder._arrays import as_integer
from fastcoder.container import MAX_PIXELS, ImageFile, pack, unpack
from fastcoder.errors import (
    ArgumentError,
    ArgumentTypeError,
    CorruptStreamError,
    ShapeError,
    StreamError,
    SymbolRangeError,
)
from fastcoder.torch.arrays import to_array
from fastcoder.torch.codecs.latents import CodecTables, CodedParts, Latents
from fastcoder.torch.exact import ExactTransform
from fastcoder.torch.integer import IntegerTransform
from fastcoder.torch.scales import FLOATS

# "ste" is for training only: the transforms see rounded latents with the gradient of the identity,
# the rate sees noisy ones.
LatentMode = Literal["noise", "ste", "round"]

_HASH_FLAG = 1 << 6  # of a stream's first byte; docs/format.md, section 4


class CodecOutput(NamedTuple):
    """Result of a forward pass.

    Attributes:
        image: reconstruction, shape of the input, not clamped to [0, 1].
        likelihoods: probability of every latent, by name ("y" and, where there is one, "z").
    """

    image: Tensor
    likelihoods: dict[str, Tensor]

    def bits(self) -> Tensor:
        """Estimated size of the whole batch in bits, float32 scalar, differentiable."""
        total = torch.zeros((), device=self.image.device)
        for likelihood in self.likelihoods.values():
            total = total - torch.log2(likelihood.float()).sum()
        return total


@dataclass(frozen=True, eq=False)
class Frozen:
    """What coding needs and training must not touch; made once per state of the weights."""

    versions: tuple[tuple[int, int, int], ...]
    weights: bytes
    tables: CodecTables
    exact: ExactTransform | IntegerTransform | None
    fingerprint: str

    def __deepcopy__(self, memo: dict[int, Any]) -> Frozen:
        return self  # immutable, and the copied weights have the same digest


class ImageCodec(nn.Module, ABC):
    """An image codec: RGB in [0, 1] to bytes and back.

    `forward` is for training. `compress` and `decompress` work on `latents`, whose tables are built
    when they are first needed, or come with the file of the model; they follow the weights, so
    there is nothing to update.

    Args:
        channels: N, channels of the hidden layers.
        latent_channels: M, channels of the latents y.
    """

    name: ClassVar[str]
    stride: ClassVar[int]  # both sides of an image are padded to a multiple of this

    def __init__(self, channels: int, latent_channels: int) -> None:
        super().__init__()
        for argument, value in (("channels", channels), ("latent_channels", latent_channels)):
            if not 1 <= as_integer(value, argument) <= 65536:
                raise ArgumentError(f"{argument} = {value}, expected 1 <= {argument} <= 65536")
        self.channels = channels
        self.latent_channels = latent_channels
        self._frozen: Frozen | None = None

    # ---- what a codec has to supply --------------------------------------------------------------

    @abstractmethod
    def transform(self, x: Tensor, mode: LatentMode) -> CodecOutput:
        """Forward pass on (N, 3, H, W) with H and W multiples of `stride`."""

    @abstractmethod
    def build_tables(self, *, precision: int = 14, tail_mass: float = 2.0**-12) -> CodecTables:
        """Quantizes every distribution of the model to integers, on the CPU."""

    @abstractmethod
    def _exact_transform(self, tables: CodecTables) -> ExactTransform | IntegerTransform | None:
        """The network between coded latents and the rows of others, if there is one.

        That of the tables, or else the float network, both the same on every machine.
        """

    @abstractmethod
    def _analyze(self, x: Tensor, frozen: Frozen) -> CodedParts:
        """(1, 3, H, W), padded, to the parts in coding order."""

    @abstractmethod
    def _pull(self, decoder: Decoder, height: int, width: int, frozen: Frozen) -> CodedParts:
        """Mirror image of `_analyze` and the pushes; height and width are the padded ones."""

    @abstractmethod
    def _synthesize(self, latents: Latents, frozen: Frozen) -> Tensor:
        """Latents to the padded image (1, 3, H, W), not clamped."""

    # ---- training --------------------------------------------------------------------------------

    def forward(self, x: Tensor, mode: LatentMode | None = None) -> CodecOutput:
        """Reconstructs a batch and gives the likelihoods of its latents.

        Args:
            x: (N, 3, H, W) in [0, 1], any H and W >= 1.
            mode: "noise", "ste" or "round"; by default noise while training, else rounding.

        Returns:
            The reconstruction, cropped to H x W, and the likelihoods of the padded image.
        """
        height, width = x.shape[-2:]
        padded = pad_image(x, self.stride)
        output = self.transform(padded, mode or ("noise" if self.training else "round"))
        return output._replace(image=output.image[..., :height, :width])

    # ---- coding ----------------------------------------------------------------------------------

    def compress(self, image: Tensor) -> bytes:
        """Compresses one image.

        Args:
            image: floating (3, H, W) or (1, 3, H, W), values in [0, 1], any H and W >= 1.

        Returns:
            The content of an `.fc` file.

        Raises:
            ArgumentTypeError: not a dense floating tensor with values, or the weights are not
                float32.
            ArgumentError: a wrong shape, or a value outside [0, 1] (NaN included).
        """
        return self.pack_latents(self.latents(image))

    def decompress(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Tensor:
        """Restores an image.

        Args:
            data: what `compress` of the same model returned.
            max_pixels: an image that claims more pixels is an error.

        Returns:
            float32 (3, H, W) in [0, 1] on the device of the model.

        Raises:
            StreamError: not such bytes, altered bytes, another model, or too large an image.
            ArgumentTypeError: not bytes, or the weights are not float32.
        """
        return self.reconstruct(self.unpack_latents(data, max_pixels=max_pixels))

    @torch.inference_mode()
    def latents(self, image: Tensor) -> Latents:
        """The integers that stand for an image: the network half of `compress`."""
        x = checked_image(image).to(self._device, torch.float32)
        frozen = self._freeze()
        coded = self._analyze(pad_image(x, self.stride), frozen)
        return Latents(x.shape[-2], x.shape[-1], *coded)

    def pack_latents(self, latents: Latents) -> bytes:
        """Codes latents of this model into an `.fc` file: the coder half of `compress`."""
        encoder = Encoder(check=True)
        for part in latents.parts:
            encoder.push(part.symbols, part.indexes, part.table)
        file = ImageFile(
            self.name, self.fingerprint, latents.height, latents.width, encoder.finish()
        )
        return pack(file)

    @torch.inference_mode()
    def unpack_latents(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Latents:
        """Decodes an `.fc` file to the very latents it was made of; raises as `decompress` does."""
        frozen = self._freeze()
        file = checked_file(data, self.name, frozen.fingerprint, max_pixels)
        height, width = (
            -(-side // self.stride) * self.stride for side in (file.height, file.width)
        )
        try:
            decoder = Decoder(file.stream)
            coded = self._pull(decoder, height, width, frozen)
            decoder.finish()
        except SymbolRangeError as error:  # the width of a latent is our choice, not the caller's
            raise CorruptStreamError(str(error)) from error
        return Latents(file.height, file.width, *coded)

    @torch.inference_mode()
    def reconstruct(self, latents: Latents) -> Tensor:
        """The image of latents of this model: float32 (3, H, W) in [0, 1]."""
        image = self._synthesize(latents, self._freeze())[0]
        return image[:, : latents.height, : latents.width].float().clamp(0.0, 1.0).contiguous()

    # ---- identity --------------------------------------------------------------------------------

    @property
    def tables(self) -> CodecTables:
        """The tables that `compress` uses: those of the model's file, or built from the weights."""
        return self._freeze().tables

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name weights and tables together."""
        return self._freeze().fingerprint

    def attach_tables(self, tables: CodecTables) -> None:
        """Uses these tables, instead of building them, for as long as the weights stay as they are.

        Raises:
            ArgumentError: the tables belong to a codec of another shape.
        """
        own = self.bottleneck_channels
        if tables.bottleneck.rows != own:
            raise ArgumentError(
                f"tables.bottleneck.rows = {tables.bottleneck.rows}, expected {own}"
            )
        exact = self._exact_transform(tables)
        if (exact is None) != (tables.gaussian is None):
            raise ArgumentError(
                f"tables.gaussian = {tables.gaussian}, expected that of {self.name}"
            )
        weights = self._weights_digest()
        self._frozen = self._frozen_with(weights, tables, exact)

    @property
    def integer_network(self) -> IntegerTransform | None:
        """The network of integers that belongs to the present weights; builds nothing."""
        frozen = self._frozen
        if frozen is None or frozen.tables.hyper is None:
            return None
        return frozen.tables.hyper if frozen.weights == self._weights_digest() else None

    @property
    @abstractmethod
    def bottleneck_channels(self) -> int:
        """Number of rows of the factorized table."""

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments that make a codec like this one, without those at their default.

        Numbers, strings and lists of them: they are stored in the model's file and, like the
        weights, part of the fingerprint.
        """
        return {}

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    def _freeze(self) -> Frozen:
        """The tables and networks for the present weights.

        Weights are compared by their place in memory and the counters that PyTorch keeps of
        in-place changes, and only if one of these moved by their content.
        """
        frozen = self._frozen
        versions = self._versions()
        if frozen is not None and frozen.versions == versions:
            return frozen
        for tensor in self.parameters():
            if tensor.dtype != torch.float32:
                raise ArgumentTypeError(
                    f"weights = {tensor.dtype}, expected torch.float32: call .float() first"
                )
        weights = self._weights_digest()
        if frozen is not None and frozen.weights == weights:
            self._frozen = replace(frozen, versions=versions)
        else:
            tables = self.build_tables()
            self._frozen = self._frozen_with(weights, tables, self._exact_transform(tables))
        return self._frozen

    def _frozen_with(
        self,
        weights: bytes,
        tables: CodecTables,
        exact: ExactTransform | IntegerTransform | None,
    ) -> Frozen:
        fingerprint = hashlib.sha256(weights + tables.digest()).hexdigest()[:16]
        return Frozen(self._versions(), weights, tables, exact, fingerprint)

    def _versions(self) -> tuple[tuple[int, int, int], ...]:
        # `half`, `float` and `to` move a parameter to other memory and count no version.
        tensors = (*self.parameters(), *self.buffers())
        return tuple((id(t), t.data_ptr(), t._version) for t in tensors)

    def _weights_digest(self) -> bytes:
        state = hashlib.sha256(f"{self.name} {self.channels} {self.latent_channels}\n".encode())
        if self.options:
            state.update(f"{json.dumps(self.options, sort_keys=True)}\n".encode())
        for name, tensor in sorted(self.state_dict().items()):
            state.update(f"{name} {tuple(tensor.shape)}\n".encode())
            state.update(to_array(tensor.float()).astype("<f4").tobytes())
        return state.digest()


def checked_file(data: bytes, name: str, fingerprint: str, max_pixels: int) -> ImageFile:
    """Reads an `.fc` file of one model, or raises StreamError and says what is wrong."""
    file = unpack(data, max_pixels=max_pixels)
    if file.fingerprint != fingerprint:
        raise StreamError(
            f"fingerprint = {file.fingerprint} (a {file.model}), expected {fingerprint} "
            f"(this {name}): the file was made with another model"
        )
    # Only the hash shows that this device arrived at the rows that the encoder used.
    if not file.stream or not file.stream[0] & _HASH_FLAG:
        raise CorruptStreamError("stream = without symbol hash, expected one with it")
    return file


def pad_image(x: Tensor, stride: int) -> Tensor:
    """Pads the right and lower side by reflection until both are multiples of `stride`.

    Reflection needs a pad below the size, so a small image is reflected several times; a side of 1
    is repeated.

    Args:
        x: (N, C, H, W), H and W >= 1.
        stride: positive.

    Returns:
        (N, C, H', W') with the input in its upper left corner.
    """
    for axis in (-2, -1):
        goal = -(-x.shape[axis] // stride) * stride
        while x.shape[axis] < goal:
            size = x.shape[axis]
            if size == 1:
                shape = list(x.shape)
                shape[axis] = goal
                x = x.expand(shape)
                break
            extra = min(goal - size, size - 1)
            x = functional.pad(
                x, (0, extra, 0, 0) if axis == -1 else (0, 0, 0, extra), mode="reflect"
            )
    return x


def rounded_latents(y: Tensor) -> Tensor:
    """Rounds latents of one image; raises ArgumentError if the network gave NaN or infinity."""
    if not bool(torch.isfinite(y).all()):
        raise ArgumentError("latents = not finite, expected finite numbers: the weights are broken")
    return y.round()


def checked_image(image: Tensor) -> Tensor:
    """One image as (1, 3, H, W), or an error that names what is wrong."""
    batch = checked_images(image)
    if len(batch) != 1:
        raise ShapeError(f"image.shape = {tuple(image.shape)}, expected (3, H, W) or (1, 3, H, W)")
    return batch


def checked_images(image: Tensor) -> Tensor:
    """One image or several as (N, 3, H, W), or an error that names what is wrong."""
    kind = getattr(image, "dtype", type(image).__name__)
    if kind not in FLOATS:
        raise ArgumentTypeError(f"image = {kind}, expected a floating tensor with values in [0, 1]")
    if image.layout != torch.strided or image.device.type == "meta":
        raise ArgumentTypeError(
            f"image = {image.layout} on {image.device}, expected a dense tensor with values"
        )
    batch = image[None] if image.dim() == 3 else image
    if batch.dim() != 4 or batch.shape[1] != 3 or 0 in batch.shape:
        raise ShapeError(f"image.shape = {tuple(image.shape)}, expected (3, H, W) or (N, 3, H, W)")
    good = (batch >= 0) & (batch <= 1)
    if not bool(good.all()):
        position = int(good.reshape(-1).logical_not().nonzero()[0])
        value = float(batch.reshape(-1)[position])
        raise ArgumentError(f"image[{position}] = {value}, expected 0 <= image <= 1")
    return batch
