"""A job as a client posts it: its members, their types and limits, whatever the analysis and the dataset."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

from .problems import Problem
from .query import parse_moment

__all__ = ["MOST_ERRORS", "Posted", "invalid_body", "read_posted"]

MOST_ERRORS = 100

_MOST_JOBS = 10_000
_LONGEST_TEXT = 1000
_DEEPEST = 100
_WEEK = 7 * 86400
_TEN_YEARS = 3653 * 86400
_OWN_WORDS = {
    "missing": "This member is required; null is an open end.",
    "tuple_type": "Expected a list of texts.",
}


def _bound(value: Any) -> Any:
    match value:
        case None:
            return None
        case str() if len(value) <= _LONGEST_TEXT:
            return value
        case int() if not isinstance(value, bool) and -(2**63) <= value < 2**63:
            return value
        case float() if math.isfinite(value):
            return value
    raise ValueError("Expected a number (an integer of 64 bits), text, an ISO date, or null for an open end.")


def _moment(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError("Expected a time such as 2026-11-24T02:00:00Z (RFC 3339).")
    try:
        return parse_moment(value)
    except ValueError:
        raise ValueError("Expected a time such as 2026-11-24T02:00:00Z (RFC 3339).") from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("Expected an object.")
    if value:
        if not _is_within(_DEEPEST, value):
            raise ValueError(f"Nested deeper than {_DEEPEST} levels.")
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            raise ValueError("A number is out of range.") from None
    return value


def _is_within(levels: int, value: Any) -> bool:
    """Whether lists and objects hold each other for so many levels at most: readers of JSON give up at some depth."""
    if not isinstance(value, (dict, list)):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_within(levels - 1, each) for each in inner)


_Bound = Annotated[Any, PlainValidator(_bound, json_schema_input_type=float | str | None)]
_Tag = Annotated[str, Field(min_length=1, max_length=128)]


class Posted(BaseModel):
    """The members of ``POST /jobs``; seconds for ``timeout`` and ``delay``."""

    model_config = ConfigDict(strict=True, frozen=True)

    start: _Bound
    end: _Bound
    analysis: str = Field(default="summary", max_length=_LONGEST_TEXT)
    params: Annotated[dict[str, Any], BeforeValidator(_object)] = Field(default_factory=dict)
    timeout: float = Field(default=3600.0, gt=0, le=_WEEK)
    max_attempts: int = Field(default=3, ge=1, le=100)
    delay: float = Field(default=0.0, ge=0, le=_TEN_YEARS)
    run_at: Annotated[float | None, BeforeValidator(_moment)] = None
    priority: Literal["low", "normal", "high"] = "normal"
    tags: Annotated[tuple[_Tag, ...], Field(max_length=32, strict=False)] = ()

    @model_validator(mode="after")
    def _one_time(self) -> Posted:
        if {"delay", "run_at"} <= self.model_fields_set:
            raise ValueError("Give `delay` or `run_at`, not both.")
        return self


def read_posted(values: Sequence[Any], prefixes: Sequence[str]) -> list[Posted]:
    """The posted jobs; ``prefixes`` are the JSON pointers of each in the body.

    :raises Problem: with what is wrong with all of them, up to a hundred things.
    """
    if not 1 <= len(values) <= _MOST_JOBS:
        raise invalid_body([{"pointer": "", "detail": f"Expected a list of 1 to {_MOST_JOBS:,} jobs."}])
    posted, errors = [], []
    for value, prefix in zip(values, prefixes, strict=True):
        if not isinstance(value, dict):
            errors.append({"pointer": prefix, "detail": "Expected an object with `start` and `end`."})
        else:
            unknown = value.keys() - Posted.model_fields.keys()
            errors += [_unknown(prefix, name) for name in sorted(unknown)[:MOST_ERRORS]]
            try:
                posted.append(Posted.model_validate(value))
            except ValidationError as error:
                errors += _errors(prefix, error)
        if len(errors) >= MOST_ERRORS:
            break
    if errors:
        raise invalid_body(errors)
    return posted


def invalid_body(errors: Sequence[dict[str, str]], slug: str = "invalid") -> Problem:
    """The problem of a body that can be parsed, but not taken."""
    shown = errors[:MOST_ERRORS]
    first = shown[0]
    where = f" {first['pointer']}:" if first["pointer"] else ""
    more = f" (and {len(errors) - 1} more, see `errors`)" if len(errors) > 1 else ""
    return Problem(slug, f"Nothing was queued.{where} {first['detail']}{more}", errors=shown)


def _unknown(prefix: str, name: str) -> dict[str, str]:
    known = ", ".join(Posted.model_fields)
    return {"pointer": f"{prefix}/{_escaped(name)}", "detail": f"Unknown member; a job has {known}."}


def _errors(prefix: str, error: ValidationError) -> Iterator[dict[str, str]]:
    for each in error.errors(include_url=False, include_input=False):
        pointer = prefix + "".join(f"/{_escaped(str(part))}" for part in each["loc"])
        yield {"pointer": pointer or "", "detail": _detail(each)}


def _detail(error: Any) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return _OWN_WORDS.get(error["type"], f"{error['msg']}.")


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
