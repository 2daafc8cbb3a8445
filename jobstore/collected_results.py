"""Small results of short jobs, which are sent together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["CollectedResults", "ResultsCopy"]

_SECONDS = 0.001
"""The time for which a result may be kept back before the next job begins."""


class ResultsCopy(Protocol):
    """A copy of the results outside of this process, from which its supervisor sends them if it cannot."""

    def append(self, line: bytes) -> bool:
        """Add the line of a result; return whether there is room for it."""

    def remove(self, size: int) -> None:
        """Remove lines of this size from the front: they are answered."""


class CollectedResults:
    """The results that are not yet sent, in the form of ``finish_collected.lua``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.copy: ResultsCopy | None = None
        """Nothing is collected without a copy, nor after Redis has refused to take what was."""
        self._lines: list[bytes] = []
        self._since = 0.0
        self._clock = clock

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, words: list[Any], seconds: float) -> bool:
        """Add the result of a job that took so long; return False where it is one that is sent alone."""
        _, jid, attempt, packed, log, *_ = words
        if self.copy is None or log or not isinstance(packed, bytes) or packed[:1] == b"{" or b"\n" in packed:
            return False
        line = b"%b %b %d %b\n" % (jid.encode(), attempt.encode(), seconds * 1e6, packed)
        if not self.copy.append(line):
            return False
        if not self._lines:
            self._since = self._clock()
        self._lines.append(line)
        return True

    def are_due(self, reserved: int, job_seconds: float, *, has_asked: bool) -> bool:
        """Return whether to send them before the next job, which lasts about so long, as others are reserved behind it.

        They are sent when half of the jobs are over, to ask for more, and with the last one.
        """
        if reserved == 0 or (not has_asked and len(self._lines) >= reserved):
            return True
        return self._clock() + job_seconds - self._since > _SECONDS

    def take(self) -> bytes:
        """Return the lines, and forget them; their copy stays until they are answered."""
        lines = b"".join(self._lines)
        self._lines.clear()
        return lines

    def note_answer(self, lines: bytes) -> None:
        """Note that Redis has answered to lines that were taken: they need no copy."""
        if self.copy is not None:
            self.copy.remove(len(lines))

    def stop(self) -> None:
        """Collect no more results, and forget all."""
        if self.copy is not None:
            self.copy.remove(2**16)
        self.copy = None
        self._lines.clear()
