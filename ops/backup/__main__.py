"""``python -m ops.backup save | restore WHICH | every``: back-ups of the Redis that the settings name."""

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
_REDIS_SECONDS = 60.0
_USAGE = "usage: python -m ops.backup save | restore FILE | restore s3://BUCKET/PREFIX/FILE | restore newest | every"

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
        case ["restore", which]:
            return _restore(which)
    print(_USAGE, file=sys.stderr)
    return 2


def _save() -> int:
    keep, store = jobs.settings.backup_keep, _store()
    try:
        made = save(jobs.rd, _folder())
        removed = len(prune(_folder(), keep))
        _log.info(Event.BACKED_UP, extra={"file": str(made), "bytes": made.stat().st_size, "removed": removed})
        if store is not None:
            store.upload(made)
            removed = len(store.prune(keep))
            _log.info(Event.BACKUP_UPLOADED, extra={"file": f"{store.url}/{made.name}", "removed": removed})
        jobs.note_backup()
    except (BackupFailed, StoreFailed, jobs.RedisError) as error:
        _log.error(str(error))
        return 1
    return 0


def _save_every() -> int:
    """Back up now and every ``BACKUP_INTERVAL_SECONDS``; retry a failed back-up after a minute."""
    while True:
        pause = jobs.settings.backup_interval_seconds
        time.sleep(min(pause, _RETRY_SECONDS) if _save() else pause)


def _restore(which: str) -> int:
    client: Any = jobs.rd
    try:
        snapshot = _find(which)
        if snapshot is None or not snapshot.is_file():
            _log.error(Event.NO_BACKUP, snapshot or f"in {_folder()} {jobs.settings.backup_store}".rstrip())
            return 1
        _wait_for_redis()
        keys = restore(client, snapshot, jobs.settings.restore_port)
    except (NotEmpty, RestoreFailed, StoreFailed, *jobs.RedisUnavailable) as error:
        _log.error(str(error))
        return 1
    _log.info(Event.RESTORED, extra={"file": str(snapshot), "keys": keys})
    return 0


def _find(which: str) -> Path | None:
    """Return the file to restore; one that is only in the storage is downloaded into ``BACKUP_DIR`` first."""
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


def _wait_for_redis() -> None:
    """Wait until Redis answers: it may have been started a moment ago, or load its data."""
    give_up = time.monotonic() + _REDIS_SECONDS
    while True:
        try:
            return jobs.ping()
        except jobs.RedisUnavailable as error:
            if time.monotonic() > give_up:
                raise
            _log.warning(Event.REDIS_UNAVAILABLE, 1, extra={"error": str(error)})
            time.sleep(1)


def _folder() -> Path:
    return Path(jobs.settings.backup_dir)


def _store() -> BackupStore | None:
    return BackupStore(jobs.settings.backup_store) if jobs.settings.backup_store else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
