"""What the code of the routes does not declare: their answers, errors, header fields, bodies and examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["JSON", "OPERATIONS", "REF", "Answer", "Body", "Operation"]

JSON = "application/json"
REF = "#/components/schemas/{model}"
_TEXT = {"type": "string"}


class Answer(NamedTuple):
    """A successful answer: description, schemas by media type, and header fields."""

    description: str
    content: Mapping[str, Mapping[str, Any]] = {}
    headers: tuple[str, ...] = ()
    has_job: bool = False
    """Whether it is a job, to whose id other operations can be applied."""


class Body(NamedTuple):
    """The body of a request: schemas by media type, and examples by media type and name."""

    content: Mapping[str, Mapping[str, Any]]
    examples: Mapping[str, Mapping[str, Any]] = {}
    required: bool = True


class Operation(NamedTuple):
    """One method of one route; ``errors`` are those besides the ones of every route."""

    answers: Mapping[int, Answer]
    errors: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    body: Body | None = None
    is_open: bool = False
    """Whether it needs no key."""


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _json(description: str, name: str, *headers: str) -> Answer:
    return Answer(description, {JSON: _ref(name)}, headers)


_RECORD: dict[str, Any] = {"type": "object", "additionalProperties": True}
_FILE = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "properties": {"file": _FILE}, "required": ["file"], "additionalProperties": False}
_FILES = ("text/csv", "application/x-ndjson", "application/vnd.apache.parquet")
_NOT_MODIFIED = Answer("The client has it already.")
_GONE = Answer("Removed.")
_CACHED = ("If-Match", "If-None-Match")
_WITH_BODY = (408, 413, 415, 417, 501)
_EARTHQUAKES: list[dict[str, Any]] = [
    {"id": "q1", "time": "2026-11-24T02:00:00Z", "magnitude": 2.5, "longitude": -178.9, "latitude": -18.2},
    {"id": "q2", "time": "2026-11-25T11:15:00Z", "magnitude": 4.1, "longitude": 179.4, "latitude": -17.5},
]
_CSV = "id,time,magnitude,longitude,latitude\nq1,2026-11-24T02:00:00Z,2.5,-178.9,-18.2\n"
_RANGE = {"start": "2026-11-24", "end": None, "analysis": "histogram", "params": {"column": "magnitude", "bins": 10}}
_SELECTION = {"start": 1, "end": 5, "index": "magnitude", "where": {"longitude": {"lt": 0}}, "search": "q"}
_DATASET: dict[str, Any] = {
    "text/csv": _FILE,
    JSON: {"type": ["array", "object"]},
    "application/geo+json": {"type": "object"},
    "multipart/form-data": _FORM,
}
_RECORD_BODY: dict[str, Any] = {JSON: _RECORD}
_ONE_OR_MORE: dict[str, Any] = {JSON: {"anyOf": [_RECORD, _list(_RECORD) | {"minItems": 1}]}}
_ONE_OR_MORE_JOBS = {"anyOf": [_ref("JobRequest"), _list(_ref("JobRequest")) | {"minItems": 1}]}
_IDS = {"type": "object", "required": ["ids"], "properties": {"ids": _list(_TEXT)}, "additionalProperties": False}
_MATCHING: dict[int, Answer] = {
    200: _json("What became of the jobs that match.", "Outcome"),
    202: _json("Many jobs match: an operation acts on them in the background.", "Operation", "Location"),
}

OPERATIONS: dict[str, Operation] = {
    "GET /": Operation({200: Answer("The addresses.", {JSON: _ref("Links"), "text/html": _TEXT})}),
    "GET /health": Operation({200: _json("It answers.", "Health")}, is_open=True),
    "GET /ready": Operation({200: _json("Redis answers too.", "Health")}, is_open=True),
    "GET /help": Operation({200: Answer("The page.", {"text/plain": _TEXT})}),
    "GET /stats": Operation({200: _json("The statistics.", "Stats")}),
    "GET /workers": Operation({200: _json("The workers.", "WorkerList")}),
    "GET /metrics": Operation(
        {200: Answer("The metrics.", {"text/plain": _TEXT, "application/openmetrics-text": _TEXT})}
    ),
    "GET /openapi.json": Operation(
        {200: Answer("This document.", {JSON: {"type": "object"}}, ("ETag",)), 304: _NOT_MODIFIED}, (412,), _CACHED
    ),
    "GET /problems/{}": Operation({200: Answer("The explanation.", {"text/plain": _TEXT})}, (404,)),
    "GET /analyses": Operation({200: _json("The analyses.", "AnalysisList")}),
    "GET /analyses/{}": Operation({200: _json("The analysis.", "Analysis")}, (404,)),
    # Data
    "GET /data": Operation(
        {
            200: Answer(
                "A page of records, or a file of them.",
                {JSON: _ref("RecordList")} | dict.fromkeys(_FILES, _FILE),
                ("ETag", "Link"),
            ),
            304: _NOT_MODIFIED,
        },
        (406, 410, 412),
        _CACHED,
    ),
    "POST /data": Operation(
        {
            200: _json("What would be loaded, and the first records.", "Description"),
            201: _json("Loaded.", "Description", "Location"),
        },
        (*_WITH_BODY, 412, 502, 507),
        ("If-Match",),
        Body(_DATASET, {"text/csv": {"A table": _CSV}, JSON: {"A list of records": _EARTHQUAKES}}, required=False),
    ),
    "DELETE /data": Operation({204: _GONE}, (412, 507), ("If-Match",)),
    "POST /data/records": Operation(
        {201: Answer("Appended.", {JSON: {"anyOf": [_RECORD, _list(_RECORD)]}}, ("Location", "ETag"))},
        (*_WITH_BODY, 409, 412, 507),
        ("If-Match",),
        Body(
            _ONE_OR_MORE,
            {
                JSON: {
                    "A record": _EARTHQUAKES[0] | {"id": "q3"},
                    "Two records": [_EARTHQUAKES[0] | {"id": "q4"}, _EARTHQUAKES[1] | {"id": "q5"}],
                }
            },
        ),
    ),
    "GET /data/{}": Operation(
        {200: Answer("The record.", {JSON: _RECORD}, ("ETag",)), 304: _NOT_MODIFIED}, (404, 412), _CACHED
    ),
    "PUT /data/{}": Operation(
        {200: Answer("The record.", {JSON: _RECORD}, ("ETag",))},
        (*_WITH_BODY, 404, 412, 507),
        ("If-Match",),
        Body(_RECORD_BODY, {JSON: {"A record": _EARTHQUAKES[0] | {"magnitude": 2.6}}}),
    ),
    "PATCH /data/{}": Operation(
        {200: Answer("The record.", {JSON: _RECORD}, ("ETag",))},
        (*_WITH_BODY, 404, 412, 507),
        ("If-Match",),
        Body(
            {"application/merge-patch+json": _RECORD},
            {"application/merge-patch+json": {"A change": {"magnitude": 2.7}}},
        ),
    ),
    "DELETE /data/{}": Operation({204: _GONE}, (404, 412, 507), ("If-Match",)),
    # Jobs
    "POST /jobs": Operation(
        {
            202: Answer(
                "Queued: the job, or the list of them; of a list only the ids with `Prefer: return=minimal`.",
                {JSON: {"anyOf": [_ref("Job"), _list(_ref("Job")), _IDS]}},
                ("Location", "Idempotency-Replayed", "Preference-Applied"),
                has_job=True,
            )
        },
        (*_WITH_BODY, 404, 409, 507),
        ("Idempotency-Key", "Prefer"),
        Body(
            {JSON: _ONE_OR_MORE_JOBS},
            {
                JSON: {
                    "A range": _RANGE,
                    "Rows that match": _SELECTION,
                    "Two jobs": [{"analysis": "sleep", "params": {"seconds": 0}, "tags": ["nightly"]}, {"delay": 60}],
                }
            },
        ),
    ),
    "GET /jobs": Operation({200: _json("A page of jobs.", "JobList", "Link")}),
    "DELETE /jobs": Operation(_MATCHING, (507,)),
    "POST /jobs/cancel": Operation(_MATCHING, (*_WITH_BODY, 507)),
    "POST /jobs/retry": Operation(_MATCHING, (*_WITH_BODY, 409, 507)),
    "GET /operations/{}": Operation({200: _json("The operation.", "Operation")}, (404,)),
    "POST /operations/{}/cancel": Operation(
        {200: _json("The operation, `cancelled` unless it has ended.", "Operation")}, (*_WITH_BODY, 404)
    ),
    "GET /events": Operation({200: Answer("Events `change`.", {"text/event-stream": _TEXT})}),
    "GET /jobs/{}": Operation(
        {200: _json("The job.", "Job", "Retry-After", "Preference-Applied")}, (404,), ("Prefer",)
    ),
    "DELETE /jobs/{}": Operation({204: _GONE}, (404, 409)),
    "GET /jobs/{}/results": Operation(
        {
            200: Answer(
                "The results, or the first artifact of the media type that `Accept` names.",
                {JSON: _ref("Results"), "image/png": _FILE, "image/svg+xml": _FILE, "text/csv": _TEXT},
                ("ETag", "Preference-Applied"),
            ),
            304: _NOT_MODIFIED,
        },
        (404, 406, 409, 412),
        ("Prefer", *_CACHED),
    ),
    "GET /results/{}": Operation({308: Answer("The address of the results.", headers=("Location",))}),
    "GET /jobs/{}/results/{}": Operation(
        {
            200: Answer("The artifact.", {"image/png": _FILE, "image/svg+xml": _FILE, "text/csv": _TEXT}, ("ETag",)),
            304: _NOT_MODIFIED,
        },
        (404, 409, 412),
        _CACHED,
    ),
    "GET /jobs/{}/log": Operation({200: Answer("The log.", {"text/plain": _TEXT})}, (404,)),
    "GET /jobs/{}/events": Operation(
        {200: Answer("Events `status` and `progress`, each with the job.", {"text/event-stream": _TEXT})},
        (404,),
        ("Last-Event-ID",),
    ),
    "POST /jobs/{}/cancel": Operation({200: _json("The job, cancelled.", "Job")}, (*_WITH_BODY, 404, 409)),
    "POST /jobs/{}/retry": Operation(
        {202: _json("The new job.", "Job", "Location", "Idempotency-Replayed")._replace(has_job=True)},
        (*_WITH_BODY, 404, 409, 507),
        ("Idempotency-Key",),
    ),
}
"""The operations by method and path, in which `{}` stands for a variable part."""
