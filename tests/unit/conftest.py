"""Fast tests run on fakeredis with Lua; the module ``jobs`` is pointed at it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import fakeredis
import pytest

import jobs


@pytest.fixture
def rd(monkeypatch: pytest.MonkeyPatch) -> Iterator[fakeredis.FakeRedis]:
    """The records database; ``jobs.rd`` and ``jobs.q`` are on the same fake server."""
    server = fakeredis.FakeServer()
    records = fakeredis.FakeRedis(server=server, db=jobs.settings.redis_db)
    queue = fakeredis.FakeRedis(server=server, db=jobs.settings.queue_db)
    monkeypatch.setattr(jobs, "rd", records)
    monkeypatch.setattr(jobs, "q", jobs.JobQueue("queue", connection_pool=queue.connection_pool))
    yield records
    records.close()
    queue.close()


@pytest.fixture
def worker(rd: fakeredis.FakeRedis) -> str:
    """A registered worker, as which ``jobs.q`` takes jobs."""
    name = str(uuid.uuid4())
    jobs.register_worker(name, "host", 1)
    jobs.q.set_worker_id(name)
    return name
