"""HTTP requests to the API, repeated where that is safe."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from types import TracebackType
from typing import Any, BinaryIO, Self

import httpx

from client.errors import ApiError

__all__ = ["Transport"]

_DEFAULT_URL = "http://localhost:5000"
_REPEATABLE = ("GET", "HEAD", "PUT", "DELETE")
_CONNECT_SECONDS = 10.0
_FIRST_CONTACT_SECONDS = 2.0
_FIRST_DELAY = 0.25
_MAX_DELAY = 8.0
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Query = Mapping[str, Any] | Sequence[tuple[str, Any]]


class Transport:
    """A connection to one API.

    :param url: where the API is, with its path prefix; default `JOBS_API_URL`, else ``http://localhost:5000``.
    :param key: the API key; default `JOBS_API_KEY`, else none.
    :param timeout: seconds within which an answer must begin.
    :param retry_seconds: for how long a request is repeated that the API is too busy for (429, 503) or that lost its
        connection. An API that never answered is tried for two seconds.
    :param transport: used instead of the network, as by tests.
    :raises ValueError: the address or the key cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retry_seconds: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = _address(url or os.environ.get("JOBS_API_URL") or _DEFAULT_URL)
        self._timeout = timeout
        self._retry_seconds = retry_seconds
        self._was_reached = False
        # A proxy of the environment cannot reach this machine's loopback.
        uses_environment = not _is_loopback(self.url.host)
        self._http = httpx.Client(
            headers=_headers(key or os.environ.get("JOBS_API_KEY")), transport=transport, trust_env=uses_environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return the successful answer.

        :param options: those of `httpx.Client.build_request`, ``repeatable`` (default: by the method) and ``timeout``.
        :raises ApiError: on any other answer, and where there is none.
        """
        return self._send(method, path, stream=False, **options)

    @contextmanager
    def stream(self, method: str, path: str, **options: Any) -> Iterator[Iterator[bytes]]:
        """Send a request and yield the parts of the answer's body; as :meth:`request`."""
        response = self._send(method, path, stream=True, **options)
        try:
            yield _parts(response)
        finally:
            response.close()

    def _send(
        self,
        method: str,
        path: str,
        *,
        stream: bool,
        repeatable: bool | None = None,
        timeout: float | None = None,
        content: bytes | BinaryIO | None = None,
        **options: Any,
    ) -> httpx.Response:
        is_safe = method in _REPEATABLE if repeatable is None else repeatable
        seconds = timeout or self._timeout
        limits = httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
        delays = self._delays()
        while True:
            if content is not None and not isinstance(content, bytes):
                content.seek(0)
            address = self.url.copy_with(path=self.url.path.rstrip("/") + path)
            request = self._http.build_request(method, address, content=content, timeout=limits, **options)
            try:
                response = self._http.send(request, stream=stream)
            except httpx.TransportError as error:
                reason = ApiError(f"{self.url} does not answer: {error or type(error).__name__}")
                may_repeat, retry_after = is_safe or isinstance(error, _NEVER_SENT), None
            else:
                self._was_reached = True
                if response.status_code < 400:
                    return response
                response.read()
                reason = ApiError.from_response(response)
                may_repeat = reason.status == 429 or (reason.status == 503 and is_safe)
                retry_after = response.headers.get("Retry-After")
            if not may_repeat or not delays.sleep(retry_after):
                raise reason

    def _delays(self) -> _Delays:
        seconds = self._retry_seconds
        return _Delays(seconds, seconds if self._was_reached else min(seconds, _FIRST_CONTACT_SECONDS))


class _Delays:
    """The pauses between the tries of one request: by ``Retry-After``, else doubling with jitter."""

    def __init__(self, seconds: float, unreached_seconds: float) -> None:
        self._seconds = seconds
        self._unreached_seconds = unreached_seconds
        self._next = _FIRST_DELAY
        self._began: float | None = None

    def sleep(self, retry_after: str | None) -> bool:
        """Pause before the next try; return False, at once, where the time for tries would be over."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        if retry_after is not None and retry_after.isdigit():
            delay = max(float(retry_after), self._next)
            limit = self._seconds
        else:
            delay = random.uniform(self._next / 2, self._next)
            limit = self._unreached_seconds
        if now + delay > self._began + limit:
            return False
        self._next = min(2 * self._next, _MAX_DELAY)
        time.sleep(delay)
        return True


def _parts(response: httpx.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_bytes()
    except httpx.TransportError as error:
        raise ApiError(f"The connection broke before the end of the answer: {error}") from error


def _address(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text if "://" in text else f"http://{text}")
    except httpx.InvalidURL as error:
        raise ValueError(f"{text!r} is not the address of an API: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{text!r} is not the address of an API: expected one such as {_DEFAULT_URL}.")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _headers(key: str | None) -> dict[str, str]:
    headers = {"User-Agent": "dataset-jobs-client"}
    if key and key.strip():
        if not (key.isascii() and key.strip().isprintable()):
            raise ValueError("The API key has characters that no header can carry.")
        headers["Authorization"] = f"Bearer {key.strip()}"
    return headers
