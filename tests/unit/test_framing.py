"""Requests as they arrive: in pieces of any size, they are the same requests; what is faulty is refused at once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from hypothesis import given, settings
from hypothesis import strategies as st

from web.server.buffers import DiskQuota
from web.server.framing import IN_MEMORY, Refused, RequestBuffer

LIMIT = 1_000_000
POST = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /health HTTP/1.1\r\n"


made: list[RequestBuffer] = []


@pytest.fixture(autouse=True)
def closed():
    yield
    while made:
        made.pop().close()


def collect(words: bytes, pieces: list[int] | None = None, quota: DiskQuota | None = None) -> RequestBuffer:
    """Feed the bytes in pieces of these sizes, one after the other, until the request is complete."""
    buffer = RequestBuffer(Config(), ("127.0.0.1", 1), quota or DiskQuota(2**30), lambda request: LIMIT)
    made.append(buffer)
    sizes = iter(pieces or [])
    while words and not buffer.is_complete:
        size = next(sizes, len(words))
        buffer.feed(words[:size])
        words = words[size:]
    buffer.surplus += words
    return buffer


def chunked(*parts: bytes, trailers: bytes = b"") -> bytes:
    chunks = b"".join(b'%x;note="x"\r\n%b\r\n' % (len(part), part) for part in parts)
    return CHUNKED + chunks + b"0\r\n" + trailers + b"\r\n"


def test_letters_of_a_target_arrive_as_if_they_were_escaped():
    found = collect("GET /data?name=Zoë&a=%C3%A9 HTTP/1.1\r\nHost: localhost\r\nX-Name: Zoë\r\n\r\n".encode())

    assert (found.request.path, found.request.query) == ("/data", "name=Zo%C3%AB&a=%C3%A9")
    assert dict(found.request.headers)["X-NAME"] == "Zoë".encode().decode("latin-1")


PIECES = st.lists(st.integers(1, 12), max_size=400)
BODY = st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([b"\r\n", b"0\r\n\r\n"]), max_size=8)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(parts=BODY, pieces=PIECES, trailers=st.sampled_from([b"", b"X-Sum: 1\r\n", b"X-A: 1\r\nX-B: 2\r\n"]))
def test_a_body_in_chunks_is_decoded_however_it_is_cut(parts, pieces, trailers):
    found = collect(chunked(*parts, trailers=trailers) + NEXT, pieces)

    assert found.is_complete
    assert found.request.body.read() == b"".join(parts)
    assert found.surplus == NEXT
    assert ("CONTENT-LENGTH", str(sum(map(len, parts)))) in found.request.headers
    assert "TRANSFER-ENCODING" not in dict(found.request.headers)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(body=st.binary(max_size=200), pieces=PIECES)
def test_a_body_of_a_length_ends_there_however_it_is_cut(body, pieces):
    found = collect(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body + NEXT, pieces)

    assert (found.is_complete, found.request.body.read(), found.surplus) == (True, body, NEXT)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(words=st.binary(max_size=60) | st.text('0123456789abcdefg;=\r\n "x', max_size=60).map(str.encode), pieces=PIECES)
def test_what_follows_a_head_never_ends_in_another_error(words, pieces):
    for head in (CHUNKED, POST + b"Content-Length: 9\r\n\r\n", b""):
        try:
            whole = collect(head + words)
        except (Refused, ParseException) as error:
            # However it is cut, it is refused, for the same reason.
            with pytest.raises(type(error)):
                collect(head + words, pieces)
        else:
            cut = collect(head + words, pieces)
            assert (cut.is_complete, cut.size, cut.surplus) == (whole.is_complete, whole.size, whole.surplus)


REFUSED = {
    b"Transfer-Encoding: identity\r\n": ParseException,
    b"Transfer-Encoding: identity, chunked\r\n": Refused,
    b"Transfer-Encoding: gzip, chunked\r\n": Refused,
    b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n": Refused,
    b"Transfer-Encoding: gzip\r\n": ParseException,
    b"Transfer-Encoding: chunked, gzip\r\n": ParseException,
    b"Transfer-Encoding: chunked, chunked\r\n": ParseException,
    b"Transfer-Encoding: chunked;q=1\r\n": ParseException,
    b"Transfer-Encoding: \r\n": ParseException,
    b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n": ParseException,
    b"Content-Length: 3\r\nContent-Length: 3\r\n": ParseException,
    b"Content-Length: 3, 3\r\n": ParseException,
    b"Content-Length: 3\n": ParseException,
    b"Transfer-Encoding: chunked\nX: y\r\n": ParseException,
}


@pytest.mark.parametrize("fields", REFUSED)
def test_a_body_whose_end_is_in_doubt_is_refused_with_the_head(fields):
    # Nothing of a body is there yet, so a server that waited for it would wait for ever.
    with pytest.raises(REFUSED[fields]):
        collect(POST + fields + b"\r\n")


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r\nHost: x\n", b"\n", b"GET /\n\n"])
def test_a_bare_line_feed_ends_the_wait_for_the_head(head):
    with pytest.raises(ParseException):
        collect(head)


FAULTY = [b"zz\r\n", b"\r\n", b"-1\r\n", b"+1\r\n", b"0x1\r\n", b" 1\r\n", b"1\n", b"1;a\nb\r\n", b"1" * 16 + b"\r\n"]
FAULTY += [b"2\r\n{}xx", b"2\r\n{}\n", b"1;" + b"x" * 5000, b"0\r\nX: y\n", b"0\r\nnonsense\r\n\r\n"]
FAULTY += [b"0\r\nContent-Length: 3\r\n\r\n", b"0\r\nX: " + b"x" * 9000]


@pytest.mark.parametrize("chunks", FAULTY)
def test_faulty_chunks_are_refused_at_once(chunks):
    with pytest.raises((Refused, ParseException)):
        collect(CHUNKED + chunks)


def test_a_body_over_the_limit_is_not_waited_for():
    for expect in (b"", b"Expect: 100-continue\r\n"):
        found = collect(POST + expect + b"Content-Length: %d\r\n\r\n" % (LIMIT + 1))

        assert (found.is_complete, found.expects_continue) == (True, False)
        assert found.request.should_close()
        assert found.request.body.read() == b""


def test_a_body_in_chunks_is_cut_off_where_it_exceeds_the_limit():
    found = collect(chunked(*[b"x" * 60_000] * 30), [100_000] * 30)

    assert found.is_complete
    assert found.request.should_close()
    assert LIMIT < int(dict(found.request.headers)["CONTENT-LENGTH"]) < LIMIT + 200_000


def test_a_client_that_waits_for_leave_to_send_gets_it():
    assert collect(POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n").expects_continue
    assert not collect(POST + b"Content-Length: 9\r\n\r\n").expects_continue
    assert not collect(POST + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n").expects_continue


def test_bodies_on_disk_are_counted_and_bounded():
    quota = DiskQuota(400_000)
    sizes = [IN_MEMORY, 200_000, 150_000]
    held = [collect(POST + b"Content-Length: %d\r\n\r\n" % size + b"x" * size, quota=quota) for size in sizes]
    assert quota.used == 350_000

    with pytest.raises(Refused, match="no room") as refused:
        collect(POST + b"Content-Length: 90000\r\n\r\n" + b"x" * 90_000, quota=quota)
    assert refused.value.status == 503
    assert "Retry-After" in refused.value.headers

    for each in (*held, made[-1]):
        each.close()
    assert quota.used == 0


def test_a_full_disk_is_an_answer(monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "tempfile.SpooledTemporaryFile", lambda *_, **__: SimpleNamespace(write=fail, close=lambda: None)
    )
    with pytest.raises(Refused, match="cannot store") as refused:
        collect(POST + b"Content-Length: 90000\r\n\r\n" + b"x" * 90_000)
    assert refused.value.status == 503
