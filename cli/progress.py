"""Waits for jobs: a bar for each on a terminal, a line for each change of status elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from client import Client, Job

__all__ = ["wait_with_progress"]

_MAX_BARS = 40  # more do not fit a screen


def wait_with_progress(
    api: Client, job_ids: Sequence[str], console: Console, *, timeout: float | None = None, quiet: bool = False
) -> list[Job]:
    """Wait until all jobs have ended, and return them.

    :raises TimeoutError: not all had ended after ``timeout`` seconds.
    :raises ApiError: as :meth:`Client.wait`.
    """
    is_drawn = console.is_terminal and not quiet and len(job_ids) <= _MAX_BARS
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    shown: dict[str, str] = {}
    with Progress(*columns, TextColumn("{task.fields[status]}"), console=console, disable=not is_drawn) as bars:
        tasks: dict[str, TaskID] = {}

        def show(job: Job) -> None:
            status, number = job["status"], job["id"]
            if number not in tasks:
                tasks[number] = bars.add_task(f"{escape(job['analysis'])} {number[:8]}", total=1.0, status=status)
            message = f"{status}: {job['message']}" if job["message"] else status
            bars.update(tasks[number], completed=job["progress"], status=escape(message))
            if not is_drawn and not quiet and shown.get(number) != status:
                console.print(f"{job['analysis']} {number[:8]}: {status}, {job['progress']:.0%}", soft_wrap=True)
            shown[number] = status

        return list(api.wait(list(job_ids), timeout=timeout, on_progress=show))
