"""Commands over a connection of a client's pool: answers, errors, retries, and the connection's way back."""

from __future__ import annotations

from typing import Any

import fakeredis
import pytest
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ResponseError, TimeoutError
from redis.retry import Retry

from jobstore.circuit_breaker import CircuitBreaker
from jobstore.round_trip import PART_BYTES, pack, read_hash, round_trip


class Line:
    """A client whose one connection meets these events in turn: errors are raised, others are answers."""

    def __init__(self, *events: Any, retry: Retry | None = None) -> None:
        self.connection_pool = self
        self.retry = retry or CircuitBreaker()
        self.events = list(events)
        self.sent = self.disconnected = self.lent = 0

    def get_connection(self) -> Line:
        self.lent += 1
        return self

    def release(self, connection: Line) -> None:
        self.lent -= 1

    def send_packed_command(self, packed: list[bytes]) -> None:
        self.sent += 1

    def read_response(self) -> Any:
        event = self.events.pop(0)
        if isinstance(event, Exception):
            raise event
        return event

    def disconnect(self) -> None:
        self.disconnected += 1


PINGS = [("PING",), ("PING",)]


def test_an_error_of_one_command_is_its_answer():
    # Given a text where a hash is read
    rd = fakeredis.FakeRedis()
    rd.set("text", "x")

    # when it is read between two other commands, then these are answered
    answers = round_trip(rd, [("ECHO", "a"), ("HGETALL", "text"), ("ECHO", 1)])
    assert answers[::2] == [b"a", b"1"]
    assert isinstance(answers[1], ResponseError)
    assert "WRONGTYPE" in str(answers[1])


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_hash_is_read_in_both_protocols(protocol):
    rd = fakeredis.FakeRedis(protocol=protocol)
    rd.hset("hash", mapping={"a": "1", "b": b"\xff"})
    rd.set("text", "x")

    assert read_hash(rd, "hash") == {b"a": b"1", b"b": b"\xff"}
    assert read_hash(rd, "none") == {}
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        read_hash(rd, "text")


def test_a_lost_connection_is_dropped_and_all_commands_are_sent_once_more():
    line = Line(b"first", ConnectionError("reset"), b"first", b"second")

    assert round_trip(line, PINGS) == [b"first", b"second"]
    assert (line.sent, line.disconnected, line.lent) == (2, 1, 0)


@pytest.mark.parametrize(
    ("error", "retry", "sent"),
    [
        (ConnectionError("reset"), None, 2),
        (TimeoutError("no answer"), None, 1),
        (ConnectionError("reset"), Retry(NoBackoff(), 0), 1),
        (TimeoutError("no answer"), Retry(NoBackoff(), 0), 1),
    ],
)
def test_the_policy_of_the_client_decides_what_is_sent_again(error, retry, sent):
    # Given a server that keeps failing, then the connection is dropped, and back in its pool
    line = Line(error, error, error, retry=retry)
    with pytest.raises(type(error)):
        round_trip(line, PINGS)
    assert (line.sent, line.disconnected, line.lent) == (sent, sent, 0)


def test_while_the_circuit_is_open_nothing_is_sent():
    line = Line(TimeoutError("no answer"), b"PONG")
    for _ in range(3):
        with pytest.raises(TimeoutError):
            round_trip(line, PINGS)
    assert (line.sent, line.lent) == (1, 0)


def test_a_large_command_is_sent_in_parts():
    parts = pack([("SET", "key", b"x" * (2 * PART_BYTES))])
    assert [len(part) <= PART_BYTES for part in parts] == [True] * 3
    assert b"".join(parts).endswith(b"x" * (2 * PART_BYTES) + b"\r\n")
    assert pack(PINGS) == [b"*1\r\n$4\r\nPING\r\n" * 2]
