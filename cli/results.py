"""Results for humans: plain values, and tables."""

from __future__ import annotations

import csv
import json
from itertools import accumulate
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.printing import short
from client import Client, Results

__all__ = ["print_results", "save_results"]

_MOST_ROWS = 20
_WIDEST = 20  # a time in seconds
_PADDING = 2


def print_results(console: Console, api: Client, results: Results) -> None:
    """Print a results document: its plain values, its objects, and its tables."""
    params = json.dumps(results["params"], ensure_ascii=False)
    console.print(Text(f"\n{results['analysis']} of {results['count']:,} records, with {params}"), soft_wrap=True)
    plain = {name: value for name, value in results["result"].items() if not isinstance(value, dict | list)}
    if plain:
        console.print(Text(", ".join(f"{name}: {_text(value)}" for name, value in plain.items())), soft_wrap=True)
    tables = [each["name"] for each in results["artifacts"] if each["type"].startswith("text/csv")]
    for name in tables:
        _print_table(console, list(csv.reader(api.artifact(results["job"], name).decode().splitlines())))
    if not tables:
        for name, value in results["result"].items():
            _print_nested(console, name, value)
    if others := [each["name"] for each in results["artifacts"] if each["name"] not in tables]:
        console.print(Text(f"Also: {', '.join(others)}; --save DIR writes all."))


def save_results(api: Client, results: Results, folder: Path) -> list[Path]:
    """Write the document as ``results.json``, and each plot and table under its name; return the paths.

    :raises OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "results.json"]
    paths[0].write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    for artifact in results["artifacts"]:
        paths.append(folder / Path(artifact["name"]).name)  # never a path out of the folder
        paths[-1].write_bytes(api.artifact(results["job"], artifact["name"]))
    return paths


def _print_nested(console: Console, name: str, value: Any) -> None:
    """Print an object of objects, or a list of them, as a table; anything else in one line."""
    rows = (
        [{"": key, **row} for key, row in value.items() if isinstance(row, dict)] if isinstance(value, dict) else value
    )
    if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
        names = list(dict.fromkeys(key for row in rows for key in row))
        console.print(Text(name))
        _print_table(console, [names, *([short(row.get(key)) for key in names] for row in rows)])
    elif isinstance(value, dict | list) and value:
        console.print(Text(f"{name}: {short(value)}"), soft_wrap=True)


def _print_table(console: Console, lines: list[list[str]]) -> None:
    """Print the first lines, and as many columns as fit."""
    if not lines:
        return
    shown = [[_shortened(cell) for cell in line] for line in lines[: _MOST_ROWS + 1]]
    widths = [max(map(len, column)) + _PADDING for column in zip(*shown, strict=True)]
    fitting = max(sum(total <= console.width - _PADDING for total in accumulate(widths)), 1)
    table = Table(box=SIMPLE)
    for cell in shown[0][:fitting]:
        table.add_column(Text(cell))
    for row in shown[1:]:
        table.add_row(*(Text(cell) for cell in row[:fitting]))
    console.print(table)
    if (more_rows := len(lines) - len(shown)) + (more_columns := len(widths) - fitting):
        console.print(Text(f"... and {more_rows} more lines, {more_columns} more columns"), soft_wrap=True)


def _shortened(text: str) -> str:
    """Shorten a number or a text for printing."""
    try:
        return text if text.lstrip("-").isdigit() else _text(float(text))
    except ValueError:
        return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
