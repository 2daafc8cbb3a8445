"""``cancel``, ``retry`` and ``delete``: of named jobs, or of all that match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from cli.options import (
    FILTERS,
    AllMatching,
    Analysis,
    CreatedAfter,
    CreatedBefore,
    Ids,
    Json,
    Owner,
    Search,
    Status,
    Tag,
)
from cli.printing import print_json
from cli.session import session
from client import Client, Counts

__all__ = ["install"]


def install(app: typer.Typer) -> None:
    """Add the commands to the application."""
    _add(app, "cancel", "Cancel unfinished jobs.", Client.cancel, Client.cancel_all, "cancelled")
    again = "Submit ended jobs again, and print the ids of the new ones."
    _add(app, "retry", again, Client.retry, Client.retry_all, "submitted again")
    _add(app, "delete", "Delete ended jobs with their results.", Client.delete, Client.delete_all, "deleted")


def _add(
    app: typer.Typer,
    name: str,
    help: str,
    on_one: Callable[[Client, str], Any],
    on_all: Callable[..., Counts],
    done: str,
) -> None:
    """Add the command that acts on one job by ``on_one``, and on all that match by ``on_all``."""

    @app.command(name, help=help)
    def command(
        ids: Ids = None,
        all: AllMatching = False,
        status: Status = None,
        analysis: Analysis = None,
        tag: Tag = None,
        owner: Owner = None,
        search: Search = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
        json: Json = False,
    ) -> None:
        given = locals()
        filters = {name: given[name] for name in FILTERS if given[name] is not None}
        _act(ids, all, filters, on_one, on_all, done)


def _act(
    ids: list[str] | None,
    is_all: bool,
    filters: dict[str, str],
    on_one: Callable[[Client, str], Any],
    on_all: Callable[..., Counts],
    done: str,
) -> None:
    """Act on the jobs named, one after another, or on all that match the filters."""
    if is_all == bool(ids):
        raise typer.BadParameter("Name jobs by their ids, or use --all with filters.")
    if filters and not is_all:
        raise typer.BadParameter("Filters are for --all.")
    if is_all and not filters:
        raise typer.BadParameter("--all needs a filter, such as --status failed.")
    with session.connect() as api:
        if is_all:
            counts = on_all(api, **filters)
            if session.as_json:
                print_json(counts)
            else:
                print(f"{counts['matched']:,} matched, {counts['done']:,} {done}, {counts['skipped']:,} skipped")
            return
        changed = []
        for number in session.full_ids(api, ids or ()):
            changed.append(on_one(api, number) or {"id": number})
            if not session.as_json:
                print(changed[-1]["id"], flush=True)
    if session.as_json:
        print_json(changed if len(changed) > 1 else changed[0])
