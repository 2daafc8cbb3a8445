"""Settings are refused where they cannot be meant, with what is expected."""

from __future__ import annotations

import pytest

from config.logs import set_up_logging
from config.settings import OLD_NAMES, InvalidSetting, load


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MAX_RESULT_BYTES", str(2**28 + 1), "268435456 or less"),
        ("MAX_JOBS_BYTES", str(2**29), "or less"),
        ("MEMORY_LIMIT_MB", "1", "0, or 96 or more"),
        ("MEMORY_LIMIT_MB", "95", "0, or 96 or more"),
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


@pytest.mark.parametrize(("new", "old"), OLD_NAMES.items())
def test_a_renamed_setting_is_read_under_its_old_name_unless_the_new_one_is_set(new, old):
    assert getattr(load({old: "7"}), new.lower()) == 7
    assert getattr(load({old: "7", new: "9"}), new.lower()) == 9
    with pytest.raises(InvalidSetting, match=f"^{old}='five'"):
        load({old: "five", new: " "})


def test_the_old_name_of_a_setting_is_logged_with_the_new_one(monkeypatch, capsys):
    monkeypatch.setenv("SPARE_CHILDREN", "2")

    set_up_logging("WARNING")

    assert "WARNING settings setting renamed old=SPARE_CHILDREN new=STANDBY_CHILDREN" in capsys.readouterr().err
