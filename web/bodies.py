"""Reading what a client sends: limits, JSON, and the idempotency key that goes with it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import request
from gunicorn.http.errors import ParseException

import jobs

from .problems import Problem

__all__ = ["JsonBody", "arriving", "read_empty", "read_idempotency", "read_json"]

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_LONGEST_KEY = 255
_WINDOW = 2**16


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A body as parsed, and in the one form that all spellings of the same value share."""

    value: Any
    canonical: bytes


def arriving() -> Iterator[bytes]:
    """The body as it arrives, a little at a time.

    :raises Problem: malformed when it breaks off; too-slow.
    """
    seen = 0
    try:
        while part := request.stream.read(_WINDOW):
            seen += len(part)
            yield part
    except TimeoutError as error:
        raise Problem("too-slow", "The body came too slowly: send it again, over a faster line.") from error
    except (OSError, ParseException) as error:
        raise Problem("malformed", "The body broke off, or its transfer coding is wrong.") from error
    if seen < (request.content_length or 0):
        raise Problem("malformed", "The body broke off before its Content-Length.")


def _read_bytes(most: int) -> bytes:
    """The body, at most ``most`` bytes of it.

    :raises Problem: too-large; unsupported-media-type for a content coding; as :func:`arriving` does.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
        raise Problem(
            "unsupported-media-type", "Send the body without Content-Encoding.", headers={"Accept-Encoding": "identity"}
        )
    too_large = Problem("too-large", f"The body may have {most:,} bytes at most.")
    if (request.content_length or 0) > most:
        raise too_large
    body = bytearray()
    for part in arriving():
        body += part
        if len(body) > most:
            raise too_large
    return bytes(body)


def read_json(most: int) -> JsonBody:
    """The body as JSON, whatever its media type says.

    :raises Problem: malformed, saying where.
    """
    return _parse(_read_bytes(most))


def read_empty(most: int) -> JsonBody:
    """The body of a request that needs none: nothing, or an object without members."""
    body = _read_bytes(most)
    parsed = _parse(body) if body.strip() else JsonBody({}, b"{}")
    if parsed.value != {} or not isinstance(parsed.value, dict):
        members = parsed.value if isinstance(parsed.value, dict) else [""]
        errors = [{"pointer": f"/{m}" if m else "", "detail": "Nothing is expected here."} for m in list(members)[:100]]
        raise Problem("invalid", "This request takes no body, or an empty object.", errors=errors)
    return parsed


def read_idempotency(canonical: bytes) -> jobs.Idempotency | None:
    """The idempotency key, bare or quoted, with the fingerprint of the request that it belongs to."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return None
    key = header.strip()
    if key.startswith('"'):
        match = _QUOTED.fullmatch(key)
        key = re.sub(r'\\(["\\])', r"\1", match[1]) if match else ""
    if not 1 <= len(key) <= _LONGEST_KEY:
        detail = f"Expected 1 to {_LONGEST_KEY} characters, bare or in double quotes."
        errors = [{"header": "Idempotency-Key", "detail": detail}]
        raise Problem("invalid", "The header Idempotency-Key is invalid.", errors=errors)
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode(errors="replace") + canonical)
    return jobs.Idempotency(key, digest.hexdigest())


def _parse(body: bytes) -> JsonBody:
    if not body.strip():
        raise Problem("malformed", "The body is empty; JSON is expected.")
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse, object_pairs_hook=_object)
        return JsonBody(value, json.dumps(value, ensure_ascii=False, sort_keys=True).encode())
    except UnicodeError:
        detail = "it is not UTF-8, or has an unpaired surrogate"
    except json.JSONDecodeError as error:
        detail = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except ValueError as error:
        detail = str(error)
    except RecursionError:
        detail = "it is nested too deeply"
    raise Problem("malformed", f"The body cannot be parsed as JSON: {detail}.")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same member twice")
    return value
