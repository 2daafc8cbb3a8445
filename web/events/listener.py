"""Calls functions when jobs change: one subscription connection for all long polls and event streams of a process."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jobs

__all__ = ["JobListener"]

_BACK_OFF = 0.5
_TICK_MS = 20  # for connections without a socket to wait for, as those of a fake server
_AT_ONCE = 200  # messages, before the subscriptions are looked at again
_PREFIX = "job."
_ALL_JOBS = "job.*"

Changed = Callable[[], None]
AnyChanged = Callable[[str | None], None]


class JobListener:
    """Watches jobs for other threads. Only the listener's own thread uses the connection; a pipe wakes it.

    The functions that it calls run in that thread: they must be quick, and may call the methods of the listener.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: dict[str, list[Changed]] = {}
        self._any_changed: AnyChanged | None = None
        self._fresh: list[tuple[str, Changed]] = []
        """Watchers added since the thread last looked: a channel that stays subscribed announces no start."""
        self._thread: threading.Thread | None = None
        self._wake_r = self._wake_w = -1
        self._is_woken = False

    def watch(self, jid: str, changed: Changed) -> None:
        """Call ``changed`` after each change of a job, and whenever one may have been missed: also at the start."""
        with self._lock:
            self._watchers.setdefault(jid, []).append(changed)
            self._fresh.append((_PREFIX + jid, changed))
            self._wake()

    def unwatch(self, jid: str, changed: Changed) -> None:
        """Undo one call of :meth:`watch` with these arguments."""
        with self._lock:
            self._watchers[jid].remove(changed)
            if not self._watchers[jid]:
                del self._watchers[jid]
            self._wake()

    def watch_all(self, changed: AnyChanged | None) -> None:
        """Call ``changed`` with the id of each job that changes, and with None whenever changes may have been missed.

        None instead of a function ends this.
        """
        with self._lock:
            self._any_changed = changed
            if changed is not None:
                self._fresh.append((_ALL_JOBS, partial(changed, None)))
            self._wake()

    def _wake(self) -> None:
        """Let the thread look at what is watched; the lock must be held."""
        if self._thread is None:
            self._wake_r, self._wake_w = os.pipe()
            self._thread = threading.Thread(target=self._run, name="job listener", daemon=True)
            self._thread.start()
        elif not self._is_woken:
            self._is_woken = True
            os.write(self._wake_w, b"\0")

    def _run(self) -> None:
        while True:
            try:
                self._listen(jobs.open_pubsub())
            except (*jobs.RedisUnavailable, OSError):
                time.sleep(_BACK_OFF)

    def _listen(self, pubsub: Any) -> None:
        subscribed: set[str] = set()
        while True:
            subscribed = self._subscribe(pubsub, subscribed)
            for _ in range(_AT_ONCE):
                message = pubsub.get_message(timeout=0)
                if message is None:
                    self._sleep(pubsub)
                    break
                self._dispatch(message)

    def _subscribe(self, pubsub: Any, subscribed: set[str]) -> set[str]:
        """Subscribe to what is watched now, and to nothing else."""
        with self._lock:
            wanted = {_PREFIX + jid for jid in self._watchers}
            if self._any_changed is not None:
                wanted.add(_ALL_JOBS)
            fresh, self._fresh = self._fresh, []
        new, old = wanted - subscribed, subscribed - wanted
        if _ALL_JOBS in new:
            pubsub.psubscribe(_ALL_JOBS)
        if _ALL_JOBS in old:
            pubsub.punsubscribe(_ALL_JOBS)
        if channels := new - {_ALL_JOBS}:
            pubsub.subscribe(*channels)
        if channels := old - {_ALL_JOBS}:
            pubsub.unsubscribe(*channels)
        for channel, changed in fresh:
            if channel in subscribed:
                changed()
        return wanted

    def _sleep(self, pubsub: Any) -> None:
        """Wait until a message arrives or another thread wakes this one."""
        poller = select.poll()
        poller.register(self._wake_r, select.POLLIN)
        timeout = None
        if pubsub.subscribed:
            # redis-py has no way to wait for a message and for something else.
            sock = getattr(pubsub.connection, "_sock", None)
            if isinstance(sock, socket.socket):
                poller.register(sock, select.POLLIN)
            else:
                timeout = _TICK_MS
        if any(source == self._wake_r for source, _ in poller.poll(timeout)):
            with self._lock:
                os.read(self._wake_r, 1)
                self._is_woken = False

    def _dispatch(self, message: dict[str, Any]) -> None:
        """Call the functions that a message concerns; a confirmed subscription is one, for what came before it."""
        jid = message["channel"].decode().removeprefix(_PREFIX)
        match message["type"]:
            case "message" | "subscribe":
                with self._lock:
                    watchers = list(self._watchers.get(jid, ()))
                for changed in watchers:
                    changed()
            case "pmessage" | "psubscribe":
                with self._lock:
                    any_changed = self._any_changed
                if any_changed is not None:
                    any_changed(jid if message["type"] == "pmessage" else None)
