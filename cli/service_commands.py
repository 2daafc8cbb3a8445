"""``analyses`` and ``top``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.options import Json
from cli.printing import print_json, print_table
from cli.session import session
from cli.top import run_top
from client import Analysis

__all__ = ["install"]


def install(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(analyses)
    app.command()(top)


def analyses(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One analysis, with its parameters.")] = None,
    json: Json = False,
) -> None:
    """Print the analyses, or one with its parameters."""
    with session.connect() as api:
        found: Any = api.analyses() if name is None else api.analysis(name)
    if session.as_json:
        print_json(found)
    elif name is None:
        print_table(["analysis", "description"], [(each["name"], each["description"]) for each in found], widest=None)
    else:
        _print_analysis(found)


def _print_analysis(analysis: Analysis) -> None:
    schema = analysis["params"]
    session.out.print(f"{analysis['name']}: {analysis['description']}", soft_wrap=True)
    required = schema.get("required", ())
    rows = [
        (name, _kind(about), "required" if name in required else about.get("default"), about.get("description"))
        for name, about in schema.get("properties", {}).items()
    ]
    print_table(["parameter", "type", "default", "description"], rows, widest=None)


def _kind(about: Mapping[str, Any]) -> str:
    """Return the type of a parameter in a few words."""
    if "enum" in about:
        return "|".join(map(str, about["enum"]))
    if "anyOf" in about:
        return " or ".join(dict.fromkeys(_kind(each) for each in about["anyOf"] if each.get("type") != "null"))
    kind = about.get("type", "object" if "$ref" in about else "any")
    kinds = [each for each in ([kind] if isinstance(kind, str) else kind) if each != "null"]
    return " or ".join(about.get("format", each) if each == "string" else each for each in kinds)


def top(
    interval: Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="The time between updates.")] = 1.0,
    json: Json = False,
) -> None:
    """Show the queue, the workers and the running jobs until q or Ctrl-C; once where there is no terminal."""
    with session.connect() as api:
        run_top(api, interval)
