"""The contract between the benchmark runner and the modules that measure.

A module of a suite has a function that measures **one round** and yields its figures, and ends with these two lines::

    def measure(quick: bool) -> Iterator[Figure]:
        yield Figure("bulk-http", "here", 41_250, "jobs/s")
        yield Figure("bulk-http", "BullMQ", 18_300, "jobs/s")

    if __name__ == "__main__":
        report(measure)

``python -m benchmarks.bulk [--quick]`` then prints each figure as one JSON line. ``benchmarks/run.py`` runs each module
in a process of its own, as many rounds as its suite asks for, all suites in turn, and takes the medians: of the values
of each side, and of the ratios ``here / side`` of each round. So a module neither repeats nor averages over rounds, and
does not compare; it measures the sides shortly after one another, in an order that may differ from round to round. A
percentile of one round is a figure of its own line (``idle-p50``, ``idle-p99``).

The names, targets and titles of the lines stand in ``benchmarks/lines.py``; a figure whose line is not listed there is
an error. With ``quick``, a round may measure less, and takes a few seconds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import NamedTuple

__all__ = ["HERE", "Figure", "report"]

HERE = "here"
"""The side of this project; every other side is a reference: a peer, bare Flask, polars, a size of 1,000 jobs."""


class Figure(NamedTuple):
    """One measured value of one side in one round."""

    line: str
    side: str
    value: float
    unit: str


def report(measure: Callable[[bool], Iterator[Figure]]) -> None:
    """Print the figures of one round as JSON lines; ``--quick`` as an argument measures less.

    What else is printed goes to standard error.
    """
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        for figure in measure("--quick" in sys.argv[1:]):
            print(json.dumps(figure._asdict()), file=out, flush=True)
