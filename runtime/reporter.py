"""Sends progress and output of a running analysis from a thread, so that the analysis does not wait for Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from runtime.output import Output, valid_text

__all__ = ["Reporter"]

_SECONDS = 0.25
_MAX_MESSAGE = 1000

Send = Callable[[float | None, str | None, str], None]
"""Called with progress (None before the first report), message and output."""


class Reporter:
    """Reports the progress of the running attempt; the analysis calls :meth:`progress`."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._send: Send | None = None
        self._fraction: float | None = None
        self._message: str | None = None
        self._changed = False
        threading.Thread(target=self._report, name="reporter", daemon=True).start()

    def begin(self, send: Send) -> None:
        """Start a new attempt, which is reported by ``send``."""
        self._fraction, self._message, self._changed = None, None, False
        self._send = send

    def end(self) -> None:
        """Stop reporting."""
        self._send = None

    def progress(self, fraction: float, message: str | None = None) -> None:
        """Record the fraction that is done, 0 to 1, and a message."""
        self._fraction = fraction
        self._message = None if message is None else valid_text(str(message)[:_MAX_MESSAGE])
        self._changed = True

    def _report(self) -> None:
        pause = threading.Event()
        while not pause.wait(_SECONDS):
            send = self._send
            if send is None or not (self._output.has_changed() or self._changed):
                continue
            self._changed = False
            # An analysis may leave no memory for this report, but some for the next one.
            with suppress(MemoryError):
                send(self._fraction, self._message, self._output.text())
