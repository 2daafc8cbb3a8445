"""Representations of jobs and results for clients."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any
from urllib.parse import quote

from flask import Response, request
from pydantic_core import to_json

import jobs
from web import budget, pagination
from web.links import path_to
from web.problems import RETRY_AFTER, Problem
from web.responses import JsonResponse, json_response, with_etag

__all__ = [
    "artifact_response",
    "job_response",
    "jobs_response",
    "load_results",
    "page_response",
    "reserve_page",
    "results_response",
    "with_links",
]

_RETURN = re.compile(r'\s*return\s*=\s*("?)(minimal|representation)\1\s*(?:;.*)?', re.IGNORECASE)

_COPIES = 3
"""How often a part is held while it is sent: as it came from Redis, as it is, and on its way out."""

# An SVG that is opened directly is a page of this origin: scripts in it must not run.
_NO_SCRIPTS = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


def with_links(job: jobs.Job, root: str | None = None) -> dict[str, Any]:
    """Return the job with the links to its results, log and artifacts.

    :param root: the path of the application as clients see it; that of the current request by default.
    """
    own = f"{path_to('') if root is None else root}/jobs/{job['id']}"
    links = {
        "self": own,
        "results": f"{own}/results",
        "log": f"{own}/log",
        "cancel": f"{own}/cancel",
        "retry": f"{own}/retry",
    }
    return {**job, "links": links}


def job_response(job: jobs.Job, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a job with its links."""
    value = with_links(job)
    try:
        return JsonResponse(to_json(value) + b"\n", status, headers, content_type="application/json")
    except ValueError:  # an error or a parameter has an unpaired surrogate
        return json_response(value, status, headers)


def jobs_response(added: Sequence[jobs.Job], headers: Mapping[str, str]) -> Response:
    """Return a list of accepted jobs; only their ids if the client prefers a minimal response (RFC 7240)."""
    found = filter(None, map(_RETURN.fullmatch, request.headers.get("Prefer", "").split(",")))
    preferred = next((match[2].lower() for match in found), "")
    if preferred:
        headers = {**headers, "Preference-Applied": f"return={preferred}"}
    root = path_to("")
    value = (
        {"ids": [job["id"] for job in added]} if preferred == "minimal" else [with_links(job, root) for job in added]
    )
    return Response(to_json(value) + b"\n", 202, headers, content_type="application/json")


def reserve_page(size: int) -> None:
    """Reserve memory for ``size`` bytes of a page of jobs, until the response has been sent."""
    budget.reserve(_COPIES * size)


def page_response(page: jobs.JobPage) -> Response:
    """Return one page of jobs; their parameters, which may be large, are not parsed."""
    address, headers = pagination.next_link(page.next)
    listed = ",".join(map(_listed, page.records))
    text = f'{{"jobs":[{listed}],"total":{json.dumps(page.total)},"next":{json.dumps(address)}}}\n'
    return Response(text.encode(errors="replace"), headers=headers, content_type="application/json")


def _listed(record: Mapping[bytes, bytes]) -> str:
    text = json.dumps(
        with_links(jobs.job_from_record({**record, b"params": b"{}"})), ensure_ascii=False, separators=(",", ":")
    )
    return text.replace('"params":{}', f'"params":{record.get(b"params", b"{}").decode("utf-8", "replace")}', 1)


def load_results(job: jobs.Job, headers: Mapping[str, str]) -> jobs.StoredResults:
    """Return the results of a complete job, with memory reserved for reading them.

    :raises Problem: the job has no results, or not yet; the response has ``headers``.
    """
    status = jobs.Status(job["status"])
    if not status.ended:
        detail = f"The job is {status}: ask again later, or with ?wait=60."
        raise Problem("result-not-ready", detail, headers={**RETRY_AFTER, **headers})
    if status is not jobs.Status.COMPLETE:
        detail = f"The job is {status} and has no results: see its error and its log; POST …/retry makes a new one."
        raise Problem(f"job-{status}", detail, headers=headers, members={"error": job["error"]})
    results = jobs.open_results(job["id"])
    budget.reserve(_COPIES * results.held_bytes)
    return results


def results_response(job: jobs.Job, results: jobs.StoredResults) -> Response:
    """Return the results document with links to its artifacts; a large one is streamed."""
    own = path_to(f"/jobs/{job['id']}/results")
    listed = [{**artifact, "url": f"{own}/{quote(artifact['name'], safe='')}"} for artifact in results.artifacts]
    text = json.dumps(listed, ensure_ascii=False, separators=(",", ":"))
    tail = f',"artifacts":{text}}}\n'.encode(errors="replace")
    parts = chain(results.read_head(), [tail])
    return _streamed(parts, results.head_bytes + len(tail), "application/json", _tag(job, tail))


def artifact_response(job: jobs.Job, results: jobs.StoredResults, artifact: Mapping[str, Any]) -> Response:
    """Return one artifact of the results unchanged; a large one is streamed."""
    name, media_type, size = artifact["name"], artifact["type"], artifact["bytes"]
    budget.reserve(_COPIES * results.largest_part(name))
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    answer = _streamed(results.read_artifact(name, size), size, media_type + charset, _tag(job, name.encode()))
    answer.headers["Content-Security-Policy"] = _NO_SCRIPTS
    disposition = "inline" if media_type.startswith("image/") else "attachment"
    answer.headers.set("Content-Disposition", disposition, **_file_names(name))
    return answer


def _streamed(parts: Iterator[bytes], size: int, content_type: str, tag: str) -> Response:
    """Return a streamed response of ``size`` bytes; for a 304 or a HEAD request nothing is read.

    :raises jobs.ResultsGone: the first part has been removed; if a later one is, the connection is closed.
    """
    answer = Response(parts, content_type=content_type, headers={"Content-Length": str(size)})
    answer.set_etag(tag)
    with_etag(answer)
    if answer.status_code == 200 and request.method != "HEAD":
        answer.response = chain([next(parts)], parts)
    return answer


def _tag(job: jobs.Job, part: bytes) -> str:
    """Return the entity tag of a part of the results, which never change once they are stored."""
    run = f"{job['id']} {job['attempt']} {job['ended']} ".encode()
    return hashlib.blake2b(run + part, digest_size=16).hexdigest()


def _file_names(name: str) -> dict[str, str]:
    """Return the parameters of ``Content-Disposition`` for a file name (RFC 6266), in ASCII and in UTF-8."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return {"filename": plain} | ({} if plain == name else {"filename*": f"UTF-8''{quote(name, safe='')}"})
