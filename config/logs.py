"""Logging: one line an event, what belongs to it as name=value."""

from __future__ import annotations

import logging
import sys
import time
from itertools import islice

__all__ = ["set_up_logging"]

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
        line = f"{self._text},{record.msecs:03.0f} {record.levelname} {record.name} {record.getMessage()}"
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
