"""Flask's development server, with the access log of the API."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

from flask import Flask
from werkzeug.serving import WSGIRequestHandler

from config.events import Event
from config.logs import set_up_logging
from config.settings import Settings, api_address
from web.auth.guard import warn_if_open
from web.request_id import request_id_from

__all__ = ["run"]

_log = logging.getLogger("api")


class _RequestHandler(WSGIRequestHandler):
    """Logs requests as the server for production does, without the query."""

    def make_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().make_environ()
        environ["HTTP_X_REQUEST_ID"] = request_id_from(environ.get("HTTP_X_REQUEST_ID", ""))
        return environ

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        path = quote(getattr(self, "path", "-").partition("?")[0], safe="/%:@!$&'()*+,;=~")
        details = {"method": self.command or "-", "path": path, "status": str(code), "client": self.address_string()}
        if environ := getattr(self, "environ", None):
            details["request_id"] = environ["HTTP_X_REQUEST_ID"]
        _log.info(Event.REQUEST, extra=details)


def run(app: Flask, settings: Settings) -> None:
    """Serve ``app`` on ``API_HOST`` and ``API_PORT`` until the process is stopped."""
    set_up_logging(settings.log_level, settings.log_format)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    warn_if_open(settings)
    print(f"Development server on {api_address(settings)}. For use by others, run gunicorn: `make run`.", flush=True)
    app.run(settings.api_host, settings.api_port, debug=False, request_handler=_RequestHandler)
