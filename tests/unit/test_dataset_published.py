"""Files as portals and tools publish them, one of each kind: its columns and values, or the option that decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dataset import DatasetError, InvalidDataset, LoadOptions, Table, UnsupportedMediaType, ingest

CASES = Path(__file__).parents[1] / "data" / "cases"


def load(name: str, media_type: str | None = None, **options: Any) -> Table:
    return ingest((CASES / name).read_bytes(), media_type, options=LoadOptions(**options))


def error_of(name: str, **options: Any) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        load(name, **options)
    return caught.value


@pytest.mark.parametrize(
    ("name", "types", "first"),
    [
        (
            "arcgis.json",
            {
                "attributes.OBJECTID": "integer",
                "attributes.mag": "number",
                "attributes.date": "time",
                "geometry.x": "integer",
                "geometry.y": "integer",
            },
            {"attributes.mag": 2.5, "attributes.date": "2020-09-13T12:26:40.000Z", "geometry.x": -97},
        ),
        (
            "census.json",
            {"NAME": "text", "POP": "integer", "state": "text"},
            {"NAME": "Alabama", "POP": 4903185, "state": "01"},
        ),
        ("ckan.json", {"_id": "integer", "name": "text", "v": "number"}, {"_id": 1, "name": "a", "v": 1.5}),
        ("e.parquet", {"epoch": "time"}, {"epoch": "2020-09-13T12:26:40.000Z"}),
        ("excel.xlsx", {"a": "integer", "t": "date"}, {"a": 1, "t": "2020-01-01"}),
        ("feather.arrow", {"cat": "text", "d": "date"}, {"cat": "x", "d": "2020-01-01"}),
        (
            "fred.json",
            {"realtime_start": "date", "date": "date", "value": "number"},
            {"date": "1929-01-01", "value": 1065.9},
        ),
        (
            "gho.json",
            {
                "Id": "integer",
                "IndicatorCode": "text",
                "SpatialDim": "text",
                "TimeDim": "integer",
                "NumericValue": "number",
            },
            {"SpatialDim": "AFG", "TimeDim": 2019, "NumericValue": 61.65},
        ),
        (
            "iss.json",
            {"EPOCH": "time", "X": "number", "Y": "number", "X_DOT": "number"},
            {"EPOCH": "2023-03-04T12:00:00.000Z", "X": 2820.04422055639, "X_DOT": 5.03758258209994},
        ),
        ("jsonapi.json", {"type": "text", "id": "integer", "attributes.t": "number"}, {"id": 1, "attributes.t": 1.5}),
        ("mixed.json", {"v": "integer"}, {"v": 1}),
        ("ndjson_varying.ndjson", {"a": "integer", "b": "text", "c": "text"}, {"a": 1, "b": None, "c": None}),
        ("nested_far_date.parquet", {"s": "text"}, {"s": '["10000000"]'}),
        (
            "noaa_cdo.json",
            {"date": "time", "datatype": "text", "station": "text", "value": "integer"},
            {"date": "2010-05-01T00:00:00.000Z", "value": 0},
        ),
        (
            "ods_v1.json",
            {"datasetid": "text", "recordid": "text", "fields.t": "number", "fields.d": "date"},
            {"recordid": "a", "fields.t": 20.1, "fields.d": "2020-01-01"},
        ),
        ("one.ndjson", {"a": "integer"}, {"a": 1}),
        ("one_object.json", {"a": "integer", "b": "integer"}, {"a": 1, "b": 2}),
        (
            "openmeteo.json",
            {"time": "time", "temperature_2m": "number"},
            {"time": "2022-07-01T00:00:00.000Z", "temperature_2m": 13.0},
        ),
        ("orient_columns.json", {"a": "integer", "b": "text"}, {"a": 1, "b": "x"}),
        ("orient_index.json", {"index": "text", "a": "integer", "b": "text"}, {"index": "r1", "a": 1, "b": "x"}),
        ("orient_split.json", {"a": "integer", "b": "text"}, {"a": 1, "b": "x"}),
        ("orient_values.json", {"a": "integer", "b": "text"}, {"a": 1, "b": "x"}),
        ("pandas_index.parquet", {"a": "integer", "t": "time"}, {"a": 1, "t": "2020-01-01T00:00:00.000Z"}),
        (
            "power.json",
            {"date": "date", "T2M": "number", "WS10M": "number"},
            {"date": "2020-01-01", "T2M": 10.1, "WS10M": 3.1},
        ),
        (
            "single_feature.json",
            {"a": "integer", "longitude": "integer", "latitude": "integer"},
            {"a": 1, "longitude": 1, "latitude": 2},
        ),
        ("socrata_rows.json", {"name": "text", "mass": "integer"}, {"name": "Aachen", "mass": 21}),
        ("x500.parquet", {"s": "text"}, {"s": '["4611686018427387904"]'}),
        ("zip.zip", {"id": "integer", "v": "integer"}, {"id": 1, "v": 2}),
        ("zstd.parquet", {"a": "integer"}, {"a": 1}),
    ],
)
def test_a_published_file_gives_its_columns(name: str, types: dict[str, str], first: dict[str, Any]) -> None:
    # Given a file sent without a media type, when it is loaded
    table = load(name)
    # then its columns have their names and types, and its first record its values
    assert table.description.types() == types
    record = table.page(limit=1).records[0]
    assert {column: record[column] for column in first} == first


def test_the_taught_export_has_numbers_dates_and_an_identifier() -> None:
    description = load("socrata.json").description

    assert (description.id, description.index) == ("id", "year")
    assert description.types() == {
        "name": "text",
        "id": "integer",
        "nametype": "text",
        "recclass": "text",
        "mass": "integer",
        "fall": "text",
        "year": "time",
        "reclat": "number",
        "reclong": "number",
        "geolocation.type": "text",
        "geolocation.coordinates": "text",
    }


def test_lists_within_records_are_json_and_quoted_numbers_are_numbers() -> None:
    table = load("hgnc.json")

    assert table.description.id == "hgnc_id"
    first = table.page(limit=1).records[0]
    assert (first["gene_group_id"], first["omim_id"]) == ("[594]", '["138670"]')
    assert (first["entrez_id"], first["date_approved_reserved"]) == (1, "1989-06-30")


@pytest.mark.parametrize(
    ("name", "chosen", "other"),
    [
        ("arcgis.json", "/features", "/fields"),
        ("ckan.json", "/result/records", "/result/fields"),
        ("jsonapi.json", "/data", "/included"),
        ("ods_v1.json", "/records", "/facet_groups"),
    ],
)
def test_a_choice_among_several_lists_is_noted_and_the_client_may_choose_another(
    name: str, chosen: str, other: str
) -> None:
    note = load(name).description.notes[0]

    assert (note.column, f"'{chosen}'" in note.detail, f"'{other}'" in note.detail) == (None, True, True)
    assert load(name, list=chosen).page(limit=9).records == load(name).page(limit=9).records
    assert load(name, list=other).description.count > 0


@pytest.mark.parametrize(
    ("name", "pointers"),
    [
        ("nasa_neo.json", ["/near_earth_objects/2015-09-07", "/near_earth_objects/2015-09-08"]),
        ("usgs_water.json", ["/value/timeSeries", "/value/timeSeries/0/values/0/value"]),
    ],
)
def test_lists_of_which_none_is_certain_are_refused_and_listed(name: str, pointers: list[str]) -> None:
    # Given a document with several lists, when it is loaded, then the error lists them with their counts
    error = error_of(name)
    assert isinstance(error, InvalidDataset)
    assert error.parameter == "list"
    for pointer in pointers:
        assert f"'{pointer}' (1)" in error.detail
        # and each can be chosen
        assert load(name, list=pointer).description.count == 1


def test_formats_that_are_not_tables_name_what_to_convert_them_to() -> None:
    assert "CSV" in error_of("eurostat.json").detail
    xml = error_of("xml.xml")
    assert isinstance(xml, UnsupportedMediaType)
    assert "convert it to CSV or JSON" in xml.detail


def test_files_without_oddity_have_no_notes() -> None:
    plain = (
        "census.json excel.xlsx feather.arrow gho.json hgnc.json noaa_cdo.json one.ndjson one_object.json "
        "openmeteo.json orient_columns.json orient_index.json orient_split.json orient_values.json "
        "pandas_index.parquet socrata.json single_feature.json zip.zip zstd.parquet"
    )
    for name in plain.split():
        assert load(name).description.notes == (), name
