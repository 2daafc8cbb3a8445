"""Redis is killed under load, again and again: by SIGKILL, or with the power."""

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
_UNSYNCED_SECONDS = 1.0  # what `appendfsync everysec` puts at risk, as long as the disk keeps up
_SAMPLE_SECONDS = 0.01


class _Disk:
    """What of the append-only file is on the disk for certain, with ``everysec``: all that was written until a second
    ago. The kernel tells nobody when it wrote the rest, so that the worst is assumed: not at all."""

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
        """Leave of the file what is on the disk for certain. The server is dead already."""
        self._over.set()
        self._thread.join(20)
        certain = self._lengths[-1][0] - _UNSYNCED_SECONDS
        length = max(length for moment, length in self._lengths if moment <= max(certain, self._lengths[0][0]))
        with self._file.open("r+b") as file:
            file.truncate(length)


def kill_redis(policy: str, kills: int, folder: Path, seed: int = 1, *, power: bool = False) -> Figures:
    """Kill the server ``kills`` times under load, start it again each time, and count what became of all that was
    accepted. With ``power``, what need not be on the disk yet is gone as well, as when the power fails."""
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
