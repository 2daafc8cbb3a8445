"""A client that sends anything, counts what comes and keeps little of it."""

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
    """A status, 0 where the connection ended without one; headers in small letters; the body's size and beginning."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    beginning: bytes = b""
    seconds: float = 0.0

    def json(self) -> Any:
        """The body, of an answer up to a MiB; a failed assertion where it is not JSON."""
        try:
            return json.loads(self.beginning)
        except ValueError:
            raise AssertionError(f"answered {self.status} without JSON: {self.beginning[:80]!r}") from None


class Client:
    """Asks one server; ``seen`` counts the statuses."""

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
        """Send one request on a connection of its own; ``if_match`` names the header If-Match."""
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
            # A server that refuses a body closes while it is sent; its answer is there all the same.
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
    """The answers to all of these, which are asked at the same time, in their order."""
    answers: dict[int, Response] = {}

    def run(number: int, ask: Callable[[], Response]) -> None:
        answers[number] = ask()

    threads = [threading.Thread(target=run, args=(number, ask)) for number, ask in enumerate(asks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(asks))]
