"""GeoJSON (RFC 7946): features as a table.

The columns are `id`, the `properties`, then the geometry: of a Point `longitude`, `latitude` and, if present,
`altitude`; of any other geometry `geometry_type` and `coordinates`. A property whose name clashes with one of these is
renamed to `properties.<name>`.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

from dataset.errors import InvalidDataset
from dataset.formats.columns import Grid, grid_of_objects

__all__ = ["grid_of_features", "is_feature", "is_feature_collection"]

_POINT: Final = ("longitude", "latitude", "altitude")


def is_feature_collection(document: Any) -> bool:
    """Return whether a JSON document is a FeatureCollection."""
    return (
        isinstance(document, dict)
        and document.get("type") == "FeatureCollection"
        and isinstance(document.get("features"), list)
    )


def is_feature(document: Any) -> bool:
    """Return whether a JSON document is a single Feature."""
    return isinstance(document, dict) and document.get("type") == "Feature" and "properties" in document


def grid_of_features(features: list[Any]) -> Grid:
    """Return the columns of a list of features. Raises InvalidDataset for an invalid feature."""
    for number, feature in enumerate(features):
        if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict | None):
            raise _invalid_feature(number)
    ids = {"id": [feature.get("id") for feature in features]} if any("id" in feature for feature in features) else {}
    geometry = _geometry_columns([feature.get("geometry") for feature in features])
    properties = grid_of_objects([feature.get("properties") or {} for feature in features])
    reserved = {*ids, *geometry}
    names = [f"properties.{name}" if name in reserved else name for name in properties.names]
    columns = chain(ids.values(), properties.columns, geometry.values())
    return Grid([*ids, *names, *geometry], columns, len(features))


def _geometry_columns(geometries: list[Any]) -> dict[str, list[Any]]:
    """Return the columns of the geometries that have any, in the order of their first occurrence."""
    columns: dict[str, list[Any]] = {}
    for number, geometry in enumerate(geometries):
        for name, value in _geometry_members(geometry, number).items():
            if name not in columns:
                columns[name] = [None] * len(geometries)
            columns[name][number] = value
    return columns


def _geometry_members(geometry: Any, number: int) -> dict[str, Any]:
    if geometry is None:
        return {}
    if not isinstance(geometry, dict) or not isinstance(geometry.get("type"), str):
        raise _invalid_feature(number)
    if geometry["type"] != "Point":
        parts = geometry.get("geometries") if geometry["type"] == "GeometryCollection" else geometry.get("coordinates")
        return {"geometry_type": geometry["type"], "coordinates": parts}
    position = geometry.get("coordinates")
    if not isinstance(position, list):
        raise _invalid_feature(number)
    return dict(zip(_POINT, position, strict=False))


def _invalid_feature(number: int) -> InvalidDataset:
    return InvalidDataset(
        f"Feature {number} is not a GeoJSON Feature: it needs `properties` and a `geometry`, each an object or null."
    )
