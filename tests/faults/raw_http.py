"""Requests byte by byte, as no well-behaved client sends them, and what every error must look like."""

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
    """Reads on where the one before stopped: it buffers nothing and closes nothing."""

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
    """A status, the headers with their names in small letters, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class RawConnection:
    """A connection to the API that sends whatever it is told to."""

    def __init__(self, port: int, timeout: float = 30) -> None:
        self.port = port
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self._file = self.sock.makefile("rb")

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave, whatever is still to be said."""
        self._file.close()
        self.sock.close()

    def makefile(self, *_: object) -> io.BufferedIOBase:
        """What HTTPResponse reads from: one reader for all answers, which may come together."""
        return _KeptOpen(self._file)

    def send(self, *parts: bytes) -> RawConnection:
        """Send the bytes; ``HOST`` in them becomes a proper Host header."""
        # Where the server closes already, its answer may be there.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(b"".join(parts).replace(b"HOST", b"Host: localhost:%d" % self.port))
        return self

    def answer(self, method: str = "GET") -> RawResponse:
        """The next answer; raises ConnectionError or TimeoutError where there is none."""
        response = HTTPResponse(self, method=method)  # type: ignore[arg-type]
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return RawResponse(response.status, headers, response.read())

    def is_closed(self) -> bool:
        """Whether the server closes, without a further word."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


def assert_is_answered_well(answer: Any, what: object = None) -> None:
    """Every error is a problem document in the contract's shape, and none is a mistake of the server's."""
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
    """Resident bytes of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    return own + sum(rss_of(int(child)) for child in children)
