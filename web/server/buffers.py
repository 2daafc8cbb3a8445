"""Buffers between clients and threads, so that no thread waits for a slow client."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import shutil
import socket
import struct
import tempfile
import termios
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import IO

from web.shared_counts import SharedCount

__all__ = ["BYTES_PER_SECOND", "PATIENCE_SECONDS", "DiskQuota", "MinRateSocket", "SpooledFifo"]

PATIENCE_SECONDS = 20.0
BYTES_PER_SECOND = 4096
"""The average rate asked of a client once its patience is used up."""

_STEADY_SECONDS = 120.0
"""Patience with a reader that has taken ``_STEADY_BYTES``: its receive buffer may be large (up to 32 MiB by default
since Linux 6.16), and reports its progress in steps of a sixteenth of that."""
_STEADY_BYTES = 2**20
_IN_MEMORY = 64 * 1024
_PART = 256 * 1024
_PARTS_AT_ONCE = 4
_CORKED = 16 * 1024
_IN_KERNEL = 128 * 1024
"""Unsent bytes that the kernel holds for one client: without a limit it takes 4 MiB for each, in memory."""


class DiskQuota:
    """Counts the bytes in temporary files.

    Adding beyond ``total`` or half of the free disk space is possible: the caller must check and make room. With a
    ``count``, several processes share the total.
    """

    def __init__(self, total: int, count: SharedCount | None = None) -> None:
        self.total = min(total, shutil.disk_usage(tempfile.gettempdir()).free // 2)
        self._count = count or SharedCount()

    @property
    def used(self) -> int:
        """Return the bytes of this process."""
        return self._count.own

    def add(self, size: int) -> None:
        """Add ``size`` bytes to the count; a negative size subtracts."""
        self._count.add(size)

    @property
    def is_exceeded(self) -> bool:
        """Return whether the count is above ``total``."""
        return self._count.total > self.total

    @property
    def excess(self) -> int:
        """Return the bytes by which this process exceeds its part of ``total``."""
        return self._count.excess(self.total)


class SpooledFifo:
    """A FIFO of bytes, first in memory and then in an unlinked file, for one appending and one consuming thread;
    neither waits for the other."""

    def __init__(self, quota: DiskQuota) -> None:
        self._quota = quota
        self._parts: deque[bytes] = deque()
        self._file: IO[bytes] | None = None
        self._read_at = self._end = 0
        self._appended = self._consumed = 0

    def __len__(self) -> int:
        return self._appended - self._consumed

    @property
    def on_disk(self) -> int:
        """The size of the file, in bytes."""
        return self._end

    def append(self, data: memoryview) -> None:
        """Add bytes at the end.

        :raises OSError: the disk is full.
        """
        if self._file is None and len(self) + len(data) <= _IN_MEMORY:
            self._parts.append(bytes(data))
        else:
            self._spool(data)
        self._appended += len(data)

    def peek(self) -> bytes:
        """Return bytes from the front, not necessarily all; empty if there are none."""
        left = len(self)
        if left and self._parts:
            return self._parts[0]
        return os.pread(self._file.fileno(), min(left, _PART), self._read_at) if left and self._file else b""

    def consume(self, size: int) -> None:
        """Drop ``size`` bytes of those that :meth:`peek` returned."""
        if not self._parts:
            self._read_at += size
        elif size < len(self._parts[0]):
            self._parts[0] = self._parts[0][size:]
        else:
            self._parts.popleft()
        self._consumed += size

    def close(self) -> None:
        """Drop all bytes."""
        self._parts.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
        self._quota.add(-self._end)
        self._read_at = self._end = 0
        self._consumed = self._appended

    def _spool(self, data: memoryview) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        elif not len(self):
            os.ftruncate(self._file.fileno(), 0)
            self._quota.add(-self._end)
            self._read_at = self._end = 0
        at = self._end
        while data:
            written = os.pwrite(self._file.fileno(), data, at)
            data, at = data[written:], at + written
        self._quota.add(at - self._end)
        self._end = at


class MinRateSocket:
    """The socket that a responding thread uses: writing never blocks, the remainder goes to a buffer.

    The event loop empties the buffer. The client's rate is measured by the bytes that its kernel acknowledged.
    """

    def __init__(self, sock: socket.socket, quota: DiskQuota, on_pending: Callable[[], None]) -> None:
        self._sock = sock
        self._quota = quota
        self._on_pending = on_pending
        self.pending = SpooledFifo(quota)
        self.is_watched = False
        """Whether the loop is sending pending bytes; a thread that appends while it is not must notify the loop."""
        self.is_broken = False
        self.is_hung_up = False
        """Whether the client sends nothing more: mostly it has gone."""
        self.on_hang_up: Callable[[], None] | None = None
        self.is_streaming = False
        """Whether the response goes on after its thread has returned; :meth:`stream` sends the rest."""
        self.on_stream_end: Callable[[int], None] | None = None
        """Called by the loop at the end, with the bytes that were streamed."""
        self._streamed = 0
        self._streaming = Lock()
        self.deadline = math.inf
        self.request_id = ""
        """The id of a request that the server itself answers, without the application."""
        self._sent = self._delivered = 0
        self._corked: bytearray | None = None
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with suppress(OSError):  # of a UNIX socket
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _IN_KERNEL)

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Send as much as the kernel accepts now; the loop sends the rest later.

        :raises OSError: the client has gone, was too slow, or the disk is full.
        """
        if self.is_streaming:
            return
        if self._corked is None:
            self._append(data)
            return
        self._corked += data
        if len(self._corked) > _CORKED:
            self.uncork()

    def cork(self) -> None:
        """Collect a short response, to send its head and its body as one packet."""
        self._corked = bytearray()

    def uncork(self) -> None:
        """Send what was collected, and send at once from now on.

        :raises OSError: as :meth:`sendall` does.
        """
        corked, self._corked = self._corked, None
        if corked:
            self._append(corked)

    def begin_stream(self) -> None:
        """Keep the response open, because another thread continues it: ignore how its own thread ends it.

        :raises OSError: as :meth:`sendall` does, for the first part of the response.
        """
        self.uncork()
        self.is_streaming = True

    def stream(self, data: bytes) -> None:
        """Send more of a response that was kept open.

        :raises OSError: the client has gone, was too slow, or the disk is full.
        """
        with self._streaming:
            if not self.is_streaming:
                raise BrokenPipeError("the client has gone")
            self._append(data)
            self._streamed += len(data)

    def end_stream(self) -> None:
        """Let the loop finish a response that was kept open."""
        with self._streaming:
            self.is_streaming = False
        self._on_pending()

    def close_stream(self) -> None:
        """Stop :meth:`stream` before the loop closes the socket or reuses it, and report the end."""
        with self._streaming:
            is_cut, self.is_streaming = self.is_streaming, False
        if is_cut:
            self.hang_up()
        self.on_hang_up = None
        if self.on_stream_end is not None:
            self.on_stream_end(self._streamed)
            self.on_stream_end, self._streamed = None, 0

    def _append(self, data: bytes | bytearray) -> None:
        if self.is_broken:
            raise BrokenPipeError("the client has gone")
        view = memoryview(data)
        try:
            if not len(self.pending):
                view = view[self._send(view) :]
            if view:
                self.pending.append(view)
        except OSError:
            self.is_broken = True
            raise
        if view and (self._quota.excess or not self.is_watched):
            self._on_pending()

    def flush(self) -> None:
        """Send pending bytes as the kernel accepts them, limited so that other clients need not wait."""
        try:
            for _ in range(_PARTS_AT_ONCE):
                part = self.pending.peek()
                sent = self._send(memoryview(part))
                self.pending.consume(sent)
                if not part or sent < len(part):
                    return
        except OSError:
            self.is_broken = True

    def hang_up(self) -> None:
        """Note that the client has stopped sending."""
        self.is_hung_up = True
        if self.on_hang_up is not None:
            self.on_hang_up()

    def watch(self) -> None:
        """Start measuring the rate, because bytes are pending."""
        self.is_watched = True
        self._delivered = self._acknowledged()
        self.deadline = time.monotonic() + self._patience()

    def unwatch(self) -> None:
        """Stop measuring, because nothing is pending."""
        self.is_watched = False
        self.deadline = math.inf

    def measure(self, now: float) -> bool:
        """Return whether the client keeps the minimum rate; call it regularly."""
        delivered = self._acknowledged()
        gained = (delivered - self._delivered) / BYTES_PER_SECOND
        self._delivered = delivered
        if gained > 0:
            self.deadline = min(self.deadline + gained, now + self._patience())
        return now < self.deadline

    def undelivered(self) -> int:
        """Return the number of bytes in the kernel that the client has not acknowledged."""
        if not hasattr(termios, "TIOCOUTQ"):
            return 0
        try:
            return int(struct.unpack("i", fcntl.ioctl(self._sock, termios.TIOCOUTQ, b"\0" * 4))[0])
        except OSError:
            return 0

    def shutdown(self, how: int) -> None:
        """Refuse: gunicorn shuts down the socket when an application fails during a response; here the loop does.

        :raises OSError: always.
        """
        raise OSError(errno.ENOTSUP, "the loop closes connections")

    def close(self) -> None:
        """Do nothing, for the same reason."""

    def _patience(self) -> float:
        return _STEADY_SECONDS if self._delivered > _STEADY_BYTES else PATIENCE_SECONDS

    def _acknowledged(self) -> int:
        return self._sent - self.undelivered()

    def _send(self, view: memoryview) -> int:
        sent = 0
        with suppress(BlockingIOError, InterruptedError):
            while sent < len(view):
                sent += self._sock.send(view[sent : sent + _PART])
        self._sent += sent
        return sent
