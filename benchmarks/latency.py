"""Measure how long a client waits for a short job: by the Python functions, over HTTP, and by long polls that end late.

    python -m benchmarks.latency [--quick]

Starts an append-only Redis, the API in its default settings and a worker with one child. *Late* is the time from the
end of a job, by the clock of Redis, until the first byte of the answer to ``?wait=``. PINGs to the same Redis, between
the jobs, by one redis-py connection, are the reference.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import jobs
from benchmarks.figures import HERE, Figure, report
from benchmarks.processes import own_redis, running
from ops.devserver.processes import free_ports

__all__ = ["measure"]

JOBS = 600
WAITERS = 40
JOB_SECONDS = 0.005
PAUSE_SECONDS = 0.003
"""Between two jobs, so that the worker is idle again."""
WARMING = 30
QUICK_SHARE = 0.25
PING = "PING"

_WAIT_SECONDS = 30


class _Connection:
    """A connection to the API that is kept alive; ``arrived`` is the time of the first byte of the last answer."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.arrived = 0.0

    def post(self, seconds: float) -> None:
        """Send a job that sleeps."""
        body = json.dumps({"analysis": "sleep", "params": {"seconds": seconds}})
        self.sock.sendall(
            f"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def wait(self, jid: str) -> None:
        """Send a long poll."""
        self.sock.sendall(f"GET /jobs/{jid}?wait={_WAIT_SECONDS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def answer(self) -> dict[str, str]:
        """Return the job of the answer.

        :raises RuntimeError: the API refused the request.
        """
        received = self.sock.recv(65536)
        self.arrived = time.time()
        while b"\r\n\r\n" not in received:
            received += self.sock.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += self.sock.recv(65536)
        job: dict[str, str] = json.loads(body)
        if "id" not in job:
            raise RuntimeError(f"the API refused a request: {body.decode()}")
        return job


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures of one round."""
    count = int(JOBS * (QUICK_SHARE if quick else 1))
    with own_redis("--appendonly", "yes"), _served() as port, ExitStack() as stack:
        connections = [_Connection(port) for _ in range(WAITERS)]
        for connection in connections:
            stack.callback(connection.sock.close)
        _over_http(connections[0], WARMING)
        yield from _figures("client", *_by_functions(count))
        yield from _figures("http", *_over_http(connections[0], count))
        yield from _figures("late-1", *_late(connections[:1], count))
        yield from _figures(f"late-{WAITERS}", *_late(connections, count))
        yield from _figures("late-same", _late_together(connections, count // WAITERS), [])


@contextmanager
def _served() -> Iterator[int]:
    """Start the API and a worker with one child, and yield the port once both are ready."""
    [port] = free_ports(1)
    words = [sys.executable, "-m", "gunicorn", "--config", "python:web.server.gunicorn_conf", "api:create_app()"]
    with running(*words, API_PORT=port), running(sys.executable, "worker.py", WORKERS=1):
        while not jobs.get_stats()["workers"]:
            time.sleep(0.05)
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield port


def _by_functions(count: int) -> tuple[list[float], list[float]]:
    """Return the seconds from ``add_job`` to the result, by a subscription, and those of PINGs."""
    taken, pings = [], []
    pubsub = jobs.open_pubsub()
    for _ in range(count):
        pings.append(_ping())
        begun = time.perf_counter()
        jid = jobs.add_job(None, None, "sleep", params={"seconds": 0})["id"]
        pubsub.subscribe(f"job.{jid}")
        while not jobs.Status(jobs.get_job_by_id(jid)["status"]).ended:
            pubsub.get_message(timeout=1)
        taken.append(time.perf_counter() - begun)
        pubsub.unsubscribe(f"job.{jid}")  # type: ignore[no-untyped-call]
        while pubsub.get_message(timeout=PAUSE_SECONDS):
            pass
    pubsub.close()
    return taken, pings


def _over_http(connection: _Connection, count: int) -> tuple[list[float], list[float]]:
    """Return the seconds from POST to the answer of ``?wait=``, and those of PINGs."""
    taken, pings = [], []
    for _ in range(count):
        pings.append(_ping())
        begun = time.perf_counter()
        connection.post(0)
        connection.wait(connection.answer()["id"])
        connection.answer()
        taken.append(time.perf_counter() - begun)
        time.sleep(PAUSE_SECONDS)
    return taken, pings


def _late(connections: list[_Connection], count: int) -> tuple[list[float], list[float]]:
    """Return the lateness of answers to clients that each submit a job and wait for it, again and again."""
    late: list[float] = []
    pings: list[float] = []
    waiting: dict[_Connection, str] = {}
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.sock, selectors.EVENT_READ, connection)
            connection.post(JOB_SECONDS)
        while len(late) < count:
            for key, _ in selector.select():
                connection = key.data
                job = connection.answer()
                if connection in waiting:
                    late.append(_lateness(connection, waiting.pop(connection)))
                    pings.append(_ping())
                    connection.post(JOB_SECONDS)
                else:
                    waiting[connection] = job["id"]
                    connection.wait(job["id"])
        for connection in connections:
            job = connection.answer()
            if connection not in waiting:
                connection.wait(job["id"])
                connection.answer()
    return late, pings


def _late_together(connections: list[_Connection], count: int) -> list[float]:
    """Return the lateness of the last answer to clients that wait for the same job."""
    late = []
    for _ in range(count):
        connections[0].post(0.1)
        jid = connections[0].answer()["id"]
        for connection in connections:
            connection.wait(jid)
        for connection in connections:
            connection.answer()
        late.append(max(_lateness(connection, jid) for connection in connections))
    return late


def _lateness(connection: _Connection, jid: str) -> float:
    return connection.arrived - int(jobs.rd.hget(f"job.{jid}", "ended") or 0) / 1e6


def _ping() -> float:
    begun = time.perf_counter()
    jobs.ping()
    return time.perf_counter() - begun


def _figures(line: str, taken: list[float], pings: list[float]) -> Iterator[Figure]:
    for side, values in ((HERE, taken), (PING, pings)):
        values.sort()
        for percent in (50, 99) if values else ():
            yield Figure(f"{line}-p{percent}", side, 1000 * values[int(percent / 100 * (len(values) - 1))], "ms")


if __name__ == "__main__":
    report(measure)
