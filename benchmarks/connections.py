"""Measure the API with misbehaving clients, on our gunicorn worker and on gunicorn's own threaded worker.

    python -m benchmarks.connections

Each measurement has its own Redis: plain throughput (by ``wrk``, if it is installed), 2,500 slow heads, 120 slow
uploads, and 10 clients per second that never read. Prints a table.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from benchmarks.harness import machine, markdown
from benchmarks.processes import own_redis, running
from ops.devserver.processes import free_ports

THREADS = 96
OURS = ["--config", "python:web.server.gunicorn_conf"]
STOCK = ["--worker-class", "gthread", "--threads", str(THREADS), "--worker-connections", "2000", "--keep-alive", "15"]
SERVERS = {"our worker": OURS, "gthread": STOCK}
HEADS = 2500
UPLOADS = 120
UPLOAD_BYTES_PER_SECOND = 5000
READERS_PER_SECOND = 10
SECONDS = 20.0
_GIVE_UP_SECONDS = 60.0


class Server:
    """A running API."""

    def __init__(self, port: int) -> None:
        self.port = port

    def call(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes, float]:
        """Return status, body and seconds; status 0 if no response arrived in time."""
        begun = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_GIVE_UP_SECONDS)
        try:
            connection.request(method, path, body, {"Host": "localhost", "Content-Type": "text/csv"})
            response = connection.getresponse()
            return response.status, response.read(), time.perf_counter() - begun
        except OSError:
            return 0, b"", time.perf_counter() - begun
        finally:
            connection.close()

    def send(self, words: str) -> socket.socket:
        """Open a connection, send ``words`` and read nothing."""
        sock = socket.create_connection(("127.0.0.1", self.port), 10)
        sock.sendall(words.replace("\n", "\r\n").encode())
        return sock


@contextmanager
def _served(words: list[str]) -> Iterator[Server]:
    [port] = free_ports(1)
    bind = ["--bind", f"127.0.0.1:{port}"]
    with running(sys.executable, "-m", "gunicorn", *words, *bind, "api:create_app()", API_THREADS=THREADS):
        server = Server(port)
        while server.call("GET", "/ready")[0] != 200:
            time.sleep(0.1)
        yield server


@contextmanager
def _repeating(work: Callable[[], None], every: float) -> Iterator[None]:
    """Call ``work`` repeatedly while the body runs."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(every):
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _health(server: Server, seconds: float) -> str:
    """Return the median, the 99th percentile and the maximum of the response times of ``/health``."""
    taken: list[float] = []
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        status, _, took = server.call("GET", "/health")
        taken.append(took if status == 200 else _GIVE_UP_SECONDS)
        time.sleep(0.02)
    taken.sort()
    found = (taken[len(taken) // 2], taken[int(0.99 * len(taken))], taken[-1])
    return ", ".join(f"{1000 * each:.0f}" for each in found)


def slow_heads(server: Server) -> str:
    """`/health` (ms: median, p99, longest) beside 2,500 connections that never end their head."""
    with ExitStack() as crowd:
        for _ in range(HEADS):
            with suppress(OSError):
                crowd.enter_context(server.send("GET /health HTTP/1.1\n"))
        return _health(server, 5)


def slow_uploads(server: Server) -> str:
    """An honest upload beside 120 uploads at 5 kB/s."""
    head = "POST /data HTTP/1.1\nHost: localhost\nContent-Type: text/csv\nContent-Length: 9000000\n\nid,n\n"
    part = b"1,2\n" * (UPLOAD_BYTES_PER_SECOND // 20)
    with ExitStack() as crowd:
        slow = [crowd.enter_context(server.send(head)) for _ in range(UPLOADS)]

        def trickle() -> None:
            for each in slow:
                with suppress(OSError):
                    each.sendall(part)

        with _repeating(trickle, 0.2):
            time.sleep(2)
            status, _, took = server.call("POST", "/data", "id,n\n1,2\n")
    return f"{took:.1f} s" if status == 201 else f"none in {took:.0f} s"


def absent_readers(server: Server) -> str:
    """`/health` (ms: median, p99, longest) beside 10 new connections a second that never read 8 MB."""
    rows = "".join(f"{number},{'x' * 8000}\n" for number in range(1000))
    server.call("POST", "/data", f"id,text\n{rows}")
    with ExitStack() as crowd:

        def ask() -> None:
            with suppress(OSError):
                crowd.enter_context(server.send("GET /data?limit=1000 HTTP/1.1\nHost: localhost\n\n"))

        with _repeating(ask, 1 / READERS_PER_SECOND):
            return _health(server, SECONDS)


def throughput(server: Server) -> str:
    """Requests a second of `/health` and of `/jobs`, 16 connections."""
    if shutil.which("wrk") is None:
        return "-"
    rates = []
    for path in ("/health", "/jobs?limit=1"):
        address = f"http://127.0.0.1:{server.port}{path}"
        words = ["wrk", "-t1", "-c16", "-d5", "-H", "Host: localhost", address]
        found = re.search(r"Requests/sec:\s+([\d.]+)", subprocess.check_output(words, text=True))
        rates.append(f"{float(found[1]):,.0f}" if found else "-")
    return ", ".join(rates)


def main() -> None:
    """Measure each server on a fresh Redis and print the table."""
    rows = [("", *SERVERS)]
    measured: dict[str, list[str]] = {}
    for words in SERVERS.values():
        for measure in (throughput, slow_heads, slow_uploads, absent_readers):
            with own_redis(), _served(words) as server:
                measured.setdefault(str(measure.__doc__).rstrip("."), []).append(measure(server))
    rows += [(what, *values) for what, values in measured.items()]
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}\n\n{markdown(rows)}")


if __name__ == "__main__":
    main()
