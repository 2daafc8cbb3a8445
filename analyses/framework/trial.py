"""Tries an analysis on a frame or a file without a server: for tests, notebooks and the command line."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyses.framework.columns import TEMPORAL, type_of
from analyses.framework.outcome import Progress
from analyses.framework.registry import get_analysis
from analyses.framework.rendering import Artifact, render

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Trial", "read_rows", "run_trial", "try_analysis"]


@dataclass(frozen=True, slots=True)
class Trial:
    """An analysis' result and artifacts, as a job would store them. A notebook shows it with its plots."""

    analysis: str
    params: dict[str, Any]
    count: int
    result: dict[str, Any]
    artifacts: list[Artifact]

    def save(self, folder: str | Path) -> list[Path]:
        """Write the artifacts into a folder, which is created if needed; return their paths."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for artifact in self.artifacts:
            (target / artifact.name).write_bytes(artifact.content)
        return [target / artifact.name for artifact in self.artifacts]

    def _repr_html_(self) -> str:
        parts = [f"<pre>{html.escape(json.dumps(self.result, indent=2, ensure_ascii=False))}</pre>"]
        for artifact in self.artifacts:
            if artifact.type == "image/png":
                content = base64.b64encode(artifact.content).decode()
                parts.append(f'<img alt="{artifact.name}" src="data:image/png;base64,{content}">')
        return "\n".join(parts)


def try_analysis(
    name: str,
    data: pl.DataFrame | str | Path | None = None,
    *,
    start: str | date | None = None,
    end: str | date | None = None,
    progress: Progress | None = None,
    **params: Any,
) -> Trial:
    """Run an analysis on a frame or a file, with its parameters as keywords.

    :param data: a frame, or a path for :func:`read_rows`; None for an analysis that reads no dataset.
    :param start: the first day or time to include, of the first column of dates or times.
    :param end: the last; a day is included whole.
    :raises UnknownAnalysis: there is no analysis called ``name``.
    :raises InvalidParams: as for a job; ``errors`` lists all reasons.
    :raises ValueError: ``start`` or ``end`` is given and no column has dates or times, or ``data`` is missing.
    """
    return run_trial(name, data, params, start, end, progress)


def run_trial(
    name: str,
    data: pl.DataFrame | str | Path | None,
    params: dict[str, Any],
    start: str | date | None = None,
    end: str | date | None = None,
    progress: Progress | None = None,
) -> Trial:
    """Run an analysis as :func:`try_analysis` does, with parameters of any name."""
    analysis = get_analysis(name)
    rows = read_rows(data) if isinstance(data, (str, Path)) else data
    if analysis.reads_dataset and rows is None:
        raise ValueError(f"the analysis {name!r} reads a dataset: give a frame or the path of a file")
    columns = {} if rows is None else {column: type_of(dtype) for column, dtype in rows.schema.items()}
    index = next((column for column, type_ in columns.items() if type_ in TEMPORAL), None)
    read = analysis.read_params(params, columns, index)
    if rows is not None and (start is not None or end is not None):
        rows = _slice(rows, index, start, end)
    outcome = analysis.run(rows, read, progress or _ignore)
    result, artifacts = render(outcome)
    return Trial(name, read.as_json(), 0 if rows is None else rows.height, result, artifacts)


def read_rows(path: str | Path) -> pl.DataFrame:
    """Read a ``.csv``, ``.parquet``, ``.ndjson`` or ``.json`` file with polars' own readers.

    In CSV, ISO dates and times are recognized, and NA, null and NaN are missing values; in JSON, dates stay text. Times
    without an offset are UTC. The service recognizes more; see docs/datasets.md.

    :raises ValueError: for another suffix.
    """
    import polars as pl

    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".csv": lambda file: pl.read_csv(file, try_parse_dates=True, null_values=["", "NA", "null", "NaN"]),
        ".parquet": pl.read_parquet,
        ".ndjson": pl.read_ndjson,
        ".jsonl": pl.read_ndjson,
        ".json": pl.read_json,
    }
    reader = readers.get(Path(path).suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: expected a file that ends with {', '.join(readers)}")
    rows = reader(Path(path))
    times = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.Datetime)]
    return rows.with_columns(_in_utc(rows[name]) for name in times)


def _ignore(fraction: float, message: str | None = None) -> None:
    """Report progress to nobody."""


def _in_utc(times: pl.Series) -> pl.Series:
    aware = times.dt.replace_time_zone("UTC") if times.dtype.time_zone is None else times.dt.convert_time_zone("UTC")  # type: ignore[attr-defined]
    return aware.dt.cast_time_unit("us")


def _slice(rows: pl.DataFrame, index: str | None, start: str | date | None, end: str | date | None) -> pl.DataFrame:
    import polars as pl

    if index is None:
        raise ValueError("no column has dates or times, so there is no range to select")
    times = pl.col(index).cast(pl.Datetime("us"))
    conditions = []
    if start is not None:
        conditions.append(times >= _instant(start))
    if end is not None:
        whole_day = not isinstance(end, datetime) and len(str(end)) == len("2018-01-31")
        conditions.append(times < _instant(end) + timedelta(days=1) if whole_day else times <= _instant(end))
    return rows.filter(*conditions)


def _instant(bound: str | date) -> datetime:
    """Parse a bound into a time in UTC without an offset."""
    instant = datetime.fromisoformat(str(bound))
    return instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)
