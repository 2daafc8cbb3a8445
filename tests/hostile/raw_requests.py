"""Malformed requests, sent byte by byte; and all kinds of attacks together."""

from __future__ import annotations

import json
from functools import partial

from tests.faults.raw_http import RawConnection
from tests.hostile.client import Response, at_once
from tests.hostile.scenario import scenario
from tests.hostile.service import Service

__all__: list[str] = []

MIB = 2**20
_SECONDS = 3  # rejected requests get their response before they are complete
_LONG = b"POST /data HTTP/1.1\r\nHOST\r\nContent-Type: text/csv\r\n"
_CASES: dict[str, tuple[bytes, set[int]]] = {
    "a foreign name in an absolute target": (b"GET http://other.example/stats HTTP/1.1\r\nHOST\r\n\r\n", {403}),
    "transfer coding identity": (_LONG + b"Transfer-Encoding: identity\r\n\r\n", {400, 501}),
    "transfer coding gzip": (_LONG + b"Transfer-Encoding: gzip, chunked\r\n\r\n", {400, 501}),
    "length and chunks": (_LONG + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "a head of line feeds": (b"GET /health HTTP/1.1\nHost: localhost\n\n", {200, 400}),
    "a length beyond the limit": (_LONG + b"Content-Length: 999999999999\r\n\r\n", {413}),
    "the same, asked for": (_LONG + b"Content-Length: 999999999999\r\nExpect: 100-continue\r\n\r\n", {413}),
    "a length of 5,000 digits": (_LONG + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", {400, 413}),
    "a chunk of all memory": (_LONG + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", {400, 413}),
    "a dataset that has changed": (b'GET /data HTTP/1.1\r\nHOST\r\nIf-Match: "other"\r\n\r\n', {412}),
    "another web site": (
        b"GET /data HTTP/1.1\r\nHOST\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n\r\n",
        {403},
    ),
    "an old address": (b"GET /results/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\nHOST\r\n\r\n", {308, 404}),
    "a slash too many": (b"GET /jobs/ HTTP/1.1\r\nHOST\r\n\r\n", {308, 404}),
    "a path of megabytes": (b"GET /" + b"a" * MIB + b" HTTP/1.1\r\nHOST\r\n\r\n", {400, 414, 431}),
    "a header of megabytes": (b"GET / HTTP/1.1\r\nHOST\r\nX: " + b"a" * MIB + b"\r\n\r\n", {400, 431}),
}


@scenario(13, "heads and bodies that could be read in two ways, or never end")
def odd_requests(service: Service) -> None:
    assert service.client.load(b"id,text\n1,a\n").status == 201, "the table is not taken"
    wrong = []
    for what, (words, expected) in _CASES.items():
        try:
            with RawConnection(service.client.port, timeout=_SECONDS).send(words) as raw:
                answer = raw.answer()
        except (OSError, ValueError) as error:
            wrong.append(f"{what}: {error or type(error).__name__}")
            continue
        service.client.seen[answer.status] += 1
        if answer.status not in expected:
            wrong.append(f"{what}: {answer.status}, expected {sorted(expected)}")
        if "text/html" in answer.headers.get("content-type", ""):
            wrong.append(f"{what}: HTML")
        if answer.headers.get("x-content-type-options") != "nosniff":
            wrong.append(f"{what}: no nosniff")
    assert not wrong, "; ".join(wrong)


@scenario(13, "all kinds at once")
def all_at_once(service: Service) -> None:
    members = ",".join(f'"{number}":0' for number in range(50_000))
    paths = f'{{"{"a" * 500_000}":{{{members}}}}}'.encode()
    empty = f"[{','.join(['{}'] * (5 * MIB))}]".encode()
    numbers = b"id,a,b\n" + b"".join(b"%d,%d,%d.5\n" % (n, n % 977, n % 331) for n in range(2_000_000))
    long = json.dumps(
        [{"start": None, "end": None, "analysis": "bulky", "params": {"text": "x" * 60_000}, "delay": 86400}] * 250
    ).encode()
    client = service.client
    kinds = [
        partial(client.load, paths, "application/json"),
        partial(client.ask, "/jobs", empty),
        partial(client.load, empty, "application/json"),
        partial(client.load, numbers),
        partial(client.ask, "/jobs", long),
        partial(client.ask, "/jobs?limit=1000"),
        partial(client.ask, "/data?limit=1000&search=1"),
    ]
    for _ in range(2):
        answers: list[Response] = at_once(kinds * 6)
        statuses = {answer.status for answer in answers}
        assert statuses <= {200, 201, 202, 400, 413, 422, 503}, f"answered {sorted(statuses)}"
    assert client.ask("/ready").status == 200, "not ready afterwards"
