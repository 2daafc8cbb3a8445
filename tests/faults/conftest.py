"""Workers with additional analyses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


@pytest.fixture
def worker_with(tmp_path: Path, start_worker: Callable[..., Any]) -> Callable[..., Path]:
    """Start a worker that knows one more analysis: a file in a copy of the package."""

    def run(name: str, text: str, workers: int = 1, **settings: Any) -> Path:
        for source in (ROOT / "analyses").glob("*.py"):
            (tmp_path / "analyses").mkdir(exist_ok=True)
            (tmp_path / "analyses" / source.name).write_text(source.read_text())
        (tmp_path / "analyses" / "framework").symlink_to(ROOT / "analyses" / "framework")
        added = tmp_path / "analyses" / f"{name}.py"
        added.write_text(text)
        for module in ("worker.py", "jobs.py", "config", "dataset", "jobstore", "runtime"):
            (tmp_path / module).symlink_to(ROOT / module)
        start_worker(workers, PYTHONPATH=tmp_path, PYTHONSAFEPATH="1", **settings)
        return added

    return run
