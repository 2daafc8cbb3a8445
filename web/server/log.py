"""The API's log: gunicorn's messages and one line per request, in the format of all other processes."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

from config.events import Event
from web.server.buffers import MinRateSocket

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
        """Log a request at INFO, those of probes at DEBUG; a stream once it has ended."""
        sock = environ.get("gunicorn.socket")
        if isinstance(sock, MinRateSocket) and sock.is_streaming:
            begun = time.monotonic() - request_time.total_seconds()

            def log_end(streamed: int) -> None:
                self._log_request(resp.status, resp.sent + streamed, environ, time.monotonic() - begun)

            sock.on_stream_end = log_end
        else:
            self._log_request(resp.status, resp.sent, environ, request_time.total_seconds())

    def _log_request(self, status: Any, sent: int, environ: dict[str, Any], seconds: float) -> None:
        path = environ["RAW_URI"].partition("?")[0]
        level = logging.DEBUG if path.removeprefix(self.url_prefix) in _PROBES else logging.INFO
        if _log.isEnabledFor(level):
            details = {
                "method": environ["REQUEST_METHOD"],
                "path": path,
                "status": str(status).partition(" ")[0],
                "ms": round(seconds * 1000, 1),
                "bytes": sent,
                "client": environ.get("REMOTE_ADDR", "-"),
            }
            _log.log(level, Event.REQUEST, extra=details)
