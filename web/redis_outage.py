"""An outage of Redis in the log of the API: a line when it begins, and one when it is over, for each process."""

from __future__ import annotations

import logging
import threading
import time

import jobs
from config.events import Event

__all__ = ["RedisOutage", "note_unavailable"]

_POLL_SECONDS = 1.0

_log = logging.getLogger("api")


class RedisOutage:
    """Logs the first failure, and then asks Redis each second until it answers and no call has failed since."""

    def __init__(self, poll_seconds: float = _POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._begun: float | None = None
        self._last_failure = 0.0

    def note(self, error: Exception) -> bool:
        """Note that a call failed; return whether it did because Redis is unavailable, else there is nothing to log."""
        if not isinstance(jobs.classify_redis_error(error), jobs.RedisUnavailable):
            return False
        with self._lock:
            self._last_failure = time.monotonic()
            if self._begun is not None:
                return True
            self._begun = self._last_failure
        _log.warning(Event.REDIS_LOST, extra={"error": str(error)})
        threading.Thread(target=self._watch, name="redis outage", daemon=True).start()
        return True

    def _watch(self) -> None:
        while True:
            asked = time.monotonic()
            time.sleep(self._poll_seconds)
            try:
                jobs.ping()
            except jobs.RedisError:
                continue
            with self._lock:
                # A replica answers too, but writes to it fail.
                if self._begun is None or self._last_failure > asked:
                    continue
                seconds, self._begun = time.monotonic() - self._begun, None
            _log.warning(Event.REDIS_BACK, extra={"seconds": round(seconds, 1)})
            return


_outage = RedisOutage()

note_unavailable = _outage.note
