# SPDX-License-Identifier: Apache-2.0
"""Scales and the index of the nearest one: from a predicted sigma to a row of a table."""

from __future__ import annotations

from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import ArrayInput, as_float, as_floats, as_integer
from .errors import ArgumentError

__all__ = ["DEFAULT_SCALE_LEVELS", "Rule", "scale_indexes", "scale_table", "scale_thresholds"]

Rule = Literal["nearest", "ceil"]

DEFAULT_SCALE_LEVELS: int = _core.DEFAULT_SCALE_LEVELS


def scale_table(
    minimum: float = 0.11, maximum: float = 256.0, levels: SupportsIndex = DEFAULT_SCALE_LEVELS
) -> NDArray[np.float64]:
    """Scales from ``minimum`` to ``maximum``, each the same factor above the last.

    The default number of levels keeps the rate within 0.10 % of a model with continuous scales
    (docs/decisions/0001-scale-levels.md). The values are the same on every machine.

    Args:
        minimum: Smallest scale, > 0.
        maximum: Largest scale, > minimum.
        levels: How many, 2 to 65,536.

    Returns:
        float64, shape ``(levels,)``, strictly increasing.

    Raises:
        ArgumentError: If an argument is outside its interval.

    Example:
        >>> scale_table(0.5, 8.0, 5).round(9).tolist()
        [0.5, 1.0, 2.0, 4.0, 8.0]
    """
    count = as_integer(levels, "levels")
    if not 2 <= count <= 65536:
        raise ArgumentError(f"levels = {count}, expected 2 <= levels <= 65536")
    return _core.scale_table(as_float(minimum, "minimum"), as_float(maximum, "maximum"), count)


def scale_thresholds(scales: ArrayInput, rule: Rule = "nearest") -> NDArray[np.float64]:
    """What a sigma is compared with: its index is the number of thresholds strictly below it.

    Args:
        scales: Shape ``(levels,)``, > 0, finite, strictly increasing.
        rule: ``"nearest"``: the geometric means of neighbors, which costs a quarter of the rate
            that ``"ceil"``, the smallest scale >= sigma, costs (CompressAI's and TFC's rule).

    Returns:
        float64, shape ``(levels - 1,)``.

    Raises:
        ArgumentError: If scales or rule are illegal.
    """
    if str(rule) not in ("nearest", "ceil"):  # an array has no single truth value
        raise ArgumentError(f"rule = {rule!r}, expected 'nearest' or 'ceil'")
    values = as_floats(scales, "scales").astype(np.float64)
    if values.ndim != 1:
        raise ArgumentError(f"scales.ndim = {values.ndim}, expected 1")
    return _core.scale_thresholds(values, rule == "nearest")


def scale_indexes(
    sigma: ArrayInput, scales: ArrayInput, rule: Rule = "nearest"
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The row of each sigma: a comparison with stored thresholds, never a logarithm.

    Args:
        sigma: float32 or float64 (float16 and integers are widened), any shape, >= 0 and finite.
        scales: What the table was built from, at most 65,536.
        rule: See :func:`scale_thresholds`. A float32 sigma is compared with thresholds
            rounded to float32 by the rule ``"ceil"``, as CompressAI does, else with exact ones.

    Returns:
        Indexes of the shape of ``sigma``: uint8 for at most 256 scales, else uint16.

    Raises:
        ArgumentTypeError: If an argument is not numeric, or lives on a device.
        ArgumentError: If a sigma is negative, infinite or NaN; the message names the first one.

    Example:
        >>> scale_indexes([0.1, 1.4, 1.5, 99.0], [0.5, 1.0, 2.0, 4.0]).tolist()
        [0, 1, 2, 3]
        >>> scale_indexes([0.1, 1.0, 1.1, 99.0], [0.5, 1.0, 2.0, 4.0], rule="ceil").tolist()
        [0, 1, 2, 3]
    """
    values = as_floats(sigma, "sigma")
    thresholds = scale_thresholds(scales, rule)
    if rule == "ceil" and values.dtype == np.float32:
        # CompressAI keeps its scales as float32: a sigma equal to a rounded scale is that scale's.
        with np.errstate(over="ignore"):  # an infinite threshold is refused below
            thresholds = thresholds.astype(np.float32).astype(np.float64)
    dtype: type[Any] = np.uint8 if len(thresholds) < 256 else np.uint16
    indexes = np.empty(values.shape, dtype)
    _core.scale_indexes(values, thresholds, indexes)
    return indexes
