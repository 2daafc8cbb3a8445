"""gunicorn's threaded worker with an event loop that does all network I/O: threads never wait for clients.

gunicorn's own worker assigns a thread to a connection at its first byte, and the thread reads and writes at the
client's pace, so as many slow clients as there are threads block the service. Here the loop buffers whole requests,
large ones on disk, before a thread processes them, and sends what the client has not received yet of a response.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from web.server.buffers import BYTES_PER_SECOND, PATIENCE_SECONDS
from web.server.closing_worker import ClosingWorker
from web.server.connections import READ, WRITE, Connection, write_problem
from web.server.framing import Refused, RequestBuffer
from web.server.request_threads import RequestThreads
from web.server.thread_pool import TICK_SECONDS

__all__ = ["BufferingThreadWorker"]

_LINGER_BYTES_PER_SECOND = 2**20
_RECEIVED = 64 * 1024


def _contained(handle: Callable[[Any, Connection], None]) -> Callable[[Any, Connection], None]:
    """Close the connection if its handling fails, so that the worker continues."""

    @wraps(handle)
    def contained(worker: BufferingThreadWorker, conn: Connection) -> None:
        try:
            handle(worker, conn)
        except Exception:
            worker.log.exception("Error on a connection")
            worker.abort(conn)

    return contained


class BufferingThreadWorker(ClosingWorker):
    """Collects requests and sends responses in the loop; threads only compute."""

    def get_thread_pool(self) -> RequestThreads:
        """Return the threads that process requests."""
        return RequestThreads(self.cfg.threads, self.handle, self._on_processed)

    def run(self) -> None:
        """Serve until the process is to stop."""
        try:
            super().run()
        finally:
            self.tpool.shutdown()

    # Decided by the service.

    def most_bytes(self, request: Request) -> int:
        """Return the largest body that this request may have; a larger one is not read."""
        raise NotImplementedError

    def is_urgent(self, request: Request) -> bool:
        """Return whether the request is processed even if all threads are busy; it must be quick."""
        raise NotImplementedError

    def expect_body(self, request: Request) -> None:
        """Prepare for a body of which only a part has arrived; it must be quick."""

    # Called by gunicorn's loop.

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events; while requests wait for threads, only for a moment."""
        super().wait_for_and_dispatch_events(min(timeout, TICK_SECONDS) if self.tpool.has_backlog else timeout)
        self.tpool.tick()

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

    @_contained
    def finish_request(self, conn: Connection) -> None:
        """Go on with a connection whose request a thread has processed."""
        conn.move(self._states.streams if conn.sock.is_streaming else self._states.draining)
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
            self._continue(conn)
        elif not conn.sock.is_watched and not conn.sock.is_broken:
            conn.sock.watch()
            self._watch(conn, conn.interest | WRITE)

    @_contained
    def _on_event(self, conn: Connection) -> None:
        self._finish_processed()
        if conn.interest & WRITE:
            self._flush(conn)
        if conn.interest & READ:
            self._receive(conn)

    def _flush(self, conn: Connection) -> None:
        conn.sock.flush()
        if conn.sock.is_broken:
            self.abort(conn)
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
            self.expect_body(buffer.request)
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
        self.tpool.submit(conn, is_urgent=self.is_urgent(conn.buffer.request))

    def _on_processed(self, conn: Connection) -> None:
        """Wake the loop, from a thread that has processed a request, if the loop has to act at once.

        Under load it need not: it handles what was processed before the next event. A client that sent more, or has
        gone, was seen by the loop before this looks, or the loop looks afterwards.
        """
        sock = conn.sock
        is_done = conn.is_kept and not (sock.is_broken or sock.is_hung_up or sock.is_streaming or len(sock.pending))
        is_alone = len(self._states.busy) <= 1  # nothing else to do: then the next request finds all done
        if is_alone or conn.ahead or conn.is_large or not (is_done and self.alive):
            self.method_queue.defer(self._finish_processed)

    def _finish_processed(self) -> None:
        for conn in self.tpool.processed():
            self.finish_request(conn)

    @_contained
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
