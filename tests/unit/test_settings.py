"""Settings are refused where they cannot be meant, with what is expected."""

from __future__ import annotations

import pytest

from config.settings import InvalidSetting, load


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MAX_RESULT_BYTES", str(2**28 + 1), "268435456 or less"),
        ("MAX_JOBS_BYTES", str(2**29), "or less"),
        ("MEMORY_LIMIT_MB", "1", "0, or 160 or more"),
        ("MEMORY_LIMIT_MB", "128", "0, or 160 or more"),
        ("MEMORY_LIMIT_MB", "-1", "0 or more"),
        ("WORKERS", "two", "a whole number"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(name, value, expected):
    with pytest.raises(InvalidSetting, match=expected):
        load({name: value})


def test_the_largest_result_that_redis_takes_may_be_asked_for():
    assert load({"MAX_RESULT_BYTES": str(2**28)}).max_result_bytes == 2**28
    assert load({"MEMORY_LIMIT_MB": "160"}).memory_limit_mb == 160
