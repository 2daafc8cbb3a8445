"""Evaluation of the lines that jobs write when they start and end; the same for every queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Kill", "Line", "Log", "Verdict", "evaluate", "in_hand"]


@dataclass(frozen=True)
class Line:
    """The start or end of one job in one process, with its time in seconds since 1970."""

    job: str
    what: str
    process: int
    at: float

    @classmethod
    def read(cls, text: str) -> Line:
        job, what, process, at = text.split()
        return cls(job, what, int(process), float(at))


class Log:
    """The file of executions, read incrementally."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: list[Line] = []
        file.touch()
        self._read = 0

    def grow(self) -> list[Line]:
        """Return all lines so far."""
        with self.file.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        self.lines += [Line.read(text) for text in whole.decode("ascii").splitlines()]
        return self.lines


@dataclass(frozen=True)
class Kill:
    """The time of a SIGKILL and the processes that got it."""

    at: float
    processes: frozenset[int]


@dataclass(frozen=True)
class Verdict:
    """Counts of jobs that never ended, ended twice or started twice, and recovery times.

    ``held`` is, for each kill, the number of jobs that the killed processes had started and not ended; ``held_done``
    the seconds until the last of them was done, None if it never was; ``all_done`` the seconds from the last kill until
    all jobs were done.
    """

    never: int
    ended_twice: int
    started_twice: int
    held: tuple[int, ...]
    held_done: tuple[float | None, ...]
    all_done: float | None


def in_hand(lines: Iterable[Line]) -> list[int]:
    """Return the processes that have started a job and not ended it, the most recently started last."""
    begun: dict[tuple[str, int], None] = {}
    for line in lines:
        if line.what == "start":
            begun[line.job, line.process] = None
        else:
            begun.pop((line.job, line.process), None)
    return [process for _, process in begun]


def evaluate(jobs: Sequence[str], lines: Sequence[Line], kills: Sequence[Kill]) -> Verdict:
    """Evaluate the lines of these jobs; lines of other jobs are ignored."""
    wanted = set(jobs)
    lines = [line for line in lines if line.job in wanted]
    starts = Counter(line.job for line in lines if line.what == "start")
    ends = Counter(line.job for line in lines if line.what == "end")
    first_end: dict[str, float] = {}
    for line in lines:
        if line.what == "end":
            first_end[line.job] = min(line.at, first_end.get(line.job, line.at))
    held = [_held(lines, kill) for kill in kills]
    last_kill = max((kill.at for kill in kills), default=0.0)
    return Verdict(
        never=sum(job not in first_end for job in jobs),
        ended_twice=sum(count > 1 for count in ends.values()),
        started_twice=sum(count > 1 for count in starts.values()),
        held=tuple(len(each) for each in held),
        held_done=tuple(_seconds(each, first_end, kill.at) for each, kill in zip(held, kills, strict=True)),
        all_done=_seconds(wanted, first_end, last_kill),
    )


def _held(lines: Iterable[Line], kill: Kill) -> set[str]:
    """Return the jobs that the killed processes had started and not ended."""
    held: set[str] = set()
    for line in lines:
        if line.process in kill.processes:
            (held.add if line.what == "start" else held.discard)(line.job)
    return held


def _seconds(jobs: Iterable[str], first_end: dict[str, float], since: float) -> float | None:
    ends = [first_end.get(job) for job in jobs]
    if None in ends:
        return None
    return max([0.0, *(end - since for end in ends if end is not None)])
