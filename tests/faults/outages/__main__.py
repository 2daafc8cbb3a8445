"""Make Redis fail under load, and print how many accepted jobs were lost.

python -m tests.faults.outages [OUTAGES] [--seed SEED]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.outages.failover import fail_over
from tests.faults.outages.killed import kill_redis
from tests.faults.outages.service import Figures

_HEAD = ("outage", "outages", "accepted", "lost", "oldest lost", "unfinished", "failed_attempts", "run again")
_GUARDED = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
_BEHIND = 5.0  # seconds

Trial = Callable[[int, Path, int], Figures]
TRIALS: dict[str, Trial] = {
    "SIGKILL, `appendfsync always`": partial(kill_redis, "always"),
    "SIGKILL, `appendfsync everysec`": partial(kill_redis, "everysec"),
    "power cut, `appendfsync everysec`": partial(kill_redis, "everysec", power=True),
    "fail-over, replica in step": fail_over,
    "fail-over, replica cut off for 5 s": partial(fail_over, behind=_BEHIND),
    "the same, `min-replicas-to-write 1`, `min-replicas-max-lag 1`": partial(
        fail_over, behind=_BEHIND, options=_GUARDED
    ),
}
_MAY_LOSE_NOTHING = "SIGKILL, `appendfsync always`"


def main() -> None:
    """Run all outages; exit with status 1 if a promise is violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.outages")
    parser.add_argument("outages", nargs="?", type=int, default=10, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    _print(*_HEAD)
    _print(*("---" for _ in _HEAD))
    wrong = False
    for name, trial in TRIALS.items():
        with tempfile.TemporaryDirectory() as folder:
            figures = trial(asked.outages, Path(folder), asked.seed)
        _report(name, figures)
        lost = figures.lost if name == _MAY_LOSE_NOTHING else 0
        wrong |= bool(lost or figures.unfinished or figures.violations)
    sys.exit(wrong)


def _report(name: str, figures: Figures) -> None:
    oldest = f"{figures.oldest_lost:.2f} s" if figures.lost else ""
    counts = (figures.unfinished, figures.charged, figures.again)
    _print(name, figures.outages, figures.accepted, figures.lost, oldest, *counts)
    for line in figures.violations:
        print(f"  {line}", flush=True)


def _print(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
