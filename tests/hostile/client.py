"""An HTTP client that sends anything and counts the responses."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

__all__ = ["Client", "Response", "at_once"]

_KEPT_BYTES = 2**20
_PART_BYTES = 2**18


@dataclass(frozen=True, slots=True)
class Response:
    """A status (0 if the connection ended without one), lower-case headers, and the size and beginning of the body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    beginning: bytes = b""
    seconds: float = 0.0

    def json(self) -> Any:
        """Parse a body of up to one MiB; fail an assertion if it is not JSON."""
        try:
            return json.loads(self.beginning)
        except ValueError:
            raise AssertionError(f"answered {self.status} without JSON: {self.beginning[:80]!r}") from None


class Client:
    """Sends requests to one server; ``seen`` counts the statuses."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen: Counter[int] = Counter()

    def ask(
        self,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        method: str = "",
        timeout: float = 60,
        **headers: str,
    ) -> Response:
        """Send one request on a new connection; ``if_match`` stands for the header If-Match."""
        sent = {"Host": "localhost"} | {name.replace("_", "-"): value for name, value in headers.items()}
        begun = time.monotonic()
        answer = self._exchange(method or ("GET" if body is None else "POST"), path, body, sent, timeout, begun)
        self.seen[answer.status] += 1
        return answer

    def post_jobs(self, value: Any, **headers: str) -> Response:
        """POST a job or a list of them."""
        return self.ask("/jobs", json.dumps(value).encode(), **headers)

    def load(self, body: bytes, media_type: str = "text/csv", query: str = "", **headers: str) -> Response:
        """POST a dataset."""
        return self.ask(f"/data{query}", body, content_type=media_type, **headers)

    def _exchange(
        self, method: str, path: str, body: Any, headers: dict[str, str], timeout: float, begun: float
    ) -> Response:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            # A server that rejects a body closes the connection early; its response can still be read.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, headers)
            response = connection.getresponse()
            size, beginning = 0, b""
            while part := response.read(_PART_BYTES):
                size += len(part)
                beginning += part[: _KEPT_BYTES - len(beginning)]
            names = {name.lower(): value for name, value in response.getheaders()}
            return Response(response.status, names, size, beginning, time.monotonic() - begun)
        except (OSError, HTTPException):
            return Response(0, seconds=time.monotonic() - begun)
        finally:
            connection.close()


def at_once(asks: Sequence[Callable[[], Response]]) -> list[Response]:
    """Send all requests at the same time; return the responses in order."""
    answers: dict[int, Response] = {}

    def run(number: int, ask: Callable[[], Response]) -> None:
        answers[number] = ask()

    threads = [threading.Thread(target=run, args=(number, ask)) for number, ask in enumerate(asks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(asks))]
