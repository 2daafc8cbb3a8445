"""Impossible values of settings: each is refused in one sentence."""

from __future__ import annotations

import pytest

from config.settings import TABLE, InvalidSetting, Settings, api_address, load

NUMBERS = [setting.name for setting in TABLE if type(setting.default) in (int, float)]
IMPOSSIBLE = [
    ("DRAIN_SECONDS", "inf"),
    ("DRAIN_SECONDS", "nan"),
    ("LEASE_SECONDS", "inf"),
    ("LEASE_SECONDS", "1e400"),
    ("API_PORT", "70000"),
    ("API_PORT", "0"),
    ("REDIS_PORT", "0"),
    ("REDIS_DB", "1000000"),
    ("REDIS_PORT", "70000"),
    ("RESTORE_PORT", "65536"),
    ("LOG_LEVEL", "verbose"),
    ("QUEUE_NAME", "two words"),
    ("QUEUE_NAME", "q*"),
    ("API_HOST", "http://localhost"),
    ("API_HOST", "localhost:5000"),
    ("API_HOST", "[localhost]"),
    ("API_HOST", "[]"),
    ("API_HOST", "a..b"),
    ("API_HOST", "x" * 64),
    ("REDIS_IP", "redis, other"),
    ("ALLOWED_HOSTS", ","),
    ("DATA_DIR", "/tmp/\0/x"),
    ("DATA_DIR", "/tmp/a\nb"),
    ("BACKUP_DIR", "/tmp/\udcff"),
    ("REDIS_TLS", "2"),
    ("WORKERS", "9" * 5000),
    ("WORKERS", "1.5"),
    ("WORKERS", "100000"),
    ("MEMORY_LIMIT_MB", str(2**44)),
    ("REDIS_SENTINELS", "one:70000"),
]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
def test_an_impossible_value_is_one_short_sentence(name, value):
    with pytest.raises(InvalidSetting) as refused:
        load({name: value})

    assert str(refused.value).startswith(f"{name}=")
    assert ": expected " in str(refused.value)
    assert len(str(refused.value)) < 250
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["-1", str(2**64), "-inf", "inf", "nan", "", "one", "0x10"])
def test_no_number_is_negative_or_beyond_any_use(name, value):
    if not value:
        assert load({name: value}) == Settings()
        return
    with pytest.raises(InvalidSetting, match=f"^{name}="):
        load({name: value})


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("::1", "http://[::1]:5000"),
        ("[::1]", "http://[::1]:5000"),
        ("::", "http://[::1]:5000"),
        ("[::]", "http://[::1]:5000"),
        ("0.0.0.0", "http://127.0.0.1:5000"),
        ("127.0.0.1", "http://127.0.0.1:5000"),
        ("api.example", "http://api.example:5000"),
    ],
)
def test_the_address_of_the_api_is_one_that_this_machine_can_ask(host, address):
    assert api_address(load({"API_HOST": host})) == address


def test_what_is_possible_is_taken():
    settings = load(
        {"LOG_LEVEL": "debug", "QUEUE_NAME": "team:jobs-2", "API_HOST": "fe80::1%eth0", "DATA_DIR": "/ü '%"}
    )

    assert (settings.log_level, settings.queue_name) == ("DEBUG", "team:jobs-2")
    assert (settings.api_host, settings.data_dir) == ("fe80::1%eth0", "/ü '%")
