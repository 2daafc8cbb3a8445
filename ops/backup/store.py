"""Back-ups off the host: copies in object storage, or in a folder of another host (`BACKUP_STORE`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["BackupStore", "StoreFailed"]

_RETRIES: Final[Any] = {"max_retries": 5, "retry_timeout": dt.timedelta(minutes=2)}


class StoreFailed(Exception):
    """The storage did not take or return a back-up; the message gives the reason."""


class BackupStore:
    """The back-ups below ``url``: `s3://BUCKET/PREFIX`, or an absolute path. They have the names of their files.

    Credentials, region and endpoint of S3 are those of the environment. The methods raise StoreFailed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    @cached_property
    def _store(self) -> ObjectStore:
        # Not before: most services have no such storage.
        from obstore.store import LocalStore, from_url

        return from_url(self.url, retry_config=_RETRIES) if "://" in self.url else LocalStore(self.url, mkdir=True)

    def upload(self, file: Path) -> None:
        """Upload a back-up in parts; it appears with the last one."""
        import obstore

        with self._failing():
            obstore.put(self._store, file.name, file)

    def names(self) -> list[str]:
        """Return the names of the back-ups, the oldest first."""
        import obstore

        with self._failing():
            paths = [meta["path"] for batch in obstore.list(self._store) for meta in batch]
        return sorted(path for path in paths if path.startswith("jobs-") and path.endswith(".rdb"))

    def prune(self, keep: int) -> list[str]:
        """Delete all back-ups but the ``keep`` newest, and return the names of the deleted ones."""
        import obstore

        gone = self.names()[:-keep]
        with self._failing():
            if gone:
                obstore.delete(self._store, gone)
        return gone

    def download(self, name: str, folder: Path) -> Path:
        """Download a back-up into a folder; an incomplete file is removed."""
        import obstore

        target, partial = folder / name, folder / f"{name}.partial"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._failing(), partial.open("wb") as file:
                for part in obstore.get(self._store, name):
                    file.write(part)
            return partial.rename(target)
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise StoreFailed(f"{self.url}: {str(error).partition(chr(10))[0][:300]}") from error
