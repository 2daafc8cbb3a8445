"""``python -m ops.backup save | restore FILE | every``: back-ups of the Redis that the settings name."""

from __future__ import annotations

import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any

import jobs
from config.logs import set_up_logging
from config.settings import load_or_exit
from ops.backup import BackupFailed, NotEmpty, RestoreFailed, newest, prune, restore, save

_RETRY_SECONDS = 60.0
_USAGE = "usage: python -m ops.backup save | restore FILE | restore newest | every"

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
    try:
        made = save(jobs.rd, _folder())
    except BackupFailed as error:
        _log.error(str(error))
        return 1
    gone = prune(_folder(), jobs.settings.backup_keep)
    _log.info("backed up", extra={"file": str(made), "bytes": made.stat().st_size, "removed": len(gone)})
    return 0


def _save_every() -> int:
    """Back up now and every ``BACKUP_INTERVAL_SECONDS``; retry a failed back-up after a minute."""
    while True:
        pause = jobs.settings.backup_interval_seconds
        time.sleep(min(pause, _RETRY_SECONDS) if _save() else pause)


def _restore(which: str) -> int:
    snapshot = newest(_folder()) if which == "newest" else Path(which)
    if snapshot is None or not snapshot.is_file():
        _log.error("there is no back-up %s", snapshot or f"in {_folder()}")
        return 1
    client: Any = jobs.rd
    try:
        keys = restore(client, snapshot, jobs.settings.restore_port)
    except (NotEmpty, RestoreFailed, *jobs.RedisUnavailable) as error:
        _log.error(str(error))
        return 1
    _log.info("restored", extra={"file": str(snapshot), "keys": keys})
    return 0


def _folder() -> Path:
    return Path(jobs.settings.backup_dir)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
