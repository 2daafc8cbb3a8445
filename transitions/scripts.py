"""Loads the scripts and sends them."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError as NoScript
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

from transitions.server import is_demoted

__all__ = ["NoScript", "Script", "Transitions"]

_FOLDER = Path(__file__).parent
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


class Script:
    """The text of one transition, its parts included, and the digest that Redis knows it by."""

    def __init__(self, name: str) -> None:
        text = (_FOLDER / f"{name}.lua").read_text("utf-8")
        self.name = name
        self.text = _INCLUDE.sub(lambda part: (_FOLDER / "parts" / f"{part[1]}.lua").read_text("utf-8"), text)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@cache
def _script(name: str) -> Script:
    return Script(name)


class Transitions:
    """Runs transitions over one client, whose database need not be that of the records or of the queue."""

    def __init__(self, client: redis.Redis, *, records_db: int, queue_db: int, queue_name: str) -> None:
        self.client = client
        self._home = client.connection_pool.connection_kwargs.get("db", 0)
        self._opening = (self._home, records_db, queue_db, queue_name)

    def command(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """The words of one call, for a pipeline; after ``NoScript``, ``load`` it and send again."""
        return ("EVALSHA", _script(name).sha, 0, *self._opening, *arguments)

    def load(self, *names: str) -> None:
        """Teach the server scripts that it does not know, or forgot when it restarted."""
        for name in names:
            self.client.script_load(_script(name).text)

    def run(self, name: str, *arguments: Any) -> list[Any]:
        """Run one transition and return its answer, as bytes and integers, the word for the outcome first."""
        command = self.command(name, *arguments)
        try:
            try:
                return self._send(command)
            except NoScript:
                self.load(name)
                return self._send(command)
        except ResponseError as error:
            self._leave_demoted([error])
            # Redis 6.2 wraps what a command in a script answered in words of its own.
            if "OOM command not allowed" in str(error):
                raise OutOfMemoryError(str(error)) from error
            if "MISCONF" in str(error):
                # It cannot write to its disk, and refuses writes until it can.
                raise ReadOnlyError(str(error)) from error
            raise

    def run_all(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        """Run several transitions, (name, arguments…) each, in one round trip; they are not one step together."""
        answers = self._send_all(calls)
        if any(isinstance(answer, NoScript) for answer in answers):
            self.load(*{call[0] for call in calls})
            answers = self._send_all(calls)
        self._leave_demoted(answers)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _leave_demoted(self, answers: list[Any]) -> None:
        if any(is_demoted(answer) for answer in answers):
            self.client.connection_pool.disconnect(inuse_connections=False)

    def _send(self, command: tuple[Any, ...]) -> list[Any]:
        answer: list[Any] = self.client.execute_command(*command)  # type: ignore[no-untyped-call]
        return answer

    def _send_all(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for name, *arguments in calls:
            pipeline.execute_command(*self.command(name, *arguments))  # type: ignore[no-untyped-call]
        return pipeline.execute(raise_on_error=False)
