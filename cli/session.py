"""What all commands share: the API's address, the form of the output, and the exit statuses."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import typer
from rich.console import Console

from client import Client

__all__ = ["ExitStatus", "Session", "session"]

_PIPED_WIDTH = 400  # of tables that no terminal shows: their lines do not break
_ID_LENGTH = 36
_LATEST = 1000


class ExitStatus(IntEnum):
    """The exit statuses besides 0."""

    JOB_NOT_COMPLETE = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class Session:
    """The options of one run."""

    def __init__(self) -> None:
        self.url: str | None = None
        self.as_json = False

    def connect(self) -> Client:
        """Return a client of the API.

        :raises ValueError: the address or the key cannot be used.
        """
        return Client(self.url)

    @property
    def out(self) -> Console:
        """Standard output; tables that are piped are wide and plain."""
        return _console(stderr=False)

    @property
    def err(self) -> Console:
        """Standard error, for progress and messages."""
        return _console(stderr=True)

    @property
    def shows_progress(self) -> bool:
        """Whether progress is drawn: standard error is a terminal."""
        return self.err.is_terminal

    def full_id(self, client: Client, text: str) -> str:
        """Return the id that ``text`` begins, of the latest 1,000 jobs; a text that begins none is returned.

        :raises typer.BadParameter: it begins several.
        """
        if len(text) >= _ID_LENGTH:
            return text
        found = [job["id"] for job in client.list(limit=_LATEST) if job["id"].startswith(text)]
        if len(found) > 1:
            raise typer.BadParameter(f"{text} begins the ids of {len(found)} jobs: write more of it.")
        return found[0] if found else text

    def full_ids(self, client: Client, texts: Iterable[str]) -> list[str]:
        """Return the ids that ``texts`` begin; as :meth:`full_id`."""
        return [self.full_id(client, text) for text in texts]


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    return console


session = Session()
