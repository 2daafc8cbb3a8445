"""Lists jobs: finds and reads them in calls that are each short, however many jobs there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jobstore.scripts import Transitions

__all__ = ["PAGE_BYTES", "Listing", "Range"]

Reserve = Callable[[int], None]

PAGE_BYTES = 8 * 2**20
"""The most that the jobs of one page have together, unless the first alone has more."""

_WALKED = 500
_READ = 100


class Range(NamedTuple):
    """The jobs to list: those in all of one or two ``indexes``, created between two moments, in one order.

    ``least`` and ``greatest`` are exclusive, in microseconds as text, ``""`` for none.
    """

    indexes: tuple[str, ...]
    least: str
    greatest: str
    ascending: bool

    @property
    def words(self) -> tuple[str, ...]:
        """The range as the scripts take it."""
        first, second = (*self.indexes, "")[:2]
        return first, second, self.least, self.greatest, "asc" if self.ascending else "desc"


class Listing(NamedTuple):
    """A page: its records, how many jobs the range has, and creation and id of the last one where more follow."""

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
    """Read these records, until a page is full."""
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
