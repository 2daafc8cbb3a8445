"""The store of the dataset, and who may change the dataset."""

from __future__ import annotations

from flask import current_app

from config.settings import Settings
from dataset import Description, Store
from web.auth import Role, may, require

__all__ = ["may_change_data", "require_change_of_data", "settings", "store"]


def store() -> Store:
    """Return the application's store."""
    found: Store = current_app.extensions["store"]
    return found


def settings() -> Settings:
    """Return the application's settings."""
    found: Settings = current_app.config["SETTINGS"]
    return found


def may_change_data(description: Description | None) -> bool:
    """Return whether the key of this request may replace or unload the dataset."""
    return may(Role.SUBMIT)


def require_change_of_data(description: Description | None) -> None:
    """Refuse a key that may not replace or unload the dataset.

    :raises Problem: 403 ``forbidden``.
    """
    require(Role.SUBMIT)
