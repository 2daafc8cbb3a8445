"""Calls for the dataset: load, read, export, and change its records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal
from urllib.parse import quote

from client.model import Dataset
from client.paging import pages
from client.transport import Transport
from client.uploads import Source, open_source

__all__ = ["DataCalls"]

_UPLOAD_SECONDS = 600.0
_FORMATS = {"csv": "text/csv", "ndjson": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}

Format = Literal["csv", "ndjson", "parquet"]
Where = Mapping[str, Any]


class DataCalls(Transport):
    """The calls of ``/data``. Each raises ApiError where the API refuses it or cannot be reached."""

    def load(
        self, source: Source | None = None, *, media_type: str | None = None, dry_run: bool = False, **options: Any
    ) -> Dataset:
        """Replace the dataset, and return its description.

        :param source: a path (``-`` is standard input), bytes, an open binary file, or a list of records;
            None loads the operator's ``DATA_SOURCE``.
        :param media_type: by default by the file's name, else by its content.
        :param dry_run: only describe the file, with its first ``records``.
        :param options: those of ``POST /data``: ``id``, ``index``, ``dates``, ``decimal``, ``header``, …;
            ``types={"zip": "text"}`` for types of columns.
        :raises OSError: the file cannot be read.
        """
        query = _load_query(options) | ({"dry_run": "yes"} if dry_run else {})
        if source is None:
            return self.request("POST", "/data", params=query, repeatable=True, timeout=_UPLOAD_SECONDS).json()
        with open_source(source, media_type) as (content, guessed):
            response = self.request(
                "POST",
                "/data",
                params=query,
                content=content,
                headers={"Content-Type": guessed},
                repeatable=True,  # it replaces the dataset: twice is once
                timeout=_UPLOAD_SECONDS,
            )
        return response.json()

    def dataset(self) -> Dataset | None:
        """Return the description of the dataset, or None where none is loaded."""
        return self.request("GET", "/data", params={"limit": 1}).json()["dataset"]

    def data(
        self,
        where: Where | None = None,
        *,
        search: str | None = None,
        sort: str | Sequence[str] | None = None,
        fields: Sequence[str] | None = None,
        limit: int | None = None,
        filters: Sequence[tuple[str, str]] = (),
    ) -> Iterator[dict[str, Any]]:
        """Iterate over the records that match, page by page.

        :param where: as in jobs: ``{"network": "ak", "magnitude": {"gte": 5}}``.
        :param sort: columns, those with a minus in descending order.
        :param limit: the most records to return; None returns all.
        :param filters: filters as they stand in the address: ``[("magnitude.gte", "5")]``.
        """
        query = _data_query(where, search, sort, fields, filters)
        return pages(self, "/data", "records", query, limit)

    def distinct(
        self,
        column: str,
        where: Where | None = None,
        *,
        search: str | None = None,
        limit: int | None = None,
        filters: Sequence[tuple[str, str]] = (),
    ) -> Iterator[dict[str, Any]]:
        """Iterate over the values of a column, each ``{"value": …, "count": …}``, most frequent first."""
        query = [*_data_query(where, search, None, None, filters), ("distinct", column)]
        return pages(self, "/data", "records", query, limit)

    def export(self, format: Format = "csv", where: Where | None = None, **query: Any) -> bytes:
        """Return the records that match as a file; ``query`` as in :meth:`data`, with a ``limit`` of at most 1000."""
        with self.export_parts(format, where, **query) as parts:
            return b"".join(parts)

    def export_parts(
        self,
        format: Format = "csv",
        where: Where | None = None,
        *,
        search: str | None = None,
        sort: str | Sequence[str] | None = None,
        fields: Sequence[str] | None = None,
        limit: int | None = None,
        filters: Sequence[tuple[str, str]] = (),
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Return a context that yields the parts of :meth:`export` as they arrive."""
        query = _data_query(where, search, sort, fields, filters)
        query += [] if limit is None else [("limit", str(limit))]
        return self.stream("GET", "/data", params=query, headers={"Accept": _FORMATS[format]})

    def clear(self) -> None:
        """Unload the dataset; unfinished jobs keep theirs."""
        self.request("DELETE", "/data")

    def record(self, record_id: object) -> dict[str, Any]:
        """Return one record."""
        return self.request("GET", _record(record_id)).json()

    def append(self, records: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Any:
        """Append a record, or a list of them: all, or none. It is never repeated by itself."""
        return self.request("POST", "/data/records", json=records).json()

    def replace(self, record_id: object, record: Mapping[str, Any], *, if_match: str | None = None) -> dict[str, Any]:
        """Replace one record; members that are absent become missing values."""
        headers = _condition(if_match)
        return self.request("PUT", _record(record_id), json=record, headers=headers, repeatable=not if_match).json()

    def change(self, record_id: object, members: Mapping[str, Any], *, if_match: str | None = None) -> dict[str, Any]:
        """Change members of one record (JSON Merge Patch)."""
        headers = _condition(if_match)
        return self.request("PATCH", _record(record_id), json=members, headers=headers, repeatable=not if_match).json()

    def remove(self, record_id: object, *, if_match: str | None = None) -> None:
        """Remove one record."""
        self.request("DELETE", _record(record_id), headers=_condition(if_match), repeatable=not if_match)


def _record(record_id: object) -> str:
    return f"/data/{quote(str(record_id), safe='')}"


def _condition(if_match: str | None) -> dict[str, str]:
    return {} if if_match is None else {"If-Match": if_match}


def _load_query(options: Mapping[str, Any]) -> dict[str, str]:
    query = {name: _option(value) for name, value in options.items() if name != "types" and value is not None}
    return query | {f"type.{column}": kind for column, kind in (options.get("types") or {}).items()}


def _option(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _data_query(
    where: Where | None,
    search: str | None,
    sort: str | Sequence[str] | None,
    fields: Sequence[str] | None,
    filters: Sequence[tuple[str, str]],
) -> list[tuple[str, str]]:
    query = [*filters]
    for column, value in (where or {}).items():
        operators = value if isinstance(value, Mapping) else {"": value}
        for operator, operand in operators.items():
            # The prefix also reaches columns that are named like a parameter.
            name = f"field.{column}.{operator}" if operator else f"field.{column}"
            query.append((name, _operand(operand)))
    given = {"search": search, "sort": sort, "fields": fields}
    texts = {name: value if isinstance(value, str) else ",".join(value) for name, value in given.items() if value}
    return query + list(texts.items())


def _operand(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return ",".join(map(_operand, value))
    return str(value)
