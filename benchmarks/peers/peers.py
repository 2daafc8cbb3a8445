"""The queues in the benchmarks: commands of their workers, documented settings, target of the first kill."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PEERS", "Peer", "Setup"]

_HERE = Path(__file__).parent
_OWN = sys.executable


@dataclass(frozen=True)
class Setup:
    """Workers in their documented settings for short jobs, and the number of jobs that they drain in a round.

    The command is started ``copies`` times and yields ``processes`` processes that run jobs. ``results``: a task that
    keeps no result by default keeps one.
    """

    title: str
    words: tuple[str, ...]
    jobs: int
    copies: int = 1
    processes: int = 1
    results: bool = False


@dataclass(frozen=True)
class Peer:
    """A queue. In its commands, ``{bin}`` is the folder of its programs and ``{n}`` numbers the workers."""

    name: str
    title: str
    package: str
    worker: tuple[str, ...]
    child: str
    setups: tuple[Setup, ...]
    source: str = ""
    """The page that documents the settings of the setups."""
    settings: str = "defaults"
    """The settings of ``worker``, in the crash recovery benchmark."""
    failed: str = ""
    """The sorted set of permanently failed jobs in Redis, if there is one."""

    @property
    def is_node(self) -> bool:
        return self.name == "bullmq"

    @property
    def has_bulk(self) -> bool:
        return self.name in ("ours", "bullmq", "rq")

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
        return [self.python, "-m", "benchmarks.peers.add", f"on_{self.name}"]

    def start(self, words: tuple[str, ...], n: int = 1) -> list[str]:
        """Return the command that starts a worker."""
        return [word.format(bin=Path(self.python).parent, python=self.python, here=_HERE, n=n) for word in words]

    def version(self) -> str:
        """Return the installed version."""
        if self.is_node:
            package = json.loads((_HERE / "bullmq/node_modules/bullmq/package.json").read_text())
            return str(package["version"])
        asked = f"from importlib.metadata import version; print(version({self.package!r}))"
        return "" if not self.package else subprocess.check_output([self.python, "-c", asked], text=True).strip()

    @property
    def _own(self) -> bool:
        return self.name in ("ours", "hotqueue")

    @property
    def python(self) -> str:
        """Return the Python of its environment."""
        return _OWN if self._own else str(_HERE / ".venv" / self.name / "bin/python")


_HUEY = ("{bin}/huey_consumer", "benchmarks.peers.on_huey.huey")
_RQ = ("{bin}/rq", "worker")
_SIMPLE_RQ = (*_RQ, "--quiet", "--worker-class", "rq.worker.SimpleWorker")
_CELERY = ("{bin}/celery", "-A", "benchmarks.peers.on_celery", "worker", "-n", "worker{n}@%h")
_CELERY_SHORT = (*_CELERY, "--prefetch-multiplier", "128", "--without-gossip", "--without-mingle", "--concurrency")
_TASKIQ = ("{bin}/taskiq", "worker", "benchmarks.peers.on_taskiq:broker")
_TASKIQ_100 = (*_TASKIQ, "--max-async-tasks", "100", "--max-prefetch", "100", "--log-level", "WARNING", "--workers")
_BULLMQ = ("node", "{here}/bullmq/worker.js")
_DRAMATIQ = ("{bin}/dramatiq", "benchmarks.peers.on_dramatiq")
_ARQ_100 = ("env", "AT_ONCE=100", "{python}", "-m", "benchmarks.peers.on_arq")
_SAQ = ("{bin}/saq", "benchmarks.peers.on_saq.settings")
_SAQ_100 = ("env", "AT_ONCE=100", *_SAQ)
_HOTQUEUE = ("{python}", "-m", "benchmarks.peers.on_hotqueue")
_ITSELF = "the worker itself: it has no children"

PEERS = (
    Peer(
        "ours",
        "Dataset Jobs",
        "",
        ("{python}", "worker.py"),
        "a child",
        (
            Setup("one child", ("env", "WORKERS=1", "{python}", "worker.py"), 20_000),
            Setup("two children", ("env", "WORKERS=2", "{python}", "worker.py"), 20_000, processes=2),
        ),
        failed="jobs.failed",
    ),
    Peer(
        "bullmq",
        "BullMQ",
        "bullmq",
        (*_BULLMQ, "sandboxed"),
        "a sandboxed processor",
        (
            Setup("concurrency 1", (*_BULLMQ, "inline"), 8_000),
            Setup("concurrency 100", (*_BULLMQ, "inline", "100"), 20_000),
            Setup("two workers, concurrency 100", (*_BULLMQ, "inline", "100"), 20_000, copies=2, processes=2),
        ),
        "https://docs.bullmq.io/guide/parallelism-and-concurrency",
        "a sandboxed processor, else defaults",
        "bull:trial:failed",
    ),
    Peer(
        "celery",
        "Celery",
        "celery",
        _CELERY,
        "a process of the prefork pool",
        (
            Setup("one prefork process, prefetch 128", (*_CELERY_SHORT, "1"), 2_000),
            Setup("8 threads, prefetch 128", (*_CELERY_SHORT, "8", "--pool", "threads"), 2_000),
            Setup("one prefork process, prefetch 128, results kept", (*_CELERY_SHORT, "1"), 1_500, results=True),
            Setup("two prefork processes, prefetch 128", (*_CELERY_SHORT, "2"), 2_000, processes=2),
        ),
        "https://docs.celeryq.dev/en/stable/userguide/optimizing.html",
    ),
    Peer(
        "rq",
        "RQ",
        "rq",
        _RQ,
        "a work-horse",
        (
            Setup("SimpleWorker", _SIMPLE_RQ, 1_000),
            Setup("Worker", (*_RQ, "--quiet"), 100, processes=0),
            Setup("two SimpleWorkers", _SIMPLE_RQ, 1_500, copies=2, processes=2),
        ),
        "https://github.com/rq/rq/blob/master/docs/benchmark.md",
        failed="rq:failed:default",
    ),
    Peer(
        "dramatiq",
        "Dramatiq",
        "dramatiq",
        _DRAMATIQ,
        "a process of the worker, which then ends the others",
        (
            Setup("8 threads", (*_DRAMATIQ, "--processes", "1"), 5_000),
            Setup("two processes, 8 threads each", (*_DRAMATIQ, "--processes", "2"), 5_000, processes=2),
        ),
        "https://dramatiq.io/advanced.html",
        failed="dramatiq:default.XQ",
    ),
    Peer(
        "huey",
        "Huey",
        "huey",
        _HUEY,
        _ITSELF,
        (
            Setup("1 thread", (*_HUEY, "--quiet"), 5_000),
            Setup("4 threads", (*_HUEY, "--quiet", "-w", "4"), 5_000),
            Setup("two processes", (*_HUEY, "--quiet", "-k", "process", "-w", "2"), 5_000, processes=2),
        ),
        "https://huey.readthedocs.io/en/latest/consumer.html",
    ),
    Peer(
        "arq",
        "arq",
        "arq",
        ("{bin}/arq", "benchmarks.peers.on_arq.WorkerSettings"),
        _ITSELF,
        (
            Setup("max_jobs 100", _ARQ_100, 1_500),
            Setup("two workers, max_jobs 100", _ARQ_100, 1_500, copies=2, processes=2),
        ),
        "https://arq-docs.helpmanuel.io/",
    ),
    Peer(
        "saq",
        "SAQ",
        "saq",
        _SAQ,
        _ITSELF,
        (
            Setup("concurrency 100", _SAQ_100, 2_000),
            Setup("two workers, concurrency 100", _SAQ_100, 2_000, copies=2, processes=2),
        ),
        "https://github.com/tobymao/saq",
    ),
    Peer(
        "taskiq",
        "Taskiq, list broker",
        "taskiq",
        _TASKIQ,
        "a process of the worker",
        (
            Setup("100 at once", (*_TASKIQ_100, "1"), 3_000),
            Setup("two processes, 100 at once each", (*_TASKIQ_100, "2"), 3_000, processes=2),
        ),
        "https://taskiq-python.github.io/guide/cli.html",
    ),
    Peer(
        "hotqueue",
        "HotQueue as taught",
        "hotqueue",
        _HOTQUEUE,
        _ITSELF,
        (
            Setup("one worker", _HOTQUEUE, 3_000),
            Setup("two workers", _HOTQUEUE, 4_000, copies=2, processes=2),
        ),
        "https://pypi.org/project/hotqueue/",
        "the course's worker",
    ),
)
