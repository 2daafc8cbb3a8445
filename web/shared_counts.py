"""Counts of what the processes of the API use together: memory, disk, connections."""

from __future__ import annotations

import mmap
import os
from threading import Lock

__all__ = ["COUNTED", "ProcessTable", "SharedCount"]

COUNTED = ("memory", "bodies", "responses", "connections", "streams", "pid")
"""The columns of the table."""


class SharedCount:
    """A number of this process, and the sum of those of all processes; without others it is the same.

    Only its process changes a number, so no process waits for another, and one that is killed leaves nothing locked.
    """

    def __init__(self, cells: memoryview | None = None, row: int = 0, processes: int = 1) -> None:
        self._cells = memoryview(bytearray(8)).cast("q") if cells is None else cells
        self._row = row
        self._processes = processes
        self._lock = Lock()

    @property
    def own(self) -> int:
        """Return the number of this process."""
        return self._cells[self._row]

    @property
    def total(self) -> int:
        """Return the sum of all processes."""
        return sum(self._cells)

    def add(self, size: int) -> None:
        """Add ``size``; a negative size subtracts."""
        with self._lock:
            self._cells[self._row] += size

    def add_within(self, size: int, limit: int) -> bool:
        """Add ``size`` and return True, or return False if the sum would be above ``limit``."""
        # Added before the check: of two processes that add at the same time, at least one sees the sum of both.
        self.add(size)
        if self.total <= limit:
            return True
        self.add(-size)
        return False

    def excess(self, limit: int) -> int:
        """Return by how much this process must reduce its number to bring the sum down to ``limit``.

        A process below its equal share need not: others use more.
        """
        return max(0, min(self.total - limit, self.own - limit // self._processes))


class ProcessTable:
    """A row of numbers for each process that is forked from the one that made the table, in memory that they share."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        # A reload starts as many new processes before the old ones have ended.
        self._rows = 4 * processes
        self._cells = memoryview(mmap.mmap(-1, 8 * self._rows * len(COUNTED))).cast("q")
        self._own_row = -1

    def own_row(self) -> int:
        """Return the row of this process; -1 in the process that made the table."""
        return self._own_row

    def enter(self, row: int) -> None:
        """Take a row for this process, which was just forked."""
        self._own_row = row
        self._column(COUNTED.index("pid"))[row] = os.getpid()

    def free_row(self, used: set[int]) -> int:
        """Return a row that no process uses; the first one again if there are far more processes than expected."""
        return next((row for row in range(self._rows) if row not in used), 0)

    def clear(self, row: int) -> None:
        """Forget a process that has ended."""
        for number in range(len(COUNTED)):
            self._column(number)[row] = 0

    def count(self, name: str, row: int) -> SharedCount:
        """Return the count of a process."""
        return SharedCount(self._column(COUNTED.index(name)), row, self._processes)

    def pids(self) -> list[int]:
        """Return the ids of the processes that run."""
        return [pid for pid in self._column(COUNTED.index("pid")) if pid]

    def _column(self, number: int) -> memoryview:
        return self._cells[number * self._rows : (number + 1) * self._rows]
