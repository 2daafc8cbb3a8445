"""JSON for programs; tables and local times for humans."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE
from rich.table import Column, Table
from rich.text import Text

from cli.session import session
from client import Dataset, Job

__all__ = ["local_time", "print_dataset", "print_job", "print_jobs", "print_json", "print_table", "short"]

_WIDEST = 60
_WIDE = 130
_ID_BEGINNING = 8
_STYLES = {"complete": "green", "failed": "red", "cancelled": "yellow", "in progress": "cyan"}


def print_json(value: Any) -> None:
    """Print a document: indented on a terminal, else in one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None) + "\n")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None, widest: int | None = _WIDEST
) -> None:
    """Print a table whose cells are cut at ``widest`` characters."""
    table = Table(*columns, box=SIMPLE, title=title, title_justify="left", pad_edge=False)
    for row in rows:
        table.add_row(*(short(cell, widest) for cell in row))
    session.out.print(table)


def short(value: Any, widest: int | None = _WIDEST) -> str:
    """Return a value as text that fits into a cell."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case str():
            text = value
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return text if widest is None or len(text) <= widest else text[: widest - 1] + "…"


def local_time(text: str | None) -> str:
    """Return a time of the API in the zone of this machine."""
    return "" if text is None else f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"


def print_jobs(jobs: Sequence[Job]) -> None:
    """Print jobs, one a line; on a narrow terminal with the beginnings of their ids alone, and without their ends."""
    is_wide = session.out.width >= _WIDE
    names = ["id", "analysis", "status", "progress", "created", *(["ended"] if is_wide else []), "tags"]
    table = Table(*(Column(name, no_wrap=name != "tags") for name in names), box=SIMPLE, pad_edge=False)
    for job in jobs:
        table.add_row(
            job["id"] if is_wide else job["id"][:_ID_BEGINNING],
            job["analysis"],
            Text(job["status"], _STYLES.get(job["status"], "")),
            f"{job['progress']:.0%}",
            local_time(job["created"]),
            *([local_time(job["ended"])] if is_wide else []),
            short(", ".join(job["tags"])),
        )
    session.out.print(table)


def print_job(job: Job) -> None:
    """Print all members of a job."""
    times = ("created", "started", "ended")
    rows = [
        (name, local_time(value) if name in times and isinstance(value, str) else value)
        for name, value in job.items()
        if name != "links" and value not in (None, [], {})
    ]
    print_table(["member", "value"], rows)


def print_dataset(dataset: Dataset) -> None:
    """Print the description of a dataset, its notes, and its first records after a dry run."""
    first, last = dataset["first"], dataset["last"]
    session.out.print(
        f"{dataset['count']:,} records, identified by {dataset['id'] or 'the row number'}; "
        f"{dataset['index'] or 'the row number'} from {first} to {last}"
    )
    columns: list[Mapping[str, Any]] = [*dataset["columns"]]
    print_table(["column", "type", "missing"], [(each["name"], each["type"], each["missing"]) for each in columns])
    for note in dataset["notes"]:
        where = "" if note["column"] is None else f"{note['column']}: "
        example = "" if note["example"] is None else f" (such as {short(note['example'])})"
        rows = "" if note["rows"] is None else f" [{note['rows']:,} rows]"
        session.out.print(f"Note: {where}{note['detail']}{example}{rows}")
    records = dataset.get("records")
    if isinstance(records, list) and records:
        print_table(list(records[0]), [list(record.values()) for record in records], title="First records")
