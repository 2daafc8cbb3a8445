"""Configuration of gunicorn: ``gunicorn --config python:web.server.gunicorn_conf 'api:create_app()'``.

Several processes with many threads each: a long poll holds a thread, and those of a process share one subscription.
Limits on memory, disk and connections are for all processes together.
"""

from __future__ import annotations

import gc
import resource
import shutil
import tempfile
from functools import partial
from typing import Any
from urllib.parse import unquote

import gunicorn.util

import jobs
from config.cpu import usable_cores
from config.logs import set_up_logging
from config.memory import return_freed_memory
from config.process_lock import share_locks
from config.settings import bracketed, load_or_exit
from web import metrics
from web.auth.guard import warn_if_open
from web.server.buffering_worker import BufferingThreadWorker
from web.server.connections import write_problem
from web.server.log import RequestLogger
from web.shared_counts import ProcessTable

_MAX_DEFAULT_PROCESSES = 4

_settings = load_or_exit()
_processes = ProcessTable(1)
_metrics_folder = ""


class Worker(BufferingThreadWorker):
    """Answers pending long polls and ends event streams at shutdown so that it finishes quickly."""

    most_body_bytes = 4 * _settings.max_body_bytes
    row = 0
    """The row of this process in the table of processes."""
    wsgi: Any = None
    """The application, once it is loaded: a signal may come before."""

    def most_bytes(self, request: Any) -> int:
        return _settings.max_body_bytes if _loads_data(request) else _settings.max_jobs_bytes

    def expect_body(self, request: Any) -> None:
        if self.wsgi is not None and _loads_data(request):
            self.wsgi.extensions["load limits"].prepare()

    def is_urgent(self, request: Any) -> bool:
        return request.path in ("/health", f"{_settings.url_prefix.rstrip('/')}/health")

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._drain()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        self._drain()
        super().handle_quit(sig, frame)

    def _drain(self) -> None:
        if self.wsgi is not None:
            self.wsgi.extensions["events"].drain()
            self.wsgi.extensions["waiting"].drain()


def _loads_data(request: Any) -> bool:
    return request.method == "POST" and unquote(request.path).endswith("/data")


def on_starting(arbiter: Any) -> None:
    """Prepare what the processes share; exit if Redis cannot be used with this service.

    An unavailable Redis may become available later.
    """
    _share(arbiter.cfg.workers)
    set_up_logging(_settings.log_level, _settings.log_format)
    warn_if_open(_settings)
    jobs.connect(_settings)
    # A connection can have a file for its request and one for its response.
    _allow_descriptors(3 * worker_connections + 200)
    try:
        jobs.check_redis()
    except jobs.UnusableServer as error:
        raise SystemExit(str(error)) from error
    except jobs.RedisUnavailable as error:
        arbiter.log.warning("Redis unavailable at startup: %s", error)


def pre_fork(arbiter: Any, worker: Any) -> None:
    """Give the next process a row of the table."""
    worker.row = _processes.free_row({other.row for other in arbiter.WORKERS.values()})
    worker.count = partial(_processes.count, row=worker.row)


def post_fork(arbiter: Any, worker: Any) -> None:
    """Enter a process in the table."""
    _processes.enter(worker.row)


def child_exit(arbiter: Any, worker: Any) -> None:
    """Release what a process held that has ended, however it ended."""
    _processes.clear(worker.row)


def on_exit(arbiter: Any) -> None:
    """Remove the files of the metrics."""
    if _metrics_folder:
        shutil.rmtree(_metrics_folder, ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    """Prepare the process that serves requests."""
    return_freed_memory()
    worker.wsgi.extensions["budget"].count = worker.count("memory")
    worker.wsgi.extensions["events"].count = worker.count("streams")
    worker.wsgi.extensions["bulk actions"].start()
    worker.wsgi.extensions["store"].sweep_files()
    # Exclude the program's own objects from garbage collection: a full collection would block requests for 25 ms.
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)  # a request makes hundreds of objects, which its end frees without a collection


def _share(processes: int) -> None:
    """Prepare what that many processes share."""
    global _processes, _metrics_folder
    _processes = ProcessTable(processes)
    share_locks()
    if processes > 1:
        _metrics_folder = "" if metrics.is_shared() else tempfile.mkdtemp(prefix="metrics-")
        metrics.share(_processes, _metrics_folder)


def _allow_descriptors(wanted: int) -> None:
    """Raise the limit of open files, often 1,024, to ``wanted`` or as far as the system allows."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    if least != resource.RLIM_INFINITY and least < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


# gunicorn has no setting for its response to malformed requests, which is HTML.
gunicorn.util.write_error = write_problem

bind = [f"{bracketed(_settings.api_host)}:{_settings.api_port}"]
workers = _settings.api_processes or min(_MAX_DEFAULT_PROCESSES, usable_cores())
threads = _settings.api_threads
worker_class = Worker
RequestLogger.url_prefix = _settings.url_prefix
logger_class = RequestLogger
worker_connections = 2000
keepalive = 15
sendfile = False  # would bypass the buffers
timeout = 120
graceful_timeout = 10
limit_request_line = 8190
limit_request_fields = 100
proc_name = "api"

# By default, polars' allocator keeps freed memory in each of its threads.
raw_env = ["_RJEM_MALLOC_CONF=dirty_decay_ms:100,muzzy_decay_ms:100"]
loglevel = _settings.log_level.lower()

# Headers set by proxies are not trusted: the API needs none of them, and any client can send them.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}

# gunicorn would open a control socket in the home directory.
control_socket_disable = True
