"""Add jobs to the queue of one peer: ``python -m benchmarks.peers.add on_celery``.

Each input line contains jobs, separated by spaces. They are added one by one; the program prints the seconds per line.
"""

from __future__ import annotations

import importlib
import sys
import time


def main() -> None:
    """Add jobs until the input ends."""
    peer = importlib.import_module(f"benchmarks.peers.{sys.argv[1]}")
    for line in sys.stdin:
        begun = time.perf_counter()
        peer.add(line.split())
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main()
