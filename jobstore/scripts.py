"""Loads the scripts and sends them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError as NoScript

from jobstore.redis import classify_redis_error, is_read_only_replica
from jobstore.round_trip import round_trip

__all__ = ["NoScript", "Script", "Transitions", "by_name"]

_FOLDER = Path(__file__).parent / "lua"
_SENT_BYTES = 2**19
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


def by_name(answer: Sequence[Any]) -> dict[str, Any]:
    """Return the values of an answer that alternates names and values."""
    names = (name if isinstance(name, str) else name.decode() for name in answer[::2])
    return dict(zip(names, answer[1::2], strict=True))


class Script:
    """The text of one transition, its includes inserted, and its digest in Redis."""

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
    """Runs transitions over one client, in any database."""

    def __init__(self, client: redis.Redis, *, records_db: int, queue_db: int, queue_name: str) -> None:
        self.client = client
        self._home = client.connection_pool.connection_kwargs.get("db", 0)
        self._opening = (self._home, records_db, queue_db, queue_name)

    def command(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """Return one call's command, for a pipeline; after ``NoScript``, ``load`` the script and send again."""
        return ("EVALSHA", _script(name).sha, 0, *self._opening, *arguments)

    def load(self, *names: str) -> None:
        """Load scripts into the server's cache, which is empty after a restart."""
        for name in names:
            self.client.script_load(_script(name).text)

    def run(self, name: str, *arguments: Any) -> list[Any]:
        """Run one transition and return its answer, as bytes and integers; the outcome comes first."""
        answer: list[Any] = self.run_all([(name, *arguments)])[0]
        return answer

    def run_all(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        """Run several transitions, (name, arguments…) each, in one round trip; they are not atomic together."""
        answers = self._send_all(calls)
        if any(isinstance(answer, NoScript) for answer in answers):
            # Behind Sentinels this may be the former master, now a replica: ask them again.
            self.client.connection_pool.disconnect(inuse_connections=False)
            self.load(*{call[0] for call in calls})
            answers = self._send_all(calls)
        return self._checked(answers)

    def stage(self, lists: Mapping[str, Sequence[str]], seconds: int) -> None:
        """Store lists that expire, by key, in the client's database. Safe to send twice."""
        commands: list[tuple[Any, ...]] = []
        pending = 0
        for key, words in lists.items():
            commands += ("DEL", key), ("RPUSH", key, *words), ("EXPIRE", key, seconds)
            pending += sum(map(len, words))
            if pending >= _SENT_BYTES:
                self._checked(round_trip(self.client, commands))
                commands, pending = [], 0
        if commands:
            self._checked(round_trip(self.client, commands))

    def _checked(self, answers: list[Any]) -> list[Any]:
        for answer in answers:
            if isinstance(answer, Exception):
                if is_read_only_replica(answer):
                    self.client.connection_pool.disconnect(inuse_connections=False)
                raise classify_redis_error(answer)
        return answers

    def _send_all(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        return round_trip(self.client, [self.command(*call) for call in calls])
