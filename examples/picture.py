# SPDX-License-Identifier: Apache-2.0
"""The picture that the demo writes: photographs above, what the entropy coder sees below.

The lower row is figure 2 of Balle et al., "Variational image compression with a scale hyperprior"
(ICLR 2018), for one channel: the latents have structure, the scales predict it, and what is left
after dividing by them is noise, which is all that the coder has to pay for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

INK = "#1d2433"
FAINT = "#69738a"
ACCENT = "#e4572e"
WIDTH = 15.0  # inches
DPI = 120


@dataclass(frozen=True)
class Panel:
    """One photograph with its caption.

    Attributes:
        rgb: uint8[height, width, 3].
        title: Printed bold.
        caption: Printed behind it.
    """

    rgb: NDArray[np.uint8]
    title: str
    caption: str


def draw(
    path: Path,
    panels: list[Panel],
    detail: tuple[int, int, int, int],
    latents: NDArray[np.int32],
    sigma: NDArray[np.floating[Any]],
    channel: int,
) -> None:
    """Write the picture.

    Args:
        path: The PNG file.
        panels: Three photographs of one size.
        detail: Left, top, width and height of the part that is shown enlarged, in pixels.
        latents: int32[h, w]: the coded symbols of one channel of y.
        sigma: float[h, w]: the scales that z announced for them.
        channel: Its number, for the caption.
    """
    height, width = panels[0].rgb.shape[:2]
    columns = len(panels)
    side, gap = 0.35, 0.2  # inches: margin, between columns
    titles = (0.42, 0.2, 0.45)  # inches: above each row
    column = (WIDTH - 2 * side - (columns - 1) * gap) / columns
    heights = [
        column * height / width,
        column * detail[3] / detail[2],
        column * latents.shape[0] / latents.shape[1],
    ]
    head, bar, foot = 0.75, 0.42, 0.3
    total = head + sum(heights) + sum(titles) + bar + foot
    with plt.rc_context({"font.family": "DejaVu Sans", "text.color": INK}):
        figure = plt.figure(figsize=(WIDTH, total), dpi=DPI, facecolor="white")
        figure.text(
            side / WIDTH,
            1 - 0.42 / total,
            "A photograph through fastcoder",
            fontsize=19,
            fontweight="bold",
            va="center",
        )

        def place(row: int, index: int) -> Any:  # noqa: ANN401 - matplotlib has no public type
            top = head + sum(heights[:row]) + sum(titles[: row + 1])
            box = (
                (side + index * (column + gap)) / WIDTH,
                1 - (top + heights[row]) / total,
                column / WIDTH,
                heights[row] / total,
            )
            axes = figure.add_axes(box)
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
            return axes

        left, top, wide, high = detail
        for index, panel in enumerate(panels):
            axes = place(0, index)
            axes.imshow(panel.rgb, interpolation="lanczos")
            axes.add_patch(
                Rectangle((left, top), wide, high, fill=False, edgecolor=ACCENT, linewidth=1.6)
            )
            _caption(axes, panel.title, panel.caption)
            axes = place(1, index)
            axes.imshow(panel.rgb[top : top + high, left : left + wide], interpolation="nearest")
            for spine in axes.spines.values():
                spine.set(visible=True, color=ACCENT, linewidth=1.6)
        _draw_latents(place, latents, sigma, channel)
        figure.savefig(path, facecolor="white")
        plt.close(figure)


def _draw_latents(
    place: Any,  # noqa: ANN401
    latents: NDArray[np.int32],
    sigma: NDArray[np.floating[Any]],
    channel: int,
) -> None:
    normalized = latents / sigma
    limit = float(np.quantile(np.abs(latents), 0.995)) or 1.0
    rows: list[tuple[NDArray[Any], str, tuple[float, float], str, str]] = [
        (latents, "RdBu_r", (-limit, limit), "latents y", f"channel {channel}, integers"),
        (sigma, "magma", (0.0, float(sigma.max())), "scales \u03c3", "what z tells about them"),
        (normalized, "RdBu_r", (-3.0, 3.0), "y / \u03c3", "what is left to pay for"),
    ]
    for index, (values, colors, limits, title, caption) in enumerate(rows):
        axes = place(2, index)
        image = axes.imshow(values, cmap=colors, vmin=limits[0], vmax=limits[1])
        _caption(axes, title, caption)
        inch = 1 / (axes.get_position().height * axes.figure.get_figheight())
        bar = axes.inset_axes((0.015, -0.24 * inch, 0.97, 0.11 * inch))
        axes.figure.colorbar(image, cax=bar, orientation="horizontal")
        bar.tick_params(labelsize=9, colors=FAINT, length=2)
        bar.xaxis.set_major_locator(MaxNLocator(6))
        for spine in bar.spines.values():
            spine.set_visible(False)


def _caption(axes: Any, title: str, caption: str) -> None:  # noqa: ANN401
    axes.annotate(
        title,
        (0, 1),
        xytext=(0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=13,
        fontweight="bold",
    )
    axes.annotate(
        caption,
        (1, 1),
        xytext=(0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=11.5,
        color=FAINT,
        ha="right",
    )
