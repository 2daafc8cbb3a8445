"""Routes that act on all jobs that match the listing's filters, and those of the operations that this takes.

The dashboard acts by :func:`act`, too. The work is done by ``submission/bulk_actions.py``, which may queue jobs.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol, cast

from flask import Blueprint, Response, current_app

import jobs
from jobs import Action, Filters, Operation, Status
from web import request_body
from web.auth import Role, may_act_on, require
from web.links import path_to
from web.problems import RETRY_AFTER, Problem
from web.query_params import enum_param, given_parameters, parameter, parameters, timestamp_param
from web.responses import json_response

__all__ = ["FILTERS", "MAX_AT_ONCE", "act", "operation_json", "read_filters", "routes"]

MAX_AT_ONCE = 1000
"""How many matching jobs are acted on before the response; an operation in the background acts on more."""

FILTERS = Filters._fields
"""The query parameters that filter jobs."""

routes = Blueprint("bulk actions", __name__)


class _BulkActions(Protocol):
    def act(
        self, action: Action, filters: Filters, idempotency: jobs.Idempotency | None = None
    ) -> tuple[Operation, bool]: ...


def read_filters() -> Filters:
    """Return the filters of the query.

    :raises Problem: invalid.
    """
    return Filters(
        status=enum_param("status", Status),
        analysis=parameter("analysis"),
        tag=parameter("tag"),
        owner=parameter("owner"),
        search=parameter("search"),
        created_after=timestamp_param("created_after"),
        created_before=timestamp_param("created_before"),
    )


def act(action: Action | str, filters: Filters, idempotency: jobs.Idempotency | None = None) -> tuple[Operation, bool]:
    """Cancel, retry or delete all jobs that match; return the operation and whether it is new.

    It is in progress if more than 1,000 jobs match, and has ended otherwise.

    :raises Problem: no filter is given, or the role of the key does not allow it; jobs cannot be queued.
    """
    require(Role.SUBMIT)
    if all(value in (None, "") for value in filters):
        detail = f"At least one filter is required: {', '.join(FILTERS)}."
        errors = [{"parameter": name, "detail": "Missing; one of the filters is required."} for name in FILTERS]
        raise Problem("invalid", detail, errors=errors)
    engine = cast(_BulkActions, current_app.extensions["bulk actions"])
    return engine.act(Action(action), filters, idempotency)


def operation_json(operation: Operation) -> dict[str, Any]:
    """Return an operation as clients see it."""
    own = path_to(f"/operations/{operation.id}")
    return {**operation.as_json(), "links": {"self": own, "cancel": f"{own}/cancel"}}


@routes.post("/jobs/cancel")
@parameters(*FILTERS)
def cancel_jobs() -> Response:
    """Cancel all unfinished jobs that match; at least one filter is required."""
    return _respond(Action.CANCEL)


@routes.post("/jobs/retry")
@parameters(*FILTERS)
def retry_jobs() -> Response:
    """Queue a job like each ended one that matches, on today's dataset; at least one filter is required."""
    return _respond(Action.RETRY)


@routes.delete("/jobs")
@parameters(*FILTERS)
def delete_jobs() -> Response:
    """Remove all ended jobs that match, with their results; at least one filter is required."""
    return _respond(Action.DELETE)


@routes.get("/operations/<oid>")
@parameters()
def show_operation(oid: str) -> Response:
    """How far an action on many jobs has come."""
    operation = _find(oid)
    return json_response(operation_json(operation), headers={} if operation.status.ended else RETRY_AFTER)


@routes.post("/operations/<oid>/cancel")
@parameters()
def cancel_operation(oid: str) -> Response:
    """End an action on many jobs; what it has done stays, and one that has ended stays as it is."""
    request_body.require_empty_body(current_app.config["SETTINGS"].max_jobs_bytes)
    require(Role.SUBMIT)
    operation = _find(oid)
    if not may_act_on({"owner": operation.owner}):
        raise Problem("forbidden", "The operation belongs to another key: use its key, or one of the role admin.")
    return json_response(operation_json(jobs.operations().end(oid, Status.CANCELLED) or operation))


def _find(oid: str) -> Operation:
    operation = jobs.operations().get(oid)
    if operation is None:
        raise Problem("operation-not-found", "No operation has this id; they are kept for a day after their end.")
    return operation


def _respond(action: Action) -> Response:
    require(Role.SUBMIT)
    body = request_body.require_empty_body(current_app.config["SETTINGS"].max_jobs_bytes)
    filters, idempotency = read_filters(), request_body.idempotency_key(body)
    if idempotency:
        asked = repr(sorted(given_parameters().items()))
        fingerprint = hashlib.sha256(f"{idempotency.fingerprint}{asked}".encode(errors="replace")).hexdigest()
        idempotency = idempotency._replace(fingerprint=fingerprint)
    operation, is_new = act(action, filters, idempotency)
    headers = {} if is_new else {"Idempotency-Replayed": "true"}
    location = path_to(f"/operations/{operation.id}")
    if operation.status.ended and (is_new or operation.matched <= MAX_AT_ONCE):
        # The record is kept if the request may be sent again.
        headers |= {"Content-Location": location} if idempotency else {}
        return json_response(operation.counts, headers=headers)
    return json_response(operation_json(operation), 202, {**headers, "Location": location, **RETRY_AFTER})
