"""The log of the API and of the worker, printed while ``make run`` is in the foreground."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

__all__ = ["LogLines"]


class LogLines:
    """Prints the complete lines that were added to log files since it was made, or since the last call."""

    def __init__(self, logs: list[Path]) -> None:
        self._offsets = {log: log.stat().st_size if log.exists() else 0 for log in logs}

    def print_new(self, to: IO[str] = sys.stdout) -> None:
        """Print the new lines, in the order of their time."""
        lines = [line for log in self._offsets for line in self._read_new(log)]
        to.write("".join(sorted(lines)))
        to.flush()

    def _read_new(self, log: Path) -> list[str]:
        """Return new lines; a line that continues another, as of a traceback, stays with it."""
        if not log.exists():
            return []
        with log.open("rb") as file:
            if log.stat().st_size < self._offsets[log]:  # rotated
                self._offsets[log] = 0
            file.seek(self._offsets[log])
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._offsets[log] += len(whole)
        found: list[str] = []
        for line in whole.decode("utf-8", "replace").splitlines(keepends=True):
            if line[:1].isdigit() or not found:
                found.append(line)
            else:
                found[-1] += line
        return found
