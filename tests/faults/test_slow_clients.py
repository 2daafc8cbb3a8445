"""Clients that send or read slowly, or not at all, do not affect others."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import jobs
from tests.conftest import eventually
from tests.faults.raw_http import RawConnection, assert_is_answered_well

pytestmark = pytest.mark.long

THREADS = 20
MANY = 100


@pytest.fixture
def api(start_api):
    # One process, whose places and threads are counted
    return start_api(API_THREADS=THREADS, API_PROCESSES=1)


@pytest.fixture
def crowd(api) -> Iterator[list[RawConnection]]:
    """Collect connections and close them at the end."""
    connections: list[RawConnection] = []
    yield connections
    for each in connections:
        each.close()


def _assert_serves(api, what: str = "") -> None:
    begun = time.monotonic()
    assert api.get("/stats").status_code == 200
    assert api.post("/jobs", json={"start": None, "end": None, "analysis": "sleep"}).status_code == 202
    # They stay for twenty seconds: a client that waited for them would have waited as long.
    assert time.monotonic() - begun < 15, what


HEAD = b"POST /jobs HTTP/1.1\r\nHOST\r\nContent-Length: 1000\r\n"
SLOW = {
    "nothing": b"",
    "half a head": HEAD,
    "half a body": HEAD + b"\r\n{",
    "half a chunk": b"POST /jobs HTTP/1.1\r\nHOST\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    "half of what was asked for": HEAD + b"Expect: 100-continue\r\n\r\n{",
    "half a second request": b"GET /health HTTP/1.1\r\nHOST\r\n\r\nGET /health HTTP/1.1\r\n",
    "half a large body": b"POST /data HTTP/1.1\r\nHOST\r\nContent-Length: 1000000\r\n\r\n" + 70_000 * b" ",
    "garbage": b"\x16\x03\x01" + bytes(range(256)),
}


def test_more_slow_clients_than_threads_block_no_others(api, crowd):
    for what, words in SLOW.items():
        slow = [RawConnection(api.base_url.port).send(words) for _ in range(MANY)]
        crowd += slow
        for _ in range(3):
            for each in slow:
                each.send(b"x" if what != "nothing" else b"")
            _assert_serves(api, what)


def test_more_connections_than_the_server_keeps_make_room_for_others(api, crowd):
    for _ in range(2100):
        crowd.append(RawConnection(api.base_url.port).send(b"GET /health HTTP/1.1\r\n"))

    _assert_serves(api)


def test_clients_that_are_too_slow_get_an_error_and_are_disconnected(api, crowd):
    # Given clients that do not send what they announced, and one client per thread that does not read
    rows = "id,text\n" + "".join(f"{number},{'x' * 15_000}\n" for number in range(1000))
    assert api.post("/data", content=rows.encode(), headers={"Content-Type": "text/csv"}).status_code == 201
    senders = [RawConnection(api.base_url.port, 60).send(SLOW[what]) for what in ("half a head", "half a large body")]
    readers = [
        RawConnection(api.base_url.port).send(b"GET /data?limit=1000 HTTP/1.1\r\nHOST\r\n\r\n") for _ in range(THREADS)
    ]
    crowd += [*senders, *readers]

    # Then the senders get an error, ...
    for each in senders:
        answer = each.answer()
        assert (answer.status, answer.headers["content-type"]) == (408, "application/problem+json")
        assert answer.headers["connection"] == "close"
        assert each.is_closed()
    # ... and no thread is held for ever.
    assert api.get("/stats", timeout=60).status_code == 200


def test_a_steady_client_may_take_its_time(api, crowd):
    # Given a body that arrives in pieces
    body = b'{"start": null, "end": null, "analysis": "sleep", "tags": ["' + b"x" * 100 + b'"]}' + b" " * 400_000
    words = b"POST /jobs HTTP/1.1\r\nHOST\r\nContent-Length: %d\r\n\r\n" % len(body)
    client = RawConnection(api.base_url.port).send(words)
    crowd.append(client)

    # When it keeps the minimum rate
    for at in range(0, len(body), 20_000):
        client.send(body[at : at + 20_000])
        time.sleep(0.15)

    # Then it is accepted
    assert client.answer().status == 202


# Uploads and downloads over a slow network

CSV = {"Content-Type": "text/csv"}
UPLOAD = b"POST /data HTTP/1.1\r\nHOST\r\nContent-Type: text/csv\r\n"
HEALTH_SECONDS = 1.0


@contextmanager
def _trickle(connections: list[RawConnection], part: bytes, every: float) -> Iterator[None]:
    """Send ``part`` on each connection repeatedly."""
    over = threading.Event()

    def send() -> None:
        while not over.wait(every):
            for each in connections:
                each.send(part)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _load_large_records(api) -> int:
    """Load a dataset with a page of 8 MB; return the size of the page."""
    rows = "id,text\n" + "".join(f"{number},{'x' * 8000}\n" for number in range(1000))
    assert api.post("/data", content=rows.encode(), headers=CSV).status_code == 201
    return len(api.get("/data?limit=1000").content)


def _assert_is_healthy(api) -> None:
    with RawConnection(api.base_url.port).send(b"GET /health HTTP/1.1\r\nHOST\r\n\r\n") as raw:
        begun = time.monotonic()
        assert raw.answer().status == 200
        assert time.monotonic() - begun < HEALTH_SECONDS


@pytest.mark.parametrize("framing", [b"Content-Length: 9000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
def test_an_honest_upload_does_not_wait_for_many_slow_ones(api, crowd, framing):
    # Given six uploads for each thread, at 5 kB/s
    crowd += [RawConnection(api.base_url.port).send(UPLOAD, framing) for _ in range(6 * THREADS)]
    part = b"1,2\n" * 250
    if b"chunked" in framing:
        part = b"%x\r\n%b\r\n" % (len(part), part)

    with _trickle(crowd, part, every=0.2):
        for number in range(4):
            # When another client loads a dataset, then it succeeds at once
            begun = time.monotonic()
            answer = api.post("/data", content=f"id,n{number}\n".encode() + b"1,2\n" * 1, headers=CSV)
            assert answer.status_code == 201
            assert time.monotonic() - begun < 10
            _assert_is_healthy(api)
            time.sleep(1)

    # And the slow uploads continue
    assert all(_is_open(each) for each in crowd)


def _is_open(raw: RawConnection) -> bool:
    raw.sock.setblocking(False)
    try:
        return raw.sock.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_clients_that_never_read_do_not_affect_others(api, crowd):
    _load_large_records(api)
    # Given more of them than threads, ten new ones per second
    begun = time.monotonic()
    for _ in range(3 * THREADS):
        crowd.append(RawConnection(api.base_url.port).send(b"GET /data?limit=1000 HTTP/1.1\r\nHOST\r\n\r\n"))
        _assert_is_healthy(api)
        time.sleep(0.1)
    _assert_serves(api)

    # Then they are disconnected after a while
    eventually(lambda: not any(_has_peer(each) for each in crowd[:THREADS]), seconds=begun + 45 - time.monotonic())


def _has_peer(raw: RawConnection) -> bool:
    """Return whether the connection is still open, without reading from it."""
    try:
        raw.sock.getpeername()
    except OSError:
        return False
    return True


def test_a_slow_reader_gets_all_of_it_and_its_connection_is_kept(api, crowd):
    size = _load_large_records(api)
    # Given a client that reads half a megabyte per second
    client = RawConnection(api.base_url.port).send(
        b"GET /data?limit=1000 HTTP/1.1\r\nHOST\r\n\r\n", b"GET /health HTTP/1.1\r\n"
    )
    crowd.append(client)
    found = b""
    while len(found) < size:
        found += client.sock.recv(100_000)
        time.sleep(0.2)

    # Then it gets the whole response, and the response to its next request
    head, _, body = found.partition(b"\r\n\r\n")
    while len(body) < size:
        body += client.sock.recv(100_000)
    assert head.startswith(b"HTTP/1.1 200")
    assert body == api.get("/data?limit=1000").content
    client.send(b"HOST\r\n\r\n")
    assert client.answer().status == 200


def test_a_request_that_comes_during_an_answer_is_kept_for_later(api, crowd):
    size = _load_large_records(api)
    client = RawConnection(api.base_url.port).send(b"GET /data?limit=1000 HTTP/1.1\r\nHOST\r\n\r\n")
    crowd.append(client)
    time.sleep(1)
    client.send(*[b"GET /health HTTP/1.1\r\nHOST\r\n\r\n"] * 3)

    assert len(client.answer().body) == size
    assert [client.answer().status for _ in range(3)] == [200] * 3


def test_bodies_that_lie_on_the_disk_are_bounded(start_api, crowd):
    # Given a server that buffers four incomplete bodies of the largest size
    api = start_api(MAX_BODY_BYTES=2**20, API_PROCESSES=1)
    head = UPLOAD + b"Content-Length: %d\r\n\r\n" % 2**20
    crowd += [RawConnection(api.base_url.port).send(head, b"x" * (2**20 - 1)) for _ in range(4)]
    time.sleep(1)

    # When another one arrives, then it gets a 503
    answer = api.post("/data", content=b"id,n\n" + b"1,2\n" * 100_000, headers=CSV)
    assert_is_answered_well((answer.status_code, answer.headers, answer.content))
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert api.post("/data", content=b"id,n\n1,2\n", headers=CSV).status_code == 201

    # And when there is space again, it is accepted
    for each in crowd:
        each.close()
    body = b"id,n\n" + b"".join(b"%d,2\n" % number for number in range(50_000))
    eventually(lambda: api.post("/data", content=body, headers=CSV).status_code == 201)


def test_waiters_that_have_gone_leave_their_place_to_others(api, crowd):
    jid = jobs.add_job(None, None, "sleep", params={"seconds": 60})["id"]
    words = f"GET /jobs/{jid}?wait=60 HTTP/1.1\r\nHOST\r\n\r\n".encode()
    # Given that all places for waiting clients are taken: all threads but 16
    gone = [RawConnection(api.base_url.port).send(words) for _ in range(THREADS - 16)]
    time.sleep(2)  # a request that came too early would take one of them
    assert api.get(f"/jobs/{jid}?wait=3").elapsed.total_seconds() < 2.5

    # When they disconnect, one of them after a second request
    gone[0].send(b"GET /health HTTP/1.1\r\nHOST\r\n\r\n")
    for each in gone:
        each.close()

    # Then another client may wait
    eventually(lambda: api.get(f"/jobs/{jid}?wait=3").elapsed.total_seconds() > 2.5, seconds=10)


def test_health_is_answered_though_all_threads_are_busy(api, crowd, live):
    # Given more requests than threads, all waiting for a Redis that does not respond
    with _frozen(live), ThreadPoolExecutor(3 * THREADS) as pool:
        waiting = [pool.submit(api.get, "/stats") for _ in range(3 * THREADS)]
        for _ in range(10):
            _assert_is_healthy(api)
            time.sleep(0.1)
        assert {each.result().status_code for each in waiting} == {503}


@contextmanager
def _frozen(server) -> Iterator[None]:
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)
