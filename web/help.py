"""``/help``: every route with a curl command that works when pasted, for the present dataset and jobs."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from analyses import Analysis, get_analyses

__all__ = ["help_text"]

_INTRODUCTION = """\
Load a dataset, run analyses on it in the background, fetch results and plots.
All is JSON; errors say what to do (RFC 9457). Parameters of a route are in brackets.
Every line works when pasted, from top to bottom the first time: most need the data of the first one.
"""
_COLUMNS = {
    "id": "text",
    "time": "time",
    "magnitude": "number",
    "depth_km": "number",
    "longitude": "number",
    "latitude": "number",
}
_ROWS = [
    ("q1", "2026-11-24T02:00:00Z", 2.5, 10, -178.9, -18.2),
    ("q2", "2026-11-25T11:15:00Z", 4.1, None, 179.4, -17.5),
]
_RECORDS = [dict(zip(_COLUMNS, row, strict=True)) for row in _ROWS]
_OPEN = {"start": None, "end": None}
_SELECTION = {"start": 0, "end": 20, "index": "depth_km", "where": {"magnitude": {"gte": 2}}, "search": "q"}
_QUERIES = [
    ("", ""),
    ("", "?magnitude.gte=2&time.lt=2026-11-25&search=q1"),
    ("", "?sort=-magnitude,id&fields=id,magnitude&offset=1&limit=1"),
    ("", "?distinct=magnitude"),
    ("-H 'Accept: text/csv' -o data.csv ", ""),
    ("-H 'Accept: application/x-ndjson' ", "?depth_km.ne="),
    ("-H 'Accept: application/vnd.apache.parquet' -o data.parquet ", "?id.in=q1,q2"),
]
_NAP = {**_OPEN, "analysis": "sleep", "params": {"seconds": 0}}
_LONG_NAP = {**_OPEN, "analysis": "sleep", "params": {"seconds": 60}}


def help_text(app: Flask, base: str) -> str:
    """Return the page, for a server whose address is ``base``."""
    written = [(rule, method) for rule in app.url_map.iter_rules() for method in sorted(_methods(rule))]
    sections = [_section(app, base, rule, method) for rule, method in written if method != "DELETE"]
    examples = [_example(base, analysis) for analysis in get_analyses().values()]
    removed = sorted((rule for rule, method in written if method == "DELETE"), key=lambda rule: -len(rule.rule))
    removals = [_section(app, base, rule, "DELETE") for rule in removed]
    return "\n".join([_INTRODUCTION, *sections, "An example job of each analysis\n", *examples, *removals])


def _methods(rule: Rule) -> set[str]:
    return (rule.methods or set()) - {"HEAD", "OPTIONS"}


def _section(app: Flask, base: str, rule: Rule, method: str) -> str:
    view = app.view_functions[rule.endpoint]
    names = getattr(view, "parameters", ())
    brackets = f" [?{'= &'.join(names)}=]" if names else ""
    return f"{method} {_plain(rule)}{brackets}\n  {_first_line(view)}\n{_curl(base, method, _plain(rule))}\n"


def _plain(rule: Rule) -> str:
    """Return the path without converters: ``/data/<text:id>`` is ``/data/<id>``."""
    return re.sub(r"<\w+:(\w+)>", r"<\1>", rule.rule)


def _first_line(view: Any) -> str:
    return (view.__doc__ or "").strip().split("\n")[0]


def _curl(base: str, method: str, path: str) -> str:
    match method, path:
        case "POST", "/data":
            return _post(f"{base}/data", _RECORDS)
        case "POST", "/data/records":
            return _post(f"{base}/data/records", _RECORDS[0] | {"id": "q3"})
        case "PUT", "/data/<id>":
            return _post(f"{base}/data/q2", _RECORDS[1], "-X PUT ")
        case "PATCH", "/data/<id>":
            return _post(f"{base}/data/q2", {"magnitude": 4.2}, "-X PATCH ")
        case "GET", "/data":
            return "\n".join(f'curl {options}"{base}/data{query}"' for options, query in _QUERIES)
        case "POST", "/jobs":
            return "\n".join(_post(f"{base}/jobs", job) for job in ({**_OPEN, "analysis": "summary"}, _SELECTION))
        case "POST", "/jobs/<jid>/cancel":
            return f'curl -X POST "{base}/jobs/{_new(base, _LONG_NAP)}/cancel"'
        case "GET", "/jobs/<jid>/results/<name>":
            job = _ended(base, {**_OPEN, "analysis": "histogram"})
            return f'curl -o plot.png "{base}/jobs/{job}/results/plot.png"'
        case "GET", "/docs/<name>":
            return f'curl -o swagger-ui.css "{base}/docs/swagger-ui.css"'
        case "GET", "/results/<jid>":
            return f'curl -L "{base}/results/{_ended(base, {**_OPEN, "analysis": "summary"})}"'
    filled = path.replace("<id>", "q1").replace("<name>", "summary").replace("<slug>", "invalid")
    filled = filled.replace("<jid>", _ended(base, _NAP))
    verb = "" if method == "GET" else f"-X {method} "
    return f'curl {verb}"{base}{filled}"'


def _post(address: str, value: Any, method: str = "") -> str:
    return f"curl {method}'{address}' -d {shlex.quote(json.dumps(value))}"


def _new(base: str, job: dict[str, Any]) -> str:
    """Return a shell expression that submits ``job`` and expands to its id."""
    return f"$({_post(f'{base}/jobs', job).replace('curl', 'curl -s', 1)} | cut -d'\"' -f4)"


def _ended(base: str, job: dict[str, Any]) -> str:
    """Return a shell expression that submits ``job``, waits for its end, and expands to its id."""
    return f'$(curl -s "{base}/jobs/{_new(base, job)}?wait=60" | cut -d\'"\' -f4)'


def _example(base: str, analysis: Analysis) -> str:
    job = {**_OPEN, "analysis": analysis.name, "params": analysis.example_params(_COLUMNS)}
    return f"{analysis.name}\n  {analysis.description}\n{_post(f'{base}/jobs', job)}\n"
