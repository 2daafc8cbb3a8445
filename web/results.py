"""What a job and its results look like to a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import Response

import jobs

from .links import path_to
from .problems import Problem
from .waiting import RETRY_AFTER

__all__ = ["artifact_of", "linked", "results_of"]

# An SVG opened by itself is a page of this origin: nothing in it may run.
_NO_SCRIPTS = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


def linked(job: jobs.Job) -> dict[str, Any]:
    """The job with the addresses of what belongs to it."""
    own = path_to(f"/jobs/{job['id']}")
    links = {"self": own} | {name: f"{own}/{name}" for name in ("results", "log", "cancel", "retry")}
    return {**job, "links": links}


def results_of(job: jobs.Job, headers: Mapping[str, str]) -> dict[str, Any]:
    """The results of a complete job, with the addresses of their artifacts.

    :raises Problem: the job has none, or none yet; ``headers`` go with it.
    """
    status = jobs.Status(job["status"])
    if not status.ended:
        detail = f"The job is {status}: ask again later, or with ?wait=60."
        raise Problem("result-not-ready", detail, headers={**RETRY_AFTER, **headers})
    if status is not jobs.Status.COMPLETE:
        detail = f"The job is {status} and has no results: see its error and its log; POST …/retry makes a new one."
        raise Problem(f"job-{status}", detail, headers=headers, members={"error": job["error"]})
    results = jobs.get_results(job["id"])
    if results is None:
        raise jobs.JobNotFound("The job was removed just now.")
    for artifact in results["artifacts"]:
        artifact["url"] = path_to(f"/jobs/{job['id']}/results/{quote(artifact['name'], safe='')}")
    return results


def artifact_of(job: jobs.Job, artifact: Mapping[str, Any]) -> Response:
    """One artifact of the results, as it is."""
    content = jobs.get_artifact(job["id"], artifact["name"])
    if content is None:
        raise jobs.JobNotFound("The job was removed just now.")
    charset = "; charset=utf-8" if artifact["type"].startswith("text/") else ""
    headers = {"Content-Security-Policy": _NO_SCRIPTS}
    return Response(content, headers=headers, content_type=artifact["type"] + charset)
