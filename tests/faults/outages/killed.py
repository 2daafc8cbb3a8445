"""Redis is killed under load, again and again: by SIGKILL, or with the power."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path

import redis

from tests.conftest import Server
from tests.faults.outages.service import Figures, Load, find_figures, running

__all__ = ["kill_redis"]

_LOAD_SECONDS = (0.5, 2.0)
_PROBE_DB = 5  # none of ours: what the probe writes belongs to no job


class _FsyncProbe:
    """Learns which length of the append-only file is on the disk, for certain.

    What the file held before a write, and more, is on the disk once ``WAITAOF`` says that this write is.
    """

    def __init__(self, server: Server, folder: Path) -> None:
        self.file = next((folder / "appendonlydir").glob("*.incr.aof"))
        self.synced = 0
        self._port = server.port
        self._thread = threading.Thread(target=self._probe, daemon=True)
        self._thread.start()

    def _probe(self) -> None:
        client = redis.Redis(port=self._port, db=_PROBE_DB, socket_timeout=10, retry=None)
        try:
            while True:
                length = self.file.stat().st_size
                client.set("probe", length)
                if client.execute_command("WAITAOF", 1, 0, 5000)[0] == 1:
                    self.synced = length
        except redis.ConnectionError:
            client.close()  # it was killed: what is known now is what counts

    def cut_power(self) -> None:
        """Leave of the file what is on the disk for certain; of the rest, nothing. The server is dead already."""
        self._thread.join(20)
        with self.file.open("r+b") as file:
            file.truncate(self.synced)


def kill_redis(policy: str, kills: int, folder: Path, seed: int = 1, *, power: bool = False) -> Figures:
    """Kill the server ``kills`` times under load, start it again each time, and count what became of all that was
    accepted. With ``power``, what was not known to be synced to the disk is gone as well, as when the power fails."""
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
    probe = _FsyncProbe(server, folder) if power else None
    load.wait_for_more()
    time.sleep(dice.uniform(*_LOAD_SECONDS))
    load.note_outage()
    server.stop(signal.SIGKILL)
    if probe is not None:
        probe.cut_power()
    server.start()
