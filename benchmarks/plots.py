"""The plots of the performance page, as small SVG files whose bytes depend on the values only."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter

__all__ = ["draw_drain", "draw_targets", "save_svg"]

_MET, _MISSED, _OTHERS = "#2a7f62", "#c4452f", "#8a94a3"
_WIDTH, _ROW = 9.0, 0.24  # inches


def draw_targets(rows: Sequence[tuple[str, Sequence[float]]], file: Path) -> None:
    """Draw the multiples of the targets, 1 is met, with the range over the rounds."""
    figure = Figure(figsize=(_WIDTH, 0.8 + _ROW * len(rows)), layout="constrained")
    axes = figure.subplots()
    for at, (_, values) in enumerate(rows):
        median = statistics.median(values)
        colour = _MET if median >= 1 else _MISSED
        axes.plot([min(values), max(values)], [at, at], color=colour, linewidth=1.5)
        axes.plot([median], [at], "o", color=colour, markersize=5)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.set_xlabel("multiple of the target (to the right of 1: met)")
    _name_rows(axes, [title for title, _ in rows])
    save_svg(figure, file)


def draw_drain(panels: Mapping[str, Sequence[tuple[str, Sequence[float]]]], file: Path) -> None:
    """Draw the jobs per second of the queues in panels with these titles, fastest first."""
    heights = [len(panel) for panel in panels.values()] or [1]
    figure = Figure(figsize=(_WIDTH, 1.2 + _ROW * sum(heights)), layout="constrained")
    axes_of = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, panel) in zip(axes_of, panels.items(), strict=False):
        axes.set_title(title, fontsize=9, loc="left")
        rows = sorted(panel, key=lambda row: -statistics.median(row[1]))
        for at, (name, values) in enumerate(rows):
            axes.barh(at, statistics.median(values), color=_MET if name.endswith("here") else _OTHERS, height=0.7)
            axes.plot([min(values), max(values)], [at, at], color="black", linewidth=1)
        _name_rows(axes, [name for name, _ in rows])
    axes_of[-1].set_xlabel("jobs/s, median and range")
    save_svg(figure, file)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [name.replace("`", "") for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.spines[["top", "right"]].set_visible(False)


def save_svg(figure: Figure, file: Path) -> None:
    """Write a figure to a file whose bytes depend on the content only."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "performance", "font.family": "sans-serif"}):
        figure.savefig(file, metadata={"Date": None})
