"""Buffers a request as it arrives: the head, which gunicorn parses once it is complete, and the body, on disk."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from gunicorn.config import Config
from gunicorn.http.errors import LimitRequestHeaders, NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from web.request_id import find_request_id
from web.server.buffers import DiskQuota

__all__ = ["IN_MEMORY", "Refused", "RequestBuffer"]

IN_MEMORY = 64 * 1024
"""The largest head, and what is kept of a body in memory, in bytes."""

_END_OF_HEAD = re.compile(rb"\r\n\r\n|(?<!\r)\n")
"""The empty line; or an end of line that gunicorn refuses, at which there is nothing to wait for either."""
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?\r\n")
_LONGEST_LINE = 4096
_LONGEST_TRAILERS = 8190
_RETRY_SOON = {"Retry-After": "5"}


class Refused(Exception):
    """A request that is rejected before its end: response status, reason and headers."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}


class _Request(Request):  # type: ignore[misc]
    """A request whose client is not compared with the trusted proxies if there are none."""

    def _peer_is_trusted_proxy(self) -> bool:
        if isinstance(self.peer_addr, tuple) and not self.cfg.forwarded_allow_ips:
            return False
        return bool(super()._peer_is_trusted_proxy())


class RequestBuffer:
    """One request of a client. The body is decoded, so the application always sees a Content-Length."""

    def __init__(self, cfg: Config, client: Any, quota: DiskQuota, most_bytes: Callable[[Request], int]) -> None:
        self.request: Request | None = None
        """The request, once its head is complete."""
        self.is_complete = False
        self.expects_continue = False
        """Whether the client waits for 100 Continue before it sends the body."""
        self.surplus = b""
        """What came after the end of the request."""
        self.size = 0
        """Bytes of the body so far, decoded."""
        self._cfg, self._client = cfg, client
        self._quota = quota
        self._spooled = 0
        self._most_bytes = most_bytes
        self._head = bytearray()
        self._scanned = 0
        self._length: int | None = None
        self._chunks: _ChunkDecoder | None = None
        self._body: IO[bytes] | None = None
        self._most = 0

    @property
    def recv_size(self) -> int:
        """The number of bytes to receive at once; small, because decoding tiny chunks would delay other clients."""
        return IN_MEMORY if self._chunks is None else IN_MEMORY // 4

    def feed(self, data: bytes) -> None:
        """Process the next bytes of the client.

        :raises Refused: with the response.
        :raises ParseException: gunicorn's, for a head that is malformed.
        """
        if self.request is None:
            data = self._feed_head(data)
            if self.request is None or self.is_complete:
                self.surplus = data
                return
        if self._chunks is not None:
            self._write(self._chunks.feed(data))
            if self.size > self._most:
                self._cut_off()
            elif self._chunks.is_complete:
                self._end(self._chunks.rest)
        else:
            left = (self._length or 0) - self.size
            self._write(data[:left])
            if self.size == self._length:
                self._end(data[left:])

    def find_request_id(self) -> str:
        """Return the client's ``X-Request-Id``, also of a head that is incomplete or malformed; '' if there is none."""
        if self.request is None:
            return find_request_id(bytes(self._head))
        return str(dict(self.request.headers).get("X-REQUEST-ID", ""))

    def close(self) -> None:
        """Drop the body."""
        if self._body is not None:
            with suppress(OSError):  # of bytes that could not be written when the disk was full
                self._body.close()
        if self._spooled:
            self._quota.add(-self._spooled)
        self._body, self._spooled = None, 0

    def _feed_head(self, data: bytes) -> bytes:
        """Parse the head if it is complete now, and return the bytes after it."""
        self._head += data
        end = _END_OF_HEAD.search(self._head, self._scanned)
        self._scanned = max(0, len(self._head) - 3)
        if end is None and len(self._head) <= IN_MEMORY:
            return b""
        at = end.end() if end else len(self._head)
        head, rest = _ascii_target(bytes(self._head[:at])), bytes(self._head[at:])
        try:
            self.request = _Request(self._cfg, IterUnreader([head]), self._client)
        except (NoMoreData, StopIteration):
            raise LimitRequestHeaders("the head is too large, or breaks off") from None
        self._head.clear()
        self._begin_body(self.request)
        return rest

    def _begin_body(self, request: Request) -> None:
        fields = dict(request.headers)
        coding = fields.get("TRANSFER-ENCODING")
        self._most = self._most_bytes(request)
        if coding is not None:
            if [value.lower() for name, value in request.headers if name == "TRANSFER-ENCODING"] != ["chunked"]:
                raise Refused(501, "The only Transfer-Encoding that is taken is chunked, alone.")
            self._chunks = _ChunkDecoder(request)
        else:
            self._length = int(fields.get("CONTENT-LENGTH", 0))
        if self._length == 0:
            self._end(b"")
        elif (self._length or 0) > self._most:
            self._cut_off()
        self.expects_continue = request._expected_100_continue and not self.is_complete
        # gunicorn would send it when the request is dispatched.
        request._expected_100_continue = False

    def _write(self, data: bytes) -> None:
        if not data:
            return
        self.size += len(data)
        if self.size > IN_MEMORY:
            growth = self.size - self._spooled
            self._quota.add(growth)
            self._spooled = self.size
            if self._quota.is_exceeded:
                raise Refused(503, "The server has no room left for a body of this size; try again.", _RETRY_SOON)
        if self._body is None and self.size == self._length and self.size <= IN_MEMORY:
            self._body = io.BytesIO(data)  # the whole body: nothing is written
            return
        if self._body is None:
            self._body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        with _on_disk():
            self._body.write(data)

    def _cut_off(self) -> None:
        """Dispatch a request whose body exceeds the limit without reading the rest; its length leads to a 413."""
        assert self.request is not None
        self.request.force_close()
        self._end(b"")

    def _end(self, surplus: bytes) -> None:
        assert self.request is not None
        self.request.body = self._body or io.BytesIO()
        if self._spooled or self.request.body.tell():
            with _on_disk():
                self.request.body.seek(0)
        if self._chunks is not None:
            framed = [(name, value) for name, value in self.request.headers if name != "TRANSFER-ENCODING"]
            self.request.headers = [*framed, ("CONTENT-LENGTH", str(self.size))]
        self.surplus = surplus
        self.is_complete = True


def _ascii_target(head: bytes) -> bytes:
    """Return a head whose target is in ASCII: curl sends the letters of a query as they are typed."""
    if head.isascii():
        return head
    line, newline, fields = head.partition(b"\n")
    method, space, target = line.partition(b" ")
    return method + space + _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], target) + newline + fields


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(503, f"The server cannot store the body: {error.strerror}.", _RETRY_SOON) from error


class _ChunkDecoder:
    """Decodes the chunked transfer coding (RFC 9112, section 7.1) piece by piece."""

    def __init__(self, request: Request) -> None:
        self.is_complete = False
        self.rest = b""
        """What came after the end of the body."""
        self._request = request
        self._buffer = b""
        self._left = 0
        self._in_chunk = False
        self._in_trailers = False

    def feed(self, data: bytes) -> bytes:
        """Decode the next bytes.

        :raises Refused: for invalid framing.
        """
        buffer = self._buffer + data
        at = 0
        parts = []
        while not self._in_trailers:
            if self._left:
                part = buffer[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                if self._left:
                    break
            begin = at
            if self._in_chunk:
                if buffer[at : at + 2] != b"\r\n"[: len(buffer) - at]:
                    raise Refused(400, "A chunk of the body does not end where its size says.")
                begin = at + 2
            line = _CHUNK.match(buffer, begin)
            if line is None:
                if b"\n" in buffer[begin:] or len(buffer) - begin > _LONGEST_LINE:
                    raise Refused(400, "The size of a chunk of the body cannot be read.")
                break
            at = line.end()
            self._left = int(line[1], 16)
            self._in_chunk = True
            self._in_trailers = not self._left
        self._buffer = buffer[at:]
        if self._in_trailers:
            self._read_trailers()
        return b"".join(parts)

    def _read_trailers(self) -> None:
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            self.is_complete, self.rest = True, buffer[2:]
            return
        end = _END_OF_HEAD.search(buffer)
        if end is None and len(buffer) <= _LONGEST_TRAILERS:
            return
        if end is None or end[0] == b"\n":
            raise Refused(400, "The trailers of the body are too long, or their lines do not end with CRLF.")
        self._request.trailers = self._request.parse_headers(buffer[: end.start()], from_trailer=True)
        self.is_complete, self.rest = True, buffer[end.end() :]
