"""DuckDB and Datasette on the files that the service loads; each in an environment of its own.

Their figures are those of lines of their own, ``<line>-duckdb`` and ``<line>-datasette``.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from ops.devserver.processes import free_ports

__all__ = ["PACKAGES", "datasette_figures", "duckdb_figures", "is_installed", "version_of"]

_ENVIRONMENTS = Path(__file__).parent / "peers/.venv"
PACKAGES = {"duckdb": "DuckDB", "datasette": "Datasette"}
"""Titles, by the name of the environment and of its package."""
_TIMES = 20
_START_SECONDS = 60
_BATCH = 10_000  # a hundred by default, each of them synced to the disk
# Its limits are for shared servers; searches and facets over all rows take longer.
_SETTINGS = ("sql_time_limit_ms", "60000", "facet_time_limit_ms", "60000")


def is_installed(name: str) -> bool:
    """Return whether an environment exists."""
    return _python(name).exists()


def version_of(name: str) -> str:
    """Return the installed version."""
    asked = f"from importlib.metadata import version; print(version({name!r}))"
    return subprocess.check_output([str(_python(name)), "-c", asked], text=True).strip()


def duckdb_figures(folder: Path) -> Iterator[Figure]:
    """Yield the figures of DuckDB on ``flights.csv`` and ``flights.parquet``."""
    words = [str(_python("duckdb")), str(Path(__file__).parent / "peers/on_duckdb.py"), str(folder)]
    seconds = json.loads(subprocess.check_output(words))
    for name, taken in seconds.items():
        yield _figure(f"{name}-duckdb", "DuckDB", taken)


def datasette_figures(folder: Path, rows: int) -> Iterator[Figure]:
    """Yield the figures of Datasette: the insertion by its tool, then a search, a record and a facet over HTTP."""
    file = folder / "flights.db"
    insert = ("insert", file, "flights", folder / "flights.csv", "--csv", "--batch-size", _BATCH)
    yield _figure("csv-datasette", "Datasette", _seconds(lambda: _tool(*insert)))
    _tool("enable-fts", file, "flights", "origin", "destination")
    with _serving(file) as get:
        for name, path, times in (
            ("search-datasette", "flights.json?_search=abc&_size=100", 1),
            ("record-datasette", f"flights/{rows // 2}.json?_shape=objects", _TIMES),
            ("facet", "flights.json?_facet=origin&_size=0", 1),
        ):
            yield _figure(name, "Datasette", _seconds(lambda p=path: get(p), times))  # type: ignore[misc]


def _python(name: str) -> Path:
    return _ENVIRONMENTS / name / "bin/python"


def _figure(name: str, title: str, seconds: float) -> Figure:
    in_seconds = name.startswith(("csv", "parquet"))
    return Figure(f"data-{name}", title, seconds if in_seconds else seconds * 1e3, "s" if in_seconds else "ms")


def _tool(*words: object) -> None:
    program = _python("datasette").parent / "sqlite-utils"
    subprocess.run([program, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def _serving(file: Path) -> Iterator[Callable[[str], Any]]:
    """Serve a database, and provide a function that gets JSON below it."""
    [port] = free_ports(1)
    pairs = zip(_SETTINGS[::2], _SETTINGS[1::2], strict=True)
    settings = [word for name, value in pairs for word in ("--setting", name, value)]
    program = str(_python("datasette").parent / "datasette")
    words = [program, "serve", str(file), "--port", str(port), *settings]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def get(path: str) -> Any:
            return json.loads(opener.open(urllib.parse.urljoin(f"http://127.0.0.1:{port}/flights/", path)).read())

        try:
            _wait_until_serving(get)
            yield get
        finally:
            server.terminate()


def _wait_until_serving(get: Callable[[str], Any]) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        with suppress(OSError):
            get("flights.json?_size=1")
            return
        time.sleep(0.1)
    raise RuntimeError("Datasette does not answer.")


def _seconds(do: Callable[[], Any], times: int = 1) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        do()
    return (time.perf_counter() - begun) / times
