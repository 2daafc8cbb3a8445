"""Work of polars on parts of a table, which leaves Python free meanwhile, in two threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["parallel_map"]

_THREADS: Final = 2

Part = TypeVar("Part")
Made = TypeVar("Made")


def parallel_map(make: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
    """Answer what is made of each part, in order. Two are worked on while one is used: no more are held."""
    with ThreadPoolExecutor(_THREADS) as threads:
        ahead: deque[Future[Made]] = deque()
        for part in parts:
            if len(ahead) == _THREADS:
                yield ahead.popleft().result()
            ahead.append(threads.submit(make, part))
        while ahead:
            yield ahead.popleft().result()
