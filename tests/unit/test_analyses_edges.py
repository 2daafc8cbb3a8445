"""Tests that every analysis accepts unusual rows, and that its plots are small, labelled and reproducible."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import analyses
from analyses import InvalidParams, Outcome, get_analysis, render

ROOT = Path(analyses.__file__).parents[1]
NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
INF, NAN = float("inf"), float("nan")
SCHEMA = {
    "t": pl.Datetime("us", "UTC"),
    "d": pl.Date,
    "x": pl.Float64,
    "n": pl.Int64,
    "lon": pl.Float64,
    "lat": pl.Float64,
    "kind": pl.String,
    "ok": pl.Boolean,
}
COLUMNS = {"t": "time", "d": "date", "x": "number", "n": "integer", "lon": "number", "lat": "number", "kind": "text"}


def table(**columns: Any) -> pl.DataFrame:
    count = len(next(iter(columns.values())))
    row = {"t": NEW_YEAR, "d": NEW_YEAR.date(), "x": 1.0, "n": 1, "lon": 10.0, "lat": 10.0, "kind": "a", "ok": True}
    return pl.DataFrame({**{name: [value] * count for name, value in row.items()}, **columns}, schema=SCHEMA)


ROWS = {
    "empty": pl.DataFrame(schema=SCHEMA),
    "one": table(x=[2.0]),
    "two": table(x=[2.0, 3.0], n=[1, 2], t=[NEW_YEAR, NEW_YEAR + timedelta(hours=1)]),
    "all missing": pl.DataFrame({name: [None] * 5 for name in SCHEMA}, schema=SCHEMA),
    "constant": table(x=[3.0] * 50),
    "infinite": table(x=[INF, -INF, NAN, 1.0, 2.0], n=[*range(5)], lon=[INF, NAN, 200.0, -500.0, 5.0]),
    "huge": table(x=[1.7e308, -1.7e308, 0.0, 1e-320], n=[2**62, -(2**62), 0, 5]),
    "far years": table(
        x=[1.0, 2.0, 3.0],
        t=[datetime(1, 1, 1, tzinfo=UTC), NEW_YEAR, datetime(9999, 12, 31, 23, 59, tzinfo=UTC)],
        d=[date(1, 1, 1), date(2000, 1, 1), date(9999, 12, 31)],
    ),
    "many groups": table(kind=[f"g$_{number}\n{'x' * 60}" for number in range(3000)], x=[*map(float, range(3000))]),
    "fine steps": table(x=[1e17 + 16 * step for step in range(60)], n=[10**15 + step for step in range(60)]),
}
JOBS: list[tuple[str, dict[str, Any]]] = [
    ("correlation", {"method": "spearman"}),
    ("groups", {}),
    ("groups", {"by": ["kind", "ok"], "column": "x", "aggregates": ["mean", "std", "count", "sum"]}),
    ("groups", {"column": "x", "compare": {"column": "n", "values": [1, 2, None]}}),
    ("histogram", {"column": "x"}),
    ("histogram", {"column": "x", "compare": {"column": "n", "values": [1, 2, 2**62]}}),
    ("map", {"color": "x", "size": "x"}),
    ("map", {"show": "heat", "color": "x"}),
    ("outliers", {}),
    ("outliers", {"index": "x", "method": "robust-z"}),
    ("timeseries", {}),
    ("timeseries", {"index": "x"}),
    ("timeseries", {"index": "n", "column": "x", "aggregate": "median"}),
    ("timeseries", {"index": "d", "column": "x", "every": "1y"}),
    ("trend", {"x": "n", "y": "x", "method": "theil-sen"}),
    ("trend", {"x": "d", "y": "x"}),
]


def run(analysis: str, rows: pl.DataFrame, **params: Any) -> Outcome:
    return get_analysis(analysis).run(rows, params, lambda fraction, message=None: None)


def refused(analysis: str, params: dict[str, Any], columns: dict[str, str] = COLUMNS) -> list[tuple[str, str]]:
    with pytest.raises(InvalidParams) as raised:
        get_analysis(analysis).check(params, columns)
    return raised.value.errors


@pytest.mark.parametrize("rows", ROWS)
def test_every_analysis_answers_whatever_the_rows(rows: str) -> None:
    for analysis, params in JOBS:
        outcome = run(analysis, ROWS[rows], **params)
        result = render(Outcome(outcome.result, tables=outcome.tables)).result
        assert json.loads(json.dumps(result, allow_nan=False)) == result
        for figure in outcome.figures.values():
            axes = figure.axes[0]
            # Small, because drawing is what takes long here.
            figure.savefig(io.BytesIO(), format="png", dpi=30)
            # A heat map's columns are its labels.
            assert axes.get_title(loc="left")
            assert analysis == "correlation" or (axes.get_xlabel() and axes.get_ylabel())


def test_no_text_of_a_plot_is_cut_off_or_overlaps_another() -> None:
    # Given long names that begin alike, and numbers below zero, in a single place or in many
    number = "the name of a column as portals come up with it, by the hour (mm/h)"
    kinds = [f"One of the kinds that portals come up with, which is called {place % 3}" for place in range(30)]
    random = np.random.default_rng(3)
    rows = pl.DataFrame(
        {
            "t": [NEW_YEAR + timedelta(days=place) for place in range(30)],
            number: -np.abs(random.normal(size=30)) / 9,
            "the kind of which the row is, as portals call it": kinds,
            "lon": random.uniform(-123, -121, 30),
            "lat": random.uniform(45, 47, 30),
        }
    )
    compare = {"column": rows.columns[2], "values": [*kinds[:3], *map(str, range(3))]}
    jobs: list[tuple[str, dict[str, Any]]] = [
        ("correlation", {}),
        ("groups", {}),
        ("groups", {"by": [rows.columns[2], "t"], "compare": compare}),
        ("histogram", {"column": number, "compare": compare}),
        ("groups", {"by": rows.columns[2], "column": number, "sort": "mean"}),
        ("histogram", {"column": number}),
        ("map", {"color": number, "size": number}),
        ("outliers", {"column": number}),
        ("timeseries", {"column": number}),
        ("trend", {"x": number, "y": number}),
    ]
    for (analysis, params), some in product(jobs, (rows, rows.head(1))):
        figure = run(analysis, some, **params).figures["plot"]

        # When they are drawn
        FigureCanvasAgg(figure).draw()

        # Then every text is inside the figure, and no label of an axis overlaps another
        assert_texts_fit(figure, analysis)


def assert_texts_fit(figure: Figure, analysis: str) -> None:
    """Check that all texts of a drawn figure are inside it, and that labels along its axes do not overlap."""
    labels = [label for axes in figure.findobj(Axes) for label in _labels(axes)]
    ticks = {label for tick in figure.findobj(Tick) for label in (tick.label1, tick.label2)}
    others = [text for text in figure.findobj(Text) if text.get_visible() and text not in ticks]
    for text in (*labels, *others):
        box = text.get_window_extent()
        inside = min(box.x0, box.y0) >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert inside or not text.get_text(), (analysis, text)
    written = [*figure.axes[0].texts, *_labels(figure.axes[0])]
    boxes = [text.get_window_extent() for text in written if text.get_text() and not text.get_rotation()]
    assert not [(one, other) for one, other in combinations(boxes, 2) if one.overlaps(other)], analysis


def _labels(axes: Axes) -> list[Text]:
    """Return the labels of ticks, without those beyond the axes, which are not drawn."""
    labels = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        labels += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return labels


def test_many_bins_are_drawn_as_one() -> None:
    rows = pl.DataFrame({"x": [*map(float, range(5000))]})
    figure = run("histogram", rows, bins=1000).figures["plot"]
    assert len(figure.axes[0].patches) == 1


def test_a_heat_map_says_nothing_of_sizes() -> None:
    figure = run("map", ROWS["two"], show="heat", color="x", size="n").figures["plot"]
    assert figure.axes[0].get_title(loc="left") == "Map of the rows, coloured by x"


def test_a_million_points_are_small_pictures() -> None:
    # Given a million rows
    random = np.random.default_rng(3)
    count = 1_000_000
    x = random.normal(5, 2, count)
    rows = pl.DataFrame(
        {
            "t": pl.Series(np.sort(random.integers(0, 10**15, count))).cast(pl.Datetime("us", "UTC")),
            "x": x,
            "y": x / 2 + random.normal(0, 1, count),
            "lon": random.uniform(-180, 180, count),
            "lat": random.uniform(-90, 90, count),
        }
    )

    # When they are drawn in each of the ways that could draw them one by one
    jobs: list[tuple[str, dict[str, Any]]] = [
        ("map", {}),
        ("map", {"show": "points", "color": "x", "size": "y"}),
        ("outliers", {"column": "x"}),
        ("timeseries", {"every": "6h"}),
        ("trend", {"x": "x", "y": "y"}),
    ]
    for analysis, params in jobs:
        sizes = {each.name: len(each.content) for each in render(run(analysis, rows, **params)).artifacts}

        # Then neither picture has a megabyte
        assert max(sizes["plot.png"], sizes["plot.svg"]) < 1_000_000, (analysis, sizes)


_SCRIPT = """
import hashlib, polars as pl
from analyses import get_analysis, render
rows = pl.read_csv("samples/earthquakes.csv", try_parse_dates=True)
digest = hashlib.sha256()
for name in ("correlation", "groups", "map", "outliers", "timeseries", "trend"):
    for artifact in render(get_analysis(name).run(rows, {}, lambda fraction, message=None: None)).artifacts:
        digest.update(artifact.content)
print(digest.hexdigest())
"""


def test_another_process_draws_the_same_bytes() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT], cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_an_unnamed_index_is_the_datasets_if_it_can_be() -> None:
    def index(columns: dict[str, str], name: str | None) -> Any:
        return get_analysis("timeseries").check({}, columns, name)["index"]

    assert index(COLUMNS, "d") == "d"
    assert index(COLUMNS, "kind") == "t"
    assert index(COLUMNS, "row") == "t"
    assert index({"station_id": "integer", "depth": "number"}, "station_id") == "station_id"
    assert index({"station_id": "integer", "depth": "number"}, None) == "depth"


@pytest.mark.parametrize(
    ("names", "longitude", "latitude"),
    [
        (("reclat", "reclong"), "reclong", "reclat"),
        (("INTPTLAT", "INTPTLONG"), "INTPTLONG", "INTPTLAT"),
        (("geometry.lat", "geometry.lng"), "geometry.lng", "geometry.lat"),
        (("start_lat", "start_lng", "end_lat", "end_lng"), "start_lng", "start_lat"),
        (("decimalLatitude", "decimalLongitude"), "decimalLongitude", "decimalLatitude"),
        (("lat_error", "reclat", "long_error", "site_lon", "site_lat"), "site_lon", "site_lat"),
        (("site.lat", "site.lon", "Latitude", "Longitude"), "Longitude", "Latitude"),
    ],
)
def test_a_map_finds_its_columns(names: tuple[str, ...], longitude: str, latitude: str) -> None:
    found = get_analysis("map").check({}, {"flat": "number", **dict.fromkeys(names, "number")})
    assert (found["longitude"], found["latitude"]) == (longitude, latitude)


def test_unnamed_columns_are_those_that_fit() -> None:
    columns = {"id": "integer", "Site Lat": "number", "LNG": "number", "day": "date", "kind": "text", "size": "number"}
    assert get_analysis("map").check({}, columns)["longitude"] == "LNG"
    assert get_analysis("map").check({}, columns)["latitude"] == "Site Lat"
    assert get_analysis("groups").check({}, columns)["by"] == ["kind"]
    assert get_analysis("groups").check({"by": "day"}, columns)["by"] == ["day"]
    assert get_analysis("correlation").check({}, columns)["columns"] == ["Site Lat", "LNG", "size"]
    assert get_analysis("trend").check({"x": "Site Lat"}, columns)["y"] == "LNG"
    assert get_analysis("outliers").check({"method": "robust-z"}, columns)["factor"] == 3.5
    assert get_analysis("timeseries").check({"column": "size"}, columns)["aggregate"] == "mean"


@pytest.mark.parametrize(
    ("analysis", "params", "pointer"),
    [
        ("timeseries", {"index": "kind"}, "/index"),
        ("timeseries", {"column": "kind"}, "/column"),
        ("timeseries", {"every": "6 h"}, "/every"),
        ("timeseries", {"every": 5}, "/every"),
        ("timeseries", {"index": "n", "every": "1d"}, "/every"),
        ("timeseries", {"index": "n", "every": 0}, "/every"),
        ("timeseries", {"aggregate": "mean"}, "/aggregate"),
        ("timeseries", {"column": "x", "aggregate": "mode"}, "/aggregate"),
        ("groups", {"by": []}, "/by"),
        ("groups", {"by": ["kind", "kind"]}, "/by"),
        ("groups", {"by": ["kind", "knid"]}, "/by/1"),
        ("groups", {"aggregates": ["mean"]}, "/aggregates"),
        ("groups", {"sort": "mean"}, "/sort"),
        ("groups", {"top": 0}, "/top"),
        ("correlation", {"columns": ["x"]}, "/columns"),
        ("correlation", {"columns": ["x", "kind"]}, "/columns/1"),
        ("correlation", {"method": "kendall"}, "/method"),
        ("trend", {"y": "kind"}, "/y"),
        ("trend", {"x": "kind"}, "/x"),
        ("trend", {"confidence": 1}, "/confidence"),
        ("outliers", {"column": "kind"}, "/column"),
        ("outliers", {"factor": 0}, "/factor"),
        ("map", {"longitude": "kind"}, "/longitude"),
        ("map", {"color": "colour"}, "/color"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_pointer(analysis: str, params: dict[str, Any], pointer: str) -> None:
    assert {found for found, _ in refused(analysis, params)} == {pointer}


@pytest.mark.parametrize(
    ("analysis", "pointers"),
    [
        ("correlation", ["/columns"]),
        ("map", ["/longitude", "/latitude"]),
        ("outliers", ["/index", "/column"]),
        ("timeseries", ["/index"]),
        ("trend", ["/x", "/y"]),
    ],
)
def test_a_dataset_without_columns_that_fit_is_refused(analysis: str, pointers: list[str]) -> None:
    assert [pointer for pointer, _ in refused(analysis, {}, {"name": "text"})] == pointers


def test_too_many_steps_are_refused_with_the_pointer() -> None:
    with pytest.raises(InvalidParams) as raised:
        run("timeseries", ROWS["far years"], every="1s")
    assert raised.value.errors == [("/every", "more than 100,000 steps in this range: choose a longer one")]
