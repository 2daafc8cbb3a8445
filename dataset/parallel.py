"""Parallel work on parts of a table: polars releases the GIL, so two threads suffice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["parallel_map"]

_THREADS: Final = 2

T = TypeVar("T")
R = TypeVar("R")


def parallel_map(func: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield `func` of each item, in order, computed in two threads; at most two results are ahead of the caller."""
    with ThreadPoolExecutor(_THREADS) as threads:
        pending: deque[Future[R]] = deque()
        for item in items:
            if len(pending) == _THREADS:
                yield pending.popleft().result()
            pending.append(threads.submit(func, item))
        while pending:
            yield pending.popleft().result()
