"""Formats that are recognized only to name what to convert them to."""

from __future__ import annotations

import re
from typing import Final

from dataset.errors import UnsupportedMediaType

__all__ = ["reject_binary", "reject_text", "reject_type"]

_UNPACK: Final = "unpack it, or pack it as gzip or zip"
_EXPORT: Final = "export it as CSV or Parquet"
_XLS: Final = "a workbook of the old Excel format (.xls) or another OLE file: save it as .xlsx or CSV"
_XML: Final = "XML: convert it to CSV or JSON"
_HTML: Final = "a page of HTML: save its table as CSV or JSON"
_YAML: Final = "YAML: convert it to JSON"
_IMAGE: Final = "an image: send the data as CSV"

_MAGICS: Final = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": _XLS,
    b"SQLite format 3\0": "a SQLite database: export the table as CSV",
    b"\x89HDF\r\n\x1a\n": f"an HDF5 or NetCDF file: {_EXPORT}",
    b"CDF\x01": f"a NetCDF file: {_EXPORT}",
    b"CDF\x02": f"a NetCDF file: {_EXPORT}",
    b"CDF\x05": f"a NetCDF file: {_EXPORT}",
    b"%PDF-": "a PDF document: send its table as CSV",
    b"7z\xbc\xaf\x27\x1c": f"a 7z archive: {_UNPACK}",
    b"Rar!\x1a\x07": f"a RAR archive: {_UNPACK}",
    b"BZh": f"packed by bzip2: {_UNPACK}",
    b"\xfd7zXZ\0": f"packed by xz: {_UNPACK}",
    b"\x28\xb5\x2f\xfd": f"packed by zstd: {_UNPACK}",
    b"\x04\x22\x4d\x18": f"packed by lz4: {_UNPACK}",
    b"\x1f\x9d": f"packed by compress: {_UNPACK}",
    b"FEA1": "a Feather file of version 1: save it as version 2 (Arrow) or Parquet",
    b"ORC": f"an ORC file: {_EXPORT}",
    b"Obj\x01": f"an Avro file: {_EXPORT}",
    b"GRIB": f"a GRIB file: {_EXPORT}",
    b"SIMPLE  =": f"a FITS file: {_EXPORT}",
    b"\x93NUMPY": f"a NumPy file: {_EXPORT}",
    b"<stata_dta>": f"a Stata file: {_EXPORT}",
    b"$FL2": f"an SPSS file: {_EXPORT}",
    b"$FL3": f"an SPSS file: {_EXPORT}",
    b"RDX2\n": f"an R file: {_EXPORT}",
    b"RDX3\n": f"an R file: {_EXPORT}",
    b"RDA3\n": f"an R file: {_EXPORT}",
    b"X\n\0\0\0": f"an R file: {_EXPORT}",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\xc2\xea\x81\x60": f"a SAS file: {_EXPORT}",
    b"\0\0\x27\x0a": "a Shapefile: convert it to GeoJSON or CSV",
    b"fgb\x03": "a FlatGeobuf file: convert it to GeoJSON or CSV",
    b"\x89PNG": _IMAGE,
    b"\xff\xd8\xff": _IMAGE,
    b"GIF8": _IMAGE,
    b"II*\0": _IMAGE,
    b"MM\0*": _IMAGE,
}
_TEXT_MAGICS: Final = (b"%PDF-", b"SIMPLE  =", b"<stata_dta>")
_CONTROLS: Final = re.compile(rb"[\0-\x08\x0e-\x1f\x7f]")
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05][\x8c\x95c]")
_TAR_MAGIC: Final = b"ustar"
_TAR_OFFSET: Final = 257

_TYPES: Final = {
    "application/xml": _XML,
    "text/xml": _XML,
    "text/html": _HTML,
    "application/yaml": _YAML,
    "application/x-yaml": _YAML,
    "text/yaml": _YAML,
    "text/x-yaml": _YAML,
    "application/vnd.oasis.opendocument.spreadsheet": "an OpenDocument file (.ods): save it as .xlsx or CSV",
    "application/pdf": _MAGICS[b"%PDF-"],
    "application/x-7z-compressed": _MAGICS[b"7z\xbc\xaf\x27\x1c"],
    "application/vnd.sqlite3": _MAGICS[b"SQLite format 3\0"],
    "application/x-hdf5": _MAGICS[b"\x89HDF\r\n\x1a\n"],
    "application/x-netcdf": _MAGICS[b"CDF\x01"],
}

_HTML_START: Final = re.compile(rb"\s*<(?:!doctype\s+html|html|head|body|table)\b", re.IGNORECASE)
_XML_START: Final = re.compile(rb"\s*<[?!A-Za-z]")
_JAVASCRIPT: Final = re.compile(
    rb"\s*(?:/\*.*?\*/\s*)?[A-Za-z_$][\w$.]*\(\s*(?:\{\s*[\"'}\w]|\[\s*[\[{\]\"'\d-])|\s*\)\]\}'", re.DOTALL
)
_COMMENTED_JSON: Final = re.compile(
    rb"\s*(?:(?://[^\r\n]*[\r\n]\s*|/\*.*?\*/\s*))+(?:\{\s*[\"}]|\[\s*[\[{\]\"])", re.DOTALL
)
_YAML_MARK: Final = re.compile(rb"(?:%YAML\b|---[ \t]*\r?\n)")
_YAML_LINE: Final = re.compile(rb"[ \t]*(?:-[ \t]+[^,;\t]*|(?:-[ \t]+)?[A-Za-z_][\w -]*:(?:[ \t][^,;\t]*)?)\r?")
_YAML_KEY: Final = re.compile(rb"[ \t]*(?:-[ \t]+)?[A-Za-z_][\w -]*:[ \t\r]")
_MIN_YAML_LINES: Final = 2
_MAX_YAML_LINES: Final = 50


def reject_type(essence: str) -> None:
    """Raise UnsupportedMediaType for the media type of a recognized format."""
    if essence in _TYPES:
        raise UnsupportedMediaType(f"The body is sent as {_TYPES[essence]}.")


def reject_binary(head: bytes) -> None:
    """Raise UnsupportedMediaType for the beginning of a file in a recognized binary format."""
    is_text = _CONTROLS.search(head) is None  # such as a table whose first column is ORCID
    found = next((kind for magic, kind in _MAGICS.items() if head.startswith(magic)), None)
    found = None if is_text and not head.startswith(_TEXT_MAGICS) else found
    if found is None and head[_TAR_OFFSET : _TAR_OFFSET + len(_TAR_MAGIC)] == _TAR_MAGIC:
        found = "a tar archive: send the one file, packed by gzip or not"
    if found is None and _PICKLE.match(head):
        found = f"a Python pickle: {_EXPORT}"
    if found is not None:
        raise UnsupportedMediaType(f"The body is {found}.")


def reject_text(head: bytes) -> None:
    """Raise UnsupportedMediaType for the beginning, in UTF-8, of a recognized text format."""
    if _HTML_START.match(head):
        raise UnsupportedMediaType(f"The body is {_HTML}.")
    if _XML_START.match(head):
        raise UnsupportedMediaType(f"The body is {_XML}.")
    if _JAVASCRIPT.match(head):
        raise UnsupportedMediaType("The body is JavaScript around JSON: send the JSON alone, or CSV.")
    if _COMMENTED_JSON.match(head):
        raise UnsupportedMediaType("The body is JSON below a comment, which JSON has not: remove the comments.")
    if _YAML_MARK.match(head) or _is_yaml(head):
        raise UnsupportedMediaType(f"The body is {_YAML}.")


def _is_yaml(head: bytes) -> bool:
    """Return whether all of the first lines are keys with values or items of lists."""
    lines = [line for line in head.split(b"\n", _MAX_YAML_LINES)[:_MAX_YAML_LINES] if line.strip()]
    return (
        len(lines) >= _MIN_YAML_LINES
        and all(map(_YAML_LINE.fullmatch, lines))
        and any(_YAML_KEY.match(line + b"\r") for line in lines)
    )
