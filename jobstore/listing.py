"""Lists jobs in calls that are each short, however many jobs there are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from jobstore.errors import InvalidCursor
from jobstore.model import JobPage
from jobstore.scripts import Transitions

__all__ = ["PAGE_BYTES", "Listing", "Range", "range_of", "read_page"]

Reserve = Callable[[int], None]

PAGE_BYTES = 8 * 2**20
"""The most bytes in the records of one page, unless the first alone has more."""

_CURSOR = re.compile(r"(\d{1,17})\.([0-9a-f-]{36})")
_WALKED = 500
_READ = 100


class Range(NamedTuple):
    """The jobs to list: those in each of one or two ``indexes``, created between two times, in one order.

    ``least`` and ``greatest`` are exclusive, in microseconds as text, ``""`` for none.
    """

    indexes: tuple[str, ...]
    least: str
    greatest: str
    ascending: bool

    @property
    def words(self) -> tuple[str, ...]:
        """The range as arguments of the scripts."""
        first, second = (*self.indexes, "")[:2]
        return first, second, self.least, self.greatest, "asc" if self.ascending else "desc"


def range_of(
    status: str | None, analysis: str | None, created_after: float | None, created_before: float | None, ascending: bool
) -> Range:
    """Return the range of these filters; the bounds are in seconds since 1970."""
    indexes = [f"jobs.{status}"] if status else []
    indexes += [f"jobs.analysis.{analysis}"] if analysis else []
    # Clients see milliseconds: a job is after that time if it is after the whole millisecond.
    least = "" if created_after is None else f"{created_after * 1e6 + 999:.0f}"
    greatest = "" if created_before is None else f"{created_before * 1e6:.0f}"
    return Range(tuple(indexes or ["jobs"]), least, greatest, ascending)


class Listing(NamedTuple):
    """A page: its records, the number of jobs in the range, and creation and id of its last job if there are more."""

    records: list[dict[bytes, bytes]]
    total: int
    last: tuple[str, str] | None

    @classmethod
    def read(
        cls, transitions: Transitions, wanted: Range, seen: tuple[str, str], limit: int, reserve: Reserve
    ) -> Listing:
        """Read the jobs after ``seen`` (creation and id, ``""`` for the beginning), ``limit`` at most.

        ``reserve`` is called with the bytes that were read, about every mebibyte; its exceptions end the reading.
        """
        if len(wanted.indexes) == 2 and wanted.indexes[0] != "jobs.in progress":
            total = _count_matching(transitions, wanted)
            entries, more = _find_matching(transitions, wanted, seen, limit)
        else:
            total, flat, more = transitions.run("page", *wanted.words, *seen, limit)
            entries = _entries(flat)
        records = _read_records(transitions, [jid for _, jid in entries], reserve)
        more = more or len(records) < len(entries)
        last = entries[len(records) - 1] if more and records else None
        return cls(records, total, last)


def read_page(
    transitions: Transitions,
    wanted: Range,
    status: str | None,
    tag: str | None,
    cursor: str | None,
    limit: int,
    reserve: Reserve,
) -> JobPage:
    """Read a page of jobs; those that were deleted or changed their status since they were found are left out.

    :raises InvalidCursor: the cursor is not from a page.
    """
    found = Listing.read(transitions, wanted, _parse_cursor(cursor), limit, reserve)
    last = ".".join(found.last) if found.last else None
    records = [record for record in found.records if record and status in (None, record[b"status"].decode())]
    if tag is None:
        return JobPage(records, found.total, last)
    return JobPage([record for record in records if tag in json.loads(record.get(b"tags", "[]"))], None, last)


def _parse_cursor(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return "", ""
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise InvalidCursor("This cursor is not one that a page gave: take `next` as it is.")
    return parts[1], parts[2]


def _count_matching(transitions: Transitions, wanted: Range) -> int:
    total, seen, more = 0, ("", ""), True
    while more:
        count, _, created, jid, more = transitions.run("match", *wanted.words, *seen, _WALKED, 0)
        total, seen = total + count, (created, jid)
    return total


def _find_matching(
    transitions: Transitions, wanted: Range, seen: tuple[str, str], limit: int
) -> tuple[list[tuple[str, str]], bool]:
    entries: list[tuple[str, str]] = []
    more = True
    while more and len(entries) <= limit:
        _, flat, created, jid, more = transitions.run("match", *wanted.words, *seen, _WALKED, 1)
        entries, seen = entries + _entries(flat), (created, jid)
    return entries[:limit], len(entries) > limit


def _read_records(transitions: Transitions, ids: list[str], reserve: Reserve) -> list[dict[bytes, bytes]]:
    """Read these records until the page is full."""
    records: list[dict[bytes, bytes]] = []
    left = PAGE_BYTES
    while len(records) < len(ids):
        batch = ids[len(records) : len(records) + _READ]
        size, found = transitions.run("records", left, int(not records), *batch)
        if not found:
            break
        reserve(size)
        records += [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in found]
        left -= size
    return records


def _entries(flat: list[bytes]) -> list[tuple[str, str]]:
    words = [word.decode() for word in flat]
    return list(zip(words[::2], words[1::2], strict=True))
