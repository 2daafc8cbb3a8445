"""The keys of ``API_KEYS_FILE``, read again when the file changes."""

from __future__ import annotations

import hmac
import logging
import os
import time
from typing import NamedTuple

from config.api_keys import Key, digest_of, read_keys
from config.events import Event
from config.settings import InvalidSetting

__all__ = ["KeyFile"]

_SETTLED_SECONDS = 2.0

_log = logging.getLogger("api")


class _Seen(NamedTuple):
    """Identifies one state of the file; None for a file that is missing."""

    inode: int
    size: int
    modified: int


class KeyFile:
    """The keys of a file. A broken change is logged, and the keys from before it stay valid."""

    def __init__(self, path: str) -> None:
        """Read the file.

        :raises InvalidSetting: it cannot be read, or a line is broken.
        """
        self._path = path
        self._seen = _stat(path)
        self._keys = read_keys(path)

    def find(self, presented: bytes) -> str | None:
        """Return the digest of a valid key, None for any other; the time taken does not depend on the keys."""
        digest, found = digest_of(presented), None
        for known in self._current():
            if hmac.compare_digest(known, digest):
                found = known
        return found

    def get(self, digest: str) -> Key | None:
        """Return the key with this digest, None if it was removed from the file."""
        return self._current().get(digest)

    def _current(self) -> dict[str, Key]:
        seen = _stat(self._path)
        # A second change within the granularity of the file system's clock leaves the time as it is.
        if seen != self._seen or (seen and time.time() - seen.modified / 1e9 < _SETTLED_SECONDS):
            self._read_again(seen)
        return self._keys

    def _read_again(self, seen: _Seen | None) -> None:
        try:
            self._keys = read_keys(self._path)
        except InvalidSetting as error:
            if seen != self._seen:
                _log.error(Event.KEYS_REJECTED, extra={"error": str(error)})
        self._seen = seen


def _stat(path: str) -> _Seen | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _Seen(found.st_ino, found.st_size, found.st_mtime_ns)
