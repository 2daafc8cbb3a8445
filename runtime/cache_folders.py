"""Provides a cache folder for the children's libraries where the home folder is not writable."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_settings"]


@contextmanager
def cache_settings(environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield environment variables with one cache folder for all children, which is removed at the end.

    They are empty where matplotlib can use its own folders. Otherwise each process would create a temporary folder, and
    a killed child would leave it behind.
    """
    if "MPLCONFIGDIR" in environ or all(map(_is_writable, _own_folders(environ))):
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="worker-", ignore_cleanup_errors=True) as folder:
        yield {"MPLCONFIGDIR": folder}


def _own_folders(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders that matplotlib creates by default."""
    for name, usual in (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache")):
        base = environ.get(name)
        yield Path(base or Path(os.path.expanduser("~"), usual), "matplotlib")


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK) and folder.is_dir()
