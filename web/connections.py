"""Connections of the API: none takes a thread before its request is there, so slow clients hold up nobody else.

gunicorn's own worker gives a connection a thread at its first byte, and reads on without a limit: as many slow clients
as there are threads would keep everybody else out. Here the loop that polls collects heads and small bodies, and what
threads read and write has to keep a pace.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import gunicorn.http
import gunicorn.util
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from .problems import document

__all__ = ["PatientWorker", "closing_after_unread", "write_problem"]

_HEAD_SECONDS = 20.0
"""What a client has for a head, and a body of ``_COLLECTED`` bytes."""
_COLLECTED = 64 * 1024
_PATIENCE_SECONDS = 20.0
_BYTES_PER_SECOND = 4096
"""The pace that is asked of a client once its patience is used up."""
_LINGER_SECONDS = 2.0
_DRAINED = 32 * 1024
_PART = 256 * 1024
_LENGTH = re.compile(rb"\r\nContent-Length:[ \t]*(\d{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)
_CODED = re.compile(rb"\r\nTransfer-Encoding:", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nExpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)


class _PacedSocket(socket.socket):
    """A client's socket; in a thread, reading and writing end with TimeoutError where the client keeps no pace."""

    _read_by = 0.0

    def begin(self) -> None:
        """A thread begins to read a request."""
        self._read_by = time.monotonic() + _PATIENCE_SECONDS

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self.gettimeout() == 0:
            return super().recv(size, flags)
        self._wait_until(self._read_by)
        data = super().recv(size, flags)
        self._read_by = _extended(self._read_by, len(data))
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self.gettimeout() == 0:
            super().sendall(data, flags)
            return
        written_by = time.monotonic() + _PATIENCE_SECONDS
        view = memoryview(data)
        while view:
            self._wait_until(written_by)
            sent = self.send(view[:_PART], flags)
            written_by = _extended(written_by, sent)
            view = view[sent:]

    def _wait_until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the client is too slow")
        self.settimeout(left)


def _extended(deadline: float, size: int) -> float:
    # What went quickly is no credit for hours: much of it went no further than into a buffer of the system's.
    return min(deadline + size / _BYTES_PER_SECOND, time.monotonic() + _PATIENCE_SECONDS)


class _Connection(TConn):  # type: ignore[misc]
    """A connection and what was received of its next request."""

    sock: _PacedSocket

    def begin(self, received: bytes = b"") -> None:
        """Collect the next request, of which this is there already."""
        self.received = bytearray(received)
        self.expects_continue = False
        self.is_large = False
        self._scanned = 0
        self._needed: int | None = None
        self._coded = False

    def is_complete(self) -> bool:
        """Whether a thread can go to work: all is there, or as much as is waited for."""
        if len(self.received) >= _COLLECTED:
            return True
        if self._needed is None and not self._read_head():
            return False
        # The last chunk, and trailers after it, end with an empty line.
        return self._ends_line() >= 0 if self._coded else len(self.received) >= (self._needed or 0)

    def _read_head(self) -> bool:
        end = self._ends_line()
        if end < 0:
            return False
        head = bytes(self.received[: end + 2])
        if _EXPECT.search(head) and b" HTTP/1.1\r\n" in head:
            # Answered here, since a thread would have to wait for the body.
            self.expects_continue = True
            wanted = _EXPECT.sub(b"", head)
            self.received[: end + 2] = wanted
            head, end = wanted, len(wanted) - 2
        length = _LENGTH.search(head)
        self._coded = _CODED.search(head) is not None
        self._needed = end + 4 + (int(length[1]) if length else 0)
        self._scanned = end + 4
        return True

    def _ends_line(self) -> int:
        """Where the next empty line is, or -1; nothing is looked at twice."""
        found = self.received.find(b"\r\n\r\n", self._scanned)
        if found < 0:
            self._scanned = max(self._scanned, len(self.received) - 3)
        return found


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker of threads, with a loop that collects requests and closes connections without waiting."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lingering: deque[_Connection] = deque()
        # Requests with a larger body: a third of the threads reads them, so that slow ones hold up only each other.
        self._most_large = max(1, self.cfg.threads // 3)
        self._large = 0
        self._large_waiting: deque[_Connection] = deque()

    def accept(self, listener: Any) -> None:
        """Take a connection; where there are too many, the one that has kept us waiting longest goes."""
        if self.nr_conns >= self.worker_connections - 1:
            self._make_room()
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            self.log.warning("No connection can be taken: %s", error)
            self._make_room()
            return
        self.nr_conns += 1
        sock = _PacedSocket(fileno=client.detach())
        self._collect(_Connection(self.cfg, sock, address, listener.getsockname()))

    def on_client_socket_readable(self, conn: _Connection, client: Any) -> None:
        """A kept-alive connection brings another request."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._collect(conn)

    def finish_request(self, conn: _Connection, future: Any) -> None:
        """A thread is done with a request."""
        if conn.is_large:
            self._large -= 1
            if self._large_waiting:
                self._start(self._large_waiting.popleft())
        failed = future.cancelled() or future.exception() is not None
        if failed or not future.result():
            self._linger(conn)
        elif ahead := conn.parser.unreader.take_buffered():
            self._collect(conn, ahead)
        else:
            super().finish_request(conn, future)

    def murder_pending(self) -> None:
        """End what is too slow; who has sent something is told so."""
        stopping = 0.0 if self.alive else _HEAD_SECONDS - STOP_KEEPALIVE_LINGER
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout - stopping <= now:
            conn = self.pending_conns[0]
            self._forget(conn, self.pending_conns)
            if conn.received:
                with suppress(OSError):
                    write_problem(conn.sock, 408, "Request Timeout", "The request came too slowly: send it again.")
            self._linger(conn)
        while self._lingering and self._lingering[0].timeout <= now:
            self._drop(self._lingering[0], self._lingering)

    def _collect(self, conn: _Connection, received: bytes = b"") -> None:
        conn.begin(received)
        self._watch(conn, self.pending_conns, _HEAD_SECONDS, self._on_received)
        if received:
            self._go_on(conn)

    def _on_received(self, conn: _Connection, _: Any) -> None:
        data = _received(conn.sock)
        if data is None:
            return
        conn.received += data
        if not data and b"\r\n\r\n" not in conn.received:
            self._drop(conn, self.pending_conns)
        else:
            self._go_on(conn, at_end=not data)

    def _go_on(self, conn: _Connection, at_end: bool = False) -> None:
        """Have the request answered as soon as it is there, or no more of it will come."""
        complete = conn.is_complete()
        if conn.expects_continue:
            conn.expects_continue = False
            with suppress(OSError):
                conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not complete and not at_end:
            return
        self._forget(conn, self.pending_conns)
        conn.is_large = len(conn.received) >= _COLLECTED
        if conn.is_large and self._large >= self._most_large:
            self._large_waiting.append(conn)
        else:
            self._start(conn)

    def _start(self, conn: _Connection) -> None:
        """Give the connection a thread."""
        self._large += conn.is_large
        if conn.parser is None:
            conn.parser = gunicorn.http.get_parser(self.cfg, conn.sock, conn.client)
        conn.parser.unreader.unread(bytes(conn.received))
        conn.received.clear()
        conn.data_ready = True
        conn.sock.begin()
        self.enqueue_req(conn)

    def _linger(self, conn: _Connection) -> None:
        """Close when the client has: what it still sends would otherwise take the answer away from it."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
            return
        self._watch(conn, self._lingering, _LINGER_SECONDS, self._on_lingering)

    def _on_lingering(self, conn: _Connection, _: Any) -> None:
        if _received(conn.sock) == b"":
            self._drop(conn, self._lingering)

    def _make_room(self) -> None:
        for waiting in (self._lingering, self.pending_conns, self.keepalived_conns):
            if waiting:
                self._drop(waiting[0], waiting)
                return
        # All are at work: let them, and ask again in a moment.
        time.sleep(0.01)

    def _watch(
        self, conn: _Connection, waiting: deque[Any], seconds: float, callback: Callable[[_Connection, Any], None]
    ) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + seconds
        waiting.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(callback, conn))

    def _forget(self, conn: _Connection, waiting: deque[Any]) -> None:
        waiting.remove(conn)
        self.poller.unregister(conn.sock)

    def _drop(self, conn: _Connection, waiting: deque[Any] | None = None) -> None:
        if waiting is not None:
            self._forget(conn, waiting)
        self.nr_conns -= 1
        conn.close()


def _received(sock: socket.socket) -> bytes | None:
    """What came, b"" at its end, None for nothing yet."""
    try:
        return sock.recv(_COLLECTED)
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return b""


def write_problem(sock: Any, status: int, reason: str, message: str) -> None:
    """Answer what cannot even be read as a request in the way of all other errors."""
    body = document(status, message)
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nCache-Control: no-store\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    gunicorn.util.write_nonblock(sock, head.encode("latin-1") + body)


def closing_after_unread(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """``app``, saying ``Connection: close`` with an answer that leaves more of a body unread than is read away."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(*words: Any) -> Any:
            if _is_unread(environ["wsgi.input"].reader):
                start_response.__self__.force_close()
            return start_response(*words)

        return app(environ, start)

    return answer


def _is_unread(reader: Any) -> bool:
    # gunicorn has one reader for bodies of a given length, and others that know only when they have come to the end.
    length: int | None = getattr(reader, "length", None)
    return getattr(reader, "parser", None) is not None if length is None else length > _DRAINED
