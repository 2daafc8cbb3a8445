"""The circuit breaker: a Redis that does not answer costs one time-out at a time, not one each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from jobstore.circuit_breaker import CircuitBreaker


class Redis:
    """Calls through a breaker, with a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.breaker = CircuitBreaker()
        self.tried = 0
        self.failed = 0
        monkeypatch.setattr("jobstore.circuit_breaker.time.monotonic", lambda: self.now)

    def call(self, outcome: object = b"PONG") -> object:
        """One call: its outcome is returned, raised, or called."""

        def do() -> object:
            self.tried += 1
            if isinstance(outcome, Exception):
                raise outcome
            return outcome() if callable(outcome) else outcome

        return self.breaker.call_with_retry(do, lambda error: self._fail())

    def _fail(self) -> None:
        self.failed += 1

    def freeze(self) -> None:
        with pytest.raises(TimeoutError):
            self.call(TimeoutError("no answer"))


@pytest.fixture
def redis(monkeypatch):
    return Redis(monkeypatch)


def test_a_time_out_is_not_tried_again_and_the_next_calls_fail_at_once(redis):
    redis.freeze()
    assert (redis.tried, redis.failed) == (1, 1)

    for _ in range(5):
        with pytest.raises(TimeoutError):
            redis.call()
    assert redis.tried == 1


def test_after_a_second_one_call_probes_and_closes_the_circuit(redis):
    redis.freeze()
    redis.now += 1.1

    def probe() -> bytes:
        # Others still fail at once while it waits.
        with ThreadPoolExecutor(1) as pool, pytest.raises(TimeoutError):
            pool.submit(redis.call).result()
        return b"PONG"

    assert redis.call(probe) == b"PONG"
    assert redis.call() == b"PONG"


def test_a_probe_that_times_out_keeps_the_circuit_open(redis):
    redis.freeze()
    redis.now += 1.1
    redis.freeze()
    redis.now += 0.5
    tried = redis.tried

    redis.freeze()

    assert redis.tried == tried


def test_a_probe_may_connect_first(redis):
    redis.freeze()
    redis.now += 1.1

    assert redis.call(lambda: redis.call(lambda: None) or b"PONG") == b"PONG"
    assert redis.call() == b"PONG"


def test_connecting_proves_nothing(redis):
    # The kernel of a frozen server still takes connections.
    redis.freeze()
    redis.now += 1.1
    redis.call(lambda: None)
    redis.freeze()

    with pytest.raises(TimeoutError, match="a moment ago"):
        redis.call()


def test_one_dead_connection_is_no_dead_server(redis):
    def silent() -> None:
        redis.now += 0.5
        redis.call()
        redis.now += 1
        raise TimeoutError("this connection is dead")

    with pytest.raises(TimeoutError):
        redis.call(silent)

    assert redis.call() == b"PONG"


@pytest.mark.parametrize("error", [ConnectionError("refused"), ResponseError("LOADING")])
def test_an_error_at_once_leaves_the_circuit_closed(redis, error):
    redis.freeze()
    redis.now += 1.1
    with pytest.raises(type(error)):
        redis.call(error)

    assert redis.call() == b"PONG"


def test_a_lost_connection_is_tried_again_once(redis):
    with pytest.raises(ConnectionError):
        redis.call(ConnectionError("reset"))
    assert redis.tried == 2
