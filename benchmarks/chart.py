# SPDX-License-Identifier: Apache-2.0
"""Measurements to a chart: speed of every library, as SVG and PNG. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANELS = ("W1", "W2", "W3", "W6")
_COLORS = {"encode": "#3b6fb6", "decode": "#e08a2e"}
_PALE = 0.45  # opacity of coders that ignore the model: other bytes, so another race


def draw(results: dict[str, Any], stem: Path) -> list[Path]:
    """Write ``stem``.svg and ``stem``.png; nothing if matplotlib is missing or there are no rows.

    Returns:
        The files.
    """
    rows = report.one_core(results)
    panels = [name for name in _PANELS if any(row["workload"] == name for row in rows)]
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    if not panels:
        return []
    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import Rectangle

    labels = list(dict.fromkeys(row["label"] for row in rows))[::-1]
    style: dict[Any, Any] = {"svg.hashsalt": "fastcoder", "svg.fonttype": "none", "font.size": 9}
    style |= {"axes.spines.top": False, "axes.spines.right": False}
    with mpl.rc_context(style):
        height = 1.3 + 0.34 * len(labels)
        size = (3.0 * len(panels) + 1.5, height)
        figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
        for axis, name in zip(axes[0], panels, strict=True):
            _panel(axis, labels, [row for row in rows if row["workload"] == name])
            title = report.WORKLOADS[name].split(",")[0].split(":")[0]
            axis.set_title(f"{name}: {title}", fontsize=9, loc="left")
            axis.set_xlabel("million symbols per second")
        axes[0][0].set_yticks(range(len(labels)), labels)
        handles = [Rectangle((0, 0), 1, 1, color=color) for color in _COLORS.values()]
        figure.legend(handles, _COLORS.keys(), ncols=2, loc="upper right", frameon=False)
        machine = results["machine"]["cpu"]
        figure.suptitle(
            f"NumPy array to bytes and back, one core of {machine}; pale: ignores the model",
            x=0.01,
            ha="left",
            fontsize=10,
        )
        figure.tight_layout()
        files = [stem.with_suffix(".svg"), stem.with_suffix(".png")]
        for file in files:
            stem.parent.mkdir(parents=True, exist_ok=True)
            metadata = {"Date": None} if file.suffix == ".svg" else {}
            figure.savefig(file, dpi=120, metadata=metadata, facecolor="white")
        plt.close(figure)
    return files


def _panel(axis: Axes, labels: list[str], rows: list[dict[str, Any]]) -> None:
    axis.set_xscale("log")
    for row in rows:
        place = labels.index(row["label"])
        for direction, up in (("encode", 0.2), ("decode", -0.2)):
            value = report.speed(row, direction)
            opacity = 1.0 if row["knows_model"] else _PALE
            color = _COLORS[direction]
            axis.barh(place + up, value, 0.36, left=0, color=color, alpha=opacity)
            axis.text(value * 1.08, place + up, f"{value:.0f}", va="center", fontsize=7)
    axis.set_xlim(1, 40_000)
    axis.minorticks_off()
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
