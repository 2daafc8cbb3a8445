"""Redis is killed under load, by SIGKILL or a power cut; accepted jobs end, once."""

from __future__ import annotations

import pytest

from tests.faults.outages.killed import kill_redis

pytestmark = pytest.mark.long


def test_with_appendfsync_always_nothing_accepted_is_lost(tmp_path):
    figures = kill_redis("always", 3, tmp_path)

    assert figures.accepted >= 60
    assert (figures.lost, figures.unfinished, figures.charged, figures.violations) == (0, 0, 0, [])


def test_when_the_power_fails_with_everysec_the_last_moments_are_lost_and_all_else_ends(tmp_path):
    figures = kill_redis("everysec", 1, tmp_path, power=True)

    assert figures.lost < figures.accepted
    assert figures.oldest_lost < 3  # seconds; a late sync may take as long as the previous one
    assert (figures.unfinished, figures.charged, figures.violations) == (0, 0, [])
