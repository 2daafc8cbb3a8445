"""Output of the demo on a terminal or in a log: progress of jobs, and results as tables."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from ops.devserver.client import Api

__all__ = ["print_results", "show_progress"]

_ENDED = ("complete", "failed", "cancelled")
_TICK = 0.1  # seconds
_MOST_ROWS = 20
_WIDEST = 20  # a time in seconds
_PADDING = 2


def show_progress(
    console: Console, api: Api, jobs: list[dict[str, Any]], check: Callable[[], None]
) -> list[dict[str, Any]]:
    """Wait until all ``jobs`` have ended and return them; ``check`` may raise to stop waiting.

    A terminal shows a progress bar for each job, other outputs a line for each change of status.
    """
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[status]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = [bars.add_task(job["analysis"], total=1.0, status=job["status"]) for job in jobs]
        while True:
            check()
            before, jobs = jobs, [job if job["status"] in _ENDED else api.get(f"/jobs/{job['id']}") for job in jobs]
            for task, old, job in zip(tasks, before, jobs, strict=True):
                bars.update(task, completed=job["progress"], status=job["status"])
                if job["status"] != old["status"] and not console.is_terminal:
                    console.print(f"{job['analysis']}: {job['status']}, {job['progress']:.0%}")
            if all(job["status"] in _ENDED for job in jobs):
                return jobs
            time.sleep(_TICK)


def print_results(console: Console, api: Api, results: dict[str, Any]) -> None:
    """Print a results document: the plain values of its result, and its tables."""
    console.print(f"\n[bold]{results['analysis']}[/bold] of {results['count']} records, with {results['params']}")
    plain = {name: value for name, value in results["result"].items() if not isinstance(value, dict | list)}
    if plain:
        console.print(", ".join(f"{name}: {_text(value)}" for name, value in plain.items()))
    for artifact in results["artifacts"]:
        if artifact["type"].startswith("text/csv"):
            text = api.fetch(f"/jobs/{results['job']}/results/{artifact['name']}").decode()
            _print_table(console, list(csv.reader(text.splitlines())))


def _print_table(console: Console, lines: list[list[str]]) -> None:
    """Print the first lines, and as many columns as fit."""
    shown = [[_shortened(cell) for cell in line] for line in lines[: _MOST_ROWS + 1]]
    widths = [max(map(len, column)) + _PADDING for column in zip(*shown, strict=True)]
    fitting = sum(total <= console.width - _PADDING for total in accumulate(widths))
    table = Table(*shown[0][:fitting], box=SIMPLE)
    for row in shown[1:]:
        table.add_row(*(escape(cell) for cell in row[:fitting]))
    console.print(table)
    if (more_rows := len(lines) - len(shown)) + (more_columns := len(widths) - fitting):
        console.print(f"... and {more_rows} more lines, {more_columns} more columns", soft_wrap=True)


def _shortened(text: str) -> str:
    """Shorten a number or a text for printing."""
    try:
        return text if text.lstrip("-").isdigit() else _text(float(text))
    except ValueError:
        return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
