"""Logging: one line per event, with its details as name=value."""

from __future__ import annotations

import logging
import sys
import time

__all__ = ["set_up_logging"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Formatter(logging.Formatter):
    """Formats ``time LEVEL logger event name=value …``. A worker logs two lines per job, so it caches the time."""

    _second = -1
    _time = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's own
        second = int(record.created)
        if second != self._second:
            self._second, self._time = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._time},{int(record.msecs):03d}"

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for name, value in vars(record).items():
            if name not in _STANDARD:
                line += f" {name}={value}"
        return line


def set_up_logging(level: str) -> None:
    """Log to standard error, at this level and above; an unknown level raises ValueError."""
    # Not part of a line, and a third of its time: see "Optimization" in the logging HOWTO of Python.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
