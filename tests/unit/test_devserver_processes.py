"""What the stack checks before it starts anything."""

import socket

import pytest

from config.settings import InvalidSetting
from ops.devserver.data_dir import open_locked
from ops.devserver.processes import Stack, StackError
from tests.conftest import free_port


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def refusal(environ):
    """The words with which a stack of these settings refuses to start."""
    with pytest.raises(StackError) as refused, Stack(environ):
        pass
    return str(refused.value)


def test_two_workers_are_the_default_of_a_stack():
    assert Stack({}).settings.workers == 2
    assert Stack({"WORKERS": ""}).settings.workers == 2
    assert Stack({"WORKERS": "5"}).settings.workers == 5


def test_a_bad_setting_is_refused_by_name():
    with pytest.raises(InvalidSetting, match="API_PORT"):
        Stack({"API_PORT": "many"})


def test_a_taken_port_is_refused_with_the_setting_to_change(tmp_path, taken_port):
    redis_taken = {"DATA_DIR": str(tmp_path), "REDIS_PORT": str(taken_port), "API_PORT": str(free_port())}
    api_taken = {"DATA_DIR": str(tmp_path), "REDIS_PORT": str(free_port()), "API_PORT": str(taken_port)}

    assert f"Port {taken_port}" in refusal(redis_taken)
    assert "set REDIS_PORT" in refusal(redis_taken)
    assert "set API_PORT" in refusal(api_taken)


def test_a_named_redis_that_does_not_answer_is_refused(tmp_path):
    port = free_port()
    environ = {"DATA_DIR": str(tmp_path), "REDIS_IP": "127.0.0.1", "REDIS_PORT": str(port)}

    assert f"No Redis answers at 127.0.0.1:{port}" in refusal(environ)


def test_a_server_program_that_is_not_there_is_refused(tmp_path):
    environ = {"DATA_DIR": str(tmp_path), "REDIS_PORT": str(free_port()), "REDIS_SERVER": "no-such-server"}
    with socket.create_server(("127.0.0.1", 0)) as other:
        environ["API_PORT"] = str(other.getsockname()[1])

    assert "REDIS_SERVER=no-such-server" in refusal(environ)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    assert "DATA_DIR" in refusal({"DATA_DIR": str(tmp_path / "file" / "var")})


def test_a_folder_that_another_stack_uses_is_refused_with_its_process(tmp_path):
    with open_locked(tmp_path) as lock:
        lock.truncate(0)
        lock.write("4711")
        lock.flush()

        words = refusal({"DATA_DIR": str(tmp_path)})

    assert "4711" in words
    assert "DATA_DIR" in words


def test_a_refused_stack_leaves_the_folder_free(tmp_path, taken_port):
    refusal({"DATA_DIR": str(tmp_path), "REDIS_PORT": str(taken_port)})

    open_locked(tmp_path).close()
