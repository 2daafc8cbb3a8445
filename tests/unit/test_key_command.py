"""`make key`: it prints a key once and keeps its hash; a new service gets a first one."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from config.api_keys import Role, digest_of, read_keys
from ops import keys
from tests.conftest import ROOT
from tests.keys import line_of, write_keys


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("API_KEYS_FILE", str(tmp_path / "api-keys"))
    return tmp_path / "api-keys"


def test_a_key_is_printed_once_and_its_hash_is_kept(file, capsys):
    # Given a file with a comment and no line end
    file.write_text("# ours\n" + line_of("ann", "read").strip())
    # when a key is made
    assert keys.main(["bob", "submit"]) == 0
    # then standard output has the key alone, and the file its hash, for its owner only
    printed = capsys.readouterr()
    key = printed.out.strip()
    assert printed.out == f"{key}\n"
    assert printed.err == ""
    assert len(key) >= 40
    assert key not in file.read_text()
    assert file.read_text().startswith("# ours\nann read ")
    assert read_keys(str(file))[digest_of(key.encode())] == ("bob", "submit")
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(file.parent) == ["api-keys"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ([], 2),
        (["ann"], 2),
        (["ann", "owner"], 2),
        (["ann", "admin", "more"], 2),
        (["", "admin"], 1),
        (["two words", "admin"], 1),
        (["#", "admin"], 1),
        (["ann", "admin"], 1),
    ],
)
def test_what_cannot_be_made_is_one_sentence_and_changes_nothing(file, capsys, words, status):
    write_keys(file, line_of("ann", "read"))
    before = file.read_text()
    assert keys.main(words) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert file.read_text() == before


def test_a_broken_file_and_one_that_cannot_be_written_are_refused(file, capsys, monkeypatch):
    write_keys(file, "ann\n")
    assert keys.main(["bob", "read"]) == 1
    assert "line 3" in capsys.readouterr().err
    monkeypatch.setenv("API_KEYS_FILE", str(file.parent / "nothing" / "api-keys"))
    assert keys.main(["bob", "read"]) == 1
    assert "No such file" in capsys.readouterr().err
    monkeypatch.delenv("API_KEYS_FILE")
    assert keys.main(["bob", "read"]) == 2
    assert "API_KEYS_FILE is not set" in capsys.readouterr().err


def test_keys_that_are_made_at_the_same_time_are_all_kept(file):
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda n: keys.add_key(file, f"n{n}", Role.READ), range(40)))
    assert {digest_of(key.encode()) for key in made} == set(read_keys(str(file)))


def test_a_new_service_gets_one_key_and_keeps_it(file, tmp_path):
    shown = tmp_path / "admin-key"
    assert keys.main(["--first", str(shown)]) == 0
    key, lines = shown.read_text(), file.read_text()
    assert read_keys(str(file)) == {digest_of(key.encode()): ("admin", "admin")}
    assert shown.stat().st_mode & 0o777 == 0o400
    # when it is started again, or its key was revoked, then none is added
    assert keys.main(["--first", str(shown)]) == 0
    assert (shown.read_text(), file.read_text()) == (key, lines)
    file.write_text("# revoked\n")
    assert keys.main(["--first", str(shown)]) == 0
    assert file.read_text() == "# revoked\n"


def test_a_start_that_was_interrupted_before_the_file_is_completed(file, tmp_path):
    shown = tmp_path / "admin-key"
    shown.write_text("a key that was written\n")
    assert keys.main(["--first", str(shown)]) == 0
    assert digest_of(b"a key that was written") in read_keys(str(file))


def test_make_key_prints_the_key_alone(file):
    words = ["make", "--silent", "-o", ".venv/runtime", f"BIN={os.path.dirname(sys.executable)}", "key"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    run = subprocess.run([*words, "NAME=ann", "ROLE=admin"], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert digest_of(run.stdout.strip().encode()) in read_keys(str(file))
