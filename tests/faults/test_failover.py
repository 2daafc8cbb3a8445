"""The primary dies and its replica takes over: all replicated jobs end, once."""

from __future__ import annotations

import os

import pytest

from tests.faults.outages.failover import fail_over

pytestmark = pytest.mark.long


@pytest.mark.parametrize("behind", [1.5, 0.0] if os.environ.get("FAULTS") == "all" else [1.5])
def test_all_replicated_jobs_end(tmp_path, behind):
    figures = fail_over(1, tmp_path, behind=behind)

    assert figures.accepted - figures.lost >= 20
    assert figures.oldest_lost < behind + 1
    assert (figures.unfinished, figures.violations) == (0, [])
