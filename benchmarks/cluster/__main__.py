"""``make cluster-demo``: a cluster in small, whose hosts are network namespaces of this machine.

    python -m benchmarks.cluster [--quick] [--write]

Three Redis hosts with Sentinels, two API hosts and four worker hosts, with TLS, passwords and keys. Under a load,
worker hosts come and go, one is cut off, one dies, an API host dies, and Redis fails over. Exits with 1 if a promise is
not kept.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.cluster.history import judge
from benchmarks.cluster.hosts import FOLDER, Unsupported, isolated
from benchmarks.cluster.page import draw, table, write_page
from benchmarks.cluster.scenario import FULL, QUICK, Scenario
from benchmarks.cluster.services import Cluster, NotReached

_MOST_SECONDS = 240.0
_PLOT = Path("demo-plots/cluster.svg")
_ISOLATED = "--isolated"


def main() -> int:
    """Play the scenario in namespaces; return 0 if all promises are kept, 130 if it was interrupted, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter steps, in about a minute")
    parser.add_argument("--write", action="store_true", help="renew docs/scaling.md and its plot")
    parser.add_argument(_ISOLATED, action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.isolated:
        return _play(asked)
    try:
        return isolated(["benchmarks.cluster", _ISOLATED, *sys.argv[1:]], _MOST_SECONDS)
    except Unsupported as error:
        print(f"There is no cluster here. {error}", file=sys.stderr)
        return 1


def _play(asked: argparse.Namespace) -> int:
    print("Starting three Redis hosts with Sentinels, two API hosts and a worker host ...", flush=True)
    try:
        cluster = Cluster((QUICK if asked.quick else FULL).lease)
        cluster.start()
        history = Scenario(cluster, QUICK if asked.quick else FULL).play()
    except NotReached as error:
        print(f"The demo failed: {error}. The ends of the logs:", file=sys.stderr)
        for log in sorted(FOLDER.glob("*/log")):
            print(f"\n{log.parent.name}\n{log.read_text()[-2000:]}", file=sys.stderr)
        return 1
    lines = judge(history)
    print(f"\n{table(lines)}\n")
    if asked.write:
        write_page(history, lines, f"make cluster-demo WRITE=yes{' ARGS=--quick' if asked.quick else ''}")
    else:
        draw(history, _PLOT)
        print(f"The plot is in {_PLOT.absolute()}.")
    return 0 if all(line.kept is not False for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
