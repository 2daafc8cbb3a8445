"""The table of trials by kind, for the terminal and for the docs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.trials.kinds import KINDS
from tests.faults.trials.runner import REAL

__all__ = ["markdown", "rows"]

_HEAD = (
    "what happens",
    "trials",
    "struck",
    "lines",
    "lost",
    "two results",
    "invariant broken",
    "else",
    "median s",
    "max s",
)


def rows(verdicts: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Head, a row for each kind, and the sum."""
    found = [_HEAD]
    for name in [*KINDS, *(REAL + name for name in KINDS)]:
        mine = [verdict for verdict in verdicts if verdict["kind"] == name]
        if mine:
            found.append((_title(name), *_figures(mine)))
    return [*found, ("all", *_figures(verdicts))]


def markdown(verdicts: Sequence[Mapping[str, Any]], command: str) -> str:
    """The page of the docs."""
    head, *body = rows(verdicts)
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in body]
    return _PAGE.format(command=command, table="\n".join(lines))


def _title(name: str) -> str:
    title = KINDS[name.removeprefix(REAL)].title
    if title.startswith("…"):
        names = list(KINDS)
        before = names[: names.index(name.removeprefix(REAL))]
        subject = next(KINDS[each].title for each in reversed(before) if not KINDS[each].title.startswith("…"))
        verb = " is killed" if " is killed " in subject else ""
        title = (
            f"{subject.split(' is killed')[0]}{verb} {'' if title[2:].startswith('in ') else 'while it '}{title[2:]}"
        )
    return f"{title}{' (fresh processes)' if name.startswith(REAL) else ''}"


def _figures(verdicts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    recovery = [seconds for verdict in verdicts for seconds in verdict["recovery"]]
    return (
        f"{len(verdicts):,}",
        f"{sum(verdict['hit'] for verdict in verdicts):,}",
        str(len({verdict["where"] for verdict in verdicts if verdict["where"]}) or ""),
        *(
            str(sum(bool(verdict[what]) for verdict in verdicts))
            for what in ("lost", "two_results", "broken", "unexpected")
        ),
        f"{statistics.median(recovery):.2f}" if recovery else "",
        f"{max(recovery):.2f}" if recovery else "",
    )


_PAGE = """# Trials

What came of killing and stalling our own processes, step by step: written by

    {command}

A trial empties Redis, queues jobs, starts a worker or a process of the API, and has one process end (SIGKILL) or stall
(SIGSTOP) itself at a step that the trial names: the start of a line of this project's code, counted as they run, so
that all of them have their turn; or one call of `sendall`, of which half is sent. Then it lets the rest go on, and
judges: does every job end, once, in the attempt that its record names, charged as it should be; do the invariants
(`ops/invariants/`) hold, under load and at rest; did any process outlive its parent. The lease is 1.5 s here.

To be cheap, processes are forks of one that has everything imported, in a session of their own and with nothing
inherited; those marked *fresh processes* are what `python worker.py` starts. A trial that fails prints its number, such
as `child-works:17:1`, and `make trials ONLY=child-works:17:1` plays it again.

{table}

*struck*: the process reached its step. *lines*: how many different ones they were. *lost*: a job did not end. *two
results*: its history has two ends, its results are of another attempt, or it ran more often than it was taken. *else*:
charged wrongly, a late child, a wrong answer. The last columns are the seconds from the blow until the job started
again, on a machine that plays many trials at once. Where a whole worker dies the next one is started after it, so that
what counts is its lease, the start of the next, and a lease in which that one looks on; with fresh processes a trial
also waits until all that was started is gone. `make bench-recovery` measures recovery by itself.
"""
