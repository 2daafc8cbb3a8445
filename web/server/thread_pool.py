"""The threads that process requests."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Generic, TypeVar

__all__ = ["TICK_SECONDS", "ThreadPool", "waiting"]


_AT_ONCE = 4
"""More threads would compete for the GIL, and wake each other for every request; fewer would leave it unused while they
wait for Redis."""

TICK_SECONDS = 0.02
_BUSY_SHARE = 1 / 3
"""Of one core: a process that uses less, although items wait, has threads that are blocked."""

_Item = TypeVar("_Item")


class ThreadPool(Generic[_Item]):
    """Up to ``size`` threads, started when needed, that each call ``work`` with one item after the other.

    A few work at once, besides those that are :func:`waiting`; :meth:`tick` adds others as long as these are blocked.
    The thread that became idle last is the first to be used: its stack and its connection to Redis are in the caches.
    """

    def __init__(self, size: int, work: Callable[[_Item], None], at_once: int = _AT_ONCE) -> None:
        self._size = size
        self._work = work
        self._least = self._at_once = min(size, at_once)
        self._lock = threading.Lock()
        self._threads = self._working = 0
        self._idle: list[_Thread[_Item]] = []
        self._backlog: deque[_Item] = deque()
        self._is_shut_down = False
        self._done = 0
        self._ticked = self._cpu = 0.0

    @property
    def has_backlog(self) -> bool:
        """Whether items wait for a thread."""
        return bool(self._backlog)

    def submit(self, item: _Item) -> None:
        """Let a thread work on an item, as soon as there is one."""
        with self._lock:
            self._backlog.append(item)
            self._start_work()

    def tick(self) -> None:
        """Let one more thread work if those that do are blocked; to be called regularly while items wait."""
        now = time.monotonic()
        seconds = now - self._ticked
        if seconds < TICK_SECONDS:
            return
        cpu = time.process_time()
        is_blocked = seconds < 10 * TICK_SECONDS and (not self._done or cpu - self._cpu < _BUSY_SHARE * seconds)
        self._ticked, self._cpu, self._done = now, cpu, 0
        with self._lock:
            change = 1 if self._backlog and is_blocked else -1
            self._at_once = max(self._least, min(self._size, self._at_once + change))
            self._start_work()

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
        except BaseException:
            with self._lock:
                self._working -= 1
            raise
        finally:
            with self._lock:
                self._threads -= 1
                self._start_work()

    @contextmanager
    def left(self) -> Iterator[None]:
        """Let another thread work instead of the current one; only the threads call it."""
        with self._lock:
            self._working -= 1
            self._start_work()
        try:
            yield
        finally:
            with self._lock:
                self._working += 1

    def _next(self, thread: _Thread[_Item]) -> _Item | None:
        with self._lock:
            self._done += 1
            if self._backlog and self._working <= self._at_once:
                return self._backlog.popleft()
            self._working -= 1
            if self._is_shut_down:
                return None
            self._idle.append(thread)
        return thread.take()

    def _start_work(self) -> None:
        """Give the first item to a thread if one more may work; the lock must be held."""
        if not self._backlog or self._working >= self._at_once:
            return
        if self._idle:
            thread = self._idle.pop()
        elif self._threads < self._size:
            self._threads += 1
            thread = _Thread(self)
            thread.start()
        else:
            return
        self._working += 1
        thread.give(self._backlog.popleft())


def waiting() -> AbstractContextManager[None]:
    """Return a context in which the current thread waits, so that another one of its pool can work."""
    thread = threading.current_thread()
    return thread.pool.left() if isinstance(thread, _Thread) else nullcontext()


class _Thread(threading.Thread, Generic[_Item]):
    """A thread and the item that it is given."""

    def __init__(self, pool: ThreadPool[_Item]) -> None:
        super().__init__(name="request")
        self.pool: ThreadPool[Any] = pool
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
        self.pool.run(self)
