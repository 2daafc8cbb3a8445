"""HTTP requests that are sent byte by byte, and checks of error responses."""

from __future__ import annotations

import io
import json
import socket
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["RawConnection", "RawResponse", "assert_is_answered_well", "rss_of"]

MAY_BE_5XX = {501, 503, 507}


class _KeptOpen(io.BufferedReader):
    """A reader that continues where the previous one stopped; it neither buffers nor closes."""

    def __init__(self, file: Any) -> None:
        self._kept = file

    def read(self, size: int | None = -1) -> bytes:
        return self._kept.read(size)

    def readline(self, size: int | None = -1) -> bytes:
        return self._kept.readline(size)

    def readinto(self, buffer: Any) -> int:
        return self._kept.readinto(buffer)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class RawResponse(NamedTuple):
    """A status, the headers with lower-case names, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class RawConnection:
    """A connection to the API that sends any bytes."""

    def __init__(self, port: int, timeout: float = 30) -> None:
        self.port = port
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self._file = self.sock.makefile("rb")

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self.sock.close()

    def makefile(self, *_: object) -> io.BufferedIOBase:
        """Return the reader for HTTPResponse: one for all responses, which may arrive together."""
        return _KeptOpen(self._file)

    def send(self, *parts: bytes) -> RawConnection:
        """Send the bytes; ``HOST`` in them is replaced by a valid Host header."""
        # If the server has already closed, its response may have arrived.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(b"".join(parts).replace(b"HOST", b"Host: localhost:%d" % self.port))
        return self

    def answer(self, method: str = "GET") -> RawResponse:
        """Return the next response; raise ConnectionError or TimeoutError if there is none."""
        response = HTTPResponse(self, method=method)  # type: ignore[arg-type]
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return RawResponse(response.status, headers, response.read())

    def is_closed(self) -> bool:
        """Return whether the server closes the connection without sending more."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


def assert_is_answered_well(answer: Any, what: object = None) -> None:
    """Assert that an error is a problem document as the contract defines it, and not an internal error."""
    status, headers, body = answer
    assert status < 500 or status in MAY_BE_5XX, (what, status, body[:500])
    if status < 400:
        return
    assert headers["content-type"] == "application/problem+json", (what, status, headers)
    problem = json.loads(body)
    assert problem["status"] == status, (what, problem)
    assert problem["type"].startswith("/problems/"), (what, problem)
    assert problem["title"], (what, problem)
    assert problem["detail"], (what, problem)
    for error in problem.get("errors", []):
        assert error["detail"], (what, problem)
        assert error.keys() & {"pointer", "parameter", "header"}, (what, problem)


def rss_of(pid: int) -> int:
    """Return the resident bytes of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    return own + sum(rss_of(int(child)) for child in children)
