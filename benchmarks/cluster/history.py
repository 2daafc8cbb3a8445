"""What a run has shown, and what follows from it: rates, gaps, lost jobs, and the promises that were kept."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from client import Job

__all__ = ["History", "Line", "Outage", "judge", "longest_gap", "rate"]

_LEAST_RATIO = 3.4
_MARGIN_SECONDS = 3.0  # in addition to a lease
_MOST_API_SECONDS = 2.0
_MOST_FAILOVER_SECONDS = 10.0

Span = tuple[float, float]


class Outage(NamedTuple):
    """A host that was away from ``begin`` to ``end``, in seconds since 1970."""

    title: str
    begin: float
    end: float


_NEVER = Outage("", 0, 0)


class Line(NamedTuple):
    """A line of the table; ``kept`` is None where nothing is promised."""

    step: str
    found: str
    promised: str = ""
    kept: bool | None = None


@dataclass
class History:
    """What happened in a run, all times in seconds since 1970."""

    lease: float
    began: float = 0.0
    events: list[tuple[float, str]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    """With one worker host, with four, and with one again."""
    lost_workers: list[tuple[Outage, tuple[str, ...], int]] = field(default_factory=list)
    """With the jobs that each host had, and the results that were rejected when it was back."""
    lost_api: Outage = _NEVER
    lost_master: Outage = _NEVER
    other_master: float = 0.0
    accepted: dict[str, float] = field(default_factory=dict)
    """Time of acceptance by job."""
    repeated: int = 0
    failures: list[str] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    """All jobs at the end."""
    results: dict[str, int] = field(default_factory=dict)
    """The attempt of the results by job, 0 if there are none."""
    holds: bool = False
    check: str = ""

    @property
    def completed(self) -> list[float]:
        """Return when jobs completed."""
        return [seconds(job["ended"]) for job in self.jobs if job["status"] == "complete"]


def judge(history: History) -> list[Line]:
    """Return the lines of the table."""
    one, four, again = (rate(history.completed, *span) for span in history.spans)
    return [
        Line("1 worker host", f"{one:.1f} jobs/s"),
        Line(
            "4 worker hosts",
            f"{four:.1f} jobs/s, {four / one:.2f} times as many",
            f"≥ {_LEAST_RATIO:g} times",
            four / one >= _LEAST_RATIO,
        ),
        *(_judge_lost_worker(history, *lost) for lost in history.lost_workers),
        _judge_lost_api(history),
        _judge_failover(history),
        Line("1 worker host again", f"{again:.1f} jobs/s"),
        *_judge_jobs(history),
    ]


def _judge_lost_worker(history: History, outage: Outage, held: tuple[str, ...], rejected: int) -> Line:
    again = [seconds(job["started"]) - outage.begin for job in history.jobs if job["id"] in held and job["attempt"] > 1]
    latest, most = max(again, default=0.0), history.lease + _MARGIN_SECONDS
    found = f"{len(again)} of its {len(held)} jobs ran again within {latest:.1f} s; {rejected} late results rejected"
    return Line(outage.title, found, f"all, ≤ {most:g} s", 0 < len(held) == len(again) and latest <= most)


def _judge_lost_api(history: History) -> Line:
    gap = longest_gap(history.accepted.values(), history.lost_api.begin, history.lost_api.end)
    return Line(history.lost_api.title, f"longest pause of accepted jobs {gap:.1f} s", *_limit(gap, _MOST_API_SECONDS))


def _judge_failover(history: History) -> Line:
    outage = history.lost_master
    accepting, completing = (
        longest_gap(times, outage.begin, outage.end) for times in (history.accepted.values(), history.completed)
    )
    found = f"another master after {history.other_master - outage.begin:.1f} s; "
    found += f"longest pause of accepted jobs {accepting:.1f} s, of completed ones {completing:.1f} s"
    return Line(outage.title, found, *_limit(max(accepting, completing), _MOST_FAILOVER_SECONDS))


def _judge_jobs(history: History) -> Iterator[Line]:
    accepted, jobs = history.accepted.keys(), {job["id"]: job for job in history.jobs}
    once = [jid for jid in accepted & jobs.keys() if history.results[jid] == jobs[jid]["attempt"]]
    lost, unknown = len(accepted - jobs.keys()), len(jobs.keys() - accepted)
    found = f"{len(accepted)} accepted, {len(once)} complete with one result, {lost} lost, {unknown} made twice"
    yield Line("all jobs", found, "all complete", len(once) == len(accepted) == len(jobs))
    refused = len(history.failures)
    yield Line(
        "requests", f"{history.repeated} repeated with the same key, {refused} refused", "0 refused", not refused
    )
    attempts = sorted(Counter(job["attempt"] for job in history.jobs).items())
    yield Line("attempts", ", ".join(f"{number}: {count} jobs" for number, count in attempts))
    waits = [seconds(job["started"]) - seconds(job["created"]) for job in history.jobs if job["started"]]
    yield Line("waits", f"median {statistics.median(waits):.2f} s, longest {max(waits):.1f} s")
    yield Line("`make check`", history.check, "all invariants hold", history.holds)


def _limit(found: float, most: float) -> tuple[str, bool]:
    return f"≤ {most:g} s", found <= most


def rate(times: Iterable[float], begin: float, end: float) -> float:
    """Return how many of the times are in a second, between two moments."""
    return sum(begin <= at < end for at in times) / (end - begin)


def longest_gap(times: Iterable[float], begin: float, end: float) -> float:
    """Return the longest span between two moments in which none of the times is."""
    points = [begin, *sorted(at for at in times if begin < at < end), end]
    return max(after - before for before, after in pairwise(points))


def seconds(moment: str | None) -> float:
    """Return a moment as the API gives it, in seconds since 1970."""
    return datetime.fromisoformat(moment or "").timestamp()
