"""The schema of a posted job: its members, their types and limits, independent of analyses and the dataset."""

from __future__ import annotations

import heapq
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import to_json

from web import budget
from web.json_body import JsonBody, TooManyElements, ValueTooLarge
from web.problems import Problem, pointer_to
from web.query_params import parse_timestamp
from web.request_body import read_json

__all__ = ["MAX_ERRORS", "JobRequest", "invalid_body", "parse_job_requests", "read_job_body"]

MAX_ERRORS = 100

_MAX_JOBS = 10_000
_MAX_TAGS = 32
_MAX_TEXT = 1000
_MAX_DEPTH = 100
_WEEK = 7 * 86400
_YEAR = 366 * 86400
# Characters of a job besides its parameters. Escapes and white space can make these four times as long.
_JOB_CHARS = 2**16
_CHARS_PER_BYTE = 4
# Memory of a job until it is queued (its members, and the command to Redis), and in the response.
_BYTES_PER_JOB = 5 * 1024
_RESPONSE_BYTES_PER_JOB = 1024
_NO_JOB = "Expected an object with `start` and `end`."
_MESSAGES = {
    "tuple_type": "Expected a list of texts.",
}


def _bound(value: Any) -> Any:
    match value:
        case None:
            return None
        case str() if len(value) <= _MAX_TEXT:
            return value
        case int() if not isinstance(value, bool) and -(2**63) <= value < 2**63:
            return value
        case float() if math.isfinite(value):
            return value
    raise ValueError("Expected a number (an integer of 64 bits), text, an ISO date, or null for an open end.")


def _integer(value: Any) -> Any:
    """Convert 3.0 to 3: JSON Schema counts it as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _timestamp(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError("Expected a time such as 2026-11-24T02:00:00Z (RFC 3339).")
    try:
        moment = parse_timestamp(value)
    except ValueError:
        raise ValueError("Expected a time such as 2026-11-24T02:00:00Z (RFC 3339).") from None
    if moment > time.time() + _YEAR:
        raise ValueError("Expected a time at most 366 days ahead.")
    return moment


def _compact_object(value: Any, info: ValidationInfo) -> str:
    """Convert an object to the compact JSON that is stored."""
    if not isinstance(value, dict):
        raise ValueError("Expected an object.")
    try:
        text = to_json(value, inf_nan_mode="constants").decode()
    except ValueError:
        text = ""  # nested too deeply
    if not text or "Infinity" in text or text.count("{") + text.count("[") > _MAX_DEPTH:
        _check_depth_and_numbers(value)
    most: int = (info.context or {})["max_params_bytes"]
    if len(text) > most or len(text.encode()) > most:
        raise ValueError(_too_many_bytes(info.field_name or "", most))
    return text


def _check_depth_and_numbers(value: dict[str, Any]) -> None:
    if not _is_nested_within(_MAX_DEPTH, value):
        raise ValueError(f"Nested deeper than {_MAX_DEPTH} levels.")
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise ValueError("A number is out of range.") from None


def _too_many_bytes(member: str, most: int) -> str:
    what = "The parameters have" if member == "params" else f"`{member}` has"
    return f"{what} more than {most:,} bytes as compact JSON."


def _where(value: Any, info: ValidationInfo) -> str | None:
    return None if value is None or value == {} else _compact_object(value, info)


def _describe_members(schema: dict[str, Any]) -> None:
    """Complete the JSON Schema by what is validated outside of it, and remove what is not JSON."""
    for about in schema["properties"].values():
        del about["title"]
        if about.get("default") in (None, "{}"):
            about.pop("default", None)
    # A client that sends the defaults could not send `run_at`.
    del schema["properties"]["delay"]["default"]
    schema |= {"additionalProperties": False, "not": {"required": ["delay", "run_at"]}}


def _to_microseconds(seconds: float) -> float:
    """Round to microseconds, the unit of times in Redis."""
    return round(seconds, 6)


def _tags(value: Any) -> Any:
    if isinstance(value, list) and len(value) > _MAX_TAGS:
        raise ValueError(f"Expected at most {_MAX_TAGS} tags.")
    return value


def _is_nested_within(levels: int, value: dict[str, Any]) -> bool:
    """Return whether lists and objects are nested at most ``levels`` deep: JSON parsers limit the depth."""
    level: list[Any] = [value]
    for _ in range(levels):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return True
    return False


_Text = Annotated[str, Field(max_length=_MAX_TEXT)]
_Bound = Annotated[Any, PlainValidator(_bound, json_schema_input_type=float | _Text | None)]
_Tag = Annotated[str, Field(min_length=1, max_length=128)]
_Object = Annotated[str, PlainValidator(_compact_object, json_schema_input_type=dict[str, Any])]
_Where = Annotated[str | None, PlainValidator(_where, json_schema_input_type=dict[str, Any] | None)]


class JobRequest(BaseModel):
    """A job to queue."""

    # Unknown members are rejected before, with errors of their own. `use_attribute_docstrings` would read this file and
    # look at all modules in each process that starts.
    model_config = ConfigDict(strict=True, frozen=True, json_schema_extra=_describe_members)

    start: _Bound = Field(
        default=None,
        description="The inclusive start of the range on the index: a number, a text or an ISO date; "
        "null is an open end.",
    )
    end: _Bound = Field(default=None, description="The inclusive end of the range; a bare date includes its day.")
    index: _Text | None = Field(
        default=None, description="The column that `start` and `end` range over; the dataset's index by default."
    )
    where: _Where = Field(
        default=None, description='Filters of the rows, as those of `GET /data`: `{"magnitude": {"gte": 5}}`.'
    )
    search: _Text | None = Field(default=None, description="Only rows with this text in any value.")
    analysis: str = Field(default="summary", max_length=_MAX_TEXT, description="The analysis to run.")
    params: _Object = Field(default="{}", description="The parameters of the analysis.")
    timeout: float = Field(default=3600.0, gt=0, le=_WEEK, description="Seconds after which an attempt is stopped.")
    max_attempts: Annotated[int, BeforeValidator(_integer)] = Field(
        default=3, ge=1, le=100, description="How many attempts may fail."
    )
    delay: Annotated[float, AfterValidator(_to_microseconds)] = Field(
        default=0.0, ge=0, le=_YEAR, description="Seconds to wait before it is queued; not together with `run_at`."
    )
    run_at: Annotated[float | None, BeforeValidator(_timestamp, json_schema_input_type=datetime | date)] = Field(
        default=None, description="When to queue it: a time, at most a year ahead."
    )
    priority: Literal["low", "normal", "high"] = Field(
        default="normal", description="Which queue it waits in; jobs of a higher priority run first."
    )
    tags: Annotated[tuple[_Tag, ...], Field(max_length=_MAX_TAGS, strict=False), BeforeValidator(_tags)] = Field(
        default=(), description="Texts by which the listing filters."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_time(cls, members: dict[str, Any]) -> dict[str, Any]:
        if {"delay", "run_at"} <= members.keys():
            raise ValueError("Give `delay` or `run_at`, not both.")
        return members


def read_job_body(most_bytes: int, max_params_bytes: int) -> JsonBody:
    """Read the body of ``POST /jobs``: a job, or a list of up to 10,000.

    :raises Problem: as :func:`read_json` does; invalid for more jobs, or for one that is far too large.
    """
    most_chars = _CHARS_PER_BYTE * max_params_bytes + _JOB_CHARS
    try:
        body = read_json(most_bytes, max_elements=_MAX_JOBS, max_chars=most_chars)
    except TooManyElements:
        raise _wrong_count() from None
    except ValueTooLarge as error:
        detail = f"Larger than a job may be, {most_chars:,} characters."
        if not error.is_object:
            detail = _NO_JOB
        elif error.member in ("params", "where"):
            detail = _too_many_bytes(error.member, max_params_bytes)
        where = [] if error.position is None else [error.position]
        raise invalid_body([{"pointer": pointer_to(*where, *filter(None, [error.member])), "detail": detail}]) from None
    budget.hold(len(body) * _BYTES_PER_JOB)
    budget.reserve(len(body) * _RESPONSE_BYTES_PER_JOB + body.chars)
    return body


def parse_job_requests(values: Iterable[Any], prefixes: Iterable[str], max_params_bytes: int) -> list[JobRequest]:
    """Parse posted jobs; ``prefixes`` are their JSON pointers in the request body.

    :raises Problem: invalid, with the errors of all jobs, at most 100.
    """
    requests: list[JobRequest] = []
    errors: list[dict[str, str]] = []
    members, context = JobRequest.model_fields.keys(), {"max_params_bytes": max_params_bytes}
    for value, prefix in zip(values, prefixes, strict=True):
        if not isinstance(value, dict):
            errors.append({"pointer": prefix, "detail": _NO_JOB})
        else:
            if not value.keys() <= members:
                unknown = heapq.nsmallest(MAX_ERRORS, value.keys() - members)
                errors += [_unknown(prefix, name) for name in unknown]
            try:
                requests.append(JobRequest.model_validate(value, context=context))
            except ValidationError as error:
                errors += _errors(prefix, error)
        if len(errors) >= MAX_ERRORS:
            break
    if errors:
        raise invalid_body(errors)
    if not requests:
        raise _wrong_count()
    return requests


def _wrong_count() -> Problem:
    return invalid_body([{"pointer": "", "detail": f"Expected a list of 1 to {_MAX_JOBS:,} jobs."}])


def invalid_body(errors: Sequence[dict[str, str]], slug: str = "invalid") -> Problem:
    """Return the problem of a body that parses but is not valid."""
    shown = errors[:MAX_ERRORS]
    first = shown[0]
    where = f" {first['pointer']}:" if first["pointer"] else ""
    more = f" (and {len(errors) - 1} more, see `errors`)" if len(errors) > 1 else ""
    return Problem(slug, f"Nothing was queued.{where} {first['detail']}{more}", errors=shown)


def _unknown(prefix: str, name: str) -> dict[str, str]:
    known = ", ".join(JobRequest.model_fields)
    return {"pointer": prefix + pointer_to(name), "detail": f"Unknown member; a job has {known}."}


def _errors(prefix: str, error: ValidationError) -> Iterator[dict[str, str]]:
    for each in error.errors(include_url=False, include_input=False):
        yield {"pointer": prefix + pointer_to(*each["loc"]), "detail": _detail(each)}


def _detail(error: Any) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return _MESSAGES.get(error["type"], f"{error['msg']}.")
