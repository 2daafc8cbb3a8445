"""Large responses, and clients that read or send slowly or not at all."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from tests.hostile.client import Response, at_once
from tests.hostile.scenario import scenario
from tests.hostile.service import Service

__all__: list[str] = []

_RESULT_MB = 52
_HONEST_SECONDS = 45.0  # a server with time-outs would disconnect after half a minute
_ROUND_SECONDS = 0.2
_FAST_READS = 256
_NON_READERS, _EACH_SECONDS = 60, 0.1
_SLOW_UPLOADS, _SLOW_HEADS = 120, 2500
_ESTABLISHED = "01"  # in /proc/net/tcp


def _large_result(service: Service) -> str:
    """Run a job with a result of some megabytes and return the path of the result."""
    answer = service.client.post_jobs(
        {"start": None, "end": None, "analysis": "bulky", "params": {"megabytes": _RESULT_MB}}
    )
    assert answer.status == 202, f"the job was answered {answer.status}"
    path = f"/jobs/{answer.json()['id']}"
    for _ in range(60):
        if (job := service.client.ask(f"{path}?wait=1").json())["status"] in ("complete", "failed"):
            break
    assert job["status"] == "complete", f"the job is {job['status']}: {job['error']}"
    return f"{path}/results"


@scenario(7, "a result of 52 MB: GET, HEAD, If-None-Match, and twelve at once")
def large_result(service: Service) -> None:
    ask = partial(service.client.ask, _large_result(service))
    whole = ask()
    assert whole.status == 200, f"answered {whole.status}"
    assert whole.size > _RESULT_MB * 10**6, f"the result has {whole.size} bytes"
    head, known = ask(method="HEAD"), ask(if_none_match=whole.headers["etag"])
    assert (head.status, known.status) == (200, 304), f"answered {head.status}, {known.status}"
    answers = at_once([ask] * 12)
    assert {answer.status for answer in answers} <= {200, 503}, f"answered {[a.status for a in answers]}"
    sizes = {answer.size for answer in answers if answer.status == 200}
    assert sizes == {whole.size}, f"the results have {sizes} bytes"
    assert max(head.seconds, known.seconds) < 1, f"HEAD took {head.seconds:.1f} s, 304 {known.seconds:.1f} s"


def _connect(service: Service, words: bytes, buffer: int = 0) -> socket.socket:
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", service.client.port))
    connection.sendall(words)
    return connection


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _load_eight_megabytes(service: Service) -> None:
    rows = "".join(f"{number},{'x' * 8000}\n" for number in range(1000))
    answer = service.client.load(f"id,text\n{rows}".encode())
    assert answer.status == 201, f"the table was answered {answer.status}"


@scenario(8, "ten clients a second that never read an answer of 8 MB")
def non_readers(service: Service) -> None:
    _load_eight_megabytes(service)
    with ExitStack() as crowd:
        for number in range(_NON_READERS):
            crowd.enter_context(_connect(service, _get("/data?limit=1000"), buffer=4096))
            time.sleep(_EACH_SECONDS)
            if number % 10 == 0:
                answer = service.client.ask("/stats", timeout=10)
                assert answer.status == 200, f"an honest request was answered {answer.status}"


def _slow_upload(service: Service) -> Callable[[float], None]:
    """Start an upload at 5 kB/s; each call of the returned function sends the data of so many seconds."""
    head = b"POST /data HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 1000000\r\n\r\n"
    connection = _connect(service, head + b"id,text\n")

    def send(seconds: float) -> None:
        try:
            connection.send(b"1,xxxxxx\n" * int(555 * seconds))
        except OSError:
            connection.close()

    return send


def _is_served(connection: socket.socket) -> bool:
    """Return whether the server's end is open; a slow reader gets data long after it was closed."""
    try:
        server, client = (f":{address[1]:04X}" for address in (connection.getpeername(), connection.getsockname()))
    except OSError:  # it was reset
        return False
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(
        local.endswith(server) and remote.endswith(client) and state == _ESTABLISHED
        for _, local, remote, state, *_ in lines
    )


class _SlowReaders:
    """Honest clients that read a large response at 20 to 200 kB/s.

    Half of them begin at full speed: the kernels enlarge their buffers, accept megabytes at once and then nothing for
    long.
    """

    def __init__(self, service: Service, crowd: ExitStack) -> None:
        words = _get(_large_result(service))
        self._readers = [
            (rate, crowd.enter_context(_connect(service, words, buffer)))
            for rate in (20_000, 20_000, 50_000, 200_000)
            for buffer in (0, 65536)
        ]
        for _, connection in self._readers[::2]:
            for _ in range(_FAST_READS):
                connection.recv(65536)

    def read(self, seconds: float) -> None:
        """Read the data of so many seconds."""
        for rate, connection in self._readers:
            assert _is_served(connection), f"a reader at {rate // 1000} kB/s was cut off"
            with suppress(BlockingIOError):
                connection.recv(int(rate * seconds), socket.MSG_DONTWAIT)


@scenario(8, "120 uploads at 5 kB/s beside honest ones, and readers of 52 MB at 20 to 200 kB/s")
def slow_and_honest(service: Service) -> None:
    honest = b"id,text\n" + b"".join(b"%d,some words\n" % number for number in range(200_000))
    answers: list[Response] = []
    with ExitStack() as crowd:
        readers = _SlowReaders(service, crowd)
        uploads = [_slow_upload(service) for _ in range(_SLOW_UPLOADS)]
        begun = time.monotonic()
        give_up = begun + _HONEST_SECONDS
        while time.monotonic() < give_up:
            begun, before = time.monotonic(), begun
            for send in uploads:
                send(_ROUND_SECONDS)
            readers.read(begun - before)
            if len(answers) < 3:
                answers.append(service.client.load(honest, timeout=30))
            time.sleep(max(0.0, begun + _ROUND_SECONDS - time.monotonic()))
    statuses, longest = [answer.status for answer in answers], max(answer.seconds for answer in answers)
    assert statuses == [201] * len(answers), f"honest uploads were answered {statuses}"
    assert longest < 10, f"an honest upload took {longest:.1f} s"


@scenario(8, "2,500 heads that are never ended beside honest requests")
def slow_heads(service: Service) -> None:
    with ExitStack() as crowd:
        for number in range(_SLOW_HEADS):
            crowd.enter_context(_connect(service, b"GET /health HTTP/1.1\r\nX-Slow: "))
            if number % 250 == 0:
                answer = service.client.ask("/stats", timeout=10)
                assert answer.status == 200, f"an honest request was answered {answer.status}"
        for _ in range(50):
            assert service.client.ask("/stats", timeout=10).status == 200, "an honest request was not answered"
            time.sleep(0.1)


@scenario(9, "a Redis that is frozen for 8 s")
def frozen_redis(service: Service) -> None:
    service.freeze_redis(8)
    thaws = time.monotonic() + 10
    time.sleep(0.2)
    job = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
    asks: list[Callable[[], Response]] = [
        partial(service.client.ask, path) for path in ("/stats", "/ready", "/workers")
    ]
    asks += [partial(service.client.ask, "/data"), partial(service.client.post_jobs, job)]
    answers = at_once(asks * 20)
    statuses, longest = {answer.status for answer in answers}, max(answer.seconds for answer in answers)
    assert statuses == {503}, f"answered {statuses}"
    assert all("retry-after" in answer.headers for answer in answers), "503 without Retry-After"
    assert longest < 3.5, f"a 503 took {longest:.1f} s"
    time.sleep(max(0, thaws - time.monotonic()))
    assert service.client.ask("/ready").status == 200, "not ready once Redis goes on"
