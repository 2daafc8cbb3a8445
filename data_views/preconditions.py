"""`If-Match`: a request changes only the version that its client has read."""

from __future__ import annotations

from collections.abc import Callable

from flask import request

from dataset import NotCurrent, Store
from web.responses import precondition_failed

__all__ = ["require_match", "required_version"]


def required_version(store: Store) -> str | None:
    """Return the version that must be current when the dataset is replaced or unloaded; None for any.

    :raises Problem: precondition-failed, by ``If-Match``.
    :raises NotCurrent: no dataset is loaded.
    """
    if "If-Match" not in request.headers:
        return None
    current = store.current()
    if current is None:
        raise NotCurrent
    require_match(current.version)
    return None if request.if_match.star_tag else current.version


def require_match(version: str, find_tag: Callable[[], str] | None = None) -> None:
    """Raise 412 unless `If-Match` has a tag of this version of the dataset, or that of one of its records.

    :raises Problem: precondition-failed.
    """
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return
    current = version if find_tag is None else find_tag()
    tags = [tag or "" for tag in request.if_match.as_set()]  # None is an empty tag
    if not any(tag in (current, version) or tag.startswith(f"{version}.") for tag in tags):
        raise precondition_failed(f'"{current}"')
