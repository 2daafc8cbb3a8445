"""Reads what events are about: jobs, statistics and the version of the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jobs

__all__ = ["Overview", "read_jobs", "read_overview"]

# They change by themselves as time passes, so they are no reason for an event.
_OF_TIME = ("oldest_waiting_seconds", "runnable", "throughput_last_minute")


class Overview(NamedTuple):
    """The state of the whole service."""

    stats: dict[str, Any]
    version: str | None
    """The version of the dataset, None without one."""

    def counts(self) -> dict[str, Any]:
        """Return the statistics that change only if something happens."""
        return {name: value for name, value in self.stats.items() if name not in _OF_TIME}

    def differs(self, other: Overview) -> bool:
        """Return whether something happened between this state and another one."""
        return self.version != other.version or self.counts() != other.counts()


def read_overview() -> Overview:
    """Return the present state."""
    version: Any = jobs.rd.get("data.current")
    return Overview(jobs.get_stats(), version.decode() if version else None)


def read_jobs(ids: Sequence[str]) -> dict[str, jobs.Job | None]:
    """Return the jobs with these ids, in one round trip; None for each that does not exist or cannot be parsed."""
    pipeline = jobs.rd.pipeline(transaction=False)
    for jid in ids:
        pipeline.hgetall(f"job.{jid}")
    return {jid: _parsed(record, jid) for jid, record in zip(ids, pipeline.execute(), strict=True)}


def _parsed(record: dict[bytes, bytes], jid: str) -> jobs.Job | None:
    try:
        return jobs.job_from_record(record, jid) if record else None
    except (KeyError, ValueError):
        return None
