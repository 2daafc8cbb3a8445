"""Tests the settings of ``make run``."""

from __future__ import annotations

from typing import Any

import pytest

from config.settings import load
from ops.devserver import run
from ops.devserver.processes import StackError


@pytest.mark.parametrize(("given", "reload"), [(None, True), ("", True), ("yes", True), ("no", False)])
def test_changed_analyses_are_loaded_unless_reload_is_set_otherwise(monkeypatch, given, reload):
    def start(environ: dict[str, str]) -> Any:
        started.append(load(environ))
        raise StackError("started")

    started: list[Any] = []
    monkeypatch.setattr(run, "Stack", start)
    monkeypatch.delenv("RELOAD", raising=False)
    if given is not None:
        monkeypatch.setenv("RELOAD", given)

    assert run.main() == 1
    assert [settings.reload for settings in started] == [reload]
