"""Who may change the dataset: the key that loaded it, and keys of the role admin."""

from __future__ import annotations

from dataset import Busy, Description, EncodedTable, NotOwner, Store, Table, VersionNotFound
from web.auth import Role, may, owner, require

__all__ = ["may_change", "only_owner", "publish", "require_writable"]


def may_change(store: Store) -> bool:
    """Return whether the key may change or replace the dataset; without a dataset, whether it may load one."""
    return may(Role.ADMIN) or (may(Role.SUBMIT) and (store.owner() == owner() or store.current() is None))


def only_owner() -> str | None:
    """Return the owner that a dataset must have for this key to change it; None for any."""
    return None if may(Role.ADMIN) else owner()


def require_writable(store: Store) -> None:
    """Refuse a key that may not change the dataset.

    :raises Problem: 403 ``forbidden``.
    :raises NotOwner: the dataset was loaded with another key.
    """
    require(Role.SUBMIT)
    if not may_change(store):
        raise NotOwner


def publish(store: Store, loaded: Table | EncodedTable, replaces: str | None = None) -> Description:
    """Replace the dataset by one that the key of this request owns, and return its description.

    :param replaces: the version that must be current; None for any.
    :raises NotCurrent: another one is.
    :raises NotOwner: the dataset that it would replace was loaded with another key.
    :raises Busy: others replace the dataset all the time.
    """
    try:
        return store.publish(loaded, owner(), only_own=only_owner() is not None, replaces=replaces)
    except VersionNotFound as error:
        raise Busy(error.detail) from error
