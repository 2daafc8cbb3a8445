"""Sends the same HTTP request over several connections for some seconds, with little CPU of its own."""

from __future__ import annotations

import re
import selectors
import socket
import time

__all__ = ["answer_state", "rate", "request", "wait_until_ready"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSED = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_BYTES = 2**16
_START_SECONDS = 60.0


def request(method: str, path: str, body: str = "") -> bytes:
    """Return the bytes of a request with a JSON body."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n"
    return f"{head}\r\n{body}".encode()


def wait_until_ready(port: int, sent: bytes) -> None:
    """Wait until a server answers this request with success; raise TimeoutError if it does not start."""
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        try:
            with socket.create_connection(("127.0.0.1", port), _START_SECONDS) as sock:
                sock.sendall(sent)
                if sock.recv(_BYTES)[9:10] == b"2":
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"The server on port {port} does not answer.")


def rate(port: int, sent: bytes, connections: int, seconds: float) -> float:
    """Return the answers per second; each connection sends its next request when it has read an answer.

    :raises RuntimeError: an answer is not a success.
    """
    selector, answers = selectors.DefaultSelector(), 0
    for _ in range(connections):
        _open(selector, port, sent)
    begun = time.perf_counter()
    while (now := time.perf_counter()) < begun + seconds:
        for key, _ in selector.select(1):
            sock, got = key.fileobj, key.data
            assert isinstance(sock, socket.socket)
            got += sock.recv(_BYTES)
            if not (found := answer_state(got)):
                continue
            answers += 1
            got.clear()
            if found == "open":
                sock.sendall(sent)
            else:
                _close(selector, sock)
                _open(selector, port, sent)
    for key in list(selector.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        _close(selector, key.fileobj)
    return answers / (now - begun)


def answer_state(got: bytearray) -> str:
    """Return ``open`` or ``closed``, the state of the connection after a complete answer; empty before.

    :raises RuntimeError: the answer is not a success.
    """
    head = got.find(b"\r\n\r\n")
    if head < 0:
        return ""
    length = _LENGTH.search(got, 0, head)
    if got[9:10] != b"2" or not length:
        raise RuntimeError(f"Unexpected answer: {bytes(got[:500])!r}")
    if len(got) < head + 4 + int(length[1]):
        return ""
    return "closed" if _CLOSED.search(got, 0, head) else "open"


def _open(selector: selectors.BaseSelector, port: int, sent: bytes) -> None:
    sock = socket.create_connection(("127.0.0.1", port), 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(sent)
    selector.register(sock, selectors.EVENT_READ, bytearray())


def _close(selector: selectors.BaseSelector, sock: socket.socket) -> None:
    selector.unregister(sock)
    sock.close()
