"""Versions as Arrow files in a folder of this host, mapped by all processes of a user instead of decoded by each.

A file is written under a temporary name and then renamed, so that it is complete. Locks (`flock`) end with a process,
however it ends: a file that is being written is locked exclusively, and each process that maps one has a shared lock. A
file that nobody has locked is left over from a process that died, or is not in use. A version that cannot have a file
(the folder is not writable or belongs to somebody else; the disk or the limit is full) is decoded by each process.
"""

from __future__ import annotations

import fcntl
import io
import mmap
import os
import stat
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Final
from uuid import uuid4

import polars as pl

from dataset.arrow_chunks import decode_chunks
from dataset.errors import Busy

__all__ = ["MIN_BYTES", "NewFile", "SharedFiles", "map_frame"]

MIN_BYTES: Final = 2**20
"""Smaller versions are decoded faster than a file is opened."""
_WAIT_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.02
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class NewFile:
    """A file that is being written, locked; deleted when it is closed, unless it was kept."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._kept = False

    def write(self, rows: Sequence[bytes] | pl.LazyFrame) -> None:
        """Write the rows, of encoded chunks or of a scan, a few at a time. Raises OSError and polars' errors."""
        if not isinstance(rows, pl.LazyFrame):
            sources: list[IO[bytes]] = [io.BytesIO(chunk) for chunk in rows]
            rows = pl.scan_ipc(sources)
        rows.sink_ipc(self.path, compression="uncompressed")

    def map(self) -> pl.DataFrame:
        """Return the rows of the file, which stays locked while they are in use. Raises OSError and ValueError."""
        return map_frame(os.dup(self._descriptor))

    def keep_as(self, path: Path) -> None:
        """Name the file, and let others map it. Raises OSError."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        self.path.rename(path)
        self._kept = True

    def close(self) -> None:
        """Close the file."""
        if not self._kept:
            with suppress(OSError):
                self.path.unlink()
        os.close(self._descriptor)


class SharedFiles:
    """The files of one folder, of at most `max_bytes` together; with 0 there are none."""

    def __init__(self, max_bytes: int, folder: Path | None = None) -> None:
        """Use a folder, by default one of this user among the temporary files."""
        self._max_bytes = max_bytes
        self._folder = folder or Path(tempfile.gettempdir()) / f"dataset-{os.geteuid()}"

    @cached_property
    def _ending(self) -> str:
        """The end of the names; a crash of the system may leave a file that has its name but not its content."""
        try:
            boot = _BOOT_ID.read_text()[:8]
        except OSError:  # not Linux
            boot = "0"
        return f".{boot}.arrow"

    def map(self, version: str) -> pl.DataFrame | None:
        """Return the rows of a version, None if it has no file."""
        try:
            self._check_folder()
            file = os.open(self._path(version), os.O_RDONLY | os.O_NOFOLLOW)
            if not _lock(file, fcntl.LOCK_SH):
                os.close(file)  # it is being deleted
                return None
            return map_frame(file)
        except (OSError, ValueError):
            return None

    def get(
        self,
        version: str,
        size: int,
        read_rows: Callable[[], Iterable[bytes] | pl.LazyFrame],
        max_scanned: int | None = None,
    ) -> pl.DataFrame:
        """Return the rows of a version, about as large as `size`: from its file, which is written if there is none.

        `read_rows` returns them as encoded chunks or as a scan. While another process writes the file, this one waits
        for it. Raises the errors of `read_rows`, and Busy if a scan of more than `max_scanned` bytes has no file.
        """

        def decode(rows: Iterable[bytes] | pl.LazyFrame) -> pl.DataFrame:
            if not isinstance(rows, pl.LazyFrame):
                return decode_chunks(rows)
            if max_scanned is not None and size > max_scanned:
                raise Busy(
                    f"The temporary files have no room for {size:,} bytes of rows (DATASET_FILES_MB), or not yet: "
                    "try again."
                )
            return rows.collect()

        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            if (frame := self.map(version)) is not None:
                return frame
            if not MIN_BYTES <= size <= self.room() or time.monotonic() > deadline:
                return decode(read_rows())
            try:
                new = self._create(f"{version}.tmp")
            except OSError:
                return decode(read_rows())
            if new is not None:
                try:
                    # Another process may have finished the file since.
                    mapped = self.map(version)
                    if mapped is not None:
                        return mapped
                    rows = read_rows()
                    rows = rows if isinstance(rows, pl.LazyFrame) else [*rows]
                    mapped = self._write(new, version, rows)
                    return decode(rows) if mapped is None else mapped
                finally:
                    new.close()
            time.sleep(_POLL_SECONDS)

    def create(self) -> NewFile | None:
        """Return a file for rows whose version is not known yet; None if there can be none."""
        try:
            return self._create(f"{uuid4().hex}.tmp") if self.room() else None
        except OSError:
            return None

    def keep(self, new: NewFile, version: str) -> None:
        """Name the file of a version, unless there is another one, or the disk refuses."""
        with suppress(OSError):
            if self._path(version).exists():
                new.path.unlink()
            else:
                new.keep_as(self._path(version))

    def room(self) -> int:
        """Return how many bytes a new file may have: what the limit leaves, and at most half of the free disk."""
        try:
            self._check_folder()
            used = sum(each.stat().st_size for each in os.scandir(self._folder))
            disk = os.statvfs(self._folder)
        except OSError:
            return 0
        return max(0, min(self._max_bytes - used, disk.f_bavail * disk.f_frsize // 2))

    def sweep(self, stored: Callable[[Collection[str]], Collection[str]]) -> bool:
        """Delete the files that no process uses, except for those of the versions that `stored` returns of some.

        Return whether files of other versions are left, because they are in use.
        """
        left = False
        with suppress(OSError):
            self._check_folder()
            names = os.listdir(self._folder)
            versions = [name.removesuffix(self._ending) for name in names if name.endswith(self._ending)]
            kept = {f"{version}{self._ending}" for version in (stored(versions) if versions else ())}
            for name in names:
                left |= name not in kept and not _delete_unless_locked(self._folder / name)
        return left

    def _write(self, new: NewFile, version: str, rows: Sequence[bytes] | pl.LazyFrame) -> pl.DataFrame | None:
        """Write and map the file; None if the disk refuses, or a scan fails."""
        with suppress(OSError, ValueError, pl.exceptions.PolarsError):
            new.write(rows)
            mapped = new.map()
            new.keep_as(self._path(version))
            return mapped
        return None

    def _create(self, name: str) -> NewFile | None:
        """Open and lock a new file, or one left over; None if another process is writing it. Raises OSError."""
        path = self._folder / name
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        # The writer may have renamed or deleted it since.
        if _lock(file, fcntl.LOCK_EX) and os.fstat(file).st_nlink:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), path.stat()):
                    return NewFile(path, file)
        os.close(file)
        return None

    def _path(self, version: str) -> Path:
        return self._folder / f"{version}{self._ending}"

    def _check_folder(self) -> None:
        """Create the folder if there is none. Raises OSError if it is not this user's alone."""
        if not self._max_bytes:
            raise PermissionError("files are not shared")
        with suppress(FileExistsError):
            self._folder.mkdir(0o700)
        found = self._folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(f"{self._folder} is not a folder of this user alone")


def map_frame(file: int) -> pl.DataFrame:
    """Return the rows of an uncompressed Arrow file, whose pages are their memory.

    Takes over the descriptor, which is closed, with its lock, when no column is in use any more. Raises OSError and
    ValueError.
    """
    import pyarrow.ipc  # only where there is such a file: it takes memory

    try:
        mapped = mmap.mmap(file, 0, prot=mmap.PROT_READ)  # which duplicates the descriptor
    finally:
        os.close(file)
    # polars itself copies what it reads from a file.
    frame = pl.from_arrow(pyarrow.ipc.open_file(pyarrow.py_buffer(mapped)).read_all(), rechunk=False)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _lock(file: int, kind: int) -> bool:
    """Lock a file, and return True, unless another process has locked it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _delete_unless_locked(path: Path) -> bool:
    """Delete a file and return True, unless a process has locked it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        if not _lock(file, fcntl.LOCK_EX):
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(file)
