"""The filters of the listing, and of the operations that act on all jobs that match them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Candidate", "Filters", "Range"]


class Range(NamedTuple):
    """The jobs in each of these ``indexes``, created between two times, in one order.

    ``least`` and ``greatest`` are exclusive, in microseconds as text, ``""`` for none.
    """

    indexes: tuple[str, ...]
    least: str
    greatest: str
    ascending: bool


class Candidate(NamedTuple):
    """A job that is in the indexes, with the fields that were read; None for those it lacks."""

    created: str
    id: str
    status: str | None = None
    started: str | None = None
    analysis: str | None = None
    tags: str | None = None
    owner: str | None = None
    params: str | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Its place in the order of the listing."""
        return self.created, self.id


class Filters(NamedTuple):
    """The conditions that a job matches, all of them; None for those that are not given.

    Times are exclusive bounds of the creation, in seconds since 1970. ``search`` is a text that the id, the analysis,
    a tag, the owner or the parameters contain, in any case.
    """

    status: str | None = None
    analysis: str | None = None
    tag: str | None = None
    owner: str | None = None
    search: str | None = None
    created_after: float | None = None
    created_before: float | None = None

    def range(self, *, ascending: bool) -> Range:
        """Return the range of the filters that have an index."""
        # jobs.in progress has to be the first
        indexes = [f"jobs.{self.status}"] if self.status else []
        indexes += [f"jobs.analysis.{self.analysis}"] if self.analysis else []
        indexes += [f"jobs.owner.{self.owner}"] if self.owner else []
        # Clients see milliseconds: a job is after that time if it is after the whole millisecond.
        least = "" if self.created_after is None else f"{self.created_after * 1e6 + 999:.0f}"
        greatest = "" if self.created_before is None else f"{self.created_before * 1e6:.0f}"
        return Range(tuple(indexes or ["jobs"]), least, greatest, ascending)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that :meth:`matches` compares."""
        if self.search is not None:
            return "status", "analysis", "tags", "owner", "params"
        return ("status", "tags") if self.tag is not None else ("status",)

    def matches(self, job: Candidate) -> bool:
        """Return whether a job of the range matches the filters that have no index, and still has the status."""
        if job.status is None or self.status not in (None, job.status):
            return False
        return (self.tag is None or self.tag in _tags(job)) and (self.search is None or _contains(job, self.search))


def _tags(job: Candidate) -> list[str]:
    return json.loads(job.tags) if job.tags not in (None, "[]") else []


def _contains(job: Candidate, search: str) -> bool:
    text, escaped = _needles(search)
    params = (job.params or "").casefold()
    if text in params or escaped in params:
        return True
    # Most jobs do not match: what is quick to see comes first.
    all_texts = f"{job.id}\n{job.analysis}\n{job.owner}\n{job.tags}".casefold()
    if text not in all_texts and escaped not in all_texts:
        return False
    return any(text in value.casefold() for value in (job.id, job.analysis or "", job.owner or "", *_tags(job)))


@lru_cache(maxsize=16)
def _needles(search: str) -> tuple[str, str]:
    """Return the text, and the text as it is escaped within JSON, both to be compared without case."""
    return search.casefold(), json.dumps(search, ensure_ascii=False)[1:-1].casefold()
