"""The part of the worker that closes connections: those that are slow, idle, or more than there may be."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from web.server.buffers import DiskQuota
from web.server.connections import READ, Connection, States
from web.shared_counts import SharedCount

__all__ = ["ClosingWorker"]

_SWEEP_SECONDS = 0.5
_NOTIFY_SECONDS = 1.0
_LINGER_SECONDS = 2.0
_LONGEST_LINGER_SECONDS = 30.0
_RESPONSE_BYTES = 2**30  # on disk, of all responses that clients have not received yet


class ClosingWorker(ThreadWorker):  # type: ignore[misc]
    """Knows the connections of this process by state, and closes them when their time is over or there are too many."""

    most_body_bytes = 2**30
    """Bytes on disk of all bodies that are being received or processed."""

    count: Callable[[str], SharedCount] = staticmethod(lambda name: SharedCount())
    """Returns the number of this process in a column of :data:`web.shared_counts.COUNTED`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._states = States()
        self._swept = self._notified = 0.0
        self._is_stopping = False

    def init_process(self) -> None:
        """Serve; the process is a new one."""
        self._responses = DiskQuota(_RESPONSE_BYTES, self.count("responses"))
        self._bodies_on_disk = DiskQuota(self.most_body_bytes, self.count("bodies"))
        self._connections = self.count("connections")
        # gunicorn looks up twenty settings for each request: as attributes of their own, they need no call.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()

    def notify(self) -> None:
        """Note for the parent that the loop runs, once a second instead of after each event."""
        now = time.monotonic()
        if now - self._notified >= _NOTIFY_SECONDS:
            self._notified = now
            super().notify()

    def murder_keepalived(self, force: bool = False) -> None:
        """Do nothing: :meth:`murder_pending` closes these connections too."""

    def murder_pending(self) -> None:
        """Close timed-out connections, twice a second."""
        self._finish_processed()
        now = time.monotonic()
        if now - self._swept < _SWEEP_SECONDS:
            return
        self._swept = now
        if not self.alive and not self._is_stopping:
            self._is_stopping = True
            for conn in [*self._states.heads, *self._states.bodies, *self._states.idle]:
                conn.deadline = min(conn.deadline, now + STOP_KEEPALIVE_LINGER)
        for conn in [*self._states.heads, *self._states.bodies]:
            if conn.deadline <= now:
                self._time_out(conn)
        for conn in list(self._states.idle):
            if conn.deadline <= now:
                self._close(conn)
        if self._responses.excess:
            self._abort_slowest()
        for conn in self._states.responding():
            if conn.sock.is_watched and not conn.sock.measure(now):
                self.abort(conn)
        for conn in self._states.oldest(self._connections.excess(self.worker_connections)):
            self._close(conn)
        for conn in list(self._states.lingering):
            keeps_rate = conn.sock.measure(now) and conn.sock.undelivered()
            if conn.deadline <= now and not keeps_rate:
                self._close(conn)

    # Decided by the class that reads requests.

    def _time_out(self, conn: Connection) -> None:
        """Close a connection that sent no whole request in time."""
        raise NotImplementedError

    def _finish_processed(self) -> None:
        """Go on with connections whose request was processed."""
        raise NotImplementedError

    def _on_event(self, conn: Connection) -> None:
        """Read from or write to a connection."""
        raise NotImplementedError

    # For that class.

    def _lingering_close(self, conn: Connection) -> None:
        """Close after the client has closed: closing with unread input would make it lose the response."""
        conn.move(self._states.lingering)
        if not conn.shutdown(socket.SHUT_WR):
            self._close(conn)
            return
        now = time.monotonic()
        conn.sock.watch()
        conn.deadline, conn.linger_until = now + _LINGER_SECONDS, now + _LONGEST_LINGER_SECONDS
        self._watch(conn, READ)

    def _evict_oldest(self) -> None:
        """Close the oldest connection of the least important state."""
        if oldest := self._states.oldest(1):
            self._close(oldest[0])
        elif self._states.draining:
            self.abort(min(self._states.draining, key=lambda conn: conn.sock.deadline))
        else:
            time.sleep(0.01)  # all are being processed: try again soon

    def _abort_slowest(self) -> None:
        for conn in self._states.excess(self._responses):
            self.abort(conn)

    def abort(self, conn: Connection) -> None:
        """Abort a response that the client does not receive."""
        conn.sock.is_broken = True
        if conn.state is self._states.busy:
            # A thread is using the socket: it is closed afterwards.
            self._watch(conn, 0)
            conn.sock.hang_up()
            conn.shutdown(socket.SHUT_RDWR)
        else:
            self._close(conn)

    def _close(self, conn: Connection) -> None:
        if conn.state:
            self._watch(conn, 0)
            conn.close()
            self.nr_conns -= 1
            self._connections.add(-1)

    def _watch(self, conn: Connection, interest: int) -> None:
        conn.watch(self.poller, interest, self._on_event)
