"""Tries an analysis on a frame or a file without a server: for tests, notebooks and the command line."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analyses.framework.columns import TEMPORAL, at_moment, parse_moment, type_of
from analyses.framework.outcome import Progress
from analyses.framework.parameters import Params
from analyses.framework.registry import Analysis, get_analysis
from analyses.framework.rendering import Artifact, render

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BadBound", "PreparedTrial", "Trial", "prepare_trial", "read_rows", "try_analysis"]


class BadBound(ValueError):
    """A bound cannot be used; the message begins with its name, ``start`` or ``end``."""


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


class PreparedTrial(NamedTuple):
    """An analysis with validated parameters and the rows in range."""

    analysis: Analysis
    params: Params
    rows: pl.DataFrame | None

    def run(self, progress: Progress | None = None) -> Trial:
        """Run the analysis and render its outcome; an error that the analysis raises is not caught."""
        result, artifacts = render(self.analysis.run(self.rows, self.params, progress or _ignore))
        count = 0 if self.rows is None else self.rows.height
        return Trial(self.analysis.name, self.params.as_json(), count, result, artifacts)


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

    Times are converted to UTC and microseconds, as the service stores them; without a zone, they are UTC.

    :param data: a frame, or a path for :func:`read_rows`; None for an analysis that reads no dataset.
    :param start: the first day or time to include, of the first column of dates or times.
    :param end: the last; a date, such as ``2018-01-31`` or ``20180131``, includes its whole day.
    :raises UnknownAnalysis: there is no analysis called ``name``.
    :raises InvalidParams: as for a job; ``errors`` lists all reasons.
    :raises ValueError: ``start`` or ``end`` cannot be used, or ``data`` is missing.
    """
    return prepare_trial(name, data, params, start, end).run(progress)


def prepare_trial(
    name: str,
    data: pl.DataFrame | str | Path | None,
    params: dict[str, Any],
    start: str | date | None = None,
    end: str | date | None = None,
) -> PreparedTrial:
    """Prepare the run of :func:`try_analysis`, with parameters of any name; raises what that function documents."""
    analysis = get_analysis(name)
    rows = read_rows(data) if isinstance(data, (str, Path)) else data
    if analysis.reads_dataset and rows is None:
        raise ValueError(f"the analysis {name!r} reads a dataset: give a frame or the path of a file")
    rows = None if rows is None else _in_utc(rows)
    columns = {} if rows is None else {column: type_of(dtype) for column, dtype in rows.schema.items()}
    index = next((column for column, type_ in columns.items() if type_ in TEMPORAL), None)
    read = analysis.read_params(params, columns, index)
    if rows is not None:
        rows = _slice(rows, index, start, end)
    return PreparedTrial(analysis, read, rows)


def read_rows(path: str | Path) -> pl.DataFrame:
    """Read a ``.csv``, ``.parquet``, ``.ndjson`` or ``.json`` file with polars' own readers.

    In CSV, ISO dates and times are recognized, and NA, null and NaN are missing values; in JSON, dates stay text. The
    service recognizes more; see docs/datasets.md.

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
    return reader(Path(path))


def _ignore(fraction: float, message: str | None = None) -> None:
    """Report progress to nobody."""


def _in_utc(rows: pl.DataFrame) -> pl.DataFrame:
    """Convert times as the service stores them: in UTC, in microseconds."""
    import polars as pl
    import polars.selectors as cs

    return rows.with_columns(
        cs.datetime(time_zone=None).dt.replace_time_zone("UTC"), cs.datetime(time_zone="*").dt.convert_time_zone("UTC")
    ).with_columns(cs.datetime().cast(pl.Datetime("us", "UTC")))


def _slice(rows: pl.DataFrame, index: str | None, start: str | date | None, end: str | date | None) -> pl.DataFrame:
    import polars as pl

    conditions = []
    for name, bound in (("start", start), ("end", end)):
        if bound is None:
            continue
        if index is None:
            raise BadBound(f"{name} {str(bound)!r}: no column has dates or times, so there is no range to select")
        value = _parse_bound(name, bound)
        values = at_moment(pl.col(index), value)
        conditions.append(values >= value if name == "start" else values <= value)
    return rows.filter(*conditions)


def _parse_bound(name: str, bound: str | date) -> date:
    try:
        return parse_moment(str(bound))
    except ValueError:
        expected = "expected an ISO date or time, such as 2018-01-31 or 2018-01-31T06:00"
        raise BadBound(f"{name} {str(bound)!r}: {expected}") from None
