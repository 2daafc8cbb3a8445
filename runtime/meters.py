"""Shared memory in which a child counts its attempts, and measures how long jobs waited and ran."""

from __future__ import annotations

import mmap
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from jobstore import ReleaseReason
from runtime.shared_status import SHARED_STATUS_BYTES

__all__ = ["BUCKETS", "METERS_BYTES", "OUTCOMES", "AnalysisMeters", "Meters"]

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Upper bounds of the histograms, in seconds; what is longer falls into one more."""

OUTCOMES: Final = ("complete", "cancelled", *ReleaseReason)
"""How an attempt ends."""

_POSITIONS = {str(outcome): position for position, outcome in enumerate(OUTCOMES)}
_NAME_BYTES = 64
_MAX_ANALYSES = 64
_WAITED = 0
_RAN = _WAITED + len(BUCKETS) + 2
_ENDED = _RAN + len(BUCKETS) + 2
_ROW = _ENDED + len(OUTCOMES)
_NAMES = SHARED_STATUS_BYTES + 64
_CELLS = _NAMES + _MAX_ANALYSES * _NAME_BYTES
METERS_BYTES: Final = _CELLS + 8 * _MAX_ANALYSES * _ROW
"""The size of the shared memory: the shared status, the counters of the process, then a row per analysis."""


@dataclass
class AnalysisMeters:
    """The attempts at one analysis: histograms of seconds, each with the sum at its end, and counts by outcome."""

    waited: list[float] = field(default_factory=lambda: [0.0] * (len(BUCKETS) + 2))
    ran: list[float] = field(default_factory=lambda: [0.0] * (len(BUCKETS) + 2))
    ended: list[float] = field(default_factory=lambda: [0.0] * len(OUTCOMES))

    def add(self, other: AnalysisMeters) -> None:
        """Add the attempts of another process."""
        for own, more in ((self.waited, other.waited), (self.ran, other.ran), (self.ended, other.ended)):
            own[:] = map(sum, zip(own, more, strict=True))


class Meters:
    """Is written by a child, in less than a microsecond per attempt, and read by its supervisor."""

    def __init__(self, descriptor: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = mmap.mmap(descriptor, METERS_BYTES)
        view = memoryview(self._shared)
        # The row of the current attempt, 0 for none; its start by the clock of this host; errors of Redis.
        self._process = view[SHARED_STATUS_BYTES:_NAMES].cast("d")
        self._cells = view[_CELLS:].cast("d")
        self._rows: dict[str, int] = {}
        self._clock = clock

    def begin(self, analysis: str, waited: float) -> None:
        """Note that an attempt starts, after so many seconds in the queue."""
        row = self._rows.get(analysis) or self._add_row(analysis)
        cells, at = self._cells, (row - 1) * _ROW
        cells[at + bisect_left(BUCKETS, waited)] += 1
        cells[at + _RAN - 1] += waited
        self._process[1] = self._clock()
        self._process[0] = row

    def end(self, outcome: str) -> None:
        """Count the current attempt, if there is one."""
        row, self._process[0] = int(self._process[0]), 0
        if row:
            ran = self._clock() - self._process[1]
            cells, at = self._cells, (row - 1) * _ROW
            cells[at + _RAN + bisect_left(BUCKETS, ran)] += 1
            cells[at + _ENDED - 1] += ran
            cells[at + _ENDED + _POSITIONS[outcome]] += 1

    def end_abandoned(self, outcome: str) -> None:
        """Count the attempt of a process that has exited, which may have damaged its memory."""
        if self._process[0] in range(1, _MAX_ANALYSES + 1):
            self.end(outcome)

    def count_redis_error(self) -> None:
        """Count a call that Redis did not answer."""
        self._process[2] += 1

    @property
    def redis_errors(self) -> int:
        """The number of calls that Redis did not answer."""
        return int(self._process[2])

    def read(self) -> Iterator[tuple[str, AnalysisMeters]]:
        """Return the analyses of which there was an attempt, with their meters."""
        for row in range(_MAX_ANALYSES):
            at = _NAMES + row * _NAME_BYTES
            name = self._shared[at : at + _NAME_BYTES].rstrip(b"\0").decode("utf-8", "replace")
            if not name:
                return
            cells = list(self._cells[row * _ROW : (row + 1) * _ROW])
            yield name, AnalysisMeters(cells[:_RAN], cells[_RAN:_ENDED], cells[_ENDED:])

    def _add_row(self, analysis: str) -> int:
        """Return the row of a new analysis; the last one is for all others."""
        row = min(len(self._rows) + 1, _MAX_ANALYSES)
        self._rows[analysis] = row
        name = "other" if row == _MAX_ANALYSES else analysis
        at = _NAMES + (row - 1) * _NAME_BYTES
        self._shared[at : at + _NAME_BYTES] = name.encode()[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0")
        return row
