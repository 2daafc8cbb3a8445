"""``load`` and ``data``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from cli.options import Json, Where
from cli.printing import print_dataset, print_json, print_table
from cli.session import session
from cli.values import read_filters, read_pair
from client import Client
from client.data_calls import Format

__all__ = ["install"]

_SHOWN = 20
_MOST_IN_FILE = 1000

_Text = str | None


class _Form(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


def install(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(load)
    app.command()(data)


def load(
    file: Annotated[_Text, typer.Argument(metavar="FILE", help="The file; - is standard input.")] = None,
    from_source: Annotated[bool, typer.Option("--from-source", help="Load the server's DATA_SOURCE.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print how the file is read.")] = False,
    media_type: Annotated[_Text, typer.Option(help="The media type; default by the file's name or content.")] = None,
    id: Annotated[_Text, typer.Option(help="The column that identifies records; empty is the row number.")] = None,
    index: Annotated[_Text, typer.Option(help="The column that start and end of jobs range over.")] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Load a file without records too.")] = False,
    skip: Annotated[int | None, typer.Option(help="Lines to skip at the beginning.")] = None,
    header: Annotated[_Text, typer.Option(metavar="yes|no|only", help="Whether there is a header row.")] = None,
    delimiter: Annotated[_Text, typer.Option(help="The character between fields, or tab.")] = None,
    quote: Annotated[_Text, typer.Option(help="The quotation mark; empty is none.")] = None,
    comment: Annotated[_Text, typer.Option(help="The character that begins a comment line; empty is none.")] = None,
    encoding: Annotated[_Text, typer.Option(help="The character set.")] = None,
    decimal: Annotated[_Text, typer.Option(help="The decimal separator: a point or a comma.")] = None,
    thousands: Annotated[_Text, typer.Option(help="The separator of thousands; empty is none.")] = None,
    missing: Annotated[_Text, typer.Option(help="Texts that are missing values, separated by commas.")] = None,
    dates: Annotated[_Text, typer.Option(metavar="dmy|mdy|ymd", help="The order of day, month and year.")] = None,
    list: Annotated[_Text, typer.Option(help="The JSON pointer of the records.")] = None,
    member: Annotated[_Text, typer.Option(help="The file of a zip.")] = None,
    sheet: Annotated[_Text, typer.Option(help="The sheet of a workbook.")] = None,
    type: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=TYPE", help="The type of a column. May be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Load a file as the dataset, in place of the one that is loaded; --dry-run prints how it is read."""
    given = {name: value for name, value in locals().items() if name in _OPTIONS and value is not None}
    if (file is None) != from_source:
        raise typer.BadParameter("Name a file, - for standard input, or --from-source.")
    types = dict(read_pair(text, "COLUMN=TYPE") for text in type or ())
    options: dict[str, Any] = {**given, "types": types} | ({"empty": True} if empty else {})
    with session.connect() as api:
        dataset = api.load(file, media_type=media_type, dry_run=dry_run, **options)
    if session.as_json:
        print_json(dataset)
    else:
        print_dataset(dataset)


_OPTIONS = (
    "id index skip header delimiter quote comment encoding decimal thousands missing dates list member sheet".split()
)


def data(
    where: Where = None,
    search: Annotated[_Text, typer.Option(help="Only records with this text in any value.")] = None,
    sort: Annotated[_Text, typer.Option(help="Columns, separated by commas; -COLUMN is descending.")] = None,
    fields: Annotated[_Text, typer.Option(help="The columns to print, separated by commas.")] = None,
    distinct: Annotated[_Text, typer.Option(help="Print the values of this column with their counts.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The most records; default all, of a table 20.")] = None,
    format: Annotated[_Form, typer.Option(help="The form of the output.")] = _Form.TABLE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write csv, ndjson or parquet here.")] = None,
    json: Json = False,
) -> None:
    """Print records of the dataset."""
    query: dict[str, Any] = {"search": search, "filters": read_filters(where)}
    form = _Form.JSON if session.as_json else format
    if distinct is not None and (sort or fields or form in (_Form.CSV, _Form.NDJSON, _Form.PARQUET)):
        raise typer.BadParameter("--distinct has an order and columns of its own, as a table or JSON.")
    with session.connect() as api:
        if form in (_Form.TABLE, _Form.JSON):
            _print_records(api, form, distinct, limit, query | {"sort": sort, "fields": fields})
        else:
            _export(api, form, limit, output, query | {"sort": sort, "fields": fields})


def _print_records(api: Client, form: _Form, distinct: str | None, limit: int | None, query: dict[str, Any]) -> None:
    most = _SHOWN if form is _Form.TABLE and limit is None else limit
    if distinct is None:
        records = [*api.data(limit=most, **query)]
    else:
        records = [*api.distinct(distinct, limit=most, search=query["search"], filters=query["filters"])]
    if form is _Form.JSON:
        print_json(records)
    elif records:
        print_table([*records[0]], [[*record.values()] for record in records])
        if limit is None and len(records) == _SHOWN:
            session.err.print(f"The first {_SHOWN} records; --limit prints more.")
    else:
        session.err.print("No records.")


def _export(api: Client, form: _Form, limit: int | None, output: Path | None, query: dict[str, Any]) -> None:
    if limit is not None and limit > _MOST_IN_FILE:
        raise typer.BadParameter(
            f"--limit with --format {form} is {_MOST_IN_FILE:,} at most; without it, all are written."
        )
    if form is _Form.PARQUET and output is None and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is not text: name a file with --output.")
    with api.export_parts(cast("Format", str(form)), limit=limit, **query) as parts:
        if output is None:
            sys.stdout.buffer.writelines(parts)
            return
        with output.open("wb") as file:
            file.writelines(parts)
