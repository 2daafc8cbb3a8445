"""What an analysis prints and logs, the end of it."""

from __future__ import annotations

import io
import logging
import sys

__all__ = ["Output", "valid_text"]

_KEPT_BYTES = 64 * 1024


def valid_text(text: str) -> str:
    """``text`` with a question mark for what UTF-8 has no bytes for, such as half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


class Output(io.TextIOBase):
    """Stands in for standard output and error in a child, and keeps the last 64 KiB of each attempt."""

    def __init__(self) -> None:
        self.changed = False
        self._parts: list[str] = []
        self._size = 0

    def catch(self) -> None:
        """Take over what this process prints and logs from now on."""
        handler = logging.StreamHandler(self)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        logging.getLogger().addHandler(handler)
        sys.stdout = sys.stderr = self

    def begin(self) -> None:
        """Forget the attempt before."""
        self._parts, self._size, self.changed = [], 0, False

    def text(self) -> str:
        """What was printed in this attempt so far, without what stood before its last 64 KiB."""
        if not self._parts:
            return ""
        whole = "".join(self._parts).encode("utf-8", "replace")
        return whole[-_KEPT_BYTES:].decode("utf-8", "ignore")

    def writable(self) -> bool:
        """Always, as a text stream must say."""
        return True

    def write(self, text: str) -> int:
        """Keep ``text``."""
        self._parts.append(text)
        self._size += len(text)
        self.changed = True
        if self._size > 4 * _KEPT_BYTES:
            self._parts = ["".join(self._parts)[-_KEPT_BYTES:]]
            self._size = len(self._parts[0])
        return len(text)
