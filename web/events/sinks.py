"""Where the events of one client go: its connection, or a queue that its thread empties."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Protocol

from web.server.buffers import MinRateSocket

__all__ = ["QueueSink", "Sink", "SocketSink"]

_LAST_CHUNK = b"0\r\n\r\n"


class Sink(Protocol):
    """Takes the events of one client, in one thread, without waiting."""

    is_open: bool

    @property
    def is_ready(self) -> bool:
        """Return whether the client has taken what was sent to it: only then it is sent more."""

    def send(self, data: bytes) -> None:
        """Send bytes, unless the client has gone."""

    def end(self) -> None:
        """End the response."""


class SocketSink:
    """Continues a response of our own server, whose event loop sends it: no thread belongs to it."""

    def __init__(self, sock: MinRateSocket, on_hang_up: Callable[[], None], *, chunked: bool) -> None:
        self._sock = sock
        self._chunked = chunked
        self._on_hang_up = on_hang_up
        self.is_open = True
        sock.on_hang_up = self._hang_up
        sock.begin_stream()
        if sock.is_hung_up:
            self._hang_up()

    @property
    def is_ready(self) -> bool:
        return not len(self._sock.pending)

    def send(self, data: bytes) -> None:
        self._stream(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self) -> None:
        if self._chunked:
            self._stream(_LAST_CHUNK)
        self._sock.end_stream()

    def _stream(self, data: bytes) -> None:
        if self.is_open:
            try:
                self._sock.stream(data)
            except OSError:
                self._hang_up()
                self._sock.end_stream()

    def _hang_up(self) -> None:
        self.is_open = False
        self._on_hang_up()


class QueueSink:
    """Passes events to the thread of another server, which keeps it until the stream ends."""

    is_open = True

    def __init__(self) -> None:
        self._parts: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    @property
    def is_ready(self) -> bool:
        return self._parts.empty()

    def send(self, data: bytes) -> None:
        self._parts.put(data)

    def end(self) -> None:
        self._parts.put(b"")

    def parts(self) -> Iterator[bytes]:
        """Return what is sent, as it is sent."""
        return iter(self._parts.get, b"")
