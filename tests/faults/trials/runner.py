"""Run trials one after the other: read ``kind point seed`` lines, write a verdict as JSON for each.

REDIS_PORT=… REDIS_DB=… QUEUE_DB=… python -m tests.faults.trials.runner FOLDER
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import analyses
from analyses import get_analyses
from tests.faults.trials.harness import Harness
from tests.faults.trials.kinds import KINDS, play

REAL = "real-"
"""Prefix of kinds that use fresh processes instead of forks."""


def main() -> None:
    """Run trials until standard input ends."""
    folder = Path(sys.argv[1])
    analyses.__path__.append(str(Path(__file__).parent / "analyses"))
    get_analyses()
    # The output of the processes under test goes to the log; verdicts go to the original standard output.
    words = os.fdopen(os.dup(1), "w", buffering=1)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    harness = Harness(folder)
    for line in sys.stdin:
        name, point, seed = line.split()
        os.truncate(log, 0)
        harness.real = name.startswith(REAL)
        kind = name.removeprefix(REAL)
        if kind not in KINDS:
            raise SystemExit(f"There is no kind of trial {name!r}; there are: {', '.join(KINDS)}")
        verdict = play(harness, kind, int(point), int(seed))
        verdict.kind = name
        print(json.dumps({**asdict(verdict), "complaints": verdict.complaints}), file=words)


if __name__ == "__main__":
    main()
