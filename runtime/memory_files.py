"""Opens files without a name, which a supervisor shares with its child."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from typing import IO

__all__ = ["shared_bytes", "shared_output"]


def shared_bytes(size: int) -> IO[bytes]:
    """Open a file of ``size`` zeros. On Linux it cannot be truncated: mapped reads past its end would raise SIGBUS."""
    shared = _nameless("status")
    shared.write(bytes(size))
    if sys.platform == "linux":
        fcntl.fcntl(shared, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return shared


def shared_output() -> IO[bytes]:
    """Open a file to which all writers append."""
    shared = _nameless("output")
    fcntl.fcntl(shared, fcntl.F_SETFL, fcntl.fcntl(shared, fcntl.F_GETFL) | os.O_APPEND)
    return shared


def _nameless(name: str) -> IO[bytes]:
    """Open a file in memory on Linux, and an unlinked temporary file elsewhere."""
    if sys.platform == "linux":
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        descriptor, path = tempfile.mkstemp()
        os.unlink(path)
    return os.fdopen(descriptor, "w+b", buffering=0)
