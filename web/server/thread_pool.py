"""The threads that process requests."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["ThreadPool"]

_Item = TypeVar("_Item")


class ThreadPool(Generic[_Item]):
    """Up to ``size`` threads, started when needed, that each call ``work`` with one item after the other.

    The thread that became idle last is the first to be used: its stack and its connection to Redis are in the caches.
    """

    def __init__(self, size: int, work: Callable[[_Item], None]) -> None:
        self._size = size
        self._work = work
        self._lock = threading.Lock()
        self._threads = 0
        self._idle: list[_Thread[_Item]] = []
        self._backlog: deque[_Item] = deque()
        self._is_shut_down = False

    def submit(self, item: _Item) -> None:
        """Let a thread work on an item, as soon as there is one."""
        with self._lock:
            if self._idle:
                thread = self._idle.pop()
            elif self._threads < self._size:
                self._threads += 1
                thread = _Thread(self)
                thread.start()
            else:
                self._backlog.append(item)
                return
        thread.give(item)

    def shutdown(self, wait: bool = True) -> None:
        """Let the threads end when there is no more work; takes gunicorn's argument, and never waits."""
        with self._lock:
            self._is_shut_down = True
            idle, self._idle = self._idle, []
        for thread in idle:
            thread.give(None)

    def run(self, thread: _Thread[_Item]) -> None:
        """Work in a thread until the end; only the threads call it."""
        try:
            item = thread.take()
            while item is not None:
                self._work(item)
                item = self._next(thread)
        finally:
            with self._lock:
                self._threads -= 1

    def _next(self, thread: _Thread[_Item]) -> _Item | None:
        with self._lock:
            if self._backlog:
                return self._backlog.popleft()
            if self._is_shut_down:
                return None
            self._idle.append(thread)
        return thread.take()


class _Thread(threading.Thread, Generic[_Item]):
    """A thread and the item that it is given."""

    def __init__(self, pool: ThreadPool[_Item]) -> None:
        super().__init__(name="request")
        self._pool = pool
        self._item: _Item | None = None
        self._given = threading.Lock()
        self._given.acquire()

    def give(self, item: _Item | None) -> None:
        """Wake the thread with an item, or with None to end it."""
        self._item = item
        self._given.release()

    def take(self) -> _Item | None:
        """Wait for the next item."""
        self._given.acquire()
        item, self._item = self._item, None
        return item

    def run(self) -> None:
        self._pool.run(self)
