"""``submit``, ``wait``, ``show``, ``results``, ``logs`` and ``list``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import FILTERS, Analysis, CreatedAfter, CreatedBefore, JobId, Json, Owner, Search, Status, Tag, Where
from cli.printing import print_job, print_jobs, print_json
from cli.progress import wait_with_progress
from cli.results import print_results, save_results
from cli.session import ExitStatus, session
from cli.values import read_object, read_pair, read_params, read_where
from client import Job

__all__ = ["install"]

_LISTED = 20

_Text = str | None
_Timeout = Annotated[float | None, typer.Option(metavar="SECONDS", min=0, help="How long to wait; default no limit.")]


def install(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (submit, wait, show, results, logs):
        app.command()(command)
    app.command("list")(list_jobs)


def submit(
    analysis: Annotated[str, typer.Argument(help="The analysis; `jobs analyses` lists them.")],
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", metavar="NAME=VALUE", help="A parameter, typed by the analysis. May be repeated."
        ),
    ] = None,
    params: Annotated[_Text, typer.Option(metavar="JSON|@FILE", help="All parameters as a JSON object.")] = None,
    start: Annotated[_Text, typer.Option(help="The first value of the index; default open.")] = None,
    end: Annotated[_Text, typer.Option(help="The last value of the index, which is included; default open.")] = None,
    index: Annotated[_Text, typer.Option(metavar="COLUMN", help="The column that start and end range over.")] = None,
    where: Where = None,
    search: Annotated[_Text, typer.Option(help="Only rows with this text in any value.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag of the job. May be repeated.")] = None,
    priority: Annotated[_Text, typer.Option(metavar="low|normal|high")] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="How long an attempt may run.")] = None,
    max_attempts: Annotated[int | None, typer.Option(help="How often it may be tried.")] = None,
    delay: Annotated[float | None, typer.Option(metavar="SECONDS", help="Run it after this time.")] = None,
    run_at: Annotated[_Text, typer.Option(metavar="TIME", help="Run it at this time (RFC 3339).")] = None,
    idempotency_key: Annotated[_Text, typer.Option(help="The same key makes no second job for 24 hours.")] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until it has ended.")] = False,
    json: Json = False,
) -> None:
    """Submit a job and print its id."""
    given: dict[str, Any] = {"start": start, "end": end, "index": index, "search": search, "priority": priority}
    given |= {"timeout": timeout, "max_attempts": max_attempts, "delay": delay, "run_at": run_at}
    given |= {"where": read_where(where), "tags": tag}
    members = {name: value for name, value in given.items() if value not in (None, [], {})}
    members["params"] = read_object(params) if params else {}
    pairs = [read_pair(text) for text in param or ()]
    with session.connect() as api:
        if pairs:
            members["params"] |= read_params(pairs, api.analysis(analysis)["params"])
        job = api.submit(analysis, idempotency_key=idempotency_key, **members)
        if not session.as_json:
            print(job["id"], flush=True)
        if wait:
            [job] = wait_with_progress(api, [job["id"]], session.err, quiet=session.as_json)
    if session.as_json:
        print_json(job)
    if wait:
        _exit_by([job])


def wait(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs; the beginnings of ids are enough.")],
    timeout: _Timeout = None,
    json: Json = False,
) -> None:
    """Wait until jobs have ended: status 0 if all are complete, 1 if one failed or was cancelled."""
    with session.connect() as api:
        wanted = session.full_ids(api, ids)
        ended = wait_with_progress(api, wanted, session.err, timeout=timeout, quiet=session.as_json)
    if session.as_json:
        print_json(ended if len(ids) > 1 else ended[0])
    else:
        for job in ended:
            print(job["id"], job["status"])
    _exit_by(ended)


def _exit_by(ended: Sequence[Job]) -> None:
    """End with status 1 if a job is not complete, and print the reason."""
    for job in ended:
        if error := job["error"]:
            session.err.print(f"{job['id']} {job['status']}: {error['type']}: {error['message']}", soft_wrap=True)
    if any(job["status"] != "complete" for job in ended):
        raise typer.Exit(ExitStatus.JOB_NOT_COMPLETE)


def show(id: JobId, json: Json = False) -> None:
    """Print a job."""
    with session.connect() as api:
        job = api.job(session.full_id(api, id))
    if session.as_json:
        print_json(job)
    else:
        print_job(job)


def results(
    id: JobId,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until the job has ended.")] = False,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Write plots, tables and results.json here.")] = None,
    artifact: Annotated[_Text, typer.Option(metavar="NAME", help="Print this plot or table alone.")] = None,
    json: Json = False,
) -> None:
    """Print the results of a job."""
    with session.connect() as api:
        number = session.full_id(api, id)
        if wait:
            _exit_by(wait_with_progress(api, [number], session.err, quiet=session.as_json))
        if artifact is not None:
            sys.stdout.buffer.write(api.artifact(number, artifact))
            return
        found = api.results(number)
        saved = [] if save is None else save_results(api, found, save)
        if session.as_json:
            print_json(found)
        else:
            print_results(session.out, api, found)
    for path in saved:
        session.err.print(f"Saved {path}", soft_wrap=True)


def logs(
    id: JobId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print what is added until the job has ended.")
    ] = False,
    json: Json = False,
) -> None:
    """Print what a job printed and logged. With --json, an object a part."""
    with session.connect() as api:
        number = session.full_id(api, id)
        for text in api.follow_log(number) if follow else [api.log(number)]:
            if session.as_json:
                print_json({"job": number, "log": text})
            else:
                sys.stdout.write(text)
            sys.stdout.flush()


def list_jobs(
    status: Status = None,
    analysis: Analysis = None,
    tag: Tag = None,
    owner: Owner = None,
    search: Search = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    order: Annotated[str | None, typer.Option(metavar="asc|desc", help="asc is oldest first.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most jobs.")] = _LISTED,
    json: Json = False,
) -> None:
    """Print jobs, newest first."""
    with session.connect() as api:
        given = locals()
        found = [*api.list(limit=limit, **{name: given[name] for name in (*FILTERS, "order")})]
    if session.as_json:
        print_json(found)
    elif found:
        print_jobs(found)
    else:
        session.err.print("No jobs.")
