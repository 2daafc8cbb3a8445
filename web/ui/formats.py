"""Filters of the templates: times, durations, sizes and values as people read them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

__all__ = ["FILTERS", "duration", "seconds_between"]

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_MAX_DIGITS = 10
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def duration(seconds: float | None) -> str:
    """Return a duration in its two largest units: `350 ms`, `12.3 s`, `4 min 5 s`, `2 d 3 h`."""
    if seconds is None:
        return "—"
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    left, parts = round(seconds), []
    for size, unit in (*_UNITS, (1, "s")):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2])


def seconds_between(begin: str | None, end: str | None = None) -> float | None:
    """Return the seconds from one time (RFC 3339) to another, by default to now; None without a beginning."""
    if begin is None:
        return None
    return max((_epoch(end) if end else time.time()) - _epoch(begin), 0.0)


def _epoch(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _ago(moment: str) -> str:
    """Return how long ago a time was, in its largest unit."""
    seconds = seconds_between(moment) or 0.0
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "just now" if seconds < 5 else f"{seconds:.0f} s ago"


def _number(value: float | None) -> str:
    """Return a number with thousands separators, and not more digits than are read at a glance."""
    if value is None:
        return "—"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _size(count: float) -> str:
    """Return a number of bytes in its unit."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _text(value: Any) -> str:
    """Return a value as text: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ran(job: Mapping[str, Any]) -> str:
    """Return how long the last attempt of a job ran, or has been running."""
    if job["started"] is None or not (job["ended"] or job["status"] == "in progress"):
        return "—"
    return duration(seconds_between(job["started"], job["ended"]))


def _cell(value: Any, most: int = 200) -> str:
    """Return a value of a table: numbers rounded, also those in a text; the rest as text, cut where it is long."""
    if _is_number(value) and not isinstance(value, str):
        return _number(value)
    if isinstance(value, str) and "." in value and len(value) > _MAX_DIGITS and _is_number(value):
        return f"{float(value):.{_MAX_DIGITS}g}"
    text = "—" if value is None else ", ".join(map(_text, value)) if isinstance(value, list) else _text(value)
    return text if len(text) <= most else f"{text[:most]}…"


def _is_number(value: Any) -> bool:
    """Return whether a value is a number, or the text of one."""
    if isinstance(value, str):
        return bool(_NUMBER.fullmatch(value))
    return isinstance(value, (int, float)) and not isinstance(value, bool)


FILTERS: dict[str, Callable[..., Any]] = {
    "ago": _ago,
    "cell": _cell,
    "duration": duration,
    "is_number": _is_number,
    "number": _number,
    "ran": _ran,
    "size": _size,
    "text": _text,
}
