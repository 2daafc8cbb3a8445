"""Fast tests run on fakeredis with Lua; the module ``jobs`` is connected to it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import fakeredis
import pytest

import jobs
from config.settings import Settings


@pytest.fixture
def rd() -> Iterator[fakeredis.FakeRedis]:
    """The records database; ``jobs`` is connected to the same fake server."""
    records = fakeredis.FakeRedis(server=fakeredis.FakeServer(), db=0)
    jobs.connect(Settings(), records)
    jobs.q.worker_id = None
    yield records
    records.close()


@pytest.fixture
def worker(rd: fakeredis.FakeRedis) -> str:
    """A registered worker, as which ``jobs.q`` takes jobs."""
    name = str(uuid.uuid4())
    jobs.register_worker(name, "host", 1)
    jobs.q.set_worker_id(name)
    return name
