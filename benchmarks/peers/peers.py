"""The queues in the benchmarks: how their workers are started, and which process the first kill hits."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PEERS", "Peer", "Single"]

_HERE = Path(__file__).parent
_OWN = sys.executable


@dataclass(frozen=True)
class Single:
    """A command that starts one worker process or one child, and the number of jobs that it drains."""

    title: str
    words: tuple[str, ...]
    jobs: int


@dataclass(frozen=True)
class Peer:
    """A queue. In its commands, ``{bin}`` is the folder of its programs and ``{n}`` numbers the workers."""

    name: str
    title: str
    package: str
    worker: tuple[str, ...]
    child: str
    singles: tuple[Single, ...]
    settings: str = "defaults"
    failed: str = ""
    """The sorted set of permanently failed jobs in Redis, if there is one."""

    @property
    def is_node(self) -> bool:
        return self.name == "bullmq"

    @property
    def is_installed(self) -> bool:
        if self.is_node:
            return (_HERE / "bullmq/node_modules").is_dir()
        return self._own or (_HERE / ".venv" / self.name / "bin/python").exists()

    @property
    def adder(self) -> list[str]:
        """Return the command that adds jobs to its queue."""
        if self.is_node:
            return ["node", str(_HERE / "bullmq/add.js")]
        return [self._python, "-m", "benchmarks.peers.add", f"on_{self.name}"]

    def start(self, words: tuple[str, ...], n: int = 1) -> list[str]:
        """Return the command that starts a worker."""
        return [word.format(bin=Path(self._python).parent, python=self._python, here=_HERE, n=n) for word in words]

    def version(self) -> str:
        """Return the installed version."""
        if self.is_node:
            package = json.loads((_HERE / "bullmq/node_modules/bullmq/package.json").read_text())
            return str(package["version"])
        asked = f"from importlib.metadata import version; print(version({self.package!r}))"
        return "" if not self.package else subprocess.check_output([self._python, "-c", asked], text=True).strip()

    @property
    def _own(self) -> bool:
        return self.name in ("ours", "hotqueue")

    @property
    def _python(self) -> str:
        return _OWN if self._own else str(_HERE / ".venv" / self.name / "bin/python")


_HUEY = ("{bin}/huey_consumer", "benchmarks.peers.on_huey.huey")
_RQ = ("{bin}/rq", "worker")
_CELERY = ("{bin}/celery", "-A", "benchmarks.peers.on_celery", "worker", "-n", "worker{n}@%h")
_TASKIQ = ("{bin}/taskiq", "worker", "benchmarks.peers.on_taskiq:broker")
_BULLMQ = ("node", "{here}/bullmq/worker.js")
_DRAMATIQ = ("{bin}/dramatiq", "benchmarks.peers.on_dramatiq")
_ITSELF = "the worker itself: it has no children"

PEERS = (
    Peer(
        "ours",
        "Dataset Jobs",
        "",
        ("{python}", "worker.py"),
        "a child",
        (Single("one child", ("env", "WORKERS=1", "{python}", "worker.py"), 10000),),
        failed="jobs.failed",
    ),
    Peer(
        "celery",
        "Celery",
        "celery",
        _CELERY,
        "a process of the prefork pool",
        (
            Single("solo", (*_CELERY, "--pool", "solo"), 3000),
            Single("prefork, 1 process", (*_CELERY, "--concurrency", "1"), 2000),
        ),
    ),
    Peer(
        "rq",
        "RQ",
        "rq",
        _RQ,
        "a work-horse",
        (
            Single("SimpleWorker", (*_RQ, "--quiet", "--worker-class", "rq.worker.SimpleWorker"), 1000),
            Single("Worker, a fork a job", (*_RQ, "--quiet"), 150),
        ),
        failed="rq:failed:default",
    ),
    Peer(
        "bullmq",
        "BullMQ",
        "bullmq",
        (*_BULLMQ, "sandboxed"),
        "a sandboxed processor",
        (
            Single("inline (Node.js)", (*_BULLMQ, "inline"), 5000),
            Single("sandboxed (Node.js)", (*_BULLMQ, "sandboxed"), 3000),
        ),
        "a sandboxed processor, else defaults",
        "bull:trial:failed",
    ),
    Peer(
        "dramatiq",
        "Dramatiq",
        "dramatiq",
        _DRAMATIQ,
        "a process of the worker, which then ends the others",
        (Single("1 process, 1 thread", (*_DRAMATIQ, "--processes", "1", "--threads", "1"), 3000),),
        failed="dramatiq:default.XQ",
    ),
    Peer("huey", "Huey", "huey", _HUEY, _ITSELF, (Single("1 thread", (*_HUEY, "--quiet"), 3000),)),
    Peer(
        "arq",
        "arq",
        "arq",
        ("{bin}/arq", "benchmarks.peers.on_arq.WorkerSettings"),
        _ITSELF,
        (Single("10 at once", ("{python}", "-m", "benchmarks.peers.on_arq"), 1000),),
    ),
    Peer(
        "saq",
        "SAQ",
        "saq",
        ("{bin}/saq", "benchmarks.peers.on_saq.settings"),
        _ITSELF,
        (Single("10 at once", ("{bin}/saq", "benchmarks.peers.on_saq.settings"), 1500),),
    ),
    Peer(
        "taskiq",
        "Taskiq, list broker",
        "taskiq",
        _TASKIQ,
        "a process of the worker",
        (Single("1 process, 100 at once", (*_TASKIQ, "--workers", "1", "--log-level", "WARNING"), 3000),),
    ),
    Peer(
        "hotqueue",
        "HotQueue as taught",
        "hotqueue",
        ("{python}", "-m", "benchmarks.peers.on_hotqueue"),
        _ITSELF,
        (Single("the course's worker", ("{python}", "-m", "benchmarks.peers.on_hotqueue"), 3000),),
        "the course's worker",
    ),
)
