"""Hostile input to the real server: no 500, no hang, no memory growth, and every error in one format."""

from __future__ import annotations

import gzip
import io
import json
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Process, Server, eventually, free_port
from tests.faults.raw_http import RawConnection, assert_is_answered_well, rss_of

MIB = 2**20
JOB = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
FUZZED = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def served(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, int]]:
    """Start one API for all tests of this file; return a client and its process."""
    port, log = free_port(), tmp_path_factory.mktemp("api") / "log"
    words = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "python:web.server.gunicorn_conf",
        "api:create_app()",
    ]
    process = Process(words, server.port, log, API_PORT=port, MAX_BODY_BYTES=8 * MIB, MAX_JOBS_BYTES=4 * MIB)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=90, trust_env=False) as client:
        eventually(lambda: _is_up(client))
        yield client, process.process.pid
    assert process.stop() == 0


def _is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def api(live: Server, served: tuple[httpx.Client, int]) -> httpx.Client:
    return served[0]


@pytest.fixture
def pid(served: tuple[httpx.Client, int]) -> int:
    return served[1]


def _port(api: httpx.Client) -> int:
    port: int = api.base_url.port
    return port


def _check(answer: httpx.Response, what: object = None) -> int:
    assert_is_answered_well((answer.status_code, answer.headers, answer.content), what)
    return answer.status_code


def _exchange(api: httpx.Client, words: bytes) -> Any:
    with RawConnection(_port(api)).send(words) as raw:
        return raw.answer()


# Invalid or ambiguous HTTP

POST = b"POST /jobs HTTP/1.1\r\nHOST\r\n"
BROKEN = {
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "two equal lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n{}",
    "a length in hex": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "length and coding": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "identity, then chunked": POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "gzip, then chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "gzip and chunked in two fields": POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /jobs HTTP/1.0\r\nHOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "line feeds alone": b"GET /health HTTP/1.1\nHOST\n\n",
    "line feeds in the fields": b"GET /health HTTP/1.1\r\nHOST\nX: y\r\n\r\n",
    "a line feed in a chunk's line": POST + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
    "a line feed after a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n",
    "a length in a trailer": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n",
    "an underscore": POST + b"Content_Length: 2\r\n\r\n",
    "a bad chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a signed chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
    "a chunk without its end": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
    "an endless chunk extension": POST + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"x" * 70_000,
    "a folded header": POST + b"X: a\r\n b\r\n\r\n",
    "a NUL in a header": POST + b"X: a\0b\r\n\r\n",
    "a header without a colon": POST + b"nonsense\r\n\r\n",
    "a header without a name": POST + b": x\r\n\r\n",
    "two hosts": POST + b"Host: localhost\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "HTTP/3": b"GET / HTTP/3.0\r\nHOST\r\n\r\n",
    "HTTP/2 by preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a small method": b"get / HTTP/1.1\r\nHOST\r\n\r\n",
    "an odd method": b"BREW / HTTP/1.1\r\nHOST\r\n\r\n",
    "a tunnel": b"CONNECT example.org:443 HTTP/1.1\r\nHOST\r\n\r\n",
    "raw UTF-8 in the path": "GET /jobs/é HTTP/1.1\r\nHOST\r\n\r\n".encode(),
    "a blank in the path": b"GET /jobs/a b HTTP/1.1\r\nHOST\r\n\r\n",
    "another expectation": POST + b"Expect: miracles\r\n\r\n",
    "an endless line": b"GET /" + b"x" * 100_000,
    "a long line": b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHOST\r\n\r\n",
    "a long header": POST + b"X: " + b"x" * 10_000 + b"\r\n\r\n",
    "an endless header": POST + b"X: " + b"x" * 100_000,
    "ten thousand headers": POST + b"".join(b"X-%d: x\r\n" % number for number in range(10_000)) + b"\r\n",
    "ten thousand equal headers": POST + b"X: x\r\n" * 10_000 + b"\r\n",
    "a hundred and twenty headers": POST + b"X: x\r\n" * 120 + b"\r\n",
}
# If the end of a request is ambiguous, the connection is closed.
FOLLOWED_BY = b"GET /health HTTP/1.1\r\nHOST\r\n\r\n"


def test_what_is_broken_or_ambiguous_is_refused_and_nothing_is_smuggled_behind_it(api):
    for what, words in BROKEN.items():
        begun = time.monotonic()
        with RawConnection(_port(api)).send(words, FOLLOWED_BY) as raw:
            answer = raw.answer()
            assert answer.status >= 400, (what, answer)
            assert_is_answered_well(answer, what)
            if answer.headers["connection"] == "close":
                assert raw.is_closed(), what
        assert time.monotonic() - begun < 15, what
    assert api.get("/jobs").json()["total"] == 0


def test_an_ambiguous_request_ends_its_connection(api):
    for what in ("two lengths", "length and coding", "coding and length", "chunked twice"):
        with RawConnection(_port(api)).send(BROKEN[what], FOLLOWED_BY) as raw:
            assert raw.answer().headers["connection"] == "close", what
            assert raw.is_closed(), what


# Requests that are rejected by their heads, without waiting for the body.
AT_ONCE = [
    *(f"Transfer-Encoding: {coding}\r\n" for coding in ("identity", "gzip, chunked", "gzip", "chunked, chunked"))
]
AT_ONCE += ["Transfer-Encoding: x\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "X: y\n", "\n"]
AT_ONCE += ["Content-Length: 2\r\nContent-Length: 2\r\n", "Content-Length: -1\r\n", " folded: x\r\n"]


def test_what_the_head_rules_out_is_refused_at_once(api):
    for fields in AT_ONCE:
        begun = time.monotonic()
        with RawConnection(_port(api)).send(POST, fields.encode(), b"\r\n") as raw:
            answer = raw.answer()
            assert_is_answered_well(answer, fields)
            assert answer.status in (400, 501), (fields, answer)
            assert answer.headers["connection"] == "close", fields
            assert raw.is_closed(), fields
        # A server that waited for the rest would take twenty seconds.
        assert time.monotonic() - begun < 10, fields


def test_a_body_over_the_limit_is_refused_before_it_is_sent(api):
    # Given a client that sends Expect: 100-continue, and one that does not
    for expect in (b"Expect: 100-continue\r\n", b""):
        for target, size in ((b"/jobs", 4 * MIB + 1), (b"/data", 8 * MIB + 1), (b"/data", 10**15)):
            head = b"POST %b HTTP/1.1\r\nHOST\r\nContent-Type: text/csv\r\n%bContent-Length: %d\r\n\r\n"
            with RawConnection(_port(api)).send(head % (target, expect, size)) as raw:
                # Then the response is 413, without a "100 Continue" before it
                answer = raw.sock.recv(2**16)
                assert answer.startswith(b"HTTP/1.1 413 "), (target, expect, answer)
                assert b"Connection: close" in answer


def test_a_body_in_chunks_is_refused_where_it_exceeds_the_limit(api):
    with RawConnection(_port(api)).send(POST, b"Transfer-Encoding: chunked\r\n\r\n") as raw:
        for _ in range(5):
            raw.send(b"%x\r\n%b\r\n" % (MIB, b" " * MIB))
        answer = raw.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_leave_to_send_is_given_where_the_body_may_come(api):
    head = POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    body = json.dumps(JOB).encode()
    with RawConnection(_port(api)).send(head % len(body)) as raw:
        assert raw.sock.recv(2**16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert raw.send(body).answer().status == 202


def test_the_host_of_an_absolute_target_decides(api):
    foreign = ["http://evil.example/jobs", "http://evil.example", "http://localhost@evil.example/jobs", "http:///jobs"]
    foreign += ["http://evil.example:80/jobs", "HTTP://EVIL.EXAMPLE/jobs", "http://localhost.evil.example/jobs?limit=1"]
    own = [
        "http://localhost/jobs",
        "http://localhost:5000/jobs?limit=1",
        "http://127.0.0.1/jobs",
        "http://[::1]:1/jobs",
    ]
    for target in foreign:
        answer = _exchange(api, b"GET %b HTTP/1.1\r\nHOST\r\n\r\n" % target.encode())
        assert_is_answered_well(answer, target)
        assert answer.status == 403, (target, answer)
    for target in own:
        for host in (b"HOST", b"Host: evil.example"):
            answer = _exchange(api, b"GET %b HTTP/1.1\r\n%b\r\n\r\n" % (target.encode(), host))
            assert answer.status == 200, (target, host, answer)
    assert _exchange(api, b"GET http://localhost/jobs HTTP/1.1\r\n\r\n").status == 400


def test_an_origin_is_compared_with_the_host_of_an_absolute_target(api):
    words = b"POST http://localhost:7/jobs HTTP/1.1\r\n%b\r\nContent-Length: 0\r\nOrigin: http://localhost:7\r\n\r\n"
    assert _exchange(api, words % b"Host: evil.example").status == 400
    assert (
        _exchange(api, words.replace(b"Origin: http://localhost:7", b"Origin: http://evil.example") % b"HOST").status
        == 403
    )


def test_a_connection_is_kept_or_not_as_the_answer_says(api):
    # Given bodies of any size that the route does not read
    for size in (0, 1000, 30_000, 60_000, 70_000, 300_000, 5_000_000):
        for target in (b"/nowhere", b"/jobs/x/cancel", b"/jobs", b"/data?bad=1"):
            head = b"POST %s HTTP/1.1\r\nHOST\r\nContent-Length: %d\r\n\r\n" % (target, size)

            # When they are sent completely, followed by another request
            with RawConnection(_port(api)).send(head, b" " * size, FOLLOWED_BY) as raw:
                answer = raw.answer()

                # Then the connection behaves as the response announced
                assert_is_answered_well(answer, (size, target))
                if answer.headers["connection"] == "close":
                    assert raw.is_closed(), (size, target)
                else:
                    assert raw.answer().status == 200, (size, target)


def test_requests_in_a_row_are_answered_in_a_row(api):
    with RawConnection(_port(api)).send(FOLLOWED_BY * 50) as raw:
        assert [raw.answer().status for _ in range(50)] == [200] * 50


def test_a_body_in_chunks_with_trailers_is_taken(api):
    body = json.dumps(JOB).encode()
    chunks = b"%x;note=x\r\n%b\r\n0\r\nX-Trailer: x\r\n\r\n" % (len(body), body)
    for expect in (b"", b"Expect: 100-continue\r\n"):
        words = (POST, expect, b"Transfer-Encoding: chunked\r\n\r\n", chunks, FOLLOWED_BY)
        with RawConnection(_port(api)).send(*words) as raw:
            assert (raw.answer().status, raw.answer().status) == (202, 200)


# Paths and ids

ODD = [
    "*",
    "?",
    "[a-z]*",
    ".",
    "..",
    "../../jobs",
    "a/b",
    "a//b",
    "a\nb",
    "a\r\nX: y",
    "a\0b",
    "é",
    "\u202e",
    "💥",
    " ",
    "%",
]
ODD += [
    "job.*",
    "a b",
    "'\"",
    "<script>",
    "x" * 5000,
    "\\",
    ";",
    "{}",
    "$(reboot)",
    "-1",
    "00000000-0000-4000-8000-000000000000",
]
ADDRESSES = ["/jobs/{}", "/jobs/{}/results", "/jobs/{}/results/{}", "/jobs/{}/log", "/data/{}", "/analyses/{}", "/{}"]
ADDRESSES += ["/problems/{}", "//{}", "/jobs//{}"]


def test_odd_ids_are_not_found(api):
    api.post("/data", content=b"id,n\na,1\n", headers={"Content-Type": "text/csv"})
    for odd in ODD:
        for address in ADDRESSES:
            target = address.replace("{}", quote(odd, safe="")).encode()
            answer = _exchange(api, b"GET %b HTTP/1.1\r\nHOST\r\n\r\n" % target)
            assert_is_answered_well(answer, target)
            assert answer.status in (404, 414), (target, answer)
        for method, address in [("POST", "/jobs/{}/cancel"), ("POST", "/jobs/{}/retry"), ("DELETE", "/jobs/{}")]:
            target = address.replace("{}", quote(odd, safe="")).encode()
            answer = _exchange(api, b"%b %b HTTP/1.1\r\nHOST\r\nContent-Length: 0\r\n\r\n" % (method.encode(), target))
            assert_is_answered_well(answer, target)
            assert answer.status in (404, 405, 414), (target, answer)


def test_an_address_that_is_nearly_right_is_not_found(api):
    for target in ("//data", "///", "/data/", "/jobs/", "//", "/%2e%2e/data", "/jobs/..", "/.", "/%00", "//data/a"):
        answer = _exchange(api, b"GET %b HTTP/1.1\r\nHOST\r\n\r\n" % target.encode())
        assert_is_answered_well(answer, target)
        assert answer.status == 404, target


def test_escapes_that_are_no_text_are_refused(api):
    for escape in (b"%", b"%zz", b"%ff", b"%c0%af", b"%ed%a0%80", b"%u0041"):
        for target in (b"/jobs/@", b"/data/@", b"/data?search=@", b"/jobs?status=@", b"/jobs?cursor=@", b"/jobs?@=1"):
            answer = _exchange(api, b"GET %b HTTP/1.1\r\nHOST\r\n\r\n" % target.replace(b"@", escape))
            assert_is_answered_well(answer, target)
            assert answer.status in (200, 400, 404, 422), (target, answer)


# Depth, size, compression


def _deep_bodies(depth: int) -> tuple[list[str], list[str]]:
    """Return nested bodies for jobs and for data."""
    lists, objects = "[" * depth + "]" * depth, '{"a":' * depth + "0" + "}" * depth
    job = json.dumps(JOB)
    params = [job.replace('"seconds": 0', f'"seconds": {value}') for value in (lists, objects)]
    others = [f'{job[:-1]}, "tags": {lists}}}', f'{job[:-1]}, "other": {objects}}}']
    files = [f'[{{"id": 1, "deep": {lists}}}]', f'{{"type": "FeatureCollection", "features": {lists}}}']
    return [lists, objects, *params, *others], [lists, objects, *files]


def test_json_of_any_depth_is_taken_or_refused(api):
    for depth in (50, 99, 120, 250, 254, 260, 500, 900, 980, 1000, 1100, 10_000, 400_000):
        posted, files = _deep_bodies(depth)
        for body in posted:
            assert _check(api.post("/jobs", content=body), depth) in (400, 413, 422)
        for body in files:
            _check(api.post("/data", content=body, headers={"Content-Type": "application/json"}), depth)


def _bombs() -> dict[str, tuple[bytes, dict[str, str]]]:
    zeros = gzip.compress(bytes(300 * MIB))
    twice = gzip.compress(gzip.compress(bytes(300 * MIB)))
    rows = gzip.compress(b"id,n\n" + b"1,1\n" * (30 * MIB))
    parquet = io.BytesIO()
    pl.DataFrame({"n": pl.repeat(7, 20_000_000, eager=True)}).write_parquet(parquet)
    members = b"".join([gzip.compress(b"") for _ in range(100_000)])
    coded = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    bare = {"Content-Type": "application/octet-stream"}
    return {
        "zeros": (zeros, coded),
        "zeros, told by content": (zeros, bare),
        "packed twice": (twice, coded),
        "rows": (rows, coded),
        "parquet": (parquet.getvalue(), {"Content-Type": "application/vnd.apache.parquet"}),
        "empty members": (members, coded),
        "cut off": (rows[: len(rows) // 2], coded),
        "no gzip": (b"id,n\n1,1\n", coded),
        "deflate": (zlib.compress(b"id,n\n1,1\n"), {"Content-Type": "text/csv", "Content-Encoding": "deflate"}),
        "gzip for a job": (gzip.compress(json.dumps(JOB).encode()), coded),
    }


def test_bombs_do_not_go_off(api, pid):
    api.post("/data", content=b"id,n\na,1\n", headers={"Content-Type": "text/csv"})
    before = rss_of(pid)
    for what, (body, headers) in _bombs().items():
        target = "/jobs" if what == "gzip for a job" else "/data"
        assert _check(api.post(target, content=body, headers=headers), what) in (400, 413, 415, 422), what
        assert rss_of(pid) - before < 150 * MIB, what
    assert api.get("/data").json()["total"] == 1


def test_bodies_beyond_the_limits_are_rejected_with_a_reason(api):
    assert _check(api.post("/jobs", content=b" " * (4 * MIB + 1))) == 413
    assert _check(api.post("/data", content=b" " * (8 * MIB + 1))) == 413
    assert _check(api.post("/jobs", content=iter([b" " * MIB] * 6))) == 413
    answer = _exchange(
        api, b"POST /data HTTP/1.1\r\nHOST\r\nContent-Length: 99999999999999999999\r\n\r\n" + b" " * 70_000
    )
    assert_is_answered_well(answer)
    assert answer.status == 413


def test_large_bodies_of_jobs_at_once_neither_grow_nor_stop_the_server(api, pid):
    # Given bodies of the largest size that are cheap to send and expensive to parse
    job = '"start":null,"end":null,"analysis":"sleep","params":{"a":'
    fillings = ["{}", "[]", '""', "1", '{"":{}}', f"{{{job}{'[' + ','.join(['[]'] * 20_000) + ']'}}}}}"]
    bodies = [f"[{','.join([filling] * ((4 * MIB - 100) // (len(filling) + 1)))}]" for filling in fillings]
    bodies += [f"{{{job}{body}}}}}"[: 4 * MIB - 8] + "]}}" for body in bodies[:2] * 3]
    before = rss_of(pid)

    # When all arrive at once, and another client requests /health
    with ThreadPoolExecutor(len(bodies)) as pool:
        posted = [pool.submit(api.post, "/jobs", content=body.encode()) for body in bodies]
        while not all(post.done() for post in posted):
            begun = time.monotonic()
            assert api.get("/health").status_code == 200
            assert time.monotonic() - begun < 10
            time.sleep(0.05)

    # Then each gets a 4xx or a 503, and the server's memory does not grow
    assert {_check(post.result()) for post in posted} <= {400, 413, 422, 503}
    assert rss_of(pid) - before < 300 * MIB
    assert api.get("/jobs").json()["total"] == 0


# Other web sites


FOREIGN: list[dict[str, str]] = [
    *({"Origin": origin} for origin in ("https://evil.example", "null", "", "http://localhost:1", "http://[::1")),
    {"Origin": "http://localhost.evil.example"},
    *({"Sec-Fetch-Site": site} for site in ("cross-site", "Cross-Site")),
    *({"Host": host} for host in ("evil.example", "localhost.evil.example", "localhost:x", "localhost@evil.example")),
]


def test_only_our_own_pages_may_post(api):
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json"):
        for headers in FOREIGN:
            answer = api.post("/jobs", content=json.dumps(JOB), headers={"Content-Type": content_type, **headers})
            assert _check(answer, headers) == 403, headers
    assert api.get("/jobs").json()["total"] == 0

    for site in ("same-origin", "none"):
        assert api.post("/jobs", content=json.dumps(JOB), headers={"Sec-Fetch-Site": site}).status_code == 202


# Random input

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = ["start", "end", "analysis", "params", "timeout", "max_attempts", "delay", "run_at", "priority", "tags", "id"]
NEARLY = st.sampled_from(
    ["sleep", "summary", "histogram", "high", 0, 1, -1, 1e308, "2018-02-01", "", [], {}, None, 2**63]
)
JOBS = st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=5), ANYTHING | NEARLY, max_size=8)
NAMES = [
    "wait",
    "limit",
    "cursor",
    "order",
    "status",
    "analysis",
    "tag",
    "created_after",
    "created_before",
    "search",
    "id",
]
VALUES = st.text(max_size=30) | st.sampled_from(["1", "-1", "1e9", "asc", "2018-01-01", "NaN", "0" * 400, "9" * 400])
QUERIES = st.lists(st.tuples(st.sampled_from([*NAMES, "index", "field.n"]) | st.text(max_size=8), VALUES), max_size=4)
PATHS = [
    "/",
    "/data",
    "/data/a",
    "/jobs",
    "/jobs/x",
    "/analyses",
    "/workers",
    "/stats",
    "/help",
    "/ready",
    "/problems/x",
]
HEADERS = [
    "Accept",
    "Prefer",
    "Idempotency-Key",
    "If-None-Match",
    "Range",
    "Content-Encoding",
    "Content-Type",
    "If-Range",
]
HEADERS += [
    "Accept-Encoding",
    "Origin",
    "X-Forwarded-For",
    "Authorization",
    "If-Modified-Since",
    "Cookie",
    "TE",
    "Upgrade",
]
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
TYPES = [
    "text/csv",
    "application/json",
    "application/x-ndjson",
    "application/vnd.apache.parquet",
    "text/plain",
    "",
    "x",
]
TYPES += [
    "application/geo+json",
    "multipart/form-data; boundary=b",
    "application/json; charset=utf-16",
    "text/csv; header=no",
]


def _seeds() -> list[bytes]:
    parquet = io.BytesIO()
    pl.DataFrame({"id": ["a", "b"], "n": [1, None]}).write_parquet(parquet)
    point = {"type": "Feature", "id": 1, "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    return [
        b"id,n,when\na,1,2018-01-01T00:00:00Z\nb,,2018-01-02\n",
        b'[{"id": 1, "n": 1.5, "t": "x"}, {"id": 2, "n": null, "u": [1]}]',
        b'{"id": 1}\n{"id": 2, "n": 3}\n',
        json.dumps({"type": "FeatureCollection", "features": [point]}).encode(),
        parquet.getvalue(),
        gzip.compress(b"id,n\na,1\n"),
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nid,n\na,1\n\r\n--b--\r\n',
    ]


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    """Generate files: a valid one with bytes changed, removed or inserted, or random bytes."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=200))
    file = bytearray(draw(st.sampled_from(_seeds())))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(file)))
        file[at : at + draw(st.integers(0, 4))] = draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b",", b"\n", b"\0"])
        )
    return bytes(file)


def test_no_body_of_a_job_breaks_the_server(api, pid):

    @FUZZED
    @given(st.one_of(JOBS, st.lists(JOBS, max_size=3), ANYTHING))
    def post(value: Any) -> None:
        _check(api.post("/jobs", content=json.dumps(value)), value)

    @FUZZED
    @given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: json.dumps(text).encode("utf-16")))
    def post_bytes(body: bytes) -> None:
        _check(api.post("/jobs", content=body), body)

    _twice_without_growth(pid, post, post_bytes)


def test_no_data_file_breaks_the_server(api, pid):

    @FUZZED
    @given(_files(), st.sampled_from(TYPES), st.sampled_from(["", "gzip"]), QUERIES)
    def load(body: bytes, media_type: str, coding: str, query: list[tuple[str, str]]) -> None:
        headers = {"Content-Type": media_type, "Content-Encoding": coding}
        _check(api.post("/data", content=body, headers=headers, params=query[:1]), (body, headers, query))

    _twice_without_growth(pid, load)


def test_no_query_or_header_breaks_the_server(api, pid):
    api.post("/data", content=_seeds()[0], headers={"Content-Type": "text/csv"})

    @FUZZED
    @given(st.sampled_from(PATHS), QUERIES, st.dictionaries(st.sampled_from(HEADERS), PRINTABLE, max_size=4))
    def ask(path: str, query: list[tuple[str, str]], headers: dict[str, str]) -> None:
        encoded = {name: value.strip().encode("latin-1") for name, value in headers.items()}
        _check(api.get(path, params=[q for q in query if q[0] != "wait"], headers=encoded), (path, query, headers))

    @FUZZED
    @given(st.dictionaries(st.sampled_from(HEADERS), PRINTABLE, max_size=4))
    def post(headers: dict[str, str]) -> None:
        encoded = {name: value.strip().encode("latin-1") for name, value in headers.items()}
        _check(api.post("/jobs", content=json.dumps(JOB), headers=encoded), headers)

    _twice_without_growth(pid, ask, post)


def test_no_bytes_break_the_server(api, pid):
    lines = st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=5)

    @FUZZED
    @given(st.binary(max_size=60), lines, st.binary(max_size=100))
    def send(first: bytes, rest: list[bytes], body: bytes) -> None:
        words = b"\r\n".join([first.replace(b"\r\n", b""), *rest]) + b"\r\n\r\n" + body
        with RawConnection(_port(api)).send(words) as raw:
            assert_is_answered_well(raw.answer(), words)

    _twice_without_growth(pid, send)


def _twice_without_growth(pid: int, *tries: Any) -> None:
    """Run twice: the second round must not increase the memory (the first fills caches and pools)."""
    for each in tries:
        each()
    before = rss_of(pid)
    for each in tries:
        each()
    assert rss_of(pid) - before < 20 * MIB
