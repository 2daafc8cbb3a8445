"""Builds the results document and the artifacts of a completed attempt."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from pydantic_core import from_json, to_json

from analyses import Artifact, Outcome, render
from config import __version__
from jobstore import ClaimedJob

__all__ = ["build_results", "parse_bound"]

_SOFTWARE: Final = f"dataset-jobs {__version__}"


@lru_cache(maxsize=1024)
def parse_bound(bound: str) -> Any:
    """Parse a bound of a job's range from JSON; cached, because most jobs of a bulk have the same."""
    return from_json(bound)


def build_results(
    job: ClaimedJob, outcome: Outcome, params: dict[str, Any], count: int, limit: int
) -> tuple[bytes, list[Artifact]]:
    """Build the document and the artifacts.

    :param params: the parameters of the job, with their defaults.
    :param count: the number of rows in its range.
    :raises ValueError: document and artifacts have more than ``limit`` bytes together.
    """
    result, artifacts = render(outcome)
    document = to_json(
        {
            "job": job.id,
            "analysis": job.analysis,
            "params": params,
            "dataset": job.dataset or None,
            "start": parse_bound(job.start),
            "end": parse_bound(job.end),
            "count": count,
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
