"""The file of the keys: what it may hold, and what happens when it changes."""

import dataclasses
import hashlib
import logging
import os

import pytest

import jobs
from api import create_app
from config.api_keys import read_keys
from config.settings import InvalidSetting, Settings, load
from tests.keys import bearer, line_of, write_keys
from web.auth.key_file import KeyFile

HASH = hashlib.sha256(b"k").hexdigest()


@pytest.fixture
def file(tmp_path):
    return write_keys(tmp_path / "keys", line_of("ann", "submit", "secret"))


@pytest.fixture
def client(rd, file):
    return create_app(dataclasses.replace(jobs.settings, api_keys_file=str(file)), redis_client=rd).test_client()


def status(client, key):
    return client.get("/jobs", headers=bearer(key)).status_code


def replace(file, *lines):
    """Replace the file at once, as `make key` and Kubernetes do."""
    partial = file.with_name("partial")
    write_keys(partial, *lines)
    partial.rename(file)


def test_comments_blank_lines_any_blanks_and_capitals_of_the_hash_are_allowed(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"\ufeff# a comment\r\n\r\n  ann\tsubmit   {HASH.upper()}\r\n   # {HASH}\r\n")
    assert read_keys(str(file)) == {HASH: ("ann", "submit")}


@pytest.mark.parametrize(
    "line",
    [
        "ann",
        "ann submit",
        f"ann submit {HASH} more",
        f"ann owner {HASH}",
        f"ann Admin {HASH}",
        "ann admin secret",
        f"ann admin {HASH}0",
        f"ann admin {HASH[:-1]}g",
        f"{'x' * 101} admin {HASH}",
        f"a\x00b admin {HASH}",
        line_of("first", "admin", "other"),
        line_of("other", "admin", "first"),
    ],
)
def test_a_broken_line_is_a_refusal_at_the_start_that_names_it_and_shows_no_secret(tmp_path, line):
    file = write_keys(tmp_path / "keys", line_of("first", "read"), line)
    with pytest.raises(InvalidSetting) as refused:
        load({"API_KEYS_FILE": str(file)})
    message = str(refused.value)
    assert message.startswith(f"API_KEYS_FILE={str(file)!r}, line 4: expected ")
    assert message.isprintable()
    assert "secret" not in message
    assert HASH[:-1] not in message


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_a_refusal_at_the_start(tmp_path, content):
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidSetting, match="API_KEYS_FILE="):
        load({"API_KEYS_FILE": str(file)})


def test_an_empty_setting_is_a_refusal_and_no_open_door():
    with pytest.raises(InvalidSetting, match="API_KEYS_FILE is set but empty"):
        load({"API_KEYS_FILE": ""})
    assert load({}) == Settings()


@pytest.mark.parametrize(("name", "value"), [("RATE_LIMIT", "5/minute"), ("MAX_UNFINISHED_JOBS", "5")])
def test_limits_by_key_without_keys_are_a_refusal(name, value):
    with pytest.raises(InvalidSetting, match=f"{name} needs API_KEYS_FILE"):
        load({name: value})


def test_a_changed_file_counts_from_the_next_request_on(client, file):
    # Given a key
    assert status(client, "secret") == 200
    # when another takes its place, in a new file or in the same one with the same size, then it counts at once
    replace(file, line_of("ann", "submit", "newer"))
    assert (status(client, "secret"), status(client, "newer")) == (401, 200)
    write_keys(file, line_of("ann", "submit", "later"))
    assert (status(client, "newer"), status(client, "later")) == (401, 200)
    # when all are taken out, then none is left
    file.write_text("")
    assert status(client, "later") == 401


def test_a_role_that_is_changed_counts_too(client, file):
    assert client.delete("/data", headers=bearer("secret")).status_code == 204
    replace(file, line_of("ann", "read", "secret"))
    assert client.delete("/data", headers=bearer("secret")).status_code == 403


def test_a_broken_change_is_logged_once_and_keeps_the_old_keys(client, file, caplog):
    with caplog.at_level(logging.ERROR, "api"):
        replace(file, line_of("ann", "submit", "newer"), "bob admin\n")
        assert [status(client, key) for key in ("secret", "newer") * 3] == [200, 401] * 3
        [record] = caplog.records
        assert record.getMessage() == "key file rejected, keeping the old keys"
        assert "line 4" in record.error
        # when the file is gone, then so too
        file.unlink()
        assert [status(client, key) for key in ("secret", "newer") * 3] == [200, 401] * 3
        assert len(caplog.records) == 2
    # and once it is repaired, it counts
    replace(file, line_of("ann", "submit", "newer"))
    assert (status(client, "secret"), status(client, "newer")) == (401, 200)


def test_a_file_that_has_not_changed_for_a_while_is_not_read_again(file, monkeypatch):
    os.utime(file, (1, 1))
    keys = KeyFile(str(file))
    monkeypatch.setattr("web.auth.key_file.read_keys", lambda path: pytest.fail("read again"))
    assert keys.get(keys.find(b"secret")) == ("ann", "submit")
    assert keys.find(b"other") is None
