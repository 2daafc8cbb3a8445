"""Runs polars operations on the parts of a table in two threads; polars releases the GIL."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["map_two"]

_THREADS: Final = 2

Part = TypeVar("Part")
Made = TypeVar("Made")


def map_two(make: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
    """Yield ``make(part)`` for each part, in order. At most two results are computed ahead of the one in use."""
    with ThreadPoolExecutor(_THREADS) as threads:
        ahead: deque[Future[Made]] = deque()
        for part in parts:
            if len(ahead) == _THREADS:
                yield ahead.popleft().result()
            ahead.append(threads.submit(make, part))
        while ahead:
            yield ahead.popleft().result()
