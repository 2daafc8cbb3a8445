"""gunicorn's threaded worker with an event loop that does all network I/O: threads never wait for clients.

gunicorn's own worker assigns a thread to a connection at its first byte, and the thread reads and writes at the
client's pace, so as many slow clients as there are threads block the service. Here the loop buffers whole requests,
large ones on disk, before a thread processes them, and sends what the client has not received yet of a response.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from web.server.buffers import BYTES_PER_SECOND, PATIENCE_SECONDS, DiskQuota
from web.server.connections import READ, WRITE, Connection, States, write_problem
from web.server.framing import IN_MEMORY, Refused, RequestBuffer
from web.server.thread_pool import ThreadPool
from web.shared_counts import SharedCount

__all__ = ["BufferingThreadWorker"]

_SWEEP_SECONDS = 0.5
_LINGER_SECONDS = 2.0
_LONGEST_LINGER_SECONDS = 30.0
_LINGER_BYTES_PER_SECOND = 2**20
_RECEIVED = 64 * 1024
_RESPONSE_BYTES = 2**30  # on disk, of all responses that clients have not received yet
_URGENT_THREADS = 2


class BufferingThreadWorker(ThreadWorker):  # type: ignore[misc]
    """Collects requests and sends responses in the loop; threads only compute."""

    most_body_bytes = 2**30
    """Bytes on disk of all bodies that are being received or processed."""

    count: Callable[[str], SharedCount] = staticmethod(lambda name: SharedCount())
    """Returns the number of this process in a column of :data:`web.shared_counts.COUNTED`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._states = States()
        # Requests with a larger body take longer: they get a third of the threads, so that the others stay free.
        self._most_large = max(1, self.cfg.threads // 3)
        self._large = 0
        self._large_waiting: list[Connection] = []
        self._urgent = ThreadPool(_URGENT_THREADS, self._process)
        self._processed: deque[Connection] = deque()
        self._swept = 0.0
        self._is_stopping = False

    def init_process(self) -> None:
        """Serve; the process is a new one."""
        self._responses = DiskQuota(_RESPONSE_BYTES, self.count("responses"))
        self._bodies_on_disk = DiskQuota(self.most_body_bytes, self.count("bodies"))
        self._connections = self.count("connections")
        super().init_process()

    def get_thread_pool(self) -> ThreadPool[Connection]:
        """Return the threads that process requests."""
        return ThreadPool(self.cfg.threads, self._process)

    # Decided by the service.

    def most_bytes(self, request: Request) -> int:
        """Return the largest body that this request may have; a larger one is not read."""
        raise NotImplementedError

    def is_urgent(self, request: Request) -> bool:
        """Return whether the request is processed even if all threads are busy; it must be quick."""
        raise NotImplementedError

    # Called by gunicorn's loop.

    def accept(self, listener: Any) -> None:
        """Accept a connection; at the limit, the oldest idle connection is closed."""
        self._finish_processed()
        if self.nr_conns >= self.worker_connections - 1 or self._connections.excess(self.worker_connections - 2):
            self._evict_oldest()
        try:
            sock, address = listener.accept()
            conn = Connection(sock, address, self._responses, partial(self.method_queue.defer, self._on_pending))
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            self.log.warning("No connection can be taken: %s", error)
            self._evict_oldest()
            return
        self.nr_conns += 1
        self._connections.add(1)
        self._await_request(conn, self._states.heads, PATIENCE_SECONDS)

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
                self._abort(conn)
        for conn in list(self._states.lingering):
            keeps_rate = conn.sock.measure(now) and conn.sock.undelivered()
            if conn.deadline <= now and not keeps_rate:
                self._close(conn)

    def finish_request(self, conn: Connection) -> None:
        """Go on with a connection whose request a thread has processed."""
        if conn.is_large:
            self._large -= 1
            conn.is_large = False
            if self._large_waiting:
                self._submit(self._large_waiting.pop(0))
        conn.move(self._states.streams if conn.sock.is_streaming else self._states.draining)
        with self._contained(conn):
            if conn.buffer is not None:
                conn.ahead = conn.buffer.surplus + conn.ahead
                conn.end_input()
            if conn.sock.is_broken:
                self._close(conn)
            else:
                self._on_pending(conn)

    def handle(self, conn: Connection) -> bool:
        """Process a request in a thread and return whether the connection takes another one."""
        assert conn.buffer is not None
        request = conn.buffer.request
        conn.sock.cork()
        try:
            return bool(self.handle_request(request, conn))
        except StopIteration:
            # raised by gunicorn for a response that failed midway, which it has logged.
            return False
        except OSError as error:
            if not conn.sock.is_broken:
                self.log.exception("Error handling request")
            self.log.debug("Response broken off: %s", error)
            return False
        except Exception as error:
            conn.sock.request_id = conn.request_id()
            self.handle_error(request, conn.sock, conn.client, error)
            return False
        finally:
            with suppress(OSError):  # is_broken is set
                conn.sock.uncork()

    # Events of a connection.

    def _on_pending(self, conn: Connection) -> None:
        """Send pending bytes as the client receives them, if the disk has room for them; go on if there are none."""
        if conn.state is self._states.streams and not conn.sock.is_streaming:
            conn.move(self._states.draining)
            if conn.sock.is_broken:
                self._close(conn)
        if not self._states.is_responding(conn):
            return
        if self._responses.excess:
            self._abort_slowest()
        if not len(conn.sock.pending):
            with self._contained(conn):
                self._continue(conn)
        elif not conn.sock.is_watched and not conn.sock.is_broken:
            conn.sock.watch()
            self._watch(conn, conn.interest | WRITE)

    def _on_event(self, conn: Connection) -> None:
        self._finish_processed()
        with self._contained(conn):
            if conn.interest & WRITE:
                self._flush(conn)
            if conn.interest & READ:
                self._receive(conn)

    @contextmanager
    def _contained(self, conn: Connection) -> Iterator[None]:
        """Close the connection if its handling fails, so that the worker continues."""
        try:
            yield
        except Exception:
            self.log.exception("Error on a connection")
            self._abort(conn)

    def _flush(self, conn: Connection) -> None:
        conn.sock.flush()
        if conn.sock.is_broken:
            self._abort(conn)
        elif not len(conn.sock.pending):
            self._watch(conn, conn.interest & ~WRITE)
            conn.sock.unwatch()
            # A thread may have appended before it saw this flag, without calling.
            self._on_pending(conn)

    def _receive(self, conn: Connection) -> None:
        data = conn.recv(conn.buffer.recv_size if conn.buffer else _RECEIVED)
        if data is None:
            return
        if conn.state is self._states.lingering:
            self._discard(conn, data)
        elif self._states.is_responding(conn):
            if not data:
                conn.sock.hang_up()
            conn.ahead += data
            if not data or len(conn.ahead) >= _RECEIVED:
                self._watch(conn, conn.interest & ~READ)
            self._finish_processed()
            if conn.state is self._states.streams and conn.sock.is_hung_up:
                self._close(conn)
        elif data:
            self._feed(conn, data)
        else:
            self._end_early(conn)

    def _discard(self, conn: Connection, data: bytes) -> None:
        if not data:
            self._close(conn)
        # Closing while the client is still sending its body would make it lose the response.
        conn.deadline = min(conn.deadline + len(data) / _LINGER_BYTES_PER_SECOND, conn.linger_until)

    def _feed(self, conn: Connection, data: bytes) -> None:
        """Receive more of a request and dispatch it once it is complete."""
        now = time.monotonic()
        if conn.buffer is None:
            conn.buffer = RequestBuffer(self.cfg, conn.client, self._bodies_on_disk, self.most_bytes)
            conn.move(self._states.heads)
            conn.deadline = now + PATIENCE_SECONDS
        buffer = conn.buffer
        try:
            buffer.feed(data)
        except (Refused, ParseException) as error:
            self._refuse(conn, error)
            return
        conn.deadline = min(conn.deadline + len(data) / BYTES_PER_SECOND, now + PATIENCE_SECONDS)
        if buffer.is_complete:
            self._dispatch(conn)
        elif buffer.request is not None and conn.state is self._states.heads:
            conn.move(self._states.bodies)
        if buffer.expects_continue:
            buffer.expects_continue = False
            with suppress(OSError):
                conn.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _end_early(self, conn: Connection) -> None:
        """Handle a client that has stopped sending."""
        if conn.sock.is_broken or conn.buffer is None or conn.buffer.request is None:
            self._close(conn)
        else:
            self._refuse(conn, Refused(400, "The body broke off before its end."))

    def _time_out(self, conn: Connection) -> None:
        if conn.buffer is None:
            self._close(conn)
        else:
            self._refuse(conn, Refused(408, "The request came too slowly: send it again."))

    def _refuse(self, conn: Connection, error: Refused | ParseException) -> None:
        request, conn.sock.request_id = conn.buffer.request if conn.buffer else None, conn.request_id()
        conn.end_input()
        if isinstance(error, Refused):
            with suppress(OSError):
                write_problem(conn.sock, error.status, "", str(error), error.headers)
        else:
            self.handle_error(request, conn.sock, conn.client, error)
        self._lingering_close(conn)

    # From request to response.

    def _dispatch(self, conn: Connection) -> None:
        """Submit a request to a thread."""
        assert conn.buffer is not None
        conn.move(self._states.busy)
        if conn.buffer.size > IN_MEMORY and self._large >= self._most_large:
            self._large_waiting.append(conn)
        else:
            self._submit(conn)

    def _submit(self, conn: Connection) -> None:
        assert conn.buffer is not None
        conn.is_large = conn.buffer.size > IN_MEMORY
        self._large += conn.is_large
        pool = self._urgent if self.is_urgent(conn.buffer.request) else self.tpool
        pool.submit(conn)

    def _process(self, conn: Connection) -> None:
        """Process a request, in a thread, and wake the loop if it has to act at once.

        Under load it need not: it handles what was processed before the next event. A client that sent more, or has
        gone, was seen by the loop before this looks, or the loop looks afterwards.
        """
        conn.is_kept = False
        try:
            conn.is_kept = self.handle(conn)
        finally:
            self._processed.append(conn)
            sock = conn.sock
            is_done = conn.is_kept and not (sock.is_broken or sock.is_hung_up or sock.is_streaming or len(sock.pending))
            is_alone = len(self._states.busy) <= 1  # nothing else to do: then the next request finds all done
            if is_alone or conn.ahead or conn.is_large or not (is_done and self.alive):
                self.method_queue.defer(self._finish_processed)

    def _finish_processed(self) -> None:
        while self._processed:
            self.finish_request(self._processed.popleft())

    def _continue(self, conn: Connection) -> None:
        """Go on when all that was produced of a response is sent."""
        if conn.state is self._states.draining:
            conn.sock.close_stream()
            self._finish_response(conn)
        elif conn.state is self._states.streams and conn.sock.is_hung_up:
            self._close(conn)

    def _finish_response(self, conn: Connection) -> None:
        """Continue with the next request of the connection, if one is allowed."""
        if not conn.is_kept:
            self._lingering_close(conn)
            return
        self._await_request(conn, self._states.idle, self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER)
        if conn.ahead:
            ahead, conn.ahead = conn.ahead, b""
            self._feed(conn, ahead)
        elif conn.sock.is_hung_up:
            self._close(conn)

    def _await_request(self, conn: Connection, state: dict[Connection, None], seconds: float) -> None:
        conn.move(state)
        conn.deadline = time.monotonic() + seconds
        self._watch(conn, READ)

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

    # Bookkeeping.

    def _evict_oldest(self) -> None:
        """Close the oldest connection of the least important state."""
        oldest = self._states.oldest()
        if oldest is not None:
            self._close(oldest)
        elif self._states.draining:
            self._abort(min(self._states.draining, key=lambda conn: conn.sock.deadline))
        else:
            time.sleep(0.01)  # all are being processed: try again soon

    def _abort_slowest(self) -> None:
        for conn in self._states.excess(self._responses):
            self._abort(conn)

    def _abort(self, conn: Connection) -> None:
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
