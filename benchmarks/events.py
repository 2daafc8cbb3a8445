"""Measure what clients that listen or wait cost the other ones, and how soon they learn of a change.

    python -m benchmarks.events

On a fresh Redis, in turns without and with a crowd of 200 event streams and 64 long polls: the time of
``GET /jobs/<id>``. The ratio of the two is the result; absolute times depend on the machine. Then the time from the end
of a job until the client of a long poll, or of a stream, has the answer.
"""

from __future__ import annotations

import http.client
import os
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse

import jobs
from benchmarks.harness import machine, markdown
from benchmarks.processes import own_redis, running
from ops.devserver.processes import free_ports

LISTENERS, LISTENERS_TO_ALL = 180, 20
WAITERS = 64
THREADS = 96
ROUNDS = 5
REQUESTS = 1500
CHANGES_PER_SECOND = 20
ENDS = 100
_ANSWER_BYTES = 2**16


def _ask(port: int, path: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 90)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return sock


@contextmanager
def _served() -> Iterator[int]:
    [port] = free_ports(1)
    words = [sys.executable, "-m", "gunicorn", "--config", "python:web.server.gunicorn_conf", "api:create_app()"]
    with running(*words, API_PORT=port, API_THREADS=THREADS):
        while True:
            try:
                if _ask(port, "/ready").recv(12).endswith(b" 200"):
                    break
            except OSError:
                time.sleep(0.1)
        yield port


@contextmanager
def _crowd(port: int, *, changes: bool) -> Iterator[None]:
    """Hold the streams and the long polls; with ``changes``, the jobs that are listened to change."""
    ids = [job["id"] for job in jobs.add_jobs([jobs.Submission(start=None, end=None)] * LISTENERS)[0]]
    paths = [f"/jobs/{jid}/events" for jid in ids] + ["/events"] * LISTENERS_TO_ALL
    paths += [f"/jobs/{jid}?wait=60" for jid in ids[:WAITERS]]
    over = threading.Event()

    def change() -> None:
        for number in range(2**31):
            if over.wait(1 / CHANGES_PER_SECOND):
                return
            jid = ids[number % len(ids)]
            jobs.rd.hset(f"job.{jid}", "message", f"part {number}")
            jobs.rd.publish(f"job.{jid}", "progress")

    with ExitStack() as stack:
        for path in paths:
            stack.enter_context(_ask(port, path))
        thread = threading.Thread(target=change)
        if changes:
            thread.start()
            stack.callback(thread.join)
        stack.callback(over.set)
        time.sleep(1)
        yield
    for jid in ids:
        jobs.cancel_job(jid)
    time.sleep(1)


def _times(port: int, path: str) -> list[float]:
    """Return the sorted seconds that each of many requests took."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    taken = []
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        connection.request("GET", path, headers={"Host": "localhost"})
        connection.getresponse().read()
        taken.append(time.perf_counter() - begun)
    connection.close()
    return sorted(taken)


def _p99(times: list[float]) -> float:
    return times[int(0.99 * len(times))]


_MEASURES: list[tuple[str, Callable[[list[float]], float]]] = [("median", statistics.median), ("p99", _p99)]


def request_times(port: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows about ``GET /jobs/<id>``."""
    path = f"/jobs/{jobs.add_job(None, None)['id']}"
    _times(port, path)
    for what, changes in (("held", False), (f"held, {CHANGES_PER_SECOND} of the jobs change a second", True)):
        quiet, crowded = [], []
        for _ in range(ROUNDS):
            quiet.append(_times(port, path))
            with _crowd(port, changes=changes):
                crowded.append(_times(port, path))
        for name, of in _MEASURES:
            alone, beside = statistics.median(map(of, quiet)), statistics.median(map(of, crowded))
            label = f"`GET /jobs/<id>`, {name}, {LISTENERS + LISTENERS_TO_ALL} streams and {WAITERS} long polls {what}"
            yield label, f"{1000 * alone:.2f} ms", f"{1000 * beside:.2f} ms", f"{beside / alone:.2f}"


def _delays(port: int, ask: Callable[[str], socket.socket], is_answer: Callable[[bytes], bool]) -> list[float]:
    """Return the sorted seconds from the end of a job to the answer about it."""
    taken = []
    for _ in range(ENDS):
        jid = jobs.add_job(None, None)["id"]
        with ask(jid) as sock:
            time.sleep(0.03)
            begun = time.perf_counter()
            jobs.cancel_job(jid)
            while not is_answer(sock.recv(_ANSWER_BYTES)):
                pass
            taken.append(time.perf_counter() - begun)
    return sorted(taken)


def delays(port: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows about the time until an end is known."""

    def wait(jid: str) -> socket.socket:
        return _ask(port, f"/jobs/{jid}?wait=60")

    def listen(jid: str) -> socket.socket:
        sock = _ask(port, f"/jobs/{jid}/events")
        HTTPResponse(sock).begin()
        return sock

    for what, ask in (("a long poll", wait), ("a stream", listen)):
        alone = _delays(port, ask, lambda data: b'"cancelled"' in data)
        ids = [jobs.add_job(None, None)["id"] for _ in range(40)]
        with ExitStack() as stack:
            for jid in ids:
                stack.enter_context(ask(jid))
            beside = _delays(port, ask, lambda data: b'"cancelled"' in data)
        for name, of in _MEASURES:
            label = f"From the end of a job to the answer of {what}, {name}; beside 40 others"
            yield label, f"{1000 * of(alone):.2f} ms", f"{1000 * of(beside):.2f} ms", f"{of(beside) / of(alone):.2f}"


def main() -> None:
    """Measure and print the table."""
    with own_redis(), _served() as port:
        rows = [("", "alone", "beside", "ratio"), *request_times(port), *delays(port)]
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}\n\n{markdown(rows)}")


if __name__ == "__main__":
    main()
