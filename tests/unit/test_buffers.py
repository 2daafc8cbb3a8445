"""Buffers of responses: nothing is lost or mixed up between the thread that appends and the loop that sends."""

from __future__ import annotations

import random
import socket
import threading
import time

import pytest

from web.server.buffers import BYTES_PER_SECOND, PATIENCE_SECONDS, DiskQuota, MinRateSocket, SpooledFifo


@pytest.fixture
def quota():
    return DiskQuota(2**30)


@pytest.fixture
def pair():
    ours, client = socket.socketpair()
    ours.setblocking(False)
    with ours, client:
        yield ours, client


@pytest.fixture
def woken():
    return []


@pytest.fixture
def sock(pair, quota, woken):
    sock = MinRateSocket(pair[0], quota, lambda: woken.append(True))
    yield sock
    sock.pending.close()


def test_what_one_thread_appends_another_consumes_in_order(quota):
    dice = random.Random(1)
    fifo = SpooledFifo(quota)
    sent = [dice.randbytes(dice.choice((10, 5_000, 300_000))) for _ in range(400)]
    found = bytearray()

    def append() -> None:
        for part in sent:
            fifo.append(memoryview(part))
            if dice.random() < 0.1:
                time.sleep(0.002)

    thread = threading.Thread(target=append)
    thread.start()
    while thread.is_alive() or len(fifo):
        part = fifo.peek()
        size = random.randint(0, len(part))
        found += part[:size]
        fifo.consume(size)
    thread.join()

    assert found == b"".join(sent)
    fifo.close()
    assert quota.used == 0


def test_a_file_begins_again_when_all_of_it_was_sent(quota):
    fifo = SpooledFifo(quota)
    for _ in range(50):
        fifo.append(memoryview(bytes(100_000)))
        while part := fifo.peek():
            fifo.consume(len(part))

    assert fifo.on_disk <= 100_000
    fifo.close()


def test_writing_never_waits_and_the_rest_is_sent_later(pair, sock, woken):
    body = random.Random(2).randbytes(8 * 2**20)

    sock.sendall(body)
    sock.sendall(b"end")

    assert woken
    assert len(sock.pending) > 7 * 2**20
    found = bytearray()
    while len(found) < len(body) + 3:
        found += pair[1].recv(2**20)
        sock.flush()
    assert found == body + b"end"


def test_a_client_that_has_gone_ends_the_response(pair, sock):
    sock.sendall(bytes(2**20))
    pair[1].close()

    sock.flush()

    assert sock.is_broken
    with pytest.raises(BrokenPipeError):
        sock.sendall(b"more")


def test_a_full_disk_ends_the_response(sock, monkeypatch):
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", fail)
    with pytest.raises(OSError, match="No space"):
        sock.sendall(bytes(2**20))
    assert sock.is_broken


class Clock:
    """A client that acknowledges bytes at moments of a test's choice."""

    def __init__(self, sock: MinRateSocket, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sock, self.now, self.acknowledged = sock, 1000.0, 0
        monkeypatch.setattr("web.server.buffers.time.monotonic", lambda: self.now)
        monkeypatch.setattr(sock, "_acknowledged", lambda: self.acknowledged)
        sock.watch()

    def takes(self, size: int, seconds: float) -> bool:
        """Whether it keeps the rate when it takes nothing, and then so much at once."""
        self.now += seconds
        kept = self.sock.measure(self.now)
        self.acknowledged += size
        return kept and self.sock.measure(self.now)


@pytest.fixture
def clock(sock, monkeypatch):
    return Clock(sock, monkeypatch)


def test_a_reader_that_takes_nothing_is_too_slow_after_its_patience(clock):
    assert clock.takes(0, PATIENCE_SECONDS - 1)
    assert not clock.takes(0, 2)


def test_a_reader_below_the_rate_is_too_slow_sooner_or_later(clock):
    assert not all(clock.takes(BYTES_PER_SECOND // 2, 1) for _ in range(100))


def test_a_slow_but_steady_reader_is_served_for_as_long_as_it_takes(clock):
    assert all(clock.takes(20_000, 1) for _ in range(2500))


def test_a_reader_with_a_large_receive_buffer_takes_it_in_large_steps(clock):
    # What it has taken shows that it reads; a window of 32 MiB opens by two MiB at a time: at 20 kB/s, each 105 s.
    assert clock.takes(2 * 2**20, 1)
    assert all(clock.takes(2 * 2**20, 105) for _ in range(50))


def test_a_reader_that_was_faster_than_the_response_for_a_moment_keeps_its_patience(sock, clock):
    # Given a reader with a large receive buffer, which has taken 35 MB
    assert clock.takes(35 * 10**6, 1)
    # When nothing is pending for a moment, and then its buffer is full
    sock.unwatch()
    sock.watch()
    # Then it may still take its time
    assert clock.takes(2 * 2**20, 105)


def test_what_went_quickly_is_no_credit_for_hours(clock):
    assert clock.takes(100 * 2**20, 1)
    assert not clock.takes(0, 121)


def test_a_stream_goes_on_after_its_thread_and_ends_by_the_loop(sock, pair, woken):
    # Given a response whose thread has written a part and keeps it open
    sock.sendall(b"head")
    sock.begin_stream()
    # when the thread ends the response, then the client is sent nothing of this
    sock.sendall(b"end")
    sock.stream(b"event")
    assert pair[1].recv(100) == b"headevent"
    # when the stream ends, then the loop is called, and reports the bytes that were streamed
    ended: list[int] = []
    sock.on_stream_end = ended.append
    sock.end_stream()
    assert woken
    sock.close_stream()
    sock.close_stream()
    assert ended == [5]
    with pytest.raises(OSError, match="gone"):
        sock.stream(b"late")
    # and the next response is sent as ever
    sock.sendall(b"next")
    assert pair[1].recv(100) == b"next"


def test_a_stream_that_the_loop_closes_is_told_to_its_owner(sock):
    told = []
    sock.on_hang_up = lambda: told.append(True)
    sock.begin_stream()
    sock.close_stream()
    assert told == [True]
    assert sock.on_hang_up is None


def test_a_short_response_is_sent_at_once_and_a_long_one_while_it_is_produced(pair, sock):
    client = pair[1]
    client.setblocking(False)
    # Given a response that is collected
    sock.cork()
    sock.sendall(b"head ")
    sock.sendall(b"body")
    with pytest.raises(BlockingIOError):
        client.recv(100)
    # then its end sends it, and a stream is sent from its beginning on
    sock.uncork()
    assert client.recv(100) == b"head body"
    sock.cork()
    sock.sendall(b"first")
    sock.begin_stream()
    assert client.recv(100) == b"first"
    sock.end_stream()
    # and a long one is not held back
    sock.cork()
    sock.sendall(b"x" * 20_000)
    assert len(client.recv(30_000)) == 20_000
