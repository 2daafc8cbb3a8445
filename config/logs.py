"""Logging: one line per event, with its details as name=value."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from itertools import islice

from config.events import Event
from config.settings import old_names_in_use

__all__ = ["log_unavailable", "set_up_logging"]

_log = logging.getLogger("settings")

# A record's own attributes come first, those of `extra` follow.
_OWN = len(vars(logging.makeLogRecord({})))
_ADDED_BY_FORMATTERS = ("message", "asctime")


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
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        return line


def set_up_logging(level: str) -> None:
    """Log to standard error, at this level and above; an unknown level raises ValueError."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, old in old_names_in_use().items():
        _log.warning(Event.SETTING_RENAMED, extra={"old": old, "new": name})


def log_unavailable(broken: Mapping[str, Exception]) -> None:
    """Log the analyses whose files cannot be used, by name, each with its traceback."""
    for name, error in broken.items():
        logging.getLogger("analyses").error(Event.ANALYSIS_UNAVAILABLE, exc_info=error, extra={"analysis": name})
