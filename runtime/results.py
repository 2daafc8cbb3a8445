"""Builds the results document and the artifacts of a completed attempt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from pydantic_core import from_json, to_json

from analyses import Artifact, Outcome, render
from config import __version__
from dataset import Selection
from jobstore import ClaimedJob

__all__ = ["Rows", "build_results", "parse_selection"]

_SOFTWARE: Final = f"dataset-jobs {__version__}"


@dataclass(frozen=True, slots=True)
class Rows:
    """What a job selects, the column that its bounds range over, if it reads a dataset, and the number of rows."""

    selection: Selection
    index: str | None = None
    count: int = 0


@lru_cache(maxsize=1024)
def _parse_bound(bound: str) -> Any:
    """Parse a bound from JSON; cached, because most jobs of a bulk have the same."""
    return from_json(bound)


def parse_selection(job: ClaimedJob) -> Selection:
    """Return the members of a job that select rows."""
    given = from_json(job.selection) if job.selection else {}
    return Selection(_parse_bound(job.start), _parse_bound(job.end), **given)


def build_results(
    job: ClaimedJob, outcome: Outcome, params: dict[str, Any], rows: Rows, limit: int
) -> tuple[bytes, list[Artifact]]:
    """Build the document and the artifacts.

    :param params: the parameters of the job, with their defaults.
    :param rows: the rows that it selects.
    :raises ValueError: document and artifacts have more than ``limit`` bytes together.
    """
    result, artifacts = render(outcome)
    document = to_json(
        {
            "job": job.id,
            "analysis": job.analysis,
            "params": params,
            "dataset": job.dataset or None,
            "start": rows.selection.start,
            "end": rows.selection.end,
            "index": rows.index,
            "where": rows.selection.where,
            "search": rows.selection.search,
            "count": rows.count,
            "attempt": int(job.attempt),
            "software": _SOFTWARE,
            "result": result,
            "artifacts": [{"name": a.name, "type": a.type, "bytes": len(a.content)} for a in artifacts],
        }
    )
    size = len(document)
    for artifact in artifacts:
        size += len(artifact.content)
    if size > limit:
        raise ValueError(f"The results have {size} bytes, more than MAX_RESULT_BYTES ({limit}).")
    return document, artifacts
