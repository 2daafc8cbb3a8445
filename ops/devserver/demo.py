"""``make demo``: runs one job of each analysis on free ports and in a temporary folder."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from config.settings import OLD_NAMES, TABLE, InvalidSetting
from ops.devserver.client import Api, ApiAway, ApiError
from ops.devserver.console import print_results, show_progress
from ops.devserver.processes import Stack, StackError, free_ports
from ops.devserver.signals import Interrupted, raising_on_signals

__all__ = ["main"]

_SAMPLE = Path(__file__).parents[2] / "samples" / "earthquakes.csv"
_PLOTS = Path("demo-plots")
_PARAMS: dict[str, dict[str, Any]] = {
    "sleep": {"seconds": 3},
    "groups": {"by": ["network"], "column": "magnitude"},
    "map": {"color": "depth_km", "size": "magnitude"},
}
_KEPT = ("LOG_LEVEL", "REDIS_SERVER")  # settings that apply to the demo
_JOBS_SECONDS = 60.0
_INVALID = 422


class _DemoFailed(Exception):
    """A job did not complete as expected."""


def main() -> int:
    """Run the demo; return 0 on success, 130 if it was interrupted, 2 for invalid settings, else 1."""
    console = Console()
    try:
        with raising_on_signals(), tempfile.TemporaryDirectory(prefix="demo-") as folder:
            stack = Stack(_environ(os.environ, folder))
            console.print("Starting Redis, the API and two workers ...")
            with stack:
                stack.wait_until_ready()
                _show(stack, console)
    except Interrupted:
        console.print("Interrupted; everything is stopped.")
        return 130
    except InvalidSetting as error:
        print(error, file=sys.stderr, flush=True)
        return 2
    except (StackError, ApiError, ApiAway, _DemoFailed) as error:
        print(f"The demo failed: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _environ(environ: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return the settings of the demo: the defaults, on free ports."""
    own = {setting.name for setting in TABLE if setting.name not in _KEPT} | set(OLD_NAMES.values())
    api_port, redis_port = free_ports(2)
    return {name: value for name, value in environ.items() if name not in own} | {
        "API_PORT": str(api_port),
        "DATA_DIR": folder,
        "DRAIN_SECONDS": "2",
        "REDIS_PORT": str(redis_port),
        "TMPDIR": folder,
        "WORKERS": "2",
    }


def _show(stack: Stack, console: Console) -> None:
    api = stack.api
    _load_sample(api, console)
    jobs = show_progress(console, api, _submit_one_of_each(api, console), _watcher(stack))
    failed = [f"{job['analysis']} is {job['status']} ({job['error']})" for job in jobs if job["status"] != "complete"]
    if failed:
        raise _DemoFailed("; ".join(failed))
    plots = []
    for job in jobs:
        results = api.get(f"/jobs/{job['id']}/results")
        print_results(console, api, results)
        plots += _saved_plots(api, results)
    console.print(f"\nThe plots are in {_PLOTS.absolute()}: {', '.join(plots)}", soft_wrap=True)


def _load_sample(api: Api, console: Console) -> None:
    dataset = json.loads(api.fetch("/data", _SAMPLE.read_bytes(), "text/csv"))
    console.print(f"Loaded {dataset['count']} earthquakes, {dataset['first']} to {dataset['last']}.\n", highlight=False)


def _submit_one_of_each(api: Api, console: Console) -> list[dict[str, Any]]:
    columns = api.get("/data?limit=1")["dataset"]["columns"]
    submitted = []
    for analysis in api.get("/analyses")["analyses"]:
        name, schema = analysis["name"], analysis["params"]
        params = _PARAMS.get(name) or _required(schema, columns)
        if missing := [field for field in schema.get("required", []) if field not in params]:
            console.print(f"Left out {name}: no example of {' and '.join(missing)} is known.", highlight=False)
            continue
        try:
            submitted.append(api.post("/jobs", {"analysis": name, "params": params, "start": None, "end": None}))
        except ApiError as error:
            if error.status != _INVALID:
                raise
            console.print(f"Left out {name}: {error}.", highlight=False, markup=False)
    return submitted


def _required(schema: dict[str, Any], columns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return values for required parameters, taken from the schema or the columns."""
    names = [column["name"] for column in columns]
    numbers = [column["name"] for column in columns if column["type"] in ("integer", "number")]
    fitting = {"number-column": numbers, "column": names}
    values: dict[str, Any] = {}
    for name in schema.get("required", []):
        if candidates := _candidates(schema["properties"][name], schema.get("$defs", {}), fitting):
            values[name] = candidates[0]
    return values


def _candidates(about: dict[str, Any], defs: dict[str, Any], fitting: dict[str, list[str]]) -> list[Any]:
    """Return possible values of a parameter: its examples, its enum, or columns by its format."""
    if "const" in about:
        return [about["const"]]
    own = about.get("examples") or about.get("enum") or fitting.get(about.get("format", ""))
    if own:
        return list(own)
    if about.get("type") == "array":
        least = about.get("minItems", 1)
        items = _candidates(about.get("items", {}), defs, fitting)[: max(1, least)]
        return [items] if len(items) >= least and items else []
    choices = [*about.get("anyOf", []), *about.get("allOf", [])]
    if "$ref" in about:
        choices.append(defs.get(about["$ref"].rpartition("/")[2], {}))
    return [value for choice in choices for value in _candidates(choice, defs, fitting)]


def _watcher(stack: Stack) -> Callable[[], None]:
    deadline = time.monotonic() + _JOBS_SECONDS

    def check() -> None:
        stack.check()
        if time.monotonic() > deadline:
            raise _DemoFailed(f"the jobs have not ended after {_JOBS_SECONDS:.0f} s")

    return check


def _saved_plots(api: Api, results: dict[str, Any]) -> list[str]:
    _PLOTS.mkdir(exist_ok=True)
    saved = []
    for artifact in results["artifacts"]:
        if artifact["type"].startswith("image/"):
            name = f"{results['analysis']}-{artifact['name']}"
            (_PLOTS / name).write_bytes(api.fetch(f"/jobs/{results['job']}/results/{artifact['name']}"))
            saved.append(name)
    return saved


if __name__ == "__main__":
    sys.exit(main())
