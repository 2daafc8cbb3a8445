"""Reads server-sent events from a connection of its own."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any, NamedTuple

__all__ = ["Event", "Listener"]


class Event(NamedTuple):
    """An event as a browser reads it."""

    name: str
    id: int
    data: dict[str, Any]


class Listener:
    """A client that listens to one path."""

    def __init__(self, port: int, path: str, timeout: float = 30, version: str = "1.1", **headers: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        lines = [
            f"GET {path} HTTP/{version}",
            "Host: localhost",
            *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
        ]
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode())
        self.response = HTTPResponse(self.sock)
        self.response.begin()
        self.comments = 0

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.response.close()
        self.sock.close()

    def events(self) -> Iterator[Event]:
        """Yield events until the response ends."""
        fields: dict[str, str] = {}
        while line := self.response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif fields:
                if "data" in fields:
                    yield Event(fields["event"], int(fields["id"]), json.loads(fields["data"]))
                else:
                    self.comments += 1
                fields = {}

    def next(self) -> Event:
        """Return the next event."""
        return next(self.events())

    def is_silent(self, seconds: float) -> bool:
        """Return whether nothing arrives within this time, and the response does not end."""
        readable, _, _ = select.select([self.sock], [], [], seconds)
        return not readable
