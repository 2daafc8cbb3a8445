"""Files in a zip or gzip are unpacked up to a limit; formats that cannot be read name what to convert them to."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from typing import Any

import pytest

from api import create_app
from dataset import (
    DatasetError,
    EncodedTable,
    InvalidDataset,
    LoadLimits,
    LoadOptions,
    Malformed,
    TooLarge,
    UnsupportedMediaType,
    formats,
    ingest,
    ingest_in_subprocess,
)
from dataset.formats import Limits
from tests.workbooks import workbook

CSV = b"id,v\n1,2\n"
JSON = b'[{"id": 1, "v": 2}]'
ROW = [{"id": 1, "v": 2}]


def zip_of(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def records(body: bytes, media_type: str | None = None, **options: Any) -> list[dict[str, Any]]:
    return ingest(body, media_type, options=LoadOptions(**options)).page(limit=100).records


def error_of(body: bytes, media_type: str | None = None, **options: Any) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        ingest(body, media_type, options=LoadOptions(**options), limits=Limits(unpacked_bytes=2**20))
    return caught.value


@pytest.mark.parametrize("media_type", [None, "application/zip", "application/x-zip-compressed", "text/csv"])
@pytest.mark.parametrize(
    "files",
    [
        {"x.csv": CSV},
        {"folder/": b"", "folder/x.csv": CSV, "__MACOSX/folder/._x.csv": b"?", ".DS_Store": b"?"},
        {"x.csv.gz": gzip.compress(CSV)},
    ],
)
def test_the_one_file_of_a_zip_is_read(files: dict[str, bytes], media_type: str | None) -> None:
    assert records(zip_of(files), media_type) == ROW


@pytest.mark.parametrize(
    "content",
    [JSON, JSON[1:-1] + b"\n" + JSON[1:-1], workbook({"s": [["id", "v"], [1, 2]]}), "id;v\n1;2\n".encode("utf-16")],
)
def test_the_format_within_a_zip_is_detected(content: bytes) -> None:
    assert records(zip_of({"data": content}, zipfile.ZIP_STORED))[:1] == ROW
    assert records(gzip.compress(zip_of({"data": content})))[:1] == ROW


def test_a_file_without_a_name_is_read() -> None:
    assert records(zip_of({"x.csv": CSV}).replace(b"x.csv", b"\0.csv")) == ROW


def test_a_member_of_a_zip_with_several_files_is_chosen_by_name() -> None:
    body = zip_of({"a.csv": CSV, "b/a.csv": b"x\n7\n"})
    error = error_of(body)
    assert isinstance(error, InvalidDataset)
    assert (error.parameter, "'a.csv' (9 bytes), 'b/a.csv' (4 bytes)" in error.detail) == ("member", True)

    assert records(body, member="b/a.csv") == [{"x": 7}]
    for other, member in ((body, "c.csv"), (CSV, "a.csv"), (workbook({"s": [["a"], [1]]}), "s")):
        missing = error_of(other, member=member)
        assert isinstance(missing, InvalidDataset)
        assert missing.parameter == "member"


def test_the_version_is_that_of_the_file_in_the_archive() -> None:
    versions = {ingest(body, None).description.version for body in (CSV, gzip.compress(CSV), zip_of({"x.csv": CSV}))}
    assert len(versions) == 1
    assert ingest(zip_of({"x.csv": CSV}), None).description.bytes == len(CSV)


def test_archives_unpack_to_a_limit() -> None:
    large = b"a\n" + b"1\n" * 2**20
    for body in (zip_of({"x.csv": large}), gzip.compress(large), zip_of({"x.csv.gz": gzip.compress(large)})):
        assert isinstance(error_of(body), TooLarge)
    # also if the archive states a smaller size
    lying = bytearray(zip_of({"x.csv": large}))
    for place in (22, lying.rindex(b"PK\x01\x02") + 24):
        lying[place : place + 4] = struct.pack("<I", 1000)
    assert isinstance(error_of(bytes(lying)), Malformed | TooLarge)


def test_an_archive_is_unpacked_in_a_subprocess() -> None:
    for body in (zip_of({"x.csv": CSV}), gzip.compress(CSV), workbook({"s": [["id", "v"], [1, 2]]})):
        loaded = ingest_in_subprocess([body], None)
        assert isinstance(loaded, EncodedTable)
        assert loaded.description.count == 1
    with pytest.raises(TooLarge):
        ingest_in_subprocess([zip_of({"x.csv": bytes(2**24)})], None, limits=LoadLimits(body_bytes=2**20))


def encrypted() -> bytes:
    body = bytearray(zip_of({"x.csv": CSV}))
    for place in (6, body.rindex(b"PK\x01\x02") + 8):
        body[place] |= 1
    return bytes(body)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (zip_of({"x.csv": CSV})[:-10], Malformed),
        (zip_of({"x.csv": CSV}).replace(b"x.csv", b"y.csv", 1), Malformed),
        (zip_of({"x.csv": CSV * 99}, zipfile.ZIP_BZIP2).replace(b"BZh91AY&SY", b"BZh91AY&SZ"), Malformed),
        (zip_of({"x.csv": CSV * 99}, zipfile.ZIP_LZMA)[:60] + bytes(200), Malformed),
        (gzip.compress(CSV)[:-4], Malformed),
        (gzip.compress(CSV) + b"x", Malformed),
        (encrypted(), InvalidDataset),
        (zip_of({}), InvalidDataset),
        (zip_of({"folder/": b""}), InvalidDataset),
        (zip_of({"x.zip": zip_of({"x.csv": CSV})}), UnsupportedMediaType),
        (zip_of({"x.csv": b""}), Malformed),
    ],
)
def test_a_broken_archive_is_an_error_with_a_reason(body: bytes, error: type[DatasetError]) -> None:
    assert type(error_of(body)) is error


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'<?xml version="1.0"?><data><row><a>1</a></row></data>', "XML"),
        ("<rss><channel/></rss>".encode("utf-16"), "XML"),
        (b"\n<!DOCTYPE html><title>x</title>", "HTML"),
        (b"---\na: 1\nb: 2\n", "YAML"),
        (b"- a: 1\n  b: 2\n- a: 3\n", "YAML"),
        (b"a: 1\nb:\n  - 2\n", "YAML"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), ".xlsx or CSV"),
        (b"SQLite format 3\0" + bytes(80), "SQLite"),
        (b"\x89HDF\r\n\x1a\n" + bytes(80), "HDF5"),
        (b"CDF\x01" + bytes(80), "NetCDF"),
        (b"%PDF-1.7\n", "PDF"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(80), "7z"),
        (b"BZh91AY&SY" + bytes(80), "bzip2"),
        (b"\x28\xb5\x2f\xfd" + bytes(80), "zstd"),
        (b"\x80\x04\x95" + bytes(80), "pickle"),
        (b"x.csv".ljust(257, b"\0") + b"ustar\x0000", "tar"),
        (zip_of({"xl/workbook.bin": b""}), ".xlsb"),
        (zip_of({"mimetype": b"", "content.xml": b"", "META-INF/manifest.xml": b""}), ".ods"),
        (zip_of({"a.shp": b"", "a.dbf": b""}), "Shapefile"),
        (zip_of({"doc.kml": b"<kml></kml>"}), "XML"),
    ],
)
def test_a_format_that_cannot_be_read_is_named_with_a_remedy(body: bytes, words: str) -> None:
    error = error_of(body)

    assert isinstance(error, UnsupportedMediaType)
    assert words in error.detail


@pytest.mark.parametrize("media_type", ["application/xml", "text/html", "application/yaml", "application/pdf"])
def test_the_media_type_of_a_format_that_cannot_be_read_is_named_too(media_type: str) -> None:
    assert "CSV" in error_of(CSV, media_type).detail or "JSON" in error_of(CSV, media_type).detail


@pytest.mark.parametrize(
    "body", [b"a: 1\n", b"time: UTC,v\n1,2\n", b"- a\n- b\n", b"name\nO: x\nP: y\n", b"ORCID,v\n1,2\n"]
)
def test_a_table_is_not_taken_for_another_format(body: bytes) -> None:
    ingest(body, None, options=LoadOptions(empty=True))


def test_binary_files_sent_as_text_are_named_too() -> None:
    assert "workbook" in error_of(workbook({"s": [["a"], [1]]}), "text/csv").detail
    assert ".xls" in error_of(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "text/csv").detail


def test_options_of_another_format_are_refused() -> None:
    for options in ({"list": "/a"}, {"sheet": "a"}):
        error = error_of(CSV, **options)
        assert isinstance(error, InvalidDataset)
        assert {error.parameter} == set(options)


@pytest.fixture
def client(rd, monkeypatch):
    monkeypatch.setattr(formats, "is_compressed", lambda *_: False)
    return create_app(redis_client=rd).test_client()


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (gzip.compress(CSV), "application/gzip"),
        (gzip.compress(CSV), "text/csv"),
        (gzip.compress(JSON), "application/json"),
        (zip_of({"x.csv": CSV}), "application/zip"),
        (zip_of({"x.csv": CSV}), "application/octet-stream"),
        (workbook({"s": [["id", "v"], [1, 2]]}), "application/vnd.ms-excel"),
        (CSV, "application/vnd.ms-excel"),
        (JSON, "text/plain"),
    ],
)
def test_a_file_is_posted_as_the_body_or_in_a_form(client, content, media_type):
    form = {"file": (io.BytesIO(content), "x", media_type)}
    for answer in (client.post("/data", data=content, content_type=media_type), client.post("/data", data=form)):
        assert answer.status_code == 201, answer.json
        assert client.get("/data").json["records"] == ROW


def test_the_options_of_a_load_choose_within_a_file(client):
    body = zip_of({"a.csv": b"x\n7\n", "b.json": json.dumps({"p": ROW, "q": [{"w": 1}]}).encode()})

    refused = client.post("/data", data=body)
    assert (refused.status_code, refused.json["errors"][0]["parameter"]) == (422, "member")
    refused = client.post("/data?member=b.json", data=body)
    assert (refused.status_code, refused.json["errors"][0]["parameter"]) == (422, "list")
    assert client.post("/data?member=b.json&list=/p", data=body).status_code == 201
    assert client.get("/data").json["records"] == ROW


def test_xml_is_a_415(client):
    for media_type in ("application/xml", "application/octet-stream", "text/plain"):
        answer = client.post("/data", data=b"<?xml version='1.0'?><a/>", content_type=media_type)
        assert (answer.status_code, answer.json["type"]) == (415, "/problems/unsupported-media-type")
        assert "convert it to CSV or JSON" in answer.json["detail"]
