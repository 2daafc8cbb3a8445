"""The API's log: gunicorn's messages and one line per request, in the format of all other processes."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

from config.events import Event

__all__ = ["RequestLogger"]

_log = logging.getLogger("api")
_PROBES = ("/health", "/ready")  # also below URL_PREFIX


class RequestLogger(Logger):  # type: ignore[misc]
    """Passes gunicorn's messages to the root logger, and logs each request once its response is complete."""

    url_prefix = ""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log a request at INFO; those of probes at DEBUG."""
        path = environ["RAW_URI"].partition("?")[0]
        level = logging.DEBUG if path.removeprefix(self.url_prefix) in _PROBES else logging.INFO
        if _log.isEnabledFor(level):
            details = {
                "method": environ["REQUEST_METHOD"],
                "path": path,
                "status": str(resp.status).partition(" ")[0],
                "ms": round(request_time.total_seconds() * 1000, 1),
                "bytes": resp.sent,
                "client": environ.get("REMOTE_ADDR", "-"),
            }
            _log.log(level, Event.REQUEST, extra=details)
