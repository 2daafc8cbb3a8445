"""Lists jobs in calls that are each short, however many jobs there are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from jobstore.errors import InvalidCursor
from jobstore.filters import Candidate, Filters, Range
from jobstore.model import JobPage
from jobstore.scripts import Transitions

__all__ = ["MAX_WALKED", "PAGE_BYTES", "Reserve", "Stretch", "read_page", "read_records", "walk"]

Reserve = Callable[[int], None] | None
"""Reserves memory for some bytes."""

PAGE_BYTES = 8 * 2**20
"""The most bytes in the records of one page, unless the first alone has more."""

MAX_WALKED = 500
"""How many jobs a call walks where few of them may be wanted: it takes Redis about a millisecond."""

_CURSOR = re.compile(r"(\d{1,17})\.([0-9a-f-]{36})")
_READ = 100
_MAX_STRETCHES = 20
_MAX_COUNTED = 10
_STRETCH_BYTES = 2**20

_Place = tuple[str, str]


class Stretch(NamedTuple):
    """The jobs of a range that one call found: how many its smallest index has in the range (None while jobs of an
    older release are moved), the jobs, the place of the last one walked, whether there are more, and how many were
    walked."""

    total: int | None
    jobs: list[Candidate]
    last: _Place
    more: bool
    walked: int


def walk(transitions: Transitions, wanted: Range, seen: _Place, limit: int, fields: Sequence[str] = ()) -> Stretch:
    """Walk at most ``limit`` jobs of a range after ``seen``, ``("", "")`` for the first; read ``fields`` of each."""
    order = "asc" if wanted.ascending else "desc"
    bounds = (wanted.least, wanted.greatest, order, *seen, limit, " ".join(fields))
    total, flat, created, jid, more, walked = transitions.run("walk", *bounds, *wanted.indexes)
    words: list[Any] = [None if word is None else word.decode("utf-8", "replace") for word in flat]
    names = ("created", "id", *fields)
    columns: dict[str, Any] = {name: words[at :: len(names)] for at, name in enumerate(names)}
    values = zip(*(columns.get(name, repeat(None)) for name in Candidate._fields), strict=False)
    found = [Candidate(*each) for each in values]
    return Stretch(total, found, (created.decode(), jid.decode()), bool(more), walked)


def read_page(
    transitions: Transitions, filters: Filters, ascending: bool, cursor: str | None, limit: int, reserve: Reserve
) -> JobPage:
    """Read a page of jobs; those that were deleted or changed their status since they were found are left out.

    With a search, or more than one index, a call walks a bounded number of jobs: a page may be short, or empty, and
    have a next one. A tag without a search filters within the page.

    :param reserve: called with the bytes that were read, about every mebibyte; its exceptions end the reading.
    :raises InvalidCursor: the cursor is not from a page.
    """
    wanted, seen = filters.range(ascending=ascending), _parse_cursor(cursor)
    if filters.search is not None and reserve:
        reserve(_STRETCH_BYTES)
    total, entries, last = _find(transitions, filters, wanted, seen, limit)
    records = read_records(transitions, [entry.id for entry in entries], reserve)
    if len(records) < len(entries):
        last = entries[len(records) - 1].place
    following = ".".join(last) if last else None
    records = [record for record in records if record and filters.status in (None, record[b"status"].decode())]
    if filters.tag is None:
        return JobPage(records, total, following)
    tagged = [record for record in records if filters.tag in json.loads(record.get(b"tags", "[]"))]
    return JobPage(tagged, None, following)


def _parse_cursor(cursor: str | None) -> _Place:
    if cursor is None:
        return "", ""
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise InvalidCursor("This cursor is not one that a page gave: take `next` as it is.")
    return parts[1], parts[2]


def _find(
    transitions: Transitions, filters: Filters, wanted: Range, seen: _Place, limit: int
) -> tuple[int | None, list[Candidate], _Place | None]:
    """Return the number of jobs, if it is known; the jobs of a page; and the place where the next one continues."""
    searches, simple = filters.search is not None, len(wanted.indexes) == 1 and filters.search is None
    total = None if searches or simple else _count(transitions, wanted)
    entries: list[Candidate] = []
    more, stretches = True, 0
    # One more than the page has is wanted, to know whether another follows.
    while more and len(entries) <= limit and stretches < _MAX_STRETCHES:
        found = walk(transitions, wanted, seen, limit + 1 if simple else MAX_WALKED, filters.fields if searches else ())
        entries += [job for job in found.jobs if not searches or filters.matches(job)]
        total = found.total if simple and not stretches else total
        seen, more, stretches = found.last, found.more, stretches + 1
    if len(entries) > limit:
        return total, entries[:limit], entries[limit - 1].place
    return total, entries, seen if more else None


def _count(transitions: Transitions, wanted: Range) -> int | None:
    """Count the jobs in several indexes; None if too many would have to be walked for it."""
    total, seen = 0, ("", "")
    for _ in range(_MAX_COUNTED):
        found = walk(transitions, wanted, seen, MAX_WALKED)
        total, seen = total + len(found.jobs), found.last
        if not found.more:
            return total
    return None


def read_records(transitions: Transitions, ids: list[str], reserve: Reserve) -> list[dict[bytes, bytes]]:
    """Read these records until they have ``PAGE_BYTES``; an empty one for a job that is gone."""
    records: list[dict[bytes, bytes]] = []
    left = PAGE_BYTES
    while len(records) < len(ids):
        batch = ids[len(records) : len(records) + _READ]
        size, found = transitions.run("records", left, int(not records), *batch)
        if not found:
            break
        if reserve:
            reserve(size)
        for jid, flat in zip(batch, found, strict=False):
            # The records of complete jobs lack the id.
            record = dict(zip(flat[::2], flat[1::2], strict=True))
            records.append({b"id": jid.encode(), **record} if record else record)
        left -= size
    return records
