"""Sends progress and output while an analysis runs, beside it, so that reporting costs the analysis nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from runtime.output import Output, valid_text

__all__ = ["Reporter"]

_SECONDS = 0.25
_LONGEST_MESSAGE = 1000

Send = Callable[[float | None, str | None, str], None]
"""Takes progress (None where none was reported yet), message and output."""


class Reporter:
    """Progress of the attempt that runs; what an analysis gets is :meth:`progress`."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._send: Send | None = None
        self._fraction: float | None = None
        self._message: str | None = None
        self._changed = False
        threading.Thread(target=self._report, name="reporter", daemon=True).start()

    def begin(self, send: Send) -> None:
        """Report by ``send`` from now on, for a new attempt."""
        self._fraction, self._message, self._changed = None, None, False
        self._send = send

    def end(self) -> None:
        """Report no more."""
        self._send = None

    def progress(self, fraction: float, message: str | None = None) -> None:
        """Note how much is done, 0 to 1, and what is being done."""
        self._fraction = fraction
        self._message = None if message is None else valid_text(str(message)[:_LONGEST_MESSAGE])
        self._changed = True

    def _report(self) -> None:
        pause = threading.Event()
        while not pause.wait(_SECONDS):
            send = self._send
            if send is None or not (self._output.has_changed() or self._changed):
                continue
            self._changed = False
            # Where the analysis has left no memory to report with, the next report may find some.
            with suppress(MemoryError):
                send(self._fraction, self._message, self._output.text())
