"""A minimal client of the API for the development server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from config.settings import Settings, api_address

__all__ = ["Api", "ApiAway", "ApiError"]


class ApiError(Exception):
    """The API refused a call; the message says which and why."""

    def __init__(self, call: str, status: int, detail: str) -> None:
        super().__init__(f"{call} was answered {status}: {detail}")
        self.status = status


class ApiAway(Exception):
    """Nothing that speaks HTTP answers at the API's address."""


class Api:
    """Calls to one API server; ``address`` is where this machine reaches it."""

    def __init__(self, settings: Settings) -> None:
        self.address = api_address(settings)
        self._host = settings.allowed_hosts.split(",")[0].strip()
        # Proxies of the environment are for other hosts.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def fetch(self, path: str, body: bytes | None = None, media_type: str = "application/json") -> bytes:
        """GET ``path``, or POST ``body`` to it.

        :raises ApiError: on any answer from 400 on.
        :raises ApiAway: where there is none.
        """
        request = urllib.request.Request(self.address + path, body, {"Host": self._host})
        if body is not None:
            request.add_header("Content-Type", media_type)
        try:
            with self._opener.open(request, timeout=30) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode("utf-8", "replace")
            raise ApiError(f"{request.get_method()} {path}", error.code, _detail(text)) from None
        except (OSError, urllib.error.URLError) as error:
            raise ApiAway(f"{self.address} does not answer: {error}") from error

    def get(self, path: str) -> Any:
        """Return the JSON response of GET ``path``; raises as ``fetch``."""
        return json.loads(self.fetch(path))

    def post(self, path: str, value: Any) -> Any:
        """Return the JSON response of POST ``path`` with ``value``; raises as ``fetch``."""
        return json.loads(self.fetch(path, json.dumps(value).encode()))


def _detail(text: str) -> str:
    try:
        problem = json.loads(text)
    except ValueError:
        return text
    if not isinstance(problem, dict):
        return text
    errors = "; ".join(f"{e.get('pointer') or e.get('parameter')}: {e['detail']}" for e in problem.get("errors", []))
    return f"{problem.get('detail', text)} {errors}".strip()
