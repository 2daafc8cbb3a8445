"""Add jobs to the queue of one peer: ``python -m benchmarks.peers.add on_celery``.

Each input line is a verb and the names of jobs: ``add`` adds them one by one, ``bulk`` all at once, ``wait`` adds each
one when the result of the one before is there, after a pause. The program prints the seconds of each call as a list.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable

PAUSE_SECONDS = 0.005


def _seconds(call: Callable[..., None], argument: list[str] | str) -> float:
    begun = time.perf_counter()
    call(argument)
    return time.perf_counter() - begun


def main() -> None:
    """Add jobs until the input ends."""
    peer = importlib.import_module(f"benchmarks.peers.{sys.argv[1]}")
    for line in sys.stdin:
        verb, *names = line.split()
        taken = []
        for each in names if verb == "wait" else [names]:
            taken.append(_seconds(getattr(peer, verb), each))
            time.sleep(PAUSE_SECONDS if verb == "wait" else 0)
        print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main()
