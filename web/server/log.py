"""The API's log: gunicorn's messages and one line per request, in the format of all other processes."""

from __future__ import annotations

import logging
import re
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

from config.events import Event
from web.server.buffers import MinRateSocket

__all__ = ["RequestLogger"]

_log = logging.getLogger("api")
_MALFORMED = re.compile(r"Invalid request from ip=\S+ [^:'\"]*")
_PROBES = ("/health", "/ready")  # also below URL_PREFIX


class RequestLogger(Logger):  # type: ignore[misc]
    """Passes gunicorn's messages to the root logger, and logs each request once its response is complete."""

    url_prefix = ""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log without the parts of a malformed request that gunicorn quotes: they may hold a secret."""
        quoting = _MALFORMED.match(msg)
        super().warning(quoting[0] if quoting else msg, *args, **kwargs)

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log an error of the server's own, without the query of the request."""
        super().exception(msg, *(str(arg).partition("?")[0] for arg in args), **kwargs)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log a request at INFO, those of probes at DEBUG; a stream once it has ended."""
        sock = environ.get("gunicorn.socket")
        if isinstance(sock, MinRateSocket):
            with suppress(OSError):  # the client has gone, which the loop sees
                sock.uncork()
        if isinstance(sock, MinRateSocket) and sock.is_streaming:
            begun = time.monotonic() - request_time.total_seconds()

            def log_end(streamed: int) -> None:
                self._log_request(resp, resp.sent + streamed, environ, time.monotonic() - begun)

            sock.on_stream_end = log_end
        else:
            self._log_request(resp, resp.sent, environ, request_time.total_seconds())

    def _log_request(self, resp: Any, sent: int, environ: dict[str, Any], seconds: float) -> None:
        path = environ["RAW_URI"].partition("?")[0]
        level = logging.DEBUG if path.removeprefix(self.url_prefix) in _PROBES else logging.INFO
        if _log.isEnabledFor(level):
            details = {
                "method": environ["REQUEST_METHOD"],
                "path": path,
                "status": str(resp.status).partition(" ")[0],
                "ms": round(seconds * 1000, 1),
                "bytes": sent,
                "client": environ.get("REMOTE_ADDR", "-"),
                "request_id": _request_id(resp, environ),
            }
            _log.log(level, Event.REQUEST, extra=details)


def _request_id(resp: Any, environ: dict[str, Any]) -> str:
    """Return the id in the response; in the socket for one that the server wrote itself."""
    for name, value in resp.headers:
        if name.lower() == "x-request-id":
            return str(value)
    return str(getattr(environ.get("gunicorn.socket"), "request_id", ""))
