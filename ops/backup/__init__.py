"""Back-ups of Redis by its replication protocol: saves a consistent snapshot, and restores it into an empty server."""

from ops.backup.restore import NotEmpty, RestoreFailed, restore
from ops.backup.save import BackupFailed, newest, prune, save
from ops.backup.store import BackupStore, StoreFailed

__all__ = [
    "BackupFailed",
    "BackupStore",
    "NotEmpty",
    "RestoreFailed",
    "StoreFailed",
    "newest",
    "prune",
    "restore",
    "save",
]
