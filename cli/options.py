"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.session import session

__all__ = [
    "FILTERS",
    "AllMatching",
    "Analysis",
    "CreatedAfter",
    "CreatedBefore",
    "Ids",
    "JobId",
    "Json",
    "Owner",
    "Search",
    "Status",
    "Tag",
    "Where",
]

FILTERS = ("status", "analysis", "tag", "owner", "search", "created_after", "created_before")
"""The options that filter jobs."""

_STATUSES = ["scheduled", "submitted", "in progress", "complete", "failed", "cancelled"]


def _use_json(value: bool) -> bool:
    session.as_json |= value
    return value


def _complete_status(incomplete: str) -> list[str]:
    return [status for status in _STATUSES if status.startswith(incomplete)]


Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the API returns it.", callback=_use_json)]
JobId = Annotated[str, typer.Argument(metavar="ID", help="A job; the beginning of its id is enough.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Jobs; the beginnings of ids are enough.")]
AllMatching = Annotated[bool, typer.Option("--all", help="All jobs that match the filters, of which one is needed.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="FILTER", help="Only rows that match: COLUMN=VALUE or COLUMN.OP=VALUE. May be repeated."
    ),
]
Status = Annotated[
    str | None,
    typer.Option("--status", help="Only jobs of this status.", autocompletion=_complete_status, metavar="STATUS"),
]
Analysis = Annotated[str | None, typer.Option("--analysis", help="Only jobs of this analysis.", metavar="NAME")]
Tag = Annotated[str | None, typer.Option("--tag", help="Only jobs with this tag.", metavar="TAG")]
Owner = Annotated[str | None, typer.Option("--owner", help="Only jobs of the key with this name.", metavar="NAME")]
Search = Annotated[str | None, typer.Option("--search", help="Only jobs that contain this text.", metavar="TEXT")]
CreatedAfter = Annotated[
    str | None, typer.Option("--created-after", help="Only jobs created after this time.", metavar="TIME")
]
CreatedBefore = Annotated[
    str | None, typer.Option("--created-before", help="Only jobs created before this time.", metavar="TIME")
]
