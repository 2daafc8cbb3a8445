"""Opens the file or the http(s) address of `DATA_SOURCE`; redirects to private addresses are not followed.

The names of hosts are resolved once per connection, and the connection is made to the address that was checked.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import IO, Final, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

__all__ = ["Fetched", "SourceError", "open_source"]

_WINDOW: Final = 2**16
_CONNECT_SECONDS: Final = 10
_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "dataset-jobs"}
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_BAD_ADDRESS: Final = "it is no http or https address"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class SourceError(Exception):
    """The source cannot be read; the message gives the reason."""


class Fetched(NamedTuple):
    """A file in parts, its media type and content coding if they are known, and its size if that is."""

    parts: Iterator[bytes]
    media_type: str | None = None
    coding: str = ""
    size: int | None = None


@contextmanager
def open_source(source: str, seconds: float) -> Iterator[Fetched]:
    """Open a file, or an http(s) address, whose parts arrive within `seconds`.

    Raises SourceError, also while the parts are read.
    """
    if "://" not in source:
        with _open_file(Path(source)) as fetched:
            yield fetched
        return
    with _Exchange(seconds) as exchange:
        yield exchange.fetch(source)


@contextmanager
def _open_file(path: Path) -> Iterator[Fetched]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceError(f"{path} is not a file")
        file = path.open("rb")
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror})") from error
    with file:
        yield Fetched(_read_file(path, file), size=os.fstat(file.fileno()).st_size)


def _read_file(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    try:
        while part := file.read(_WINDOW):
            yield part
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror})") from error


class _Exchange:
    """One fetch, with a limit on its time: at the end of that the connection is shut down, whatever it waits for."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer = Timer(seconds, self._expire)
        self._timer.daemon = True
        self._response: http.client.HTTPResponse | None = None
        self._socket: socket.socket | None = None
        self._is_over = False

    def __enter__(self) -> _Exchange:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._close()

    def fetch(self, address: str) -> Fetched:
        """Return the response of the address, or of the one to which it redirects."""
        url = _parse(address)
        try:
            response = self._get(url, private=True)
            for _ in range(_MAX_REDIRECTS):
                if response.status not in _REDIRECTS:
                    break
                target = response.getheader("Location") or ""
                self._close()
                url = _parse(urljoin(url.geturl(), target))
                response = self._get(url, private=False)
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(url, error) from error
        if response.status != 200:
            raise SourceError(f"{url.hostname} answered {response.status} {response.reason[:80]}".rstrip())
        media_type, coding = response.getheader("Content-Type"), response.getheader("Content-Encoding", "")
        return Fetched(self._read(url, response), media_type, coding.strip().lower(), response.length)

    def _get(self, url: SplitResult, *, private: bool) -> http.client.HTTPResponse:
        """Send the request; unless `private`, only to an address that is public."""
        host = url.hostname or ""
        port = url.port or (443 if url.scheme == "https" else 80)
        connection = http.client.HTTPConnection(host, port)
        self._socket = _connect(host, port, private=private)
        if url.scheme == "https":
            context = ssl.create_default_context()
            self._socket = secure = context.wrap_socket(
                self._socket, server_hostname=host, do_handshake_on_connect=False
            )
            secure.do_handshake()
        if self._is_over:
            raise TimeoutError
        connection.sock = self._socket
        connection.request("GET", f"{url.path or '/'}{f'?{url.query}' if url.query else ''}", headers=_HEADERS)
        self._response = connection.getresponse()
        return self._response

    def _read(self, url: SplitResult, response: http.client.HTTPResponse) -> Iterator[bytes]:
        left = response.length
        try:
            while part := response.read1(_WINDOW):
                left = None if left is None else left - len(part)
                yield part
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(url, error) from error
        if self._is_over or left:
            raise self._failure(url, http.client.IncompleteRead(b""))

    def _failure(self, url: SplitResult, error: Exception) -> SourceError:
        if self._is_over:
            return SourceError(f"{url.hostname} took more than {self._seconds:g} s")
        if isinstance(error, http.client.IncompleteRead):
            return SourceError(f"{url.hostname} broke off its answer")
        return SourceError(f"{url.hostname} cannot be reached ({error})")

    def _expire(self) -> None:
        self._is_over = True
        if self._socket is not None:
            # That of an SSL socket would disturb the thread that reads.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _close(self) -> None:
        if self._response is not None:
            self._response.close()
        if self._socket is not None:
            self._socket.close()


def _parse(address: str) -> SplitResult:
    try:
        url = urlsplit(address)
        if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
            raise ValueError(address)
        if not address.isascii() or any(character <= " " or character == "\x7f" for character in address):
            raise ValueError(address)
    except ValueError:
        raise SourceError(f"{address[:80]!r} cannot be fetched: {_BAD_ADDRESS}") from None
    return url


def _connect(host: str, port: int, *, private: bool) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in found:
        if not private and not _is_public(ipaddress.ip_address(str(address[0]).partition("%")[0])):
            raise SourceError(f"it redirects to {host}, a private address, which is not followed")
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(address)
            connection.settimeout(None)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure or OSError("the name has no address")


def _is_public(address: Address) -> bool:
    """Return whether an address, and the one that it embeds, is of the public internet."""
    embedded: list[Address | None] = []
    if isinstance(address, ipaddress.IPv6Address):
        embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    found = [address for address in embedded if address is not None] or [address]
    return all(each.is_global and not each.is_multicast for each in found)
