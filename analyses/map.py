"""Map of points by longitude and latitude, coloured and sized by columns; many points are a heat map."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from analyses.kit import (
    COLORS,
    MAX_POINTS,
    LatitudeColumn,
    LongitudeColumn,
    NumberColumn,
    Outcome,
    Params,
    add_colorbar,
    clip_for_plot,
    draw_placeholder,
    label,
    legend_below,
    new_plot,
    show_cells,
    to_numeric,
    truncate_label,
)

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELLS = (144, 72)
_COASTLINES = Path(__file__).with_name("coastlines.json")
_SMALLEST, _LARGEST = 6.0, 160.0
_WIDTH = 9.0
_ROOMY = 500


class MapParams(Params):
    longitude: LongitudeColumn
    latitude: LatitudeColumn
    color: NumberColumn | None = Field(default=None, description="The column that colours the points; null is none.")
    size: NumberColumn | None = Field(default=None, description="The column that sizes the points; null is none.")
    show: Literal["auto", "points", "heat"] = Field(
        default="auto",
        description=f"Up to {MAX_POINTS:,} points, evenly chosen, or a heat map; auto is points if all of them fit.",
    )


class _View(NamedTuple):
    """The extent of the map in degrees; ``east`` is above 180 beyond the dateline."""

    west: float
    east: float
    south: float
    north: float


def run(rows: pl.DataFrame, params: MapParams) -> Outcome:
    """Draw the rows that have a place; longitudes up to 360 are accepted as well.

    ``missing`` counts rows without a place and rows whose place is not on the globe. ``west`` and ``east`` bound the
    points; ``west`` is above ``east`` where they cross the dateline. The table counts the points in the cells of the
    heat map, with the mean of ``color`` where it is named.
    """
    import numpy as np
    import polars as pl

    longitude, latitude = to_numeric(rows[params.longitude]), to_numeric(rows[params.latitude])
    on_globe = (longitude >= -180) & (longitude <= 360) & (np.abs(latitude) <= 90)
    x, y = _wrapped(longitude[on_globe]), latitude[on_globe]
    colors, sizes = (None if name is None else to_numeric(rows[name])[on_globe] for name in (params.color, params.size))
    bounds = _bounds(x, y)
    crosses = bounds is not None and bool((x < bounds.west).any())
    if crosses:
        x = np.where(x < 0, x + 360, x)
    view = _view(bounds)
    cells = _cells(x, y, colors, view)
    result = {
        "longitude": params.longitude,
        "latitude": params.latitude,
        "count": len(x),
        "missing": rows.height - len(x),
        "west": bounds and bounds.west,
        "east": bounds and (bounds.east - 360 if bounds.east > 180 else bounds.east),
        "south": bounds and bounds.south,
        "north": bounds and bounds.north,
    }
    table = pl.DataFrame(cells.table, schema=dict.fromkeys(cells.table, pl.Float64)).cast({"count": pl.Int64})
    return Outcome(result, {"plot": _draw(params, view, x, y, colors, sizes, cells)}, {"table": table})


def _wrapped(longitude: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Convert longitudes to -180 to 180."""
    import numpy as np

    return np.where(longitude > 180, longitude - 360, longitude)


def _bounds(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> _View | None:
    """Return the bounds of the points; across the dateline if only then they fit into half of the globe."""
    import numpy as np

    if not len(x):
        return None
    south, north = float(y.min()), float(y.max())
    if x.max() - x.min() > 180:
        east_of_it = np.where(x < 0, x + 360, x)
        if east_of_it.max() - east_of_it.min() < 180:
            return _View(float(east_of_it.min()), float(east_of_it.max()), south, north)
    return _View(float(x.min()), float(x.max()), south, north)


def _view(bounds: _View | None) -> _View:
    """The bounds with a margin, at least two degrees wide, nowhere beyond a pole; nearly the globe is the globe."""
    if bounds is None or (bounds.east - bounds.west > 270):
        return _View(-180, 180, -90, 90)
    across = max(0.04 * (bounds.east - bounds.west), 1 - (bounds.east - bounds.west) / 2, 0.2)
    up = max(0.04 * (bounds.north - bounds.south), 1 - (bounds.north - bounds.south) / 2, 0.2)
    # A strip would be no map: neither side is less than a third of the other.
    width, height = bounds.east - bounds.west + 2 * across, bounds.north - bounds.south + 2 * up
    across, up = across + max(0, height / 3 - width) / 2, up + max(0, width / 3 - height) / 2
    south, north = max(-90.0, bounds.south - up), min(90.0, bounds.north + up)
    return _View(bounds.west - across, bounds.east + across, south, north)


class _Cells(NamedTuple):
    """Points by cell: counts and means by row and column, the edges, and the table of the cells that have any."""

    counts: Any
    means: Any
    edges: Any
    table: dict[str, Any]


def _cells(x: Any, y: Any, colors: Any, view: _View) -> _Cells:
    import numpy as np

    span = [(view.west, view.east), (view.south, view.north)]
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=_CELLS, range=span)
    means = None
    if colors is not None:
        known = np.isfinite(colors)
        weights = clip_for_plot(colors[known]) / max(1, len(colors))
        sums = np.histogram2d(x[known], y[known], bins=_CELLS, range=span, weights=weights)[0]
        numbers = np.histogram2d(x[known], y[known], bins=_CELLS, range=span)[0]
        means = np.where(numbers > 0, sums / np.maximum(numbers, 1) * max(1, len(colors)), np.nan)
    columns, rows = np.nonzero(counts)
    table = {
        "west": _wrapped(x_edges[columns]),
        "east": _wrapped(x_edges[columns + 1]),
        "south": y_edges[rows],
        "north": y_edges[rows + 1],
        "count": counts[columns, rows],
    }
    if means is not None:
        table["mean"] = means[columns, rows]
    return _Cells(counts.T, None if means is None else means.T, (x_edges, y_edges), table)


def _draw(params: MapParams, view: _View, x: Any, y: Any, colors: Any, sizes: Any, cells: _Cells) -> Figure:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    # Degrees of longitude are as long as those of latitude in the middle of the map: an equirectangular projection.
    stretch = 1 / max(0.2, math.cos(math.radians((view.south + view.north) / 2)))
    height = _WIDTH * 0.82 * stretch * (view.north - view.south) / (view.east - view.west) + 1.2
    heat = params.show == "heat" or (params.show == "auto" and len(x) > MAX_POINTS)
    figure, axes = new_plot(
        _title(params, heat=heat), "longitude", "latitude", width=_WIDTH, height=min(9.0, max(3.2, height))
    )
    _draw_coastlines(axes, view)
    if not len(x):
        draw_placeholder(axes, "no places")
    elif heat:
        if cells.means is None:
            counts = np.where(cells.counts > 0, cells.counts, np.nan)
            show_cells(axes, counts, cells.edges, "points per cell", counts=True)
        else:
            show_cells(axes, cells.means, cells.edges, f"mean of {label(params.color or '')}", counts=False)
    else:
        _draw_places(axes, params, x, y, colors, sizes)
    axes.set(xlim=(view.west, view.east), ylim=(view.south, view.north))
    axes.set_aspect(stretch, adjustable="box")
    if len(x):
        # On a narrow map, more labels would overlap.
        axes.xaxis.set_major_locator(MaxNLocator(8 if height < _WIDTH else 4))
        axes.xaxis.set_major_formatter(lambda value, _: _degrees((value + 180) % 360 - 180, "E", "W"))
        axes.yaxis.set_major_formatter(lambda value, _: _degrees(value, "N", "S"))
    return figure


def _title(params: MapParams, *, heat: bool) -> str:
    size = None if heat else params.size  # cells have none
    parts = [f"{words} {label(name)}" for words, name in (("coloured by", params.color), ("sized by", size)) if name]
    return f"Map of the rows{', ' if parts else ''}{' and '.join(parts)}"


def _degrees(value: float, plus: str, minus: str) -> str:
    return f"{abs(value):g}°{plus if 0 < value < 180 else minus if -180 < value < 0 else ''}"


def _draw_coastlines(axes: Axes, view: _View) -> None:
    """Draw the coasts of the world at 1:110 million: Natural Earth (public domain), to a tenth of a degree."""
    import numpy as np
    from matplotlib.collections import LineCollection

    lines = [np.array(line) for line in json.loads(_COASTLINES.read_text())]
    if view.east > 180:
        lines += [line + np.array((360, 0)) for line in lines]
    if view.west < -180:
        lines += [line - np.array((360, 0)) for line in lines]
    seen = [line for line in lines if line[:, 0].max() >= view.west and line[:, 0].min() <= view.east]
    axes.add_collection(LineCollection(seen, colors="#8a8a8a", linewidths=0.7, zorder=1.5), autolim=False)


def _draw_places(axes: Axes, params: MapParams, x: Any, y: Any, colors: Any, sizes: Any) -> None:
    import numpy as np

    if len(x) > MAX_POINTS:
        some = np.linspace(0, len(x) - 1, MAX_POINTS).round().astype(int)
        x, y, colors, sizes = (None if each is None else each[some] for each in (x, y, colors, sizes))
    # Large points are drawn first, so that they do not hide others; those of unknown size are the smallest.
    areas = np.full(len(x), 26.0 if len(x) <= 500 else 12.0) if sizes is None else _areas(sizes, len(x))
    if params.size is not None:
        _show_sizes(axes, params.size, sizes)
    order = np.argsort(-areas, kind="stable")
    x, y, areas = x[order], y[order], areas[order]
    crowded = len(x) > 300  # each would be a path of its own in an SVG
    # Not clipped: the whole globe has no margin, and points at its edges are points, too.
    how: dict[str, Any] = {
        "alpha": 0.7,
        "linewidths": 0.3,
        "edgecolors": "white",
        "rasterized": crowded,
        "clip_on": False,
    }
    if colors is None:
        axes.scatter(x, y, s=areas, color=COLORS[0], **how)
        return
    colors = clip_for_plot(colors[order])
    known = np.isfinite(colors)
    axes.scatter(x[~known], y[~known], s=areas[~known], color="#bbbbbb", **how)
    if known.any():
        points = axes.scatter(x[known], y[known], s=areas[known], c=colors[known], cmap="viridis", **how)
        add_colorbar(axes, points, label(params.color or ""))


def _show_sizes(axes: Axes, name: str, sizes: Any) -> None:
    """Add a legend with three sizes and their values."""
    import numpy as np
    from matplotlib.lines import Line2D

    known = clip_for_plot(sizes[np.isfinite(sizes)])
    if not len(known):
        return
    values = np.unique(np.linspace(known.min(), known.max(), 3))
    areas = _areas(values, len(sizes))
    look: dict[str, Any] = {"marker": "o", "linestyle": "", "color": COLORS[6]}
    handles = [Line2D([], [], markersize=math.sqrt(area), **look) for area in areas]
    texts = [f"{value:.3g}" for value in values]
    legend_below(axes, handles, [f"{truncate_label(label(name), 40)} {texts[0]}", *texts[1:]])


def _areas(sizes: Any, among: int) -> Any:
    """Return the area of each of ``among`` points, which grows with its value from the smallest to the largest."""
    import numpy as np

    known = np.isfinite(sizes)
    if not known.any():
        return np.full(len(sizes), _SMALLEST)
    sizes = clip_for_plot(np.where(known, sizes, sizes[known].min()))
    low, high = sizes.min(), sizes.max()
    share = (sizes - low) / (high - low) if high > low else np.full(len(sizes), 0.2)
    # Many large points would hide each other.
    largest = _LARGEST * min(1, math.sqrt(_ROOMY / among))
    return _SMALLEST + (largest - _SMALLEST) * share**2
