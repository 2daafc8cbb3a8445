"""The files of the analyses: which of them have changed, and loading them again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import cache_from_source
from types import ModuleType

__all__ = ["forget_modules", "read_sources"]

_FRAMEWORK = ("__init__", "__main__", "framework", "kit")


def read_sources(package: ModuleType) -> dict[str, tuple[int, int]]:
    """Return the time of modification, in nanoseconds, and the size of each file of an analysis."""
    sources = {}
    for path in _files(package):
        with suppress(OSError):  # it was removed since, or is a broken link
            status = os.stat(path)
            sources[path] = status.st_mtime_ns, status.st_size
    return sources


def forget_modules(package: ModuleType) -> None:
    """Remove the modules of the analyses, so that the next import executes their files again."""
    for module in [name for name in sys.modules if name.startswith(f"{package.__name__}.")]:
        name = module.split(".")[1]
        if name not in _FRAMEWORK:
            del sys.modules[module]
            vars(package).pop(name, None)
    for path in _files(package):
        if path.endswith(".py"):
            # Compiled code counts as current if the source has the same size and was modified in the same second.
            with suppress(OSError):
                os.unlink(cache_from_source(path))


def _files(package: ModuleType) -> Iterator[str]:
    """Yield the paths of all files of analyses and of their data; files of editors, which begin with a dot, are not."""
    for root in package.__path__:
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if not name.startswith((".", "__"))]
            if folder == root:
                folders[:] = [name for name in folders if name not in _FRAMEWORK]
                files = [name for name in files if name.partition(".")[0] not in _FRAMEWORK]
            yield from (os.path.join(folder, name) for name in files if not name.startswith("."))
