"""Back-ups of Redis over its own wire: a snapshot of one moment, and that moment brought into an empty server."""

from ops.backup.restore import NotEmpty, RestoreFailed, restore
from ops.backup.save import BackupFailed, newest, prune, save

__all__ = ["BackupFailed", "NotEmpty", "RestoreFailed", "newest", "prune", "restore", "save"]
