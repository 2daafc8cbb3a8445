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
    Rows,
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
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELLS = 144 * 72
_COASTLINES = Path(__file__).with_name("coastlines.json")
_SMALLEST, _LARGEST = 6.0, 160.0
# In inches: the figure, the map in it, what is above and below the map, and the labels of longitudes.
_WIDTH, _MAX_HEIGHT = 9.0, 9.0
_MAP_WIDTH, _BESIDE = 7.4, 1.2
_LABEL_WIDTH, _DIGIT_WIDTH = 0.6, 0.1
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


_GLOBE = _View(-180, 180, -90, 90)
_MOST_OF_GLOBE = 270
_MARGIN = 0.05
# In degrees of latitude: about 100 m, for a single place.
_LEAST = 0.001
# In degrees of latitude: the coastlines are too coarse for smaller maps.
_LEAST_WITH_COASTS = 3


def run(rows: Rows, params: MapParams) -> Outcome:
    """Draw the rows that have a place; longitudes up to 360 are accepted as well.

    ``missing`` counts rows without a place and rows whose place is not on the globe. ``west`` and ``east`` bound the
    points; ``west`` is above ``east`` where they cross the dateline. The table counts the points in the cells of the
    heat map, with the mean of ``color`` where it is named.
    """
    import numpy as np
    import polars as pl

    frame = rows.frame([name for name in (params.longitude, params.latitude, params.color, params.size) if name])
    longitude, latitude = to_numeric(frame[params.longitude]), to_numeric(frame[params.latitude])
    on_globe = (longitude >= -180) & (longitude <= 360) & (np.abs(latitude) <= 90)
    x, y = _wrapped(longitude[on_globe]), latitude[on_globe]
    colors, sizes = (
        None if name is None else to_numeric(frame[name])[on_globe] for name in (params.color, params.size)
    )
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
    """Return the bounds with a margin; the globe if they are most of it."""
    if bounds is None or bounds.east - bounds.west > _MOST_OF_GLOBE:
        return _GLOBE
    stretch = _stretch(bounds)
    # In degrees of latitude, which are equally long everywhere.
    width, height = (bounds.east - bounds.west) / stretch, bounds.north - bounds.south
    margin = _MARGIN * max(width, height)
    width, height = max(_LEAST, width + 2 * margin), max(_LEAST, height + 2 * margin)
    # A strip would be hard to read: neither side is shorter than a third of the other.
    half_width, half_height = max(width, height / 3) * stretch / 2, max(height, width / 3) / 2
    if half_width > 180:
        return _GLOBE
    x, y = (bounds.west + bounds.east) / 2, (bounds.south + bounds.north) / 2
    return _View(x - half_width, x + half_width, max(-90.0, y - half_height), min(90.0, y + half_height))


def _stretch(view: _View) -> float:
    """Return how much longer a degree of latitude is than one of longitude, in the middle of the view."""
    return 1 / max(0.2, math.cos(math.radians((view.south + view.north) / 2)))


def _proportion(view: _View) -> float:
    """Return the height of the map as a multiple of its width."""
    return _stretch(view) * (view.north - view.south) / (view.east - view.west)


class _Cells(NamedTuple):
    """Points by cell: counts and means by row and column, the edges, and the table of the cells that have any."""

    counts: Any
    means: Any
    edges: Any
    table: dict[str, Any]


def _cells(x: Any, y: Any, colors: Any, view: _View) -> _Cells:
    import numpy as np

    span = [(view.west, view.east), (view.south, view.north)]
    # Square in the middle of the map: 144 by 72 of them on the globe.
    proportion = _proportion(view)
    bins = [round(math.sqrt(_CELLS / proportion)), round(math.sqrt(_CELLS * proportion))]
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=bins, range=span)
    means = None
    if colors is not None:
        known = np.isfinite(colors)
        weights = clip_for_plot(colors[known]) / max(1, len(colors))
        sums = np.histogram2d(x[known], y[known], bins=bins, range=span, weights=weights)[0]
        numbers = np.histogram2d(x[known], y[known], bins=bins, range=span)[0]
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

    proportion = _proportion(view)
    height = min(_MAX_HEIGHT, max(3.2, _MAP_WIDTH * proportion + _BESIDE))
    heat = params.show == "heat" or (params.show == "auto" and len(x) > MAX_POINTS)
    figure, axes = new_plot(_title(params, heat=heat), "longitude", "latitude", width=_WIDTH, height=height)
    if view.north - view.south >= _LEAST_WITH_COASTS:
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
    # An equirectangular projection, true to scale in the middle of the map.
    axes.set_aspect(_stretch(view), adjustable="box")
    if len(x):
        _label_degrees(axes, view, min(_MAP_WIDTH, (height - _BESIDE) / proportion))
    return figure


def _label_degrees(axes: Axes, view: _View, width: float) -> None:
    """Label the axes of a map that is ``width`` inches wide, so that the labels do not overlap."""
    from matplotlib.ticker import MaxNLocator

    decimals = max(0, 1 - math.floor(math.log10(view.east - view.west)))
    most = int(width / (_LABEL_WIDTH + _DIGIT_WIDTH * decimals))
    axes.xaxis.set_major_locator(MaxNLocator(max(1, min(8, most)), steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: _degrees((value + 180) % 360 - 180, "E", "W"))
    axes.yaxis.set_major_formatter(lambda value, _: _degrees(value, "N", "S"))


def _title(params: MapParams, *, heat: bool) -> str:
    size = None if heat else params.size  # cells have none
    parts = [f"{words} {label(name)}" for words, name in (("coloured by", params.color), ("sized by", size)) if name]
    return f"Map of the rows{', ' if parts else ''}{' and '.join(parts)}"


def _degrees(value: float, plus: str, minus: str) -> str:
    return f"{abs(value):.10g}°{plus if 0 < value < 180 else minus if -180 < value < 0 else ''}"


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
