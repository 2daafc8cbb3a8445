"""GeoJSON (RFC 7946): the features of a FeatureCollection as rows.

The members of a row are `id`, the `properties`, then the geometry: of a Point `longitude`, `latitude` and, if present,
`altitude`; of any other geometry `geometry_type` and `coordinates`. A property whose name clashes with one of these is
renamed to `properties.<name>`.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

from dataset.errors import InvalidDataset

__all__ = ["features_to_rows", "is_feature", "is_feature_collection"]

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


def features_to_rows(features: list[Any]) -> list[dict[str, Any]]:
    """Return a row for each feature. Raises InvalidDataset for an invalid feature."""
    ids, geometries, properties = [], [], []
    for number, feature in enumerate(features):
        if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict | None):
            raise _invalid_feature(number)
        ids.append({"id": feature["id"]} if "id" in feature else {})
        geometries.append(_geometry_members(feature.get("geometry"), number))
        properties.append(feature.get("properties") or {})
    reserved = {name for row in chain(ids, geometries) for name in row}
    clashes = reserved & {name for row in properties for name in row}
    if clashes:
        properties = [
            {f"properties.{name}" if name in clashes else name: value for name, value in each.items()}
            for each in properties
        ]
    return [identifier | row | geometry for identifier, row, geometry in zip(ids, properties, geometries, strict=True)]


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
