"""Measure loading, searching and analysing 3,000,000 rows of flights beside polars alone; one round.

    python -m benchmarks.dataset [--quick]

DuckDB and Datasette follow in processes of their own, when the service has stopped.

Starts the service on free ports, with its defaults. polars reads the same file and writes it as Parquet, or computes
what an analysis computes, without drawing, in this process. Memory is that of one process, with the pages that several
processes map divided by their number (Pss): the rows are in a file that all of them map.
"""

from __future__ import annotations

import datetime
import io
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import polars as pl

from analyses import get_analysis
from benchmarks.dataset_peers import PACKAGES, datasette_figures, duckdb_figures, is_installed
from benchmarks.figures import HERE, Figure, report
from benchmarks.lines import LINES
from ops.devserver.client import Api
from ops.devserver.processes import Stack, free_ports

__all__ = ["measure"]

ROWS, QUICK_ROWS = 3_000_000, 500_000
PEER = "polars"
_API = b"gunicorn"
_PEAK_SECONDS = 0.02
_PARAMS: dict[str, dict[str, Any]] = {
    "summary": {},
    "histogram": {"column": "delay"},
    "groups": {"by": ["origin"], "column": "delay"},
    "timeseries": {"index": "date", "every": "1d", "column": "delay"},
}
_FEW_JOBS = 30
_IDLE_SECONDS = 0.05
_SAMPLED = 100
_LOADS = 3


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures of one round; a quick one leaves Datasette out, which takes minutes to read the file."""
    frame = _flights(QUICK_ROWS if quick else ROWS)
    for figure in _measure(frame):
        yield figure
        if figure.side == HERE:
            lines = (f"{figure.line}-{peer}" for peer in PACKAGES)
            yield from (figure._replace(line=line) for line in lines if line in LINES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame.write_csv(folder / "flights.csv")
        frame.write_parquet(folder / "flights.parquet")
        if is_installed("duckdb"):
            yield from duckdb_figures(folder)
        if is_installed("datasette") and not quick:
            yield from datasette_figures(folder, frame.height)


def _measure(frame: pl.DataFrame) -> Iterator[Figure]:
    api_port, redis_port = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        environ = {"API_PORT": str(api_port), "REDIS_PORT": str(redis_port), "DATA_DIR": folder, "WORKERS": "1"}
        with Stack({**os.environ, "REDIS_IP": "", **environ}) as stack:
            stack.wait_until_ready()
            yield from _loads(stack.api, frame, f"API_PORT={api_port}\0".encode())
            yield from _reads(stack.api, frame)
            yield from _jobs(stack.api, frame)
            yield Figure("data-first", HERE, _first_search(stack.api, frame) * 1e3, "ms")
    yield from _analyses(frame)


def _flights(rows: int) -> pl.DataFrame:
    """Return flights by departure, with as many airports and as skewed as in the data of an airline year."""
    dice = np.random.default_rng(1)
    airports = np.array([f"{n:03d}".translate(str.maketrans("0123456789", "ABCDEFGHIJ")) for n in range(100)])
    share = 1 / np.arange(1, 101)
    minutes = np.sort(dice.integers(0, 181 * 24 * 60, rows))
    origin, destination = (airports[dice.choice(100, rows, p=share / share.sum())] for _ in range(2))
    return pl.DataFrame(
        {
            "date": (np.datetime64("2001-01-01T00:00") + minutes.astype("timedelta64[m]")).astype("datetime64[us]"),
            "delay": np.round(dice.gamma(1.2, 15, rows) - 12).astype(np.int64),
            "distance": dice.choice(dice.integers(31, 4962, 300), rows),
            "origin": origin,
            "destination": destination,
        }
    )


def _loads(api: Api, frame: pl.DataFrame, mark: bytes) -> Iterator[Figure]:
    peaks = _Peaks(mark)
    for line, media_type, write, read in (
        ("data-csv", "text/csv", frame.write_csv, lambda file: pl.read_csv(file, try_parse_dates=True)),
        ("data-parquet", "application/vnd.apache.parquet", frame.write_parquet, pl.read_parquet),
    ):
        body = io.BytesIO()
        write(body)
        content = body.getvalue()
        yield Figure(line, PEER, _seconds(lambda c=content, r=read: r(io.BytesIO(c)).write_parquet(io.BytesIO())), "s")  # type: ignore[misc]
        yield Figure(line, HERE, _seconds(lambda c=content, m=media_type: api.fetch("/data", c, m)), "s")  # type: ignore[misc]
    time.sleep(2)  # indexes are built after the answer
    size = float(frame.estimated_size())
    yield Figure("data-peak", HERE, peaks.end() / size, "frames")
    one, others = _memories(mark, _API), _read_by_all(api, mark)
    time.sleep(2)
    used = _memories(mark, _API)
    yield Figure("data-rest", HERE, max(used) / size, "frames")
    if others:
        yield Figure("data-second", HERE, (sum(used) - sum(one)) / others / size, "frames")
    _run(api, "summary")
    time.sleep(1)  # the allocator releases what the job used
    yield Figure("data-child", HERE, max(_memories(mark, b"--child")) / size, "frames")


def _reads(api: Api, frame: pl.DataFrame) -> Iterator[Figure]:
    folded = frame.select(pl.col(pl.String).str.to_lowercase())
    contains = pl.any_horizontal(pl.all().str.contains("abc", literal=True)).sum()
    yield Figure("data-search", PEER, _seconds(lambda: folded.select(contains)) * 1e3, "ms")
    yield Figure("data-search", HERE, _seconds(lambda: api.fetch("/data?search=abc")) * 1e3, "ms")
    texts = frame.select(pl.all().cast(pl.String).str.to_lowercase())
    contains = pl.any_horizontal(pl.all().str.contains("128", literal=True)).sum()
    yield Figure("data-search-all", PEER, _seconds(lambda: texts.select(contains)) * 1e3, "ms")
    yield Figure("data-search-all", HERE, _seconds(lambda: api.fetch("/data?search=128")) * 1e3, "ms")
    path = f"/data/{frame.height // 2}"
    yield Figure(
        "data-record", HERE, statistics.median(_seconds(lambda: api.fetch(path)) for _ in range(50)) * 1e3, "ms"
    )


def _jobs(api: Api, frame: pl.DataFrame) -> Iterator[Figure]:
    """Measure a facet, and jobs of few rows that wait for nothing, by a worker that has the dataset."""
    facet = {"by": ["origin"]}
    _run(api, "groups", facet)
    yield Figure("data-facet", HERE, _seconds(lambda: _run(api, "groups", facet)) * 1e3, "ms")
    begin = frame["date"][frame.height // 2]
    waits: dict[str, list[float]] = {"started": [], "ended": []}
    for _ in range(_FEW_JOBS):
        job = _run(api, "summary", {}, f"{begin}Z", f"{begin}Z")
        for moment, found in waits.items():
            found.append((_moment(job[moment]) - _moment(job["created"])).total_seconds())
        time.sleep(_IDLE_SECONDS)
    # Means, because these times have milliseconds; of all zeros, at most one was nearly one.
    for line, moment in (("data-begin", "started"), ("data-few", "ended")):
        yield Figure(line, HERE, max(statistics.fmean(waits[moment]) * 1e3, 1 / _FEW_JOBS), "ms")


def _first_search(api: Api, frame: pl.DataFrame) -> float:
    """Return the median of the seconds that a search for digits takes right after a load, in any process."""
    seconds = []
    for left_out in range(1, _LOADS + 1):
        body = io.BytesIO()
        frame.slice(left_out).write_parquet(body)
        api.fetch("/data", body.getvalue(), "application/vnd.apache.parquet")
        seconds.append(_seconds(lambda: api.fetch("/data?search=127")))
    return statistics.median(seconds)


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _analyses(frame: pl.DataFrame) -> Iterator[Figure]:
    """Measure the analyses; drawing costs the same for a hundredth of the rows, which is subtracted."""
    sample = frame.gather_every(_SAMPLED)
    for name, params in _PARAMS.items():
        analysis = get_analysis(name)
        by_hand = _BY_HAND[name]
        analysis.run(frame.head(1000), params, lambda *_: None)  # imports matplotlib
        yield Figure(f"data-{name}", PEER, _seconds(lambda f=by_hand: f(frame)) * 1e3, "ms")  # type: ignore[misc]
        whole, drawing = (
            _seconds(lambda a=analysis, p=params, r=rows: a.run(r, p, lambda *_: None))  # type: ignore[misc]
            for rows in (frame, sample)
        )
        yield Figure(f"data-{name}", HERE, (whole - drawing) * _SAMPLED / (_SAMPLED - 1) * 1e3, "ms")


def _summary_by_hand(frame: pl.DataFrame) -> Any:
    for column in frame:
        if column.dtype.is_numeric():
            column.mean(), column.std(), column.min(), column.max(), column.quantile(0.25), column.quantile(0.75)
            column.median()
        else:
            column.min(), column.max()
        column.n_unique()
        column.value_counts().top_k(5, by="count")


def _histogram_by_hand(frame: pl.DataFrame) -> Any:
    return np.histogram(frame["delay"].cast(pl.Float64).to_numpy(), bins=20)


def _groups_by_hand(frame: pl.DataFrame) -> Any:
    delay = pl.col("delay")
    aggregates = [pl.len(), delay.mean(), delay.min().alias("least"), delay.max().alias("most")]
    return frame.group_by("origin").agg(*aggregates).sort("len", descending=True).head(20)


def _timeseries_by_hand(frame: pl.DataFrame) -> Any:
    return frame.group_by(pl.col("date").dt.truncate("1d")).agg(pl.col("delay").mean()).sort("date")


_BY_HAND: dict[str, Callable[[pl.DataFrame], Any]] = {
    "summary": _summary_by_hand,
    "histogram": _histogram_by_hand,
    "groups": _groups_by_hand,
    "timeseries": _timeseries_by_hand,
}


def _run(
    api: Api, analysis: str, params: dict[str, Any] | None = None, start: str | None = None, end: str | None = None
) -> dict[str, Any]:
    posted = {"start": start, "end": end, "analysis": analysis, "params": params or _PARAMS[analysis]}
    job: dict[str, Any] = api.post("/jobs", posted)
    ended: dict[str, Any] = api.get(f"/jobs/{job['id']}?wait=60")
    if ended["status"] != "complete":
        raise RuntimeError(f"{analysis} is {ended['status']}: {ended.get('error')}")
    return ended


def _seconds(do: Callable[[], Any], times: int = 1) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        do()
    return (time.perf_counter() - begun) / times


class _Peaks(Thread):
    """Measures the most memory of a process of the API."""

    def __init__(self, mark: bytes) -> None:
        super().__init__(daemon=True)
        self._mark, self._most, self._ended = mark, 0.0, Event()
        self.start()

    def run(self) -> None:
        while not self._ended.wait(_PEAK_SECONDS):
            self._most = max(self._most, *_memories(self._mark, _API))

    def end(self) -> float:
        """Return the most memory so far, and stop."""
        self._ended.set()
        self.join()
        return self._most


def _processes(mark: bytes, word: bytes) -> Iterator[Path]:
    """Yield the processes with this environment and a word in their command."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() and word in (process / "cmdline").read_bytes():
                yield process
        except OSError:
            continue


def _memories(mark: bytes, word: bytes) -> list[float]:
    """Return the resident memory of each process, shared pages divided by those that share them, in bytes."""
    found = []
    for process in _processes(mark, word):
        with suppress(OSError):
            used = re.search(r"^Pss:\s+(\d+) kB$", (process / "smaps_rollup").read_text(), re.M)
            found.append(int(used[1]) * 1024.0 if used else 0.0)
    return found


def _read_by_all(api: Api, mark: bytes) -> int:
    """Search until all processes of the API have the dataset, and return how many there are besides the first."""
    processes = [*_processes(mark, _API)]
    readers = len(processes) - 1  # without the arbiter
    for _ in range(50 * readers):
        if sum(b".arrow" in (process / "maps").read_bytes() for process in processes) == readers:
            break
        api.fetch("/data?search=abc")
    return readers - 1


if __name__ == "__main__":
    report(measure)
