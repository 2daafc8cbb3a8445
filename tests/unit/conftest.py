"""Fast tests run on fakeredis with Lua; the module ``jobs`` is connected to it."""

from __future__ import annotations

import importlib
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import fakeredis
import pytest

import analyses
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


@pytest.fixture
def drop_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Save a file as if it were in the package, and let the registry find it."""
    monkeypatch.setattr(analyses, "__path__", [*analyses.__path__, str(tmp_path)])
    names = []

    def save(name: str, source: str) -> None:
        names.append(name)
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        analyses.get_analyses.cache_clear()

    yield save
    for name in names:
        sys.modules.pop(f"analyses.{name}", None)
        vars(analyses).pop(name, None)
    analyses.get_analyses.cache_clear()
