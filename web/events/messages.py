"""Server-sent events as bytes."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import jobs
from web.events.changes import ChangedIds
from web.events.state import Overview
from web.representations import with_links

__all__ = ["KEEP_ALIVE", "change_event", "job_event"]

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which clients ignore."""


def job_event(job: jobs.Job, before: jobs.Job | None, root: str) -> bytes:
    """Return the event for a job that was ``before`` when the client was last sent an event, None if it was not.

    :param root: the path of the application as the client sees it.
    """
    is_new = before is None or (job["status"], job["attempt"]) != (before["status"], before["attempt"])
    return _event("status" if is_new else "progress", with_links(job, root))


def change_event(overview: Overview, changed: ChangedIds) -> bytes:
    """Return the event for a state of the service, and the jobs that changed since the one before."""
    data = {"stats": overview.stats, "jobs": list(changed.ids), "more": changed.more, "data": overview.version}
    return _event("change", data)


def _event(name: str, data: Any) -> bytes:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"id: {_next_id()}\nevent: {name}\ndata: {text}\n\n".encode(errors="replace")


class _Ids:
    """Microseconds since 1970, so that ids grow across processes and restarts too; distinct within this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() // 1000)
            return self._last


_next_id = _Ids().next
