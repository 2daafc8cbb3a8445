"""Reads request bodies: limits, JSON, and the idempotency key."""

from __future__ import annotations

import hashlib
import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import nullcontext
from threading import Lock
from urllib.parse import parse_qs

from flask import current_app, request
from gunicorn.http.errors import ParseException

import jobs
from web import budget
from web.auth import owner
from web.json_body import JsonBody, TooManyElements, ValueTooLarge
from web.problems import Problem, pointer_to
from web.routing import current_request

__all__ = ["idempotency_key", "is_absent", "iter_body", "read_form", "read_json", "require_empty_body"]

_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_LONGEST_KEY = 255
_WINDOW = 2**16
_STEP = 2**18
# Bytes of memory per byte of a JSON body: one as it arrives, at most four as text, the rest for parsed values.
_PER_BYTE = 10
# Parsing a large value holds the GIL; with two bodies at once, other requests would wait twice as long.
_PARSING = Lock()
_MAX_MEMBERS = 100
_MAX_UNWANTED = 2**16


def iter_body() -> Iterator[bytes]:
    """Iterate over the body in small parts as it arrives.

    :raises Problem: malformed if it is incomplete; too-slow.
    """
    asked = current_request()
    # Where the server ends the input, werkzeug returns it as it is, after another look at the length.
    stream = asked.environ["wsgi.input"] if "wsgi.input_terminated" in asked.environ else asked.stream
    seen, length = 0, asked.content_length
    try:
        while seen != length and (part := stream.read(_WINDOW)):
            seen += len(part)
            yield part
    except TimeoutError as error:
        raise Problem("too-slow", "The body came too slowly: send it again, over a faster line.") from error
    except (OSError, ParseException) as error:
        raise Problem("malformed", "The body broke off, or its transfer coding is wrong.") from error
    if seen < (length or 0):
        raise Problem("malformed", "The body broke off before its Content-Length.")


def is_absent() -> bool:
    """Return whether the request has no body, or an empty one of known length."""
    return not request.content_length and "Transfer-Encoding" not in request.headers


def _read_text(most: int) -> str:
    """Read the body, of at most ``most`` bytes, as UTF-8.

    :raises Problem: too-large; unavailable if there is no memory for it; unsupported-media-type for a content
        coding; malformed if it is not UTF-8; as :func:`iter_body` does.
    """
    asked = current_request()
    if asked.environ.get("HTTP_CONTENT_ENCODING", "").strip().lower() not in ("identity", ""):
        raise Problem(
            "unsupported-media-type", "Send the body without Content-Encoding.", headers={"Accept-Encoding": "identity"}
        )
    # A body larger than the whole budget is too large; waiting would not help.
    most = min(most, current_app.extensions["budget"].total // _PER_BYTE)
    if (asked.content_length or 0) > most:
        raise _too_large(most)
    body, reserved = bytearray(), _WINDOW
    for part in iter_body():
        body += part
        if len(body) > most:
            raise _too_large(most)
        if len(body) > reserved:
            budget.hold(_STEP * _PER_BYTE)
            reserved += _STEP
    try:
        return body.removeprefix(BOM_UTF8).decode()
    except UnicodeError:
        raise _malformed("it is not UTF-8, or has an unpaired surrogate") from None


def _too_large(most: int) -> Problem:
    return Problem("too-large", f"The body may have {most:,} bytes at most.")


def read_json(most: int, *, max_elements: int, max_chars: int) -> JsonBody:
    """Read the body as JSON, regardless of its media type: one value of at most ``max_chars``, or a list of such.

    :raises Problem: malformed, with the position; as :func:`_read_text` does.
    :raises TooManyElements, ValueTooLarge: as :class:`JsonBody` does.
    """
    return _parse(_read_text(most), max_elements=max_elements, max_chars=max_chars)


def read_form(most: int) -> dict[str, list[str]]:
    """Read the body as a form (``application/x-www-form-urlencoded``): the values by name, empty ones included.

    :raises Problem: as :func:`_read_text` does.
    """
    return parse_qs(_read_text(most), keep_blank_values=True)


def require_empty_body(most: int) -> JsonBody:
    """Return the body of a request that needs none: empty, or an empty object."""
    text = _read_text(most)
    if not text or text.isspace():
        text = "{}"
    members = [""]
    try:
        body = _parse(text, max_elements=0, max_chars=_MAX_UNWANTED)
    except (TooManyElements, ValueTooLarge):
        pass
    else:
        value = {"": None} if body.is_list else next(body.values())
        if value == {}:
            return body
        members = list(value)[:_MAX_MEMBERS] if isinstance(value, dict) else [""]
    errors = [{"pointer": pointer_to(name) if name else "", "detail": "Nothing is expected here."} for name in members]
    raise Problem("invalid", "This request takes no body, or an empty object.", errors=errors)


def _parse(text: str, *, max_elements: int, max_chars: int) -> JsonBody:
    if not text or text.isspace():
        raise Problem("malformed", "The body is empty; JSON is expected.")
    try:
        with _PARSING if len(text) > _WINDOW else nullcontext():
            return JsonBody(text, max_elements=max_elements, max_chars=max_chars)
    except UnicodeError:
        detail = "it is not UTF-8, or has an unpaired surrogate"
    except json.JSONDecodeError as error:
        detail = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except (TooManyElements, ValueTooLarge):
        raise
    except ValueError as error:
        detail = str(error)
    except RecursionError:
        detail = "it is nested too deeply"
    raise _malformed(detail)


def _malformed(detail: str) -> Problem:
    return Problem("malformed", f"The body cannot be parsed as JSON: {detail}.")


def idempotency_key(body: JsonBody) -> jobs.Idempotency | None:
    """Return the idempotency key, with or without quotes, and the fingerprint of its request."""
    header = current_request().environ.get("HTTP_IDEMPOTENCY_KEY")
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
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode(errors="replace"))
    for piece in body.canonical():
        digest.update(piece)
    # Each API key has idempotency keys of its own; no header contains a line end.
    whose = owner()
    return jobs.Idempotency(f"{whose}\n{key}" if whose else key, digest.hexdigest())
