"""``make demo``: the main job, end to end, on free ports and in a folder of its own."""

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

from ops.settings import TABLE, InvalidSetting
from stack.client import Api, ApiAway, ApiError
from stack.interrupts import Interrupted, raising_on_signals
from stack.processes import Stack, StackError, free_ports
from stack.report import print_results, show_progress

__all__ = ["main"]

_SAMPLE = Path(__file__).parent.parent / "samples" / "earthquakes.csv"
_PLOTS = Path("demo-plots")
_PARAMS: dict[str, dict[str, Any]] = {
    "sleep": {"seconds": 3},
    "groups": {"by": ["network"], "column": "magnitude"},
    "map": {"color": "depth_km", "size": "magnitude"},
}
_KEPT = ("LOG_LEVEL", "REDIS_SERVER")  # settings that the demo takes over
_JOBS_SECONDS = 60.0


class _DemoFailed(Exception):
    """A job did not do what it should."""


def main() -> int:
    """Run the demo; the exit code is 0 when everything worked, 130 when it was interrupted, else 1."""
    console = Console()
    try:
        with raising_on_signals(), tempfile.TemporaryDirectory(prefix="demo-") as folder:
            console.print("Starting Redis, the API and two workers ...")
            with Stack(_environ(os.environ, folder)) as stack:
                stack.wait_until_ready()
                _show(stack, console)
    except Interrupted:
        console.print("Interrupted; everything is stopped.")
        return 130
    except (StackError, InvalidSetting, ApiError, ApiAway, _DemoFailed) as error:
        print(f"The demo failed: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _environ(environ: Mapping[str, str], folder: str) -> dict[str, str]:
    """The settings of the demo: the defaults, whatever else runs on this machine."""
    own = {setting.name for setting in TABLE if setting.name not in _KEPT}
    api_port, redis_port = free_ports(2)
    return {name: value for name, value in environ.items() if name not in own} | {
        "API_PORT": str(api_port),
        "DATA_DIR": folder,
        "DRAIN_SECONDS": "2",
        "REDIS_PORT": str(redis_port),
        "WORKERS": "2",
    }


def _show(stack: Stack, console: Console) -> None:
    api = stack.api
    _load_sample(api, console)
    jobs = show_progress(console, api, _submit_one_of_each(api), _watcher(stack))
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


def _submit_one_of_each(api: Api) -> list[dict[str, Any]]:
    columns = api.get("/data?limit=1")["dataset"]["columns"]
    jobs = []
    for analysis in api.get("/analyses")["analyses"]:
        params = _PARAMS.get(analysis["name"]) or _required(analysis["params"], columns)
        jobs.append({"analysis": analysis["name"], "params": params, "start": None, "end": None})
    submitted: list[dict[str, Any]] = api.post("/jobs", jobs)
    return submitted


def _required(schema: dict[str, Any], columns: list[dict[str, Any]]) -> dict[str, Any]:
    """Values for the parameters that have no default: an example that the schema gives, or a column that fits."""
    numbers = [column["name"] for column in columns if column["type"] in ("integer", "number")]
    fitting = {"number-column": numbers, "column": [column["name"] for column in columns]}
    values: dict[str, Any] = {}
    for name in schema.get("required", []):
        about = schema["properties"][name]
        candidates = about.get("examples") or fitting.get(about.get("format"))
        if candidates:
            values[name] = candidates[0]
    return values


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
