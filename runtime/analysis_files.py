"""The files of the analyses, seen by a supervisor, which does not import them: that would double its memory."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.util import cache_from_source, find_spec

__all__ = ["AnalysisFiles"]


class AnalysisFiles:
    """Notices files of ``analyses/`` that were added, changed or removed."""

    def __init__(self) -> None:
        self._seen = _read_files()

    def have_changed(self) -> bool:
        """Return whether a file has changed since the last call; then the compiled code of all is removed."""
        before, self._seen = self._seen, _read_files()
        if before == self._seen:
            return False
        for path in self._seen:
            # Compiled code counts as current if the source has the same size and was modified in the same second.
            if path.endswith(".py"):
                with suppress(OSError):
                    os.unlink(cache_from_source(path))
        return True


def _read_files() -> dict[str, tuple[int, int]]:
    """Return the time of modification, in nanoseconds, and the size of each file."""
    spec, files = find_spec("analyses"), {}
    for root in (spec and spec.submodule_search_locations) or ():
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if not name.startswith((".", "__"))]
            for path in (os.path.join(folder, name) for name in names if not name.startswith(".")):
                with suppress(OSError):  # it was removed since, or is a broken link
                    status = os.stat(path)
                    files[path] = status.st_mtime_ns, status.st_size
    return files
