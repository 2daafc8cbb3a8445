"""Clients that send or read slowly, or not at all: the others do not notice."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.faults.raw import Raw

THREADS = 20
MANY = 100


@pytest.fixture
def api(start_api):
    return start_api(API_THREADS=THREADS)


@pytest.fixture
def crowd(api) -> Iterator[list[Raw]]:
    """Connections that are closed afterwards."""
    connections: list[Raw] = []
    yield connections
    for each in connections:
        each.close()


def _assert_serves(api, what: str = "") -> None:
    begun = time.monotonic()
    assert api.get("/stats").status_code == 200
    assert api.post("/jobs", json={"start": None, "end": None, "analysis": "sleep"}).status_code == 202
    # They hold on for twenty seconds: whoever waited for them would have waited as long.
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


def test_more_slow_clients_than_threads_keep_nobody_out(api, crowd):
    for what, words in SLOW.items():
        slow = [Raw(api.base_url.port).send(words) for _ in range(MANY)]
        crowd += slow
        for _ in range(3):
            for each in slow:
                each.send(b"x" if what != "nothing" else b"")
            _assert_serves(api, what)


def test_more_connections_than_the_server_keeps_make_room_for_others(api, crowd):
    for _ in range(2100):
        crowd.append(Raw(api.base_url.port).send(b"GET /health HTTP/1.1\r\n"))

    _assert_serves(api)


def test_clients_that_are_too_slow_are_told_so_and_let_go(api, crowd):
    # Given clients that do not send what they announced, and as many as there are threads that do not read
    rows = "id,text\n" + "".join(f"{number},{'x' * 15_000}\n" for number in range(1000))
    assert api.post("/data", content=rows.encode(), headers={"Content-Type": "text/csv"}).status_code == 201
    senders = [Raw(api.base_url.port, 60).send(SLOW[what]) for what in ("half a head", "half a large body")]
    readers = [Raw(api.base_url.port).send(b"GET /data?limit=1000 HTTP/1.1\r\nHOST\r\n\r\n") for _ in range(THREADS)]
    crowd += [*senders, *readers]

    # Then those who send are told, ...
    for each in senders:
        answer = each.answer()
        assert (answer.status, answer.headers["content-type"]) == (408, "application/problem+json")
        assert answer.headers["connection"] == "close"
        assert each.is_closed()
    # ... and no thread is held for ever.
    assert api.get("/stats", timeout=60).status_code == 200


def test_a_steady_client_may_take_its_time(api, crowd):
    # Given a body that comes in pieces
    body = b'{"start": null, "end": null, "analysis": "sleep", "tags": ["' + b"x" * 100 + b'"]}' + b" " * 400_000
    words = b"POST /jobs HTTP/1.1\r\nHOST\r\nContent-Length: %d\r\n\r\n" % len(body)
    client = Raw(api.base_url.port).send(words)
    crowd.append(client)

    # When it keeps a pace
    for at in range(0, len(body), 20_000):
        client.send(body[at : at + 20_000])
        time.sleep(0.15)

    # Then it is heard
    assert client.answer().status == 202
