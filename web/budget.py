"""A budget of memory that all requests of the API share: a request that would exceed it is refused at once.

Large bodies and responses reserve their estimated size before it is allocated, so concurrent requests cannot add up to
more than the API may use. Nothing waits for room: the client gets 503 with ``Retry-After``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, Response, current_app, g

from web.problems import Problem
from web.routing import current_globals
from web.shared_counts import SharedCount

__all__ = ["FREE_BYTES", "MemoryBudget", "hold", "install", "reserve"]

FREE_BYTES = 256 * 1024
"""Estimates up to this size are not counted: as many as there are threads fit beside the budget."""


class MemoryBudget:
    """Counts reserved bytes up to ``total``. Safe to share between threads, and between processes by ``count``."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.count = SharedCount()

    @property
    def used(self) -> int:
        """Return the bytes that are reserved in this process."""
        return self.count.own

    def acquire(self, size: int) -> bool:
        """Reserve ``size`` bytes and return True, or return False if there is no room."""
        return self.count.add_within(size, self.total)

    def release(self, size: int) -> None:
        """Return ``size`` reserved bytes."""
        self.count.add(-size)

    @contextmanager
    def reserved(self, size: int) -> Iterator[None]:
        """Hold ``size`` bytes for a block.

        :raises Problem: unavailable, when there is no room at the moment.
        """
        if not self.acquire(size):
            raise _unavailable()
        try:
            yield
        finally:
            self.release(size)


def install(app: Flask, total: int) -> None:
    """Give the application a budget of ``total`` bytes; reservations end when their response has been sent."""
    app.extensions["budget"] = MemoryBudget(total)
    app.after_request(_release_when_sent)
    app.teardown_request(_release_when_handled)


def reserve(size: int) -> None:
    """Reserve ``size`` bytes for the current request, until its response has been sent.

    :raises Problem: unavailable, when there is no room at the moment.
    """
    if size > FREE_BYTES:
        g.reserved = g.get("reserved", 0) + _acquire(size)


def hold(size: int) -> None:
    """Reserve ``size`` bytes for the current request until its response is built, for data that is not part of it.

    :raises Problem: unavailable, when there is no room at the moment.
    """
    if size > FREE_BYTES:
        g.held = g.get("held", 0) + _acquire(size)


def _acquire(size: int) -> int:
    budget: MemoryBudget = current_app.extensions["budget"]
    if not budget.acquire(size):
        raise _unavailable()
    return size


def _release_when_handled(error: BaseException | None) -> None:
    if size := current_globals().pop("held", 0):
        budget: MemoryBudget = current_app.extensions["budget"]
        budget.release(size)


def _release_when_sent(response: Response) -> Response:
    size = current_globals().pop("reserved", 0)
    if size:
        budget: MemoryBudget = current_app.extensions["budget"]
        response.call_on_close(lambda: budget.release(size))
    return response


def _unavailable() -> Problem:
    detail = "The server has no memory left for a request of this size at the moment; try again."
    return Problem("unavailable", detail, headers={"Retry-After": "1"})
