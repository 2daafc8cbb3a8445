"""Who may change the dataset: the key that loaded it, and keys of the role admin."""

from __future__ import annotations

from dataset import NotOwner, Store
from web.auth import Role, may, owner, require

__all__ = ["may_change", "only_owner", "require_writable"]


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
