"""Logging: one event per line, as text with its details as name=value, or as a JSON object."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from config.events import Event
from config.settings import old_names_in_use

__all__ = ["log_unavailable", "set_request_id_source", "set_up_logging"]

_log = logging.getLogger("settings")

# A record's own attributes come first, those of `extra` follow.
_OWN = len(vars(logging.makeLogRecord({})))
_ADDED_BY_FORMATTERS = ("message", "asctime")
_PLAIN = (str, int, float, bool, type(None))
_source: Callable[[], str | None] | None = None


class _Formatter(logging.Formatter):
    """Formats a line in half the time of the base class: a worker logs two for each job."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._text = ""

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        line = f"{self._text},{int(record.msecs):03d} {record.levelname} {record.name} {record.getMessage()}"
        for name, value in islice(vars(record).items(), _OWN, None):
            if name not in _ADDED_BY_FORMATTERS:
                line += f" {name}={value}"
        if _source and not hasattr(record, "request_id") and (request_id := _source()):
            line += f" request_id={request_id}"
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        return line


class _JsonFormatter(logging.Formatter):
    """Formats a line as a JSON object. ``event`` is the name in ``docs/operations.md``, or the message of a library."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = record.getMessage()
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "event": message,
        }
        if record.args and record.msg in set(Event):
            line |= {"event": str(record.msg).replace("%s", "…"), "message": message}
        for name, value in islice(vars(record).items(), _OWN, None):
            if name not in _ADDED_BY_FORMATTERS:
                line.setdefault(name, value if isinstance(value, _PLAIN) else str(value))
        if _source and (request_id := _source()):
            line.setdefault("request_id", request_id)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(level: str, format: str = "text") -> None:
    """Log to standard error, at this level and above; an unknown level raises ValueError."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if format == "json" else _Formatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, old in old_names_in_use().items():
        _log.warning(Event.SETTING_RENAMED, extra={"old": old, "new": name})


def set_request_id_source(source: Callable[[], str | None]) -> None:
    """Add the request id that ``source`` returns, unless it is None, to each log line from now on."""
    global _source
    _source = source


def log_unavailable(broken: Mapping[str, Exception]) -> None:
    """Log the analyses whose files cannot be used, by name, each with its traceback."""
    for name, error in broken.items():
        logging.getLogger("analyses").error(Event.ANALYSIS_UNAVAILABLE, exc_info=error, extra={"analysis": name})
