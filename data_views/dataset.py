"""The dataset of a request, and the memory that its records take as JSON."""

from __future__ import annotations

from dataset import Description, Store, Table, VersionNotFound
from web import budget
from web.problems import RETRY_AFTER, Problem

__all__ = ["MAX_PAGE_BYTES", "current_dataset", "page_room", "pinned_dataset", "reserve_json"]

MAX_PAGE_BYTES = 8 * 2**20

_EXPANSION = 10  # bytes of memory per byte of JSON while it is serialized


def current_dataset(store: Store) -> tuple[Description, Table] | None:
    """Return the current dataset, or None.

    :raises Problem: unavailable, if it keeps being replaced.
    """
    try:
        return store.current_table()
    except VersionNotFound as error:
        raise Problem("unavailable", error.detail, headers=RETRY_AFTER) from error


def pinned_dataset(store: Store, version: str) -> tuple[Description, Table]:
    """Return the dataset of a cursor's version.

    :raises Problem: cursor-expired, if it is gone.
    """
    try:
        return store.describe(version), store.table(version)
    except VersionNotFound as error:
        raise Problem("cursor-expired", error.detail) from error


def page_room(description: Description) -> int:
    """Return the bytes of JSON that the records of a page may have beside the description."""
    fixed = 100 * len(description.columns) + 2000
    names = sum(len(column.name) for column in description.columns)
    return MAX_PAGE_BYTES - min(fixed + 6 * names, MAX_PAGE_BYTES // 2)


def reserve_json(size: int) -> None:
    """Reserve memory for ``size`` bytes of JSON, until the response has been sent."""
    budget.reserve(_EXPANSION * size)
