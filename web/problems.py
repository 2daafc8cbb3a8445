"""Errors as problem details (RFC 9457), and their mapping from exceptions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

import jobs
from analyses.framework.parameters import escape_pointer
from web.metrics import count_redis_error
from web.redis_outage import note_unavailable
from web.request_id import current_request_id

__all__ = ["PROBLEMS", "RETRY_AFTER", "Problem", "install", "pointer_to", "problem_json", "problem_of"]

RETRY_AFTER = {"Retry-After": "1"}

_QUOTA_RETRY_SECONDS = "5"
_MAX_NAME = 80

# slug: status, title. Slugs are part of the contract: clients distinguish errors by them.
PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be parsed"),
    "unauthorized": (401, "A key is needed"),
    "forbidden": (403, "The key's role does not allow this"),
    "forbidden-host": (403, "The Host header names another machine"),
    "forbidden-origin": (403, "The request comes from another web site"),
    "not-found": (404, "There is no such page"),
    "job-not-found": (404, "There is no such job"),
    "record-not-found": (404, "There is no such record"),
    "operation-not-found": (404, "There is no such operation"),
    "artifact-not-found": (404, "There is no such artifact"),
    "result-not-ready": (404, "The job has not finished"),
    "method-not-allowed": (405, "The method is not allowed here"),
    "not-acceptable": (406, "There is nothing of an acceptable media type"),
    "too-slow": (408, "The request came too slowly"),
    "no-dataset": (409, "No dataset is loaded"),
    "job-failed": (409, "The job failed"),
    "job-cancelled": (409, "The job was cancelled"),
    "job-ended": (409, "The job has ended"),
    "job-unfinished": (409, "The job has not ended"),
    "cursor-expired": (410, "The cursor's dataset is gone"),
    "precondition-failed": (412, "The resource has changed"),
    "too-large": (413, "The body is too large"),
    "uri-too-long": (414, "The address is too long"),
    "unsupported-media-type": (415, "The media type is not supported"),
    "expectation-failed": (417, "The expectation cannot be met"),
    "invalid": (422, "The request is invalid"),
    "unknown-analysis": (422, "There is no such analysis"),
    "idempotency-key-reused": (422, "The idempotency key was used for another request"),
    "too-many-requests": (429, "The key's limit is reached"),
    "headers-too-large": (431, "The header fields are too large"),
    "internal-error": (500, "The server made a mistake"),
    "not-implemented": (501, "The request asks for what this server does not do"),
    "bad-source": (502, "The configured data source cannot be read"),
    "unavailable": (503, "The service is not available for the moment"),
    "storage-full": (507, "The storage is full"),
    "queue-full": (507, "The queue is full"),
}

_SLUG_OF_STATUS = {
    400: "malformed",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    408: "too-slow",
    412: "precondition-failed",
    413: "too-large",
    414: "uri-too-long",
    415: "unsupported-media-type",
    417: "expectation-failed",
    431: "headers-too-large",
    501: "not-implemented",
    503: "unavailable",
}


class Problem(Exception):
    """An error response; raise it anywhere in a request.

    ``errors`` are the contract's ``{"pointer" or "parameter": …, "detail": …}``; ``members`` are added to the document.
    """

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.status = status or PROBLEMS[slug][0]
        self.members = members or {}

    def as_json(self) -> dict[str, Any]:
        problem = {
            "type": f"/problems/{self.slug}",
            "title": PROBLEMS[self.slug][1],
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            problem["errors"] = list(self.errors)
        return problem | dict(self.members)


def pointer_to(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of these members and elements; long names are cut."""
    return "".join("/" + escape_pointer(_cut(str(part))) for part in parts)


def _cut(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"


def problem_json(status: int, detail: str, request_id: str) -> bytes:
    """Return the problem of an HTTP status as JSON, for errors before a request exists."""
    slug = _SLUG_OF_STATUS.get(status, "internal-error" if status >= 500 else "malformed")
    problem = Problem(slug, detail or HTTPStatus(status).phrase, status=status, members={"request_id": request_id})
    return json.dumps(problem.as_json()).encode()


def install(app: Flask) -> None:
    """Respond to every exception with problem details."""
    app.register_error_handler(Problem, _respond)
    app.register_error_handler(HTTPException, _from_http_error)
    app.register_error_handler(jobs.JobNotFound, _from_job_not_found)
    app.register_error_handler(jobs.ResultsGone, _from_job_not_found)
    app.register_error_handler(jobs.InvalidTransition, _from_invalid_transition)
    app.register_error_handler(jobs.IdempotencyKeyReused, _from_reused_key)
    app.register_error_handler(jobs.QueueFull, _from_too_many)
    app.register_error_handler(jobs.QuotaExceeded, _from_too_many)
    app.register_error_handler(jobs.InvalidCursor, _from_invalid_cursor)
    app.register_error_handler(jobs.RedisError, _from_redis_error)


def _respond(problem: Problem) -> Response:
    document = problem.as_json() | {"request_id": current_request_id()}
    body = json.dumps(document, ensure_ascii=False) + "\n"
    return Response(
        body.encode(errors="replace"), problem.status, problem.headers, content_type="application/problem+json"
    )


def _from_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    slug = _SLUG_OF_STATUS.get(status, "internal-error" if status >= 500 else "malformed")
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    match slug:
        case "not-found":
            detail = "There is nothing at this address; GET /help lists what there is."
        case "method-not-allowed":
            detail = f"This address takes {headers.get('Allow', 'other methods')}."
        case "internal-error":
            detail = "The request may be fine: what happened is in the server's log."
        case _:
            detail = error.description or PROBLEMS[slug][1]
    return _respond(Problem(slug, detail, status=status, headers=headers))


def _from_job_not_found(error: Exception) -> Response:
    return _respond(
        Problem("job-not-found", "No job has this id; ended jobs are removed when their retention is over. See /jobs.")
    )


def _from_invalid_transition(error: jobs.InvalidTransition) -> Response:
    status = jobs.Status(error.job["status"])
    if status.ended:
        return _respond(Problem("job-ended", f"The job is already {status}, which is final; /retry makes a new one."))
    return _respond(Problem("job-unfinished", f"The job is {status}: wait until it has ended, or cancel it first."))


def _from_reused_key(error: Exception) -> Response:
    detail = "This idempotency key came with another request before: use a new key for every new request."
    return _respond(
        Problem("idempotency-key-reused", detail, errors=[{"header": "Idempotency-Key", "detail": "Used before."}])
    )


def problem_of(error: jobs.QueueFull | jobs.QuotaExceeded) -> Problem:
    """Return the problem of jobs that were not accepted because too many are unfinished."""
    detail = f"{error} None was accepted: wait until jobs have ended, or cancel some."
    if isinstance(error, jobs.QueueFull):
        return Problem("queue-full", detail)
    headers = {
        "Retry-After": _QUOTA_RETRY_SECONDS,
        "RateLimit": f'"unfinished-jobs";r={max(error.most - error.unfinished, 0)}',
        "RateLimit-Policy": f'"unfinished-jobs";q={error.most}',
    }
    return Problem("too-many-requests", detail, headers=headers)


def _from_too_many(error: jobs.QueueFull | jobs.QuotaExceeded) -> Response:
    return _respond(problem_of(error))


def _from_invalid_cursor(error: Exception) -> Response:
    errors = [{"parameter": "cursor", "detail": "Not a cursor of this list: take it from `next`, unchanged."}]
    return _respond(Problem("invalid", "The cursor cannot be used.", errors=errors))


def _from_redis_error(error: Exception) -> Response:
    count_redis_error()
    classified = jobs.classify_redis_error(error)
    if isinstance(classified, jobs.RedisFull):
        return _respond(
            Problem("storage-full", "Redis has no memory left: delete ended jobs, or give it more (`maxmemory`).")
        )
    if note_unavailable(classified):
        detail = "Redis cannot be reached, or cannot write, at the moment; try again."
        return _respond(Problem("unavailable", detail, headers={"Retry-After": "1"}))
    raise classified
