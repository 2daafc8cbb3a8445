"""A client connection of the worker: its socket, its buffers and its state."""

from __future__ import annotations

import logging
import selectors
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from itertools import chain, islice
from typing import Any

from config.events import Event
from web.metrics import count_refused
from web.problems import problem_json
from web.request_id import request_id_from
from web.server.buffers import DiskQuota, MinRateSocket
from web.server.framing import RequestBuffer

__all__ = ["READ", "WRITE", "Connection", "States", "write_problem"]

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

_log = logging.getLogger("api")
_RESET = struct.pack("ii", 1, 0)


class States:
    """The connections of a worker by state; each state lists the oldest first."""

    def __init__(self) -> None:
        self.heads: dict[Connection, None] = {}
        """No whole head has come yet."""
        self.bodies: dict[Connection, None] = {}
        """The head has come, the body not yet."""
        self.busy: dict[Connection, None] = {}
        """A thread processes the request."""
        self.draining: dict[Connection, None] = {}
        """The response is produced, and the client takes it."""
        self.streams: dict[Connection, None] = {}
        """The response continues without a thread, as events happen."""
        self.idle: dict[Connection, None] = {}
        """Kept alive for another request."""
        self.lingering: dict[Connection, None] = {}
        """The response is sent, and the client is to close."""

    def is_responding(self, conn: Connection) -> bool:
        """Return whether a response of the connection is being produced or sent."""
        return conn.state is self.busy or conn.state is self.draining or conn.state is self.streams

    def responding(self) -> list[Connection]:
        """Return the connections whose response is being produced or sent."""
        return [*self.busy, *self.draining, *self.streams]

    def excess(self, quota: DiskQuota) -> list[Connection]:
        """Return the slowest responses without which the remaining ones fit on the disk."""
        responses, excess = self.responding(), []
        # A thread that is still writing one frees its file soon.
        doomed = sum(conn.sock.pending.on_disk for conn in responses if conn.sock.is_broken)
        for conn in sorted(responses, key=lambda conn: conn.sock.deadline):
            if quota.excess <= doomed:
                break
            if conn.sock.pending.on_disk and not conn.sock.is_broken:
                doomed += conn.sock.pending.on_disk
                excess.append(conn)
        return excess

    def oldest(self, count: int) -> list[Connection]:
        """Return the oldest connections of the least important states; fewer if the others are responding."""
        return list(islice(chain(self.lingering, self.heads, self.idle, self.bodies), count))


class Connection:
    """A client's connection. Only the worker's loop calls its methods."""

    def __init__(
        self, sock: socket.socket, address: Any, quota: DiskQuota, on_pending: Callable[[Connection], None]
    ) -> None:
        sock.setblocking(False)
        self._socket = sock
        self.sock = MinRateSocket(sock, quota, lambda: on_pending(self))
        """What gunicorn writes responses to."""
        self.client = address
        self.server = sock.getsockname()
        self.state: dict[Connection, None] = {}
        self.deadline = 0.0
        self.linger_until = 0.0
        self.buffer: RequestBuffer | None = None
        self.ahead = b""
        """What the client sent behind the request that is being processed."""
        self.is_large = False
        self.is_kept = False
        """Whether the connection takes another request after this response."""
        self.interest = 0
        """The events that :meth:`watch` waits for."""

    def recv(self, size: int) -> bytes | None:
        """Return received bytes, empty bytes at the end of input, None if nothing has arrived yet."""
        try:
            return self._socket.recv(size)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            self.sock.is_broken = True
            return b""

    def move(self, state: dict[Connection, None]) -> None:
        """Enter a state as its newest connection."""
        self.state.pop(self, None)
        self.state = state
        state[self] = None

    def watch(self, poller: selectors.BaseSelector, interest: int, callback: Callable[[Connection], None]) -> None:
        """Call ``callback`` at these events from now on."""
        if interest == self.interest:
            return
        if not self.interest:
            poller.register(self._socket, interest, lambda _: callback(self))
        elif not interest:
            poller.unregister(self._socket)
        else:
            poller.modify(self._socket, interest, lambda _: callback(self))
        self.interest = interest

    def request_id(self) -> str:
        """Return the id of the current request: the client's, or a new one."""
        return request_id_from(self.buffer.find_request_id() if self.buffer else "")

    def end_input(self) -> None:
        """Drop the request."""
        if self.buffer is not None:
            self.buffer.close()
            self.buffer = None

    def shutdown(self, how: int) -> bool:
        """Shut down sending or both directions; return whether the client is still connected."""
        try:
            self._socket.shutdown(how)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the socket and leave the state; its events must be unwatched before."""
        self.state.pop(self, None)
        self.state = {}
        self.end_input()
        self.sock.close_stream()
        if self.sock.is_broken:
            # The kernel would continue to send for minutes.
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.sock.pending.close()
        self._socket.close()


def write_problem(sock: Any, status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
    """Respond to a malformed request with problem details; takes gunicorn's arguments."""
    request_id = request_id_from(getattr(sock, "request_id", ""))
    body = problem_json(status, message, request_id)
    count_refused(status)
    _log.info(Event.REQUEST_REFUSED, extra={"status": str(int(status)), "request_id": request_id})
    fields = {
        "Connection": "close",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "X-Request-Id": request_id,
        **(headers or {}),
    }
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
