"""Processes the requests of connections in threads, and collects those that the loop goes on with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from web.server.connections import Connection
from web.server.framing import IN_MEMORY
from web.server.thread_pool import ThreadPool

__all__ = ["RequestThreads"]

_URGENT_THREADS = 2


class RequestThreads:
    """Calls ``handle`` with connections in threads, and ``on_processed`` with each afterwards, in its thread.

    Requests with a larger body take longer: they get a third of the threads, so that the others stay free.
    """

    def __init__(
        self, threads: int, handle: Callable[[Connection], bool], on_processed: Callable[[Connection], None]
    ) -> None:
        self._handle = handle
        self._on_processed = on_processed
        self._pool = ThreadPool(threads, self._process)
        self._urgent = ThreadPool(_URGENT_THREADS, self._process)
        self._processed: deque[Connection] = deque()
        self._most_large = max(1, threads // 3)
        self._large = 0
        self._large_waiting: deque[Connection] = deque()

    def submit(self, conn: Connection, *, is_urgent: bool) -> None:
        """Process the request of a connection as soon as a thread is free; an urgent one has other threads."""
        assert conn.buffer is not None
        if is_urgent:
            self._urgent.submit(conn)
        elif conn.buffer.size <= IN_MEMORY:
            self._pool.submit(conn)
        elif self._large < self._most_large:
            self._submit_large(conn)
        else:
            self._large_waiting.append(conn)

    @property
    def has_backlog(self) -> bool:
        """Whether requests wait for a thread."""
        return self._pool.has_backlog

    def tick(self) -> None:
        """Let more threads work if some are blocked; to be called regularly while requests wait."""
        self._pool.tick()

    def processed(self) -> Iterator[Connection]:
        """Yield the connections whose request was processed, each once."""
        while self._processed:
            conn = self._processed.popleft()
            if conn.is_large:
                conn.is_large = False
                self._large -= 1
                if self._large_waiting:
                    self._submit_large(self._large_waiting.popleft())
            yield conn

    def shutdown(self, wait: bool = True) -> None:
        """Let the threads end when they have processed all; takes gunicorn's argument, and never waits."""
        self._pool.shutdown()
        self._urgent.shutdown()

    def _submit_large(self, conn: Connection) -> None:
        conn.is_large = True
        self._large += 1
        self._pool.submit(conn)

    def _process(self, conn: Connection) -> None:
        conn.is_kept = False
        try:
            conn.is_kept = self._handle(conn)
        finally:
            self._processed.append(conn)
            self._on_processed(conn)
