"""The settings of a Redis that wants more than an address: what would be ignored or sent in the clear is refused."""

from __future__ import annotations

import re

import pytest

from config.settings import InvalidSetting, load, redis_auth_settings


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    return str(file)


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"REDIS_PASSWORD_FILE": ""}, "REDIS_PASSWORD_FILE is set but empty"),
        ({"REDIS_PASSWORD_FILE": "/nowhere/at/all"}, "cannot be read"),
        ({"REDIS_USERNAME": "jobs"}, "REDIS_USERNAME needs REDIS_PASSWORD_FILE"),
        ({"REDIS_TLS": "maybe"}, "REDIS_TLS='maybe': expected yes or no"),
        ({"REDIS_CA_FILE": "SECRET"}, "REDIS_CA_FILE needs REDIS_TLS=yes"),
        ({"REDIS_TLS": "yes", "REDIS_CERT_FILE": "SECRET"}, "REDIS_CERT_FILE needs REDIS_KEY_FILE"),
        ({"REDIS_TLS": "yes", "REDIS_KEY_FILE": "SECRET"}, "REDIS_KEY_FILE needs REDIS_CERT_FILE"),
        ({"REDIS_SENTINEL_PASSWORD_FILE": "SECRET"}, "REDIS_SENTINEL_PASSWORD_FILE needs REDIS_SENTINELS"),
        ({"REDIS_SENTINELS": "one,two"}, "REDIS_SENTINELS='one,two': expected host:port,host:port"),
    ],
)
def test_a_setting_that_would_do_nothing_or_harm_is_refused(environ, complaint, secret):
    with pytest.raises(InvalidSetting, match=re.escape(complaint)):
        load({name: secret if value == "SECRET" else value for name, value in environ.items()})


def test_an_empty_secret_is_refused(tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("\n")

    with pytest.raises(InvalidSetting, match="the file is empty"):
        load({"REDIS_PASSWORD_FILE": str(empty)})


def test_sentinels_are_read_with_names_and_addresses():
    access = redis_auth_settings(load({"REDIS_SENTINELS": "one.example:26379, [::1]:26380"}))

    assert access["sentinels"] == (("one.example", 26379), ("::1", 26380))
    assert access["sentinel_master"] == "mymaster"


def test_tls_is_off_unless_asked_for():
    assert not load({}).redis_tls
    assert load({"REDIS_TLS": "Yes"}).redis_tls
    assert not load({"REDIS_TLS": "0"}).redis_tls
