"""Jobs that are large, numerous, or invalid in many places."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from tests.hostile.client import Response, at_once
from tests.hostile.scenario import scenario
from tests.hostile.service import Service

__all__: list[str] = []

MIB = 2**20
_LATER = 86400
_OPEN = {"start": None, "end": None}
_PAGE_BYTES = 8 * MIB + 128 * 1024  # a page ends with the job that exceeds the limit
_BULK = 10_000
_JOBS = 100_000
_SCRIPT_MICROSECONDS = 500_000  # far longer than a script, because the load uses the same processors
_REFUSED = {413, 422, 503}


def _sleeping(**more: Any) -> dict[str, Any]:
    return {**_OPEN, "analysis": "sleep", "params": {"seconds": 0}, "delay": _LATER, **more}


def _assert_refused(answers: list[Response]) -> None:
    statuses = [answer.status for answer in answers]
    assert set(statuses) <= _REFUSED, f"answered {statuses}, expected of {sorted(_REFUSED)}"
    assert max(answer.size for answer in answers) < MIB, "the refusal is longer than a MiB"


@scenario(2, "thousands of unknown columns in parameters, of a table of 10,000 columns")
def unknown_columns(service: Service) -> None:
    names = ",".join(f"column_{number}" for number in range(10_000))
    loaded = service.client.load(f"{names}\n{','.join('1' * 10_000)}\n".encode())
    assert loaded.status in (201, 413, 422, 503), f"the table was answered {loaded.status}"
    unknown = [f"u{number}" for number in range(3000)]
    jobs: list[Any] = [
        {**_OPEN, "analysis": "groups", "params": {"by": unknown, "column": "column_1"}},
        {**_OPEN, "analysis": "correlation", "params": {"columns": unknown}},
        {**_OPEN, "analysis": "summary", "params": {"columns": unknown}},
        {**_OPEN, "analysis": "summary", "params": {"columns": ["column"] * 5000}},
        {**_OPEN, "analysis": "summary", "params": {"columns": [[]] * 20_000}},
        {**_OPEN, "analysis": "histogram", "params": dict.fromkeys(unknown, 1)},
        dict.fromkeys(unknown, 1),
        [{**_OPEN, "analysis": "summary", "params": {"columns": unknown[:1000]}}] * 1000,
        [{**_OPEN, "analysis": "nothing"}] * 10_000,
        [{**_OPEN, "analysis": "sleep", "params": {"seconds": "x" * 60_000}}] * 200,
    ]
    for job in jobs:
        _assert_refused(at_once([partial(service.client.post_jobs, job)] * 3))


@scenario(4, "megabytes of parameters; then the listing of many jobs with as much as they may have")
def large_parameters(service: Service) -> None:
    large = {**_OPEN, "analysis": "bulky", "params": {"text": "x" * (15 * MIB)}, "delay": _LATER}
    _assert_refused([service.client.post_jobs(large) for _ in range(25)])
    _assert_refused([service.client.post_jobs({**large, "params": {"text": "x" * (5 * MIB)}}) for _ in range(5)])
    allowed = [{**large, "params": {"text": "x" * 60_000}}] * 250
    for _ in range(10):
        answer = service.client.post_jobs(allowed)
        assert answer.status == 202, f"jobs with 60 kB of parameters were answered {answer.status}"
    pages = at_once([partial(service.client.ask, "/jobs?limit=1000")] * 6)
    assert {page.status for page in pages} <= {200, 503}, f"the listing was answered {[p.status for p in pages]}"
    assert max(page.size for page in pages) <= _PAGE_BYTES, f"a page has {max(page.size for page in pages)} bytes"


def _fill(service: Service) -> None:
    """Submit as many jobs as this suite's setting allows."""
    body = json.dumps([_sleeping()] * _BULK).encode()
    while service.client.ask("/jobs?limit=1").json()["total"] < _JOBS:
        answer = service.client.ask("/jobs", body)
        assert answer.status == 202, f"a bulk was answered {answer.status}"


@scenario(11, "the listing by two filters with 100,000 jobs")
def two_filters(service: Service) -> None:
    _fill(service)
    service.redis.config_set("slowlog-log-slower-than", _SCRIPT_MICROSECONDS)
    service.redis.slowlog_reset()
    asks = [
        partial(service.client.ask, path)
        for path in (
            "/jobs?status=scheduled&analysis=sleep",
            "/jobs?status=complete&analysis=sleep",
            "/jobs?analysis=sleep&created_after=2020-01-01T00:00:00Z&order=asc",
            "/jobs?tag=none&status=scheduled",
            "/stats",
        )
    ]
    for _ in range(5):
        statuses = [answer.status for answer in at_once(asks * 2)]
        assert set(statuses) == {200}, f"answered {statuses}"
    slow = [entry["duration"] for entry in service.redis.slowlog_get(10)]
    assert not slow, f"Redis stood still for {max(slow) / 1000:.0f} ms"


@scenario(12, "more jobs than MAX_QUEUED_JOBS, and jobs of years from now", keeps=True)
def full_queue(service: Service) -> None:
    _fill(service)
    full = [service.client.post_jobs(_sleeping()), service.client.post_jobs([_sleeping()] * 100)]
    for answer in full:
        assert answer.status == 507, f"a job beyond the limit was answered {answer.status}"
        assert answer.json()["type"] == "/problems/queue-full", answer.json()["type"]
    far = [
        service.client.post_jobs(_sleeping(delay=2 * 366 * 86400)),
        service.client.post_jobs({**_sleeping(), "delay": 0, "run_at": "2999-01-01T00:00:00Z"}),
    ]
    assert [answer.status for answer in far] == [422, 422], f"answered {[answer.status for answer in far]}"
