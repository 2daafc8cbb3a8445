"""Fast tests run on fakeredis with Lua; the module ``jobs`` is connected to it."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import fakeredis
import pytest

import analyses
import jobs
from analyses import get_registry, load_analyses
from analyses.framework import registry
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
def analyses_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are analyses as well; modules and registry are restored afterwards."""
    folder = tmp_path / "analyses"
    folder.mkdir()
    before = get_registry()
    modules = {name: module for name, module in sys.modules.items() if name.startswith("analyses.")}
    monkeypatch.setattr(analyses, "__path__", [*analyses.__path__, str(folder)])
    yield folder
    for name in [name for name in sys.modules if name.startswith("analyses.")]:
        del sys.modules[name]
        vars(analyses).pop(name.split(".")[1], None)
    for name, module in modules.items():
        sys.modules[name] = module
        if name.count(".") == 1:
            setattr(analyses, name.split(".")[1], module)
    registry._registry = before


@pytest.fixture
def drop_in(analyses_folder: Path) -> Callable[[str, str], None]:
    """Save a file as if it were in the package, and let the registry find it."""

    def save(name: str, source: str) -> None:
        (analyses_folder / f"{name}.py").write_text(source)
        load_analyses()

    return save
