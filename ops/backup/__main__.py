"""``python -m ops.backup save | find WHICH | restore WHICH | every``: back-ups of the Redis that the settings name."""

from __future__ import annotations

import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any

import jobs
from config.events import Event
from config.logs import set_up_logging
from config.settings import load_or_exit
from ops.backup import (
    BackupFailed,
    BackupStore,
    NotEmpty,
    RestoreFailed,
    StoreFailed,
    newest,
    prune,
    restore,
    save,
)

_RETRY_SECONDS = 60.0
_USAGE = "usage: python -m ops.backup save | every | find WHICH | restore WHICH; WHICH: newest, FILE, s3://BUCKET/PREFIX/FILE"

_log = logging.getLogger("backup")


def main(arguments: list[str]) -> int:
    """Run the command; return 0 on success."""
    settings = load_or_exit()
    jobs.connect(settings)
    set_up_logging(settings.log_level, settings.log_format)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    match arguments:
        case ["save"]:
            return _save()
        case ["every"]:
            return _save_every()
        case ["find", which]:
            found = _find(which)
            print(found or "")
            return int(found is None)
        case ["restore", which]:
            return _restore(which)
    print(_USAGE, file=sys.stderr)
    return 2


def _save() -> int:
    made = _save_file()
    return 0 if made is not None and _copy(made) else 1


def _save_every() -> int:
    """Back up now and every ``BACKUP_INTERVAL_SECONDS``; retry after a minute.

    A back-up whose copy failed is copied again: new ones each minute would soon replace all older ones.
    """
    pause = jobs.settings.backup_interval_seconds
    made: Path | None = None
    while True:
        if made is None or time.time() - made.stat().st_mtime >= pause:
            made = _save_file()
        if made is not None and _copy(made):
            made = None
            time.sleep(pause)
        else:
            time.sleep(min(pause, _RETRY_SECONDS))


def _save_file() -> Path | None:
    """Write a back-up to ``BACKUP_DIR``; return None if it failed."""
    try:
        made = save(jobs.rd, _folder())
    except BackupFailed as error:
        _log.error(str(error))
        return None
    removed = len(prune(_folder(), jobs.settings.backup_keep))
    _log.info(Event.BACKED_UP, extra={"file": str(made), "bytes": made.stat().st_size, "removed": removed})
    return made


def _copy(made: Path) -> bool:
    """Copy a back-up to ``BACKUP_STORE``, if set, and note its time in Redis; return False if the copy failed."""
    store = _store()
    try:
        if store is not None:
            store.upload(made)
            removed = len(store.prune(jobs.settings.backup_keep))
            _log.info(Event.BACKUP_UPLOADED, extra={"file": f"{store.url}/{made.name}", "removed": removed})
        jobs.note_backup()
    except StoreFailed as error:
        _log.error(str(error))
        return False
    except jobs.RedisError as error:
        # As at its `maxmemory`. There is a back-up nevertheless.
        _log.warning(str(error))
    return True


def _restore(which: str) -> int:
    client: Any = jobs.rd
    snapshot = _find(which)
    if snapshot is None:
        return 1
    try:
        keys = restore(client, snapshot, jobs.settings.restore_port)
    except (NotEmpty, RestoreFailed, *jobs.RedisUnavailable) as error:
        _log.error(str(error))
        return 1
    _log.info(Event.RESTORED, extra={"file": str(snapshot), "keys": keys})
    return 0


def _find(which: str) -> Path | None:
    """Return the file to restore; log why there is none. One that is only in the storage is downloaded first."""
    try:
        snapshot = _fetch(which)
        if snapshot is None or not snapshot.is_file() or not _is_snapshot(snapshot):
            _log.error(Event.NO_BACKUP, snapshot or f"in {_folder()} {jobs.settings.backup_store}".rstrip())
            return None
    except (StoreFailed, OSError) as error:
        _log.error(str(error))
        return None
    return snapshot


def _is_snapshot(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(6).startswith((b"REDIS", b"VALKEY"))


def _fetch(which: str) -> Path | None:
    """Return the file of a back-up, in ``BACKUP_DIR`` or where it is named."""
    if "://" in which:
        url, _, name = which.rpartition("/")
        return BackupStore(url).download(name, _folder())
    if which != "newest":
        return Path(which)
    store, local = _store(), newest(_folder())
    names = store.names() if store is not None else []
    # The names have the time.
    if store is not None and names and (local is None or local.name < names[-1]):
        return store.download(names[-1], _folder())
    return local


def _folder() -> Path:
    return Path(jobs.settings.backup_dir)


def _store() -> BackupStore | None:
    return BackupStore(jobs.settings.backup_store) if jobs.settings.backup_store else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
