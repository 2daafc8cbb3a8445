"""Back-ups of Redis by its replication protocol: saves a consistent snapshot, and restores it into an empty server."""

from ops.backup.restore import NotEmpty, RestoreFailed, restore
from ops.backup.save import BackupFailed, newest, prune, save

__all__ = ["BackupFailed", "NotEmpty", "RestoreFailed", "newest", "prune", "restore", "save"]
