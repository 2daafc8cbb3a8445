"""A TCP proxy between our processes and Redis that fails on demand, in every way that real networks do."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from jobstore.scripts import Script

__all__ = ["HOWS", "TcpProxy", "Trap", "command", "transition"]

HOWS = {
    "before": "the request never arrives, the connection is cut",
    "request": "half of the request arrives, the connection is cut",
    "answered": "the request is carried out, the connection is cut before its answer: the outcome is unknown",
    "reply": "the connection is cut in the middle of the answer",
    "late": "the connection is cut, and the request arrives a second later all the same",
    "half-open": "the request is carried out; from its answer on the connection carries nothing, and stays open",
}
_LATE_SECONDS = 1.0
_RESET = struct.pack("ii", 1, 0)


def transition(name: str) -> bytes:
    """Return the bytes that identify a request that calls this transition."""
    return Script(name).sha.encode()


def command(name: str) -> bytes:
    """Return the bytes that identify a request with this Redis command."""
    return f"${len(name)}\r\n{name}\r\n".encode()


@dataclass(eq=False)
class Trap:
    """Triggers once, at the first request that contains ``token``; ``how`` is a key of :data:`HOWS`."""

    token: bytes
    how: str
    sprung: threading.Event = field(default_factory=threading.Event)


@dataclass(eq=False)
class _Connection:
    """One connection through the proxy: both ends and its state."""

    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    tail: bytes = b""
    trap: Trap | None = None
    silent: bool = False


class TcpProxy:
    """Forwards from ``port`` to ``target``, on loopback. ``seed`` determines all random choices."""

    def __init__(self, target: int, seed: int = 0) -> None:
        self.target = target
        self.delay = 0.0
        """Delay in each direction, in seconds."""
        self._dice = random.Random(seed)
        self._down = self._silent = False
        self._conns: set[_Connection] = set()
        self._traps: list[Trap] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()
        self._listener = self._run(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port: int = self._listener.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Close all connections; new ones are accepted."""
        self._do(self._cut_all)

    def go_down(self) -> None:
        """Close all connections and refuse new ones."""
        self._down = True
        self.cut()

    def fall_silent(self) -> None:
        """Keep all connections open, new ones too, and forward nothing, as when a cable is pulled."""
        self._silent = True
        self._do(self._silence_all)

    def come_up(self) -> None:
        """Accept new connections; silent ones stay silent."""
        self._down = self._silent = False

    def point_at(self, target: int) -> None:
        """Forward new connections to another server, and close the old ones."""
        self.target = target
        self.cut()

    @contextmanager
    def trap(self, token: bytes, how: str) -> Iterator[Trap]:
        """Set a trap for the next request that contains ``token``."""
        trap = Trap(token, how)
        self._do(lambda: self._traps.append(trap))
        try:
            yield trap
        finally:
            self._do(lambda: self._traps.remove(trap) if trap in self._traps else None)

    def close(self) -> None:
        """Close all connections and stop."""
        self._do(self._listener.close)
        self.go_down()
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, action: Callable[[], object]) -> None:
        async def act() -> None:
            action()

        self._run(act())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._down:
            _reset(writer)
            return
        try:
            server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        conn = _Connection((reader, writer), server, silent=self._silent)
        self._conns.add(conn)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(self._carry_requests(conn), self._carry_answers(conn))
        self._conns.discard(conn)
        self._cut_one(conn)

    async def _carry_requests(self, conn: _Connection) -> None:
        with suppress(OSError):
            while data := await conn.client[0].read(65536):
                trap = self._sprung_by(conn, data)
                if trap is not None and trap.how in ("before", "request", "late"):
                    await self._cut_request(conn, data, trap.how)
                    return
                conn.trap = trap or conn.trap
                await self._pass_on(conn, data, conn.server[1])
        if not conn.silent:
            self._cut_one(conn)

    async def _carry_answers(self, conn: _Connection) -> None:
        with suppress(OSError):
            while data := await conn.server[0].read(65536):
                how = conn.trap.how if conn.trap else ""
                if how == "half-open":
                    conn.silent = True
                elif how in ("answered", "reply"):
                    cut_at = self._dice.randrange(1, len(data)) if how == "reply" else 0
                    await self._pass_on(conn, data[:cut_at], conn.client[1])
                    break
                await self._pass_on(conn, data, conn.client[1])
        if not conn.silent:
            self._cut_one(conn)

    async def _pass_on(self, conn: _Connection, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        if not conn.silent:
            writer.write(data)
            await writer.drain()

    async def _cut_request(self, conn: _Connection, data: bytes, how: str) -> None:
        if how == "request":
            await self._pass_on(conn, data[: len(data) // 2], conn.server[1])
        if how == "late":
            self._hang_up(conn.client[1])
            await asyncio.sleep(_LATE_SECONDS)
            await self._pass_on(conn, data, conn.server[1])
            await conn.server[1].drain()
            await asyncio.sleep(_LATE_SECONDS)
        self._cut_one(conn)

    def _sprung_by(self, conn: _Connection, data: bytes) -> Trap | None:
        seen, conn.tail = conn.tail + data, data[-64:]
        for trap in self._traps:
            if trap.token in seen:
                self._traps.remove(trap)
                trap.sprung.set()
                return trap
        return None

    def _silence_all(self) -> None:
        for conn in self._conns:
            conn.silent = True

    def _cut_all(self) -> None:
        for conn in list(self._conns):
            self._cut_one(conn)

    def _cut_one(self, conn: _Connection) -> None:
        self._hang_up(conn.client[1])
        self._hang_up(conn.server[1])

    def _hang_up(self, writer: asyncio.StreamWriter) -> None:
        """Close by a reset or by an orderly end, because clients meet both."""
        if self._dice.random() < 0.5:
            _reset(writer)
        else:
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
