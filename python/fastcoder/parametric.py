# SPDX-License-Identifier: Apache-2.0
"""Distributions of one symbol each, without tables: a mean and a scale per symbol, or mixtures.

For codecs whose network gives every symbol parameters of its own. A model turns them into fixed
point when it is made; from there on everything is integers, the same on every machine
(docs/parametric.md). Use it with :meth:`fastcoder.Encoder.push_parametric` and
:meth:`fastcoder.Decoder.pull_parametric`.

Both sides need the same fixed point values. Networks that run on different machines do not give
the same floats: let them agree on integers and use ``from_fixed``.

Over 400 lines, most of them docstrings: each of the four models says what its parameters mean.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _core
from ._arrays import (
    ArrayInput,
    as_array,
    as_floats,
    as_integer,
    as_sequence,
    as_shape,
    as_symbols,
    contiguous,
)
from ._locks import OwnedLock
from .coding import Shape, _checked_out, _new_symbols
from .errors import ArgumentError, ArgumentTypeError, ShapeError

__all__ = [
    "PRECISION",
    "Gaussian",
    "Laplace",
    "Logistic",
    "Mixture",
    "ParametricModel",
]

PRECISION = 24
"""Bits of the intervals: ``0 <= start < start + frequency <= 2**PRECISION``."""

_Own = TypeVar("_Own", bound="_Single")


class ParametricModel:
    """One distribution per symbol, on the integers of a support; immutable.

    Every symbol of the support has a frequency of at least 1 of 2**24, however improbable; the
    outermost two have all the mass beyond them. So a wide support costs a little: ``size / 2**24 *
    1.44`` bits per symbol.
    """

    def __init__(self, native: _core.ParametricModel, shape: tuple[int, ...]) -> None:
        self._native = native
        self._shape = shape

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the symbols; ``()`` if one distribution stands for any number of them."""
        return self._shape

    @property
    def support(self) -> tuple[int, int]:
        """The smallest and the largest symbol."""
        return self._native.low, self._native.high

    def intervals(self, symbols: ArrayInput) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Where the symbols lie in ``[0, 2**24)``.

        Args:
            symbols: Integers of :attr:`shape`, in the support.

        Returns:
            Starts and frequencies, of the shape of ``symbols``.

        Raises:
            SymbolRangeError: If a symbol lies outside the support; the message names the first one.
            FastcoderError: If the symbols have another type or shape.

        Example:
            >>> starts, frequencies = Gaussian(0.0, 1.0, support=(-1, 1)).intervals([-1, 0, 1])
            >>> starts.tolist(), frequencies.tolist()
            ([0, 5176401, 11600814], [5176401, 6424413, 5176402])
        """
        array = self._symbols(symbols)
        starts = np.empty(array.shape, np.uint32)
        frequencies = np.empty(array.shape, np.uint32)
        self._native.intervals(array, starts, frequencies)
        return starts, frequencies

    def find(self, values: ArrayInput) -> NDArray[np.int32]:
        """The symbols whose intervals hold ``values``: the inverse of :meth:`intervals`.

        Args:
            values: Integers of :attr:`shape`, ``0 <= value < 2**24``.

        Returns:
            The symbols, int32.

        Raises:
            ArgumentError: If a value lies outside its interval; the message names the first one.
            FastcoderError: If the values have another type or shape.

        Example:
            >>> Gaussian(0.0, 1.0, support=(-1, 1)).find([0, 5176401, 2**24 - 1]).tolist()
            [-1, 0, 1]
        """
        array = as_symbols(values, "values")
        self._check_shape(array.shape, "values")
        outside = (array < 0) | (array >= 1 << PRECISION)
        if outside.any():
            position = int(np.argmax(outside.ravel()))
            raise ArgumentError(
                f"values[{position}] = {array.ravel()[position]}, expected 0 <= value < 2**24"
            )
        out = np.empty(array.shape, np.int32)
        self._native.find(contiguous(array.astype(np.uint32, copy=False)), out)
        return out

    def cost(self, symbols: ArrayInput) -> float:
        """Bits of all symbols under the integer distributions.

        Args:
            symbols: As for :meth:`intervals`.

        Returns:
            The sum of ``24 - log2(frequency)``; the same on every machine.

        Raises:
            FastcoderError: As :meth:`intervals`.

        Example:
            >>> round(Gaussian(0.0, 1.0, support=(-1, 1)).cost([0, 0, 1]), 3)
            4.466
        """
        return self._native.cost(self._symbols(symbols))

    def _symbols(self, symbols: ArrayInput) -> NDArray[Any]:
        array = as_symbols(symbols)
        self._check_shape(array.shape, "symbols")
        return array

    def _check_shape(self, shape: tuple[int, ...], name: str) -> None:
        if self._shape not in ((), shape):
            raise ShapeError(f"{name}.shape = {shape}, expected {self._shape}")


class _Single(ParametricModel):
    """A model of one component."""

    _family: ClassVar[str]

    def __init__(
        self,
        mean: ArrayInput,
        scale: ArrayInput,
        *,
        support: Sequence[SupportsIndex],
    ) -> None:
        low, high = _as_support(support)
        means, scales = _as_reals(mean, "mean"), _as_reals(scale, "scale")
        shape = _common_shape(means, scales)
        native = _core.ParametricModel.from_real(
            self._family, _spread(means, shape), _spread(scales, shape), low, high
        )
        super().__init__(native, shape)

    @classmethod
    def from_fixed(
        cls: type[_Own], mean: ArrayInput, scale: ArrayInput, *, support: Sequence[SupportsIndex]
    ) -> _Own:
        """A model from integers: what two machines can agree on.

        Args:
            mean: 1,024 times the means, integers in ``[-2**30, 2**30]``.
            scale: Codes of the scales, integers in ``[0, 7680]``: ``256 * e + f`` stands for
                ``2**(e - 10) * (1 + f / 256)``.
            support: As for the class.

        Raises:
            ArgumentError: If a value lies outside its interval; the message names the first one.
            ArgumentTypeError, ShapeError: If the arrays are not integers of shapes that broadcast.

        Example:
            >>> model = Gaussian.from_fixed([512, -256], [2560, 2816], support=(-8, 8))
            >>> real = Gaussian([0.5, -0.25], [1.0, 2.0], support=(-8, 8))
            >>> model.cost([0, 1]) == real.cost([0, 1])
            True
        """
        low, high = _as_support(support)
        means = _as_fixed(mean, "mean", np.int32)
        scales = _as_fixed(scale, "scale", np.uint16)
        shape = _common_shape(means, scales)
        model = cls.__new__(cls)
        native = _core.ParametricModel.from_fixed(
            cls._family, _spread(means, shape), _spread(scales, shape), low, high
        )
        ParametricModel.__init__(model, native, shape)
        return model

    @property
    def mean_fixed(self) -> NDArray[np.int32]:
        """1,024 times the means, as they are used; a copy that broadcasts to :attr:`shape`."""
        return self._shaped(self._native.means(0))

    @property
    def scale_fixed(self) -> NDArray[np.uint16]:
        """The codes of the scales, as they are used; a copy that broadcasts to :attr:`shape`."""
        return self._shaped(self._native.scales(0))

    def _shaped(self, values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(self._shape if values.size != 1 else (1,) * len(self._shape))


class Gaussian(_Single):
    """Rounded Gaussian symbols: ``P(s) = Phi((s + 1/2 - mean) / scale) - Phi((s - 1/2 - ...))``.

    Args:
        mean: Real numbers, ``-2**20 <= mean <= 2**20``, any shape; rounded to multiples of 1/1024,
            half to even.
        scale: Standard deviations, ``0 <= scale <= 2**20``, a shape that broadcasts with that of
            ``mean``; rounded to eight bits after the first, half up; at least 2**-10 is used.
        support: The smallest and the largest symbol: in ``[-2**19, 2**19)``, at most 65,536
            symbols. A symbol outside is an error: clip it, or send it another way.

    Raises:
        ArgumentError: If a parameter is not finite or outside its interval; the message names the
            first one.
        ArgumentTypeError, ShapeError: If the arrays are not real or do not broadcast.

    Example:
        >>> from fastcoder import Decoder, Encoder
        >>> model = Gaussian([0.25, -3.0, 0.0], [1.0, 0.5, 20.0], support=(-128, 127))
        >>> encoder = Encoder()
        >>> encoder.push_parametric([1, -3, 17], model)
        >>> decoder = Decoder(encoder.finish())
        >>> decoder.pull_parametric(model).tolist()
        [1, -3, 17]
        >>> decoder.finish()
    """

    _family = "gaussian"


class Laplace(_Single):
    """Rounded Laplace symbols, of density ``exp(-|x - mean| / scale) / (2 scale)``.

    Arguments and errors are those of :class:`Gaussian`.

    Example:
        >>> round(Laplace(0.0, 1.0, support=(-128, 127)).cost([0]), 3)
        1.346
    """

    _family = "laplace"


class Logistic(_Single):
    """Rounded logistic symbols, of cdf ``1 / (1 + exp(-(x - mean) / scale))``.

    Arguments and errors are those of :class:`Gaussian`.

    Example:
        >>> round(Logistic(0.0, 1.0, support=(-128, 127)).cost([0]), 3)
        2.03
    """

    _family = "logistic"


class Mixture(ParametricModel):
    """A weighted sum of distributions, K to a symbol.

    Args:
        components: 1 to 64 models of one support, of any families; their shapes broadcast.
        weights: Non-negative real numbers, first axis K, the others broadcast with the shape of
            the components. Their sum over K need not be 1, but not 0. In fixed point they are
            multiples of 2**-16 whose sum is 1.

    Raises:
        ArgumentError: If a weight is negative or not finite, all weights of a symbol are 0, or the
            supports differ.
        ArgumentTypeError, ShapeError: If the arguments have other types or shapes.

    Example:
        >>> peak = Gaussian([0.0, 2.0], 0.5, support=(-64, 63))
        >>> broad = Laplace(0.0, 8.0, support=(-64, 63))
        >>> mixture = Mixture([peak, broad], weights=[[0.9, 0.5], [0.1, 0.5]])
        >>> mixture.shape
        (2,)
        >>> mixture.find(mixture.intervals([3, -20])[0]).tolist()
        [3, -20]
    """

    def __init__(self, components: Sequence[ParametricModel], weights: ArrayInput) -> None:
        models = list(as_sequence(components, "components"))
        for k, model in enumerate(models):
            if not isinstance(model, _Single):
                raise ArgumentTypeError(
                    f"type(components[{k}]) = {type(model).__name__}, "
                    "expected Gaussian, Laplace or Logistic"
                )
            if model.support != models[0].support:
                raise ArgumentError(
                    f"components[{k}].support = {model.support}, expected {models[0].support}"
                )
        array = _as_reals(weights, "weights").astype(np.float64, copy=False)
        if array.ndim == 0 or array.shape[0] != len(models) or not models:
            raise ShapeError(
                f"weights.shape = {array.shape}, expected {len(models)} components first"
            )
        shapes = [model.shape for model in models]
        try:
            shape = np.broadcast_shapes(array.shape[1:], *shapes)
        except ValueError as error:
            raise ShapeError(
                f"weights.shape = {array.shape}, expected one that fits {shapes}"
            ) from error
        native = _core.ParametricModel.mixture(
            [_stretched(model, shape) for model in models], [_spread(w, shape) for w in array]
        )
        super().__init__(native, shape)
        self._components = tuple(models)

    @property
    def components(self) -> tuple[ParametricModel, ...]:
        """As they were given."""
        return self._components

    @property
    def weights_fixed(self) -> NDArray[np.uint32]:
        """65,536 times the weights, as they are used; a copy, first axis K."""
        rows = [self._native.weights(k) for k in range(len(self._components))]
        one = (1,) * len(self._shape)
        return np.stack([row.reshape(self._shape if row.size != 1 else one) for row in rows])


class ParametricPushes(abc.ABC):
    """What :class:`fastcoder.Encoder` offers for parametric models."""

    _lock: OwnedLock

    @abc.abstractmethod
    def _open(self) -> _core.Encoder: ...

    def push_parametric(self, symbols: ArrayInput, model: ParametricModel) -> None:
        """Append symbols that follow a distribution of their own each; they are copied.

        Each costs ``24 - log2(frequency)`` bits. A stream with parametric symbols is a wide one.

        Args:
            symbols: Integers of the shape of ``model``, in its support.
            model: A model of :mod:`fastcoder.parametric`.

        Raises:
            SymbolRangeError: If a symbol lies outside the support; the message names the first one.
                Nothing was appended then.
            FastcoderError: If an argument has another type or shape.

        Example:
            >>> from fastcoder import Encoder, parametric
            >>> encoder = Encoder()
            >>> encoder.push_parametric([3], parametric.Laplace(0.5, 2.0, support=(-9, 9)))
            >>> encoder.push_parametric([10], parametric.Laplace(0.5, 2.0, support=(-9, 9)))
            Traceback (most recent call last):
            fastcoder.errors.SymbolRangeError: symbols[0] = 10, expected -9 <= symbol <= 9
        """
        array = _as_model(model)._symbols(symbols)
        with self._lock:
            self._open().push_parametric(array, model._native)


class ParametricPulls(abc.ABC):
    """What :class:`fastcoder.Decoder` offers for parametric models."""

    _native: _core.Decoder

    def pull_parametric(
        self,
        model: ParametricModel,
        dtype: DTypeLike = np.int32,
        out: NDArray[Any] | None = None,
        *,
        shape: Shape | None = None,
    ) -> NDArray[Any]:
        """Decode the next symbols, one per distribution of a model.

        Args:
            model: Equal in fixed point to the model they were pushed with.
            dtype: Of the result, if ``out`` is not given.
            out: Where to put the symbols: a writable array in C order of the shape of ``model``.
            shape: Of the result, if ``model`` has none of its own and ``out`` is None.

        Returns:
            The symbols: ``out``, or a new array.

        Raises:
            StreamError: If the stream ends early, or has no intervals.
            SymbolRangeError: If a symbol does not fit the dtype.
            FastcoderError: If an argument has another type or shape. After any of these the decoder
                stands where it stood before; the contents of ``out`` are unspecified.

        Example:
            >>> from fastcoder import Decoder, Encoder, parametric
            >>> model = parametric.Gaussian(0.0, 2.0, support=(-64, 63))
            >>> encoder = Encoder()
            >>> encoder.push_parametric([1, -2, 0], model)
            >>> Decoder(encoder.finish()).pull_parametric(model, shape=3).tolist()
            [1, -2, 0]
        """
        own = _as_model(model).shape
        wanted = None if shape is None else as_shape(shape)
        if own != ():
            if wanted not in (None, own):
                raise ShapeError(f"shape = {wanted}, expected {own}, the shape of model")
            wanted = own
        if out is not None:
            result = _checked_out(out, None, wanted)
        elif wanted is None:
            raise ArgumentError("shape = None, expected a shape where model has none")
        else:
            result = _new_symbols(wanted, dtype)
        self._native.pull_parametric(model._native, result)
        return result


def _as_model(model: ParametricModel) -> ParametricModel:
    if not isinstance(model, ParametricModel):
        raise ArgumentTypeError(f"type(model) = {type(model).__name__}, expected ParametricModel")
    return model


def _as_support(support: Sequence[SupportsIndex]) -> tuple[int, int]:
    limits = [as_integer(limit, f"support[{i}]") for i, limit in enumerate(tuple(support))]
    if len(limits) != 2:
        raise ShapeError(f"len(support) = {len(limits)}, expected 2")
    # The core takes 64 bits, and anything beyond 2^19 is refused alike.
    low, high = (max(-(2**40), min(limit, 2**40)) for limit in limits)
    return low, high


def _as_reals(value: ArrayInput, name: str) -> NDArray[Any]:
    if isinstance(value, (bool, np.bool_)):
        raise ArgumentTypeError(f"type({name}) = bool, expected real numbers")
    if isinstance(value, (int, float)):
        value = np.asarray(value, np.float64)
    return as_floats(value, name)


def _as_fixed(value: ArrayInput, name: str, dtype: type[np.integer[Any]]) -> NDArray[Any]:
    array = as_array(value, name)
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(f"{name}.dtype = {array.dtype}, expected integers")
    info = np.iinfo(dtype)
    outside = (array < info.min) | (array > info.max)
    if outside.any():
        position = int(np.argmax(outside.ravel()))
        found = array.ravel()[position]
        raise ArgumentError(f"{name}[{position}] = {found}, expected a {info.dtype}")
    return contiguous(array.astype(dtype, copy=False))


def _common_shape(means: NDArray[Any], scales: NDArray[Any]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(means.shape, scales.shape)
    except ValueError as error:
        raise ShapeError(
            f"scale.shape = {scales.shape}, expected one that broadcasts with {means.shape}"
        ) from error


def _spread(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """One value for all symbols as it is, anything else once per symbol; flat."""
    if values.size == 1 and 0 not in shape:
        return values.reshape(1)
    return contiguous(np.broadcast_to(values, shape)).reshape(-1)


def _stretched(model: _Single, shape: tuple[int, ...]) -> _core.ParametricModel:
    if model.shape in ((), shape):
        return model._native
    means, scales = model.mean_fixed, model.scale_fixed
    low, high = model.support
    return _core.ParametricModel.from_fixed(
        model._family, _spread(means, shape), _spread(scales, shape), low, high
    )
