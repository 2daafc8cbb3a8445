"""Adds jobs to the queue of one peer: ``python -m benchmarks.peers.add on_celery``.

Each line of its input is jobs, separated by spaces. They are added one by one, as a program would add them that has one
job at a time; the answer is a line with the seconds that it took.
"""

from __future__ import annotations

import importlib
import sys
import time


def main() -> None:
    """Until the input ends."""
    peer = importlib.import_module(f"benchmarks.peers.{sys.argv[1]}")
    for line in sys.stdin:
        begun = time.perf_counter()
        peer.add(line.split())
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main()
