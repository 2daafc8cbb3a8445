"""Tests that the placeholder sleeps for the requested time and reports its progress."""

from __future__ import annotations

import pytest

from analyses import get_analysis
from analyses import sleep as module


class Clock:
    """A clock that advances by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_it_sleeps_and_reports_twice_a_second(clock: Clock) -> None:
    # Given a sleep of a second and a quarter
    seen: list[float] = []

    # When it runs
    outcome = get_analysis("sleep").run(None, {"seconds": 1.25}, lambda fraction, message=None: seen.append(fraction))

    # Then it slept so long, in naps of half a second
    assert outcome.result == {"slept": 1.25}
    assert clock.naps == [0.5, 0.5, 0.25]
    assert seen == pytest.approx([0.0, 0.4, 0.8])


def test_no_seconds_cost_nothing(clock: Clock) -> None:
    outcome = get_analysis("sleep").run(None, {"seconds": 0}, lambda fraction, message=None: pytest.fail("reported"))
    assert outcome.result == {"slept": 0}
    assert clock.naps == []
