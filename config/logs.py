"""Logging: one line an event, what belongs to it as name=value."""

from __future__ import annotations

import logging
import sys

__all__ = ["set_up_logging"]

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        more = {name: value for name, value in vars(record).items() if name not in _OWN}
        return " ".join([line, *(f"{name}={value}" for name, value in more.items())])


def set_up_logging(level: str) -> None:
    """Log to standard error, at this level and above; an unknown level raises ValueError."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
