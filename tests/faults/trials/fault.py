"""The fault of a trial: a process kills or stops itself at a given step.

A step is the start of a line of this project's code in the main thread of a process (``sys.settrace``), or one call of
``sendall`` (of which half is sent). The code under test contains nothing of this: the process is a fork of a prepared
one (``fork.py``), or a fresh one that imports ``site/sitecustomize.py``.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["Fault", "SharedCounter"]

ROOT = Path(__file__).parents[3]
_MODULES = ("api.py", "jobs.py", "worker.py")
_ROOMS = ("analyses", "config", "dataset", "jobstore", "ops", "runtime", "submission", "web")
_OURS = tuple(str(ROOT / name) for name in (*_MODULES, *(f"{room}{os.sep}" for room in _ROOMS)))

# From byte 0, eight bytes each: steps, 1 after the cue, time of the hit, processes of the role, id of the victim.
_FAULT_AT = 512
_WHERE = slice(64, 256)
_BYTES = 4096


@dataclass(frozen=True)
class Fault:
    """A fault that hits the ``nth`` process of this ``role`` (``child``, ``parent`` or ``api``) at its step ``at``.

    ``at`` 0 only counts. With ``cue``, steps count from the time at which the trial gives the cue. ``signal`` is
    SIGKILL or SIGSTOP.
    """

    role: str
    at: int
    signal: int = signal.SIGKILL
    cue: bool = False
    nth: int = 1
    sending: bool = False
    environ: dict[str, str] = field(default_factory=dict)


class SharedCounter:
    """A small file shared by all processes of one trial: the planned fault, the step counter, and the hit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a+b")
        self._file.truncate(_BYTES)
        self._shared = mmap.mmap(self._file.fileno(), _BYTES)

    def plan(self, fault: Fault) -> None:
        """Reset the file and plan this fault."""
        text = json.dumps(asdict(fault)).encode()
        self._shared[:] = bytes(_FAULT_AT) + text.ljust(_BYTES - _FAULT_AT)
        if not fault.cue:
            self.cue()

    def cue(self) -> None:
        """Start counting steps."""
        struct.pack_into("=q", self._shared, 8, 1)

    @property
    def steps(self) -> int:
        """Return the steps counted so far."""
        return int(struct.unpack_from("=q", self._shared, 0)[0])

    @property
    def hit_at(self) -> float | None:
        """Return the time of the hit in seconds since 1970, None if there was none."""
        return struct.unpack_from("=d", self._shared, 16)[0] or None

    @property
    def victim(self) -> int:
        """Return the id of the process that was hit."""
        return int(struct.unpack_from("=q", self._shared, 32)[0])

    @property
    def where(self) -> str:
        """Return file and line of the hit."""
        return self._shared[_WHERE].rstrip(b"\0").decode()

    def arm(self, role: str) -> None:
        """Start a role in this process: count its steps if the fault is planned for it."""
        planned = json.loads(self._shared[_FAULT_AT:].decode())
        if planned["role"] != role or self._number() != planned["nth"]:
            sys.settrace(None)
            return
        at, sort, cued = planned["at"], signal.Signals(planned["signal"]), self._shared
        if planned["sending"]:
            _cut_sending(self, at)
        else:
            sys.settrace(_line_tracer(cued, at, lambda frame: self.strike(sort, frame)))

    def strike(self, sort: signal.Signals, frame: FrameType) -> None:
        """Kill or stop this process."""
        sys.settrace(None)
        where = f"{os.path.relpath(frame.f_code.co_filename, ROOT)}:{frame.f_lineno}"
        self._shared[_WHERE] = where.encode().ljust(_WHERE.stop - _WHERE.start, b"\0")
        struct.pack_into("=q", self._shared, 32, os.getpid())
        struct.pack_into("=d", self._shared, 16, time.time())
        os.kill(os.getpid(), sort)

    def count_step(self) -> int:
        """Count a step, and return its number; 0 before the cue."""
        return _count(self._shared)

    def _number(self) -> int:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            number = int(struct.unpack_from("=q", self._shared, 24)[0]) + 1
            struct.pack_into("=q", self._shared, 24, number)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        return number


def _count(shared: mmap.mmap) -> int:
    steps, counts = struct.unpack_from("=qq", shared, 0)
    if not counts:
        return 0
    struct.pack_into("=q", shared, 0, steps + 1)
    return int(steps) + 1


def _line_tracer(shared: mmap.mmap, at: int, strike: Callable[[FrameType], None]) -> Callable[..., Any]:
    ours: dict[Any, bool] = {}

    def on_line(frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        if event == "line":
            step = _count(shared)
            if step and step == at:
                strike(frame)
        return on_line

    def on_call(frame: FrameType, _event: str, _: Any) -> Callable[..., Any] | None:
        code = frame.f_code
        known = ours.get(code)
        if known is None:
            known = ours[code] = os.path.abspath(code.co_filename).startswith(_OURS)
        return on_line if known else None

    return on_call


def _cut_sending(counter: SharedCounter, at: int) -> None:
    """Make the process die in its ``at``-th call of ``sendall``, with half of the bytes sent."""

    def sendall(self: socket.socket, data: Any, *flags: int) -> None:
        step = counter.count_step()
        if step and step == at:
            half = memoryview(data)[: len(data) // 2]
            super(socket.socket, self).sendall(half)
            counter.strike(signal.SIGKILL, sys._getframe(1))
        super(socket.socket, self).sendall(data, *flags)

    socket.socket.sendall = sendall  # type: ignore[method-assign, assignment]
