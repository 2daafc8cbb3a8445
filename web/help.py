"""``/help``: every route with a curl command that works when pasted, for the present dataset and jobs."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from analyses import Analysis, get_analyses
from web.auth import current_key

__all__ = ["help_text"]

_INTRODUCTION = """\
Load a dataset, run analyses on it in the background, fetch results and plots.
All is JSON; errors say what to do (RFC 9457). Parameters of a route are in brackets.
Every line works when pasted, from top to bottom the first time: most need the data of the first one.
In a browser, / is a dashboard of the same.
"""
_WITH_KEY = """\
This server wants a key: put yours into the variable JOBS_API_KEY.
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
    sections = [_section(app, base, rule, method) for rule, method in written if not _removes(rule, method)]
    examples = [_example(base, analysis) for analysis in get_analyses().values()]
    removed = sorted((each for each in written if _removes(*each)), key=lambda each: -len(each[0].rule))
    removals = [_section(app, base, rule, method) for rule, method in removed]
    page = "\n".join([_INTRODUCTION, *sections, "An example job of each analysis\n", *examples, *removals])
    if current_key() is None:
        return page
    page = page.replace("-d key=KEY", '-d key="$JOBS_API_KEY"')
    return _WITH_KEY + re.sub(r"\bcurl ", 'curl -H "Authorization: Bearer $JOBS_API_KEY" ', page)


def _removes(rule: Rule, method: str) -> bool:
    """Return whether the example belongs at the end, because others need what it removes."""
    return method == "DELETE" or rule.rule == "/ui/data/unload"


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
            single = [_post(f"{base}/jobs", job) for job in ({**_OPEN, "analysis": "summary"}, _SELECTION)]
            return "\n".join([*single, _post(f"{base}/jobs", [_NAP] * 2, "-H 'Prefer: return=minimal' ")])
        case "POST", "/jobs/<jid>/cancel" | "/ui/jobs/<jid>/cancel":
            return f'curl -X POST "{base}{path.replace("<jid>", _new(base, _LONG_NAP))}"'
        case "GET", "/ui/data":
            return f"curl '{base}/ui/data'"
        case "GET", "/ui/data/export/<ending>":
            return f'curl -o data.csv "{base}/ui/data/export/csv"'
        case "POST", "/ui/data" | "/ui/data/preview":
            return f"curl '{base}{path}' --form-string {shlex.quote('file=' + json.dumps(_RECORDS))}"
        case "POST", "/ui/new":
            return f"curl '{base}/ui/new' -d '/analysis=sleep' -d '/params/seconds=0'"
        case "GET", "/ui/static/<digest>/<name>":
            return f'curl "{base}/ui/static/newest/ui.css"'
        case "POST", "/jobs/cancel" | "/jobs/retry" | "/ui/jobs/cancel" | "/ui/jobs/retry" | "/ui/jobs/delete":
            return f'curl -X POST "{base}{path}?status=failed&analysis=sleep"'
        case "DELETE", "/jobs":
            return f'curl -X DELETE "{base}/jobs?status=cancelled&created_before=2026-01-01"'
        case _, "/operations/<oid>" | "/operations/<oid>/cancel" | "/ui/operations/<oid>/cancel":
            verb = "-X POST " if method == "POST" else ""
            return f'curl {verb}"{base}{path.replace("<oid>", _operation(base))}"'
        case "GET", "/jobs/<jid>/results/<name>":
            job = _ended(base, {**_OPEN, "analysis": "histogram"})
            return f'curl -o plot.png "{base}/jobs/{job}/results/plot.png"'
        case "GET", "/jobs/<jid>/events":
            return f'curl -N --max-time 60 "{base}/jobs/{_new(base, _NAP)}/events"'
        case "GET", "/events":
            return f'curl -N --max-time 3 "{base}/events" || true'
        case "GET", "/docs/<name>":
            return f'curl -o swagger-ui.css "{base}/docs/swagger-ui.css"'
        case "GET", "/results/<jid>":
            return f'curl -L "{base}/results/{_ended(base, {**_OPEN, "analysis": "summary"})}"'
        case "POST", "/ui/sign-in":
            return f'curl "{base}/ui/sign-in" -d key=KEY'
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


def _operation(base: str) -> str:
    """Return a shell expression that expands to the id of an operation; it is kept for the idempotency key."""
    started = f'curl -s -D - -o /dev/null -X POST -H "Idempotency-Key: tour" "{base}/jobs/retry?tag=tour"'
    return f"$({started} | sed -n 's/^Content-Location: .*operations.//p' | tr -d '\\r')"


def _example(base: str, analysis: Analysis) -> str:
    job = {**_OPEN, "analysis": analysis.name, "params": analysis.example_params(_COLUMNS)}
    return f"{analysis.name}\n  {analysis.description}\n{_post(f'{base}/jobs', job)}\n"
