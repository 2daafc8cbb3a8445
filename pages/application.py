"""What the application has: its store of datasets and its settings."""

from __future__ import annotations

from flask import current_app

from config.settings import Settings
from dataset import Store

__all__ = ["settings", "store"]


def store() -> Store:
    """Return the application's store."""
    found: Store = current_app.extensions["store"]
    return found


def settings() -> Settings:
    """Return the application's settings."""
    found: Settings = current_app.config["SETTINGS"]
    return found
