"""Loads the scripts and sends them."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError as NoScript

from jobstore.redis import is_read_only_replica, named

__all__ = ["NoScript", "Script", "Transitions"]

_FOLDER = Path(__file__).parent / "lua"
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


class Script:
    """The text of one transition, its parts included, and the digest that Redis knows it by."""

    def __init__(self, name: str) -> None:
        text = (_FOLDER / f"{name}.lua").read_text("utf-8")
        self.name = name
        while _INCLUDE.search(text):
            text = _INCLUDE.sub(lambda part: (_FOLDER / "includes" / f"{part[1]}.lua").read_text("utf-8"), text)
        self.text = text
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
        answer: list[Any] = self.run_all([(name, *arguments)])[0]
        return answer

    def run_all(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        """Run several transitions, (name, arguments…) each, in one round trip; they are not one step together."""
        answers = self._send_all(calls)
        if any(isinstance(answer, NoScript) for answer in answers):
            # Behind Sentinels this may be the master of before, back as a replica: ask again which server it is.
            self.client.connection_pool.disconnect(inuse_connections=False)
            self.load(*{call[0] for call in calls})
            answers = self._send_all(calls)
        return self._checked(answers)

    def stage(self, key: str, words: list[Any], seconds: int) -> None:
        """Store a list for so many seconds, in the database of the client, the records'. Safe to send twice."""
        pipeline = self.client.pipeline()
        pipeline.delete(key)
        pipeline.rpush(key, *words)
        pipeline.expire(key, seconds)
        self._checked(pipeline.execute(raise_on_error=False))

    def _checked(self, answers: list[Any]) -> list[Any]:
        for answer in answers:
            if isinstance(answer, Exception):
                if is_read_only_replica(answer):
                    self.client.connection_pool.disconnect(inuse_connections=False)
                raise named(answer)
        return answers

    def _send_all(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for name, *arguments in calls:
            pipeline.execute_command(*self.command(name, *arguments))  # type: ignore[no-untyped-call]
        return pipeline.execute(raise_on_error=False)
