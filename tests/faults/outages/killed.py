"""Kill Redis under load, repeatedly, by SIGKILL or a simulated power cut."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path

from tests.conftest import Server
from tests.faults.outages.service import Figures, Load, find_figures, running

__all__ = ["kill_redis"]

_LOAD_SECONDS = (0.5, 2.0)
_UNSYNCED_SECONDS = 1.0  # the writes at risk with `appendfsync everysec`, if the disk is fast enough
_SAMPLE_SECONDS = 0.01


class _Disk:
    """The part of the append-only file that is certainly on the disk with ``everysec``: writes older than a second.

    The kernel does not report when it wrote the rest, so the worst case is assumed: not at all.
    """

    def __init__(self, folder: Path) -> None:
        self._file = next((folder / "appendonlydir").glob("*.incr.aof"))
        self._lengths = [(time.monotonic(), self._file.stat().st_size)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self._lengths.append((time.monotonic(), self._file.stat().st_size))

    def cut_power(self) -> None:
        """Truncate the file to the data that is certainly on the disk. The server is already dead."""
        self._over.set()
        self._thread.join(20)
        certain = self._lengths[-1][0] - _UNSYNCED_SECONDS
        length = max(length for moment, length in self._lengths if moment <= max(certain, self._lengths[0][0]))
        with self._file.open("r+b") as file:
            file.truncate(length)


def kill_redis(policy: str, kills: int, folder: Path, seed: int = 1, *, power: bool = False) -> Figures:
    """Kill the server ``kills`` times under load, restart it each time, and count the accepted jobs that were lost.

    With ``power``, data that may not be on the disk yet is removed, as in a power failure.
    """
    dice = random.Random(seed)
    server = Server(folder, "--appendfsync", policy, "--auto-aof-rewrite-percentage", "0")
    try:
        with running(server.port, folder) as api:
            load = Load(api)
            with load.going():
                for _ in range(kills):
                    _kill_once(server, folder, load, dice, power=power)
            figures = find_figures(load, server.port)
    finally:
        server.stop()
    return figures


def _kill_once(server: Server, folder: Path, load: Load, dice: random.Random, *, power: bool) -> None:
    disk = _Disk(folder) if power else None
    load.wait_for_more()
    time.sleep(dice.uniform(*_LOAD_SECONDS))
    load.note_outage()
    server.stop(signal.SIGKILL)
    if disk is not None:
        disk.cut_power()
    server.start()
