"""The counts of one worker: of its supervisor, and of all children that it had."""

from __future__ import annotations

from collections import Counter
from threading import Lock

from runtime.meters import AnalysisMeters, Meters

__all__ = ["WorkerCounts"]


class WorkerCounts:
    """Sums the meters of the children, also of those that have exited. The supervisor writes, any thread may read."""

    def __init__(self) -> None:
        self.child_exits: Counter[str] = Counter()
        """Children that have exited, by the reason for which the supervisor would release their job."""
        self.leases_lost = 0
        """Workers whose lease expired, and whose jobs this one released."""
        self._redis_errors = 0
        self._lock = Lock()
        self._live: list[Meters] = []
        self._past: dict[str, AnalysisMeters] = {}

    def add(self, meters: Meters) -> None:
        """Include a new child."""
        with self._lock:
            self._live.append(meters)

    def retire(self, meters: Meters, outcome: str, reason: str) -> None:
        """Keep the counts of a child that has exited, for this reason; its attempt, if it had one, ends so."""
        with self._lock:
            meters.end_abandoned(outcome)
            self._live.remove(meters)
            self._redis_errors += meters.redis_errors
            _add(self._past, meters)
        self.child_exits[reason] += 1

    def count_redis_error(self) -> None:
        """Count a round in which Redis did not answer."""
        with self._lock:
            self._redis_errors += 1

    @property
    def children(self) -> int:
        """The number of child processes."""
        return len(self._live)

    def read(self) -> tuple[dict[str, AnalysisMeters], int]:
        """Return the attempts by analysis, and the errors of Redis, of all processes together."""
        with self._lock:
            total: dict[str, AnalysisMeters] = {}
            for analysis, past in self._past.items():
                total[analysis] = AnalysisMeters()
                total[analysis].add(past)
            for meters in self._live:
                _add(total, meters)
            return total, self._redis_errors + sum(meters.redis_errors for meters in self._live)


def _add(total: dict[str, AnalysisMeters], meters: Meters) -> None:
    for analysis, more in meters.read():
        total.setdefault(analysis, AnalysisMeters()).add(more)
