"""Tests that a map fits its points, from a street to the globe, and is true to scale at their latitude."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection

from analyses import get_analysis
from tests.unit.test_analyses_edges import assert_texts_fit

# West, east, south, north.
PLACES = {
    "street": (-122.4198, -122.4190, 37.7747, 37.7752),
    "city": (-122.52, -122.35, 37.70, 37.83),
    "northern city": (24.78, 25.25, 60.13, 60.29),
    "country": (-9.5, 3.3, 36.0, 43.7),
    "tall country": (-75.0, -67.0, -55.0, -18.0),
    "hemisphere": (-120.0, 60.0, -50.0, 50.0),
}


def draw(corners: tuple[float, float, float, float], *longitudes: float, **params: Any) -> Axes:
    west, east, south, north = corners
    lon = [west, east, west, east, *longitudes]
    rows = pl.DataFrame({"lon": lon, "lat": [south, south, north, north, *(south for _ in longitudes)]})
    figure = get_analysis("map").run(rows, params, lambda fraction, message=None: None).figures["plot"]
    FigureCanvasAgg(figure).draw()
    assert_texts_fit(figure, "map")
    return figure.axes[0]


def coasts(axes: Axes) -> list[Any]:
    return [each for each in axes.collections if isinstance(each, LineCollection)]


@pytest.mark.parametrize("name", PLACES)
def test_a_map_is_its_points_with_a_margin_and_true_to_scale(name):
    # Given points in the corners of a place
    west, east, south, north = PLACES[name]

    # When they are drawn
    axes = draw(PLACES[name])

    # Then both sides have the same margin, and the longer one is at most an eighth longer than the place
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert left < west < east < right
    assert bottom < south < north < top
    assert west - left == pytest.approx(right - east)
    assert south - bottom == pytest.approx(top - north)
    longer = max((east - west) / (right - left), (north - south) / (top - bottom))
    assert longer > 8 / 9 or right - left < 0.0013

    # And a degree of latitude is as long as it is on the ground, compared with one of longitude
    box = axes.get_window_extent()
    scale = (box.height / (top - bottom)) / (box.width / (right - left))
    assert scale == pytest.approx(1 / math.cos(math.radians((south + north) / 2)), rel=0.01)

    # And the coastlines are those of large maps only
    assert bool(coasts(axes)) == (north - south > 3)


def test_most_of_the_globe_is_the_globe():
    axes = draw((-150.0, 160.0, -60.0, 70.0), -60.0, 30.0)
    assert (axes.get_xlim(), axes.get_ylim()) == ((-180, 180), (-90, 90))


def test_a_map_across_the_dateline_is_continuous():
    axes = draw((177.0, -178.0, -19.0, -16.0))
    assert axes.get_xlim() == pytest.approx((176.75, 182.25))
    assert {label.get_text() for label in axes.get_xticklabels()} >= {"180°", "179°E", "179°W"}


def test_one_place_is_a_map_of_a_hundred_metres():
    axes = draw((7.5, 7.5, 47.5, 47.5))
    assert axes.get_ylim() == pytest.approx((47.4995, 47.5005))


@pytest.mark.parametrize("name", PLACES)
def test_the_cells_of_a_heat_map_are_square(name):
    axes = draw(PLACES[name], show="heat")
    (image,) = axes.images
    rows, columns = image.get_array().shape
    box = axes.get_window_extent()
    assert box.width / columns == pytest.approx(box.height / rows, rel=0.05)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.floats(-180, 360), st.floats(-90, 90)), min_size=1, max_size=5),
    st.sampled_from([1.0, 1e-3, 1e-9]),
)
def test_every_point_is_in_the_view(places, scale):
    # Given places anywhere, or close to each other
    lon, lat = np.array(places).T
    lon, lat = lon[0] + (lon - lon[0]) * scale, lat[0] + (lat - lat[0]) * scale
    rows = pl.DataFrame({"lon": lon, "lat": lat})

    # When they are drawn, then each is on the map, and in a cell of the table
    outcome = get_analysis("map").run(rows, {}, lambda fraction, message=None: None)
    assert outcome.result["count"] == len(rows) == outcome.tables["table"]["count"].sum()
    axes = outcome.figures["plot"].axes[0]
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    points = np.concatenate([each.get_offsets() for each in axes.collections if not isinstance(each, LineCollection)])
    assert ((points[:, 0] >= left) & (points[:, 0] <= right) & (points[:, 1] >= bottom) & (points[:, 1] <= top)).all()
    assert right - left <= 360
