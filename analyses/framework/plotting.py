"""Plots: one palette, labels with units, and plots of a million points that stay readable and small."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from analyses.framework.outcome import to_text

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLORS",
    "MAX_POINTS",
    "add_colorbar",
    "axis_label",
    "category_label",
    "clip_for_plot",
    "draw_placeholder",
    "draw_points",
    "label",
    "legend_below",
    "new_plot",
    "show_cells",
    "show_dates",
    "to_numeric",
    "truncate_label",
]

# Distinguishable for colour-blind readers: Okabe and Ito, "Color Universal Design", 2008.
COLORS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000")

MAX_POINTS: Final = 5000
"""As many points are drawn one by one; more are counted in cells."""

_INK: Final = "#333333"
_GRID: Final = "#e6e6e6"
_CELLS: Final = (160, 90)
# In characters.
_LEGEND_WIDTH: Final = 100
_LEGEND_GAP: Final = 6
_MICROSECONDS: Final = 86_400_000_000.0
# matplotlib's dates are in the years 1 to 9999, including the margins of the axis.
_FIRST_DAY, _LAST_DAY = -715_000.0, 2_900_000.0
_LARGEST = 1e200

# As the last word of a name; words with other meanings (min, bar, us, single letters) only count in brackets.
_UNITS: Final = {unit.lower().replace("/", "_"): unit for unit in (
    "nm µm mm cm m km mi ft mg g kg lb ns ms s h ml ha m/s km/h mph mm/h Hz kHz MHz GHz mV kV mA kW MW kWh MWh kJ kN "
    "Pa hPa kPa MPa mbar psi mol ppm ppb dB lx USD EUR GBP"
).split()} | {
    "um": "µm", "sec": "s", "secs": "s", "seconds": "s", "minutes": "min", "hr": "h", "hrs": "h", "hours": "h",
    "days": "d", "meters": "m", "metres": "m", "miles": "mi", "feet": "ft", "m2": "m²", "km2": "km²", "m3": "m³",
    "mm3": "mm³", "cm3": "cm³", "kg_m3": "kg/m³", "g_cm3": "g/cm³", "m_s2": "m/s²", "mps": "m/s", "kmh": "km/h",
    "kph": "km/h", "deg": "°", "degrees": "°", "degc": "°C", "celsius": "°C", "degf": "°F", "fahrenheit": "°F",
    "kelvin": "K", "percent": "%", "pct": "%",
}  # fmt: skip


def label(name: str) -> str:
    """Return the label of a column: ``depth (km)`` for ``depth_km``, ``mass (g)`` for ``mass (g)`` and ``mass [g]``.

    Longitudes and latitudes are in degrees. A name without a unit is unchanged.
    """
    if bracketed := re.fullmatch(r"(.*\S)\s*[(\[]([^()\[\]]{1,20})[)\]]\s*", name, re.DOTALL):
        return f"{bracketed[1]} ({bracketed[2]})"
    if name.strip().lower() in ("longitude", "latitude", "lon", "lat", "lng"):
        return f"{name} (°)"
    words = re.split(r"[_ ]", name)
    if words[0].lower() in ("temp", "temperature") and words[-1].lower() in ("c", "f", "k") and len(words) > 1:
        unit = "K" if words[-1].lower() == "k" else f"°{words[-1].upper()}"
        return f"{' '.join(words[:-1])} ({unit})"
    for count in (2, 1):
        unit = _UNITS.get("_".join(words[-count:]).lower(), "") if len(words) > count else ""
        if unit and all(words[:-count]):
            return f"{' '.join(words[:-count])} ({unit})"
    return name


def axis_label(name: str, *, timed: bool) -> str:
    """Return the label of a column's axis: UTC for dates and times, units for others."""
    return f"{name} (UTC)" if timed else label(name)


def truncate_label(text: str, length: int = 60) -> str:
    """Return ``text`` as one line of at most ``length`` characters.

    A longer text loses its middle, because similar names often differ at their ends.
    """
    text = "".join(each if each.isprintable() else " " for each in text)
    end = length // 3
    return text if len(text) <= length else f"{text[: length - 1 - end]}…{text[-end:]}"


def category_label(value: Any) -> str:
    """Return the label of a value of a column, such as that of a group; ``(missing)`` for None."""
    if value is None:
        return "(missing)"
    if isinstance(value, bool):
        return str(value).lower()
    return to_text(value) if hasattr(value, "isoformat") else str(value)


def new_plot(title: str, x: str, y: str, *, width: float = 8.0, height: float = 4.5) -> tuple[Figure, Axes]:
    """Create a figure of ``width`` by ``height`` inches with titled and labelled axes; return both."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # type: ignore[call-arg, union-attr]
    axes = figure.add_subplot()
    # A dollar sign in a column's name does not start a formula.
    axes.set_title(truncate_label(title, 120), parse_math=False, loc="left", fontsize=13, color=_INK, pad=10, wrap=True)
    axes.set_xlabel(truncate_label(x), parse_math=False, fontsize=11, color=_INK, wrap=True)
    axes.set_ylabel(truncate_label(y), parse_math=False, fontsize=11, color=_INK, wrap=True)
    axes.set_prop_cycle(color=COLORS)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(colors=_INK, labelsize=10, length=3)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def draw_placeholder(axes: Axes, why: str = "no values") -> None:
    """Write the reason why nothing is drawn in the middle of the axes."""
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", fontsize=13, color=_INK)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)


def legend_below(axes: Axes, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Add a legend below the axes, in one row if it fits."""
    longest = max(map(len, labels)) + _LEGEND_GAP
    fits = sum(map(len, labels)) + _LEGEND_GAP * len(labels) <= _LEGEND_WIDTH
    columns = len(labels) if fits else max(1, _LEGEND_WIDTH // longest)
    legend = axes.figure.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
        text.set_color(_INK)


def to_numeric(series: pl.Series) -> np.ndarray[Any, Any]:
    """Convert a column to numbers, dates and times to days since 1970; NaN if missing, infinite or over 64 bits."""
    import numpy as np
    import polars as pl

    if series.dtype.is_temporal():
        values = series.cast(pl.Datetime("us")).to_physical().cast(pl.Float64).to_numpy() / _MICROSECONDS
    else:
        values = series.cast(pl.Float64).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def clip_for_plot(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Clip ``values`` so that the differences of any two are finite."""
    import numpy as np

    clipped: np.ndarray[Any, Any] = np.clip(values, -_LARGEST, _LARGEST)
    return clipped


def show_dates(axes: Axes, days: np.ndarray[Any, Any]) -> None:
    """Format the x axis, which shows ``days`` since 1970, as dates; outside the years 1 to 9999 as days."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if len(days) and (days.min() < _FIRST_DAY or days.max() > _LAST_DAY):
        axes.set_xlabel(f"{axes.get_xlabel()}, days since 1970", parse_math=False)
        return
    axes.xaxis_date(tz="UTC")
    locator = AutoDateLocator(tz="UTC", minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC"))  # type: ignore[no-untyped-call]


def draw_points(axes: Axes, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], *, color: str = COLORS[0]) -> None:
    """Draw finite points; more than :data:`MAX_POINTS` as cells, darker for more points."""
    if len(x) <= MAX_POINTS:
        size = 16 if len(x) <= 500 else 7
        axes.scatter(
            x, y, s=size, color=color, alpha=0.5 if len(x) > 50 else 0.8, linewidths=0, rasterized=len(x) > 2000
        )
    else:
        _draw_density(axes, x, y)


def _draw_density(axes: Axes, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> None:
    import numpy as np

    counts, x_edges, y_edges = np.histogram2d(x, y, bins=_CELLS, range=[_span(x), _span(y)])
    show_cells(axes, np.where(counts > 0, counts, np.nan).T, (x_edges, y_edges), "points per cell", counts=True)


def show_cells(
    axes: Axes,
    cells: np.ndarray[Any, Any],
    edges: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]],
    words: str,
    *,
    counts: bool,
) -> None:
    """Draw ``cells`` (rows by y) between ``edges`` of x and y, with a colour bar labelled ``words``; NaN is white."""
    import numpy as np
    from matplotlib.colors import LogNorm, Normalize

    shown = cells[np.isfinite(cells)]
    low, high = (float(shown.min()), float(shown.max())) if len(shown) else (0.0, 1.0)
    norm = LogNorm(1, max(high, 2)) if counts else Normalize(low, high if high > low else low + 1)
    (x_edges, y_edges) = edges
    extent = (x_edges[0], x_edges[-1], y_edges[0], y_edges[-1])
    # The size of an image depends on the number of cells only; a path for each cell would take megabytes.
    image = axes.imshow(
        cells, extent=extent, origin="lower",
        zorder=1, aspect="auto", interpolation="nearest", norm=norm, cmap=_density_map()
        if counts else "viridis",
    )  # fmt: skip
    add_colorbar(axes, image, words, counts=counts)


def add_colorbar(axes: Axes, mappable: Any, words: str, *, counts: bool = False) -> None:
    """Add a colour bar beside the axes."""
    from matplotlib.ticker import NullFormatter

    # As high as the axes, for any aspect ratio.
    bar = axes.figure.colorbar(mappable, cax=axes.inset_axes((1.02, 0, 0.025, 1)))
    bar.outline.set_visible(False)
    bar.set_label(truncate_label(words), fontsize=11, color=_INK, parse_math=False)
    bar.ax.tick_params(labelsize=10, colors=_INK, length=3)
    if counts:
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        bar.ax.yaxis.set_minor_formatter(NullFormatter())


def _density_map() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    # From a blue that is visible on white to one that is nearly black.
    return LinearSegmentedColormap.from_list("density", ["#b9d9ec", COLORS[0], "#001c33"])


def _span(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the range of ``values``, widened if double precision cannot divide it into cells."""
    low, high = float(values.min()), float(values.max())
    least = max(abs(low), abs(high), 1e-300) * 1e-9
    return (low, high) if high - low > least else (low - least - 0.5, high + least + 0.5)
