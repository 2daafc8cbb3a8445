"""The live view: queue, workers, running jobs, throughput."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rich.box import SIMPLE
from rich.console import Group
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from cli.printing import print_json, short
from cli.session import session
from client import ApiError, Client, Job, Stats, Worker

__all__ = ["run_top"]

_SHOWN_JOBS = 30


class _Snapshot(NamedTuple):
    stats: Stats
    workers: Sequence[Worker]
    jobs: Sequence[Job]


def run_top(api: Client, interval: float) -> None:
    """Show the service's state every ``interval`` seconds until q or Ctrl-C; where no terminal shows it, once.

    :raises ApiError: the first look fails; later ones are repeated.
    """
    snapshot = _look(api)
    if session.as_json:
        print_json({"stats": snapshot.stats, "workers": snapshot.workers, "jobs": snapshot.jobs})
        return
    if not (session.out.is_terminal and sys.stdin.isatty()):
        session.out.print(_drawn(api, snapshot, ""))
        return
    with (
        _keys() as pressed,
        Live(_drawn(api, snapshot, ""), console=session.out, screen=True, auto_refresh=False) as live,
    ):
        while pressed(interval) != "q":
            problem = ""
            try:
                snapshot = _look(api)
            except ApiError as error:
                problem = str(error)
            live.update(_drawn(api, snapshot, problem), refresh=True)


def _look(api: Client) -> _Snapshot:
    return _Snapshot(api.stats(), api.workers(), [*api.list(status="in progress", limit=_SHOWN_JOBS)])


def _drawn(api: Client, snapshot: _Snapshot, problem: str) -> Group:
    stats = snapshot.stats
    oldest = stats["oldest_waiting_seconds"]
    waiting = f", the oldest for {oldest:.0f} s" if oldest is not None else ""
    queue = ", ".join(f"{name} {count:,}" for name, count in stats["queue"].items() if name != "total")
    return Group(
        Text(f"{api.url}  {datetime.now():%H:%M:%S}  {problem}".rstrip(), style="bold"),
        Text(f"Queue: {stats['queue']['total']:,} waiting ({queue}){waiting}"),
        Text("Jobs: " + ", ".join(f"{count:,} {status}" for status, count in stats["jobs"].items())),
        Text(f"Ended in the last minute: {stats['throughput_last_minute']:,}"),
        _table(
            f"{len(snapshot.workers)} workers",
            ["worker", "host", "pid", "job"],
            [(each["id"][:8], each["host"], each["pid"], (each["job"] or "idle")) for each in snapshot.workers],
        ),
        _table(
            "Running jobs",
            ["job", "analysis", "progress", "running", "message"],
            [(j["id"], j["analysis"], f"{j['progress']:.0%}", _age(j["started"]), j["message"]) for j in snapshot.jobs],
        ),
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    named = (Column(name, no_wrap=name == "job", min_width=36 if name == "job" else None) for name in columns)
    table = Table(*named, title=title, title_justify="left", box=SIMPLE, pad_edge=False)
    for row in rows:
        table.add_row(*(short(cell) for cell in row))
    return table


def _age(started: str | None) -> str:
    return "" if started is None else f"{(datetime.now(UTC) - datetime.fromisoformat(started)).total_seconds():.0f} s"


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Yield a function that waits for a key, at most so many seconds, and returns it; nothing is echoed."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([terminal], [], [], seconds)
        return os.read(terminal, 1).decode("ascii", "replace") if ready else ""

    tty.setcbreak(terminal)
    try:
        yield pressed
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
