"""A circuit breaker for clients that must fail fast: while Redis does not answer, only one call at a time waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock, get_ident
from typing import Any, TypeVar

from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError, ResponseError, TimeoutError
from redis.retry import Retry

__all__ = ["CircuitBreaker"]

_OPEN_SECONDS = 1.0

T = TypeVar("T")


class CircuitBreaker(Retry):
    """Retries a lost connection once; after a time-out, calls fail at once for a second, then one call probes.

    A call that timed out is not retried: its client would wait twice. All connections of a pool share one breaker.
    """

    def __init__(self) -> None:
        super().__init__(ExponentialWithJitterBackoff(base=0.05, cap=0.2), 1, (ConnectionError,))
        self._lock = Lock()
        self._open_until: float | None = None
        self._answered_at = 0.0
        self._prober: int | None = None

    def __deepcopy__(self, _: dict[int, Any]) -> CircuitBreaker:
        # redis-py gives each connection a copy of the policy.
        return self

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        """Call ``do``, as :meth:`redis.retry.Retry.call_with_retry`.

        :raises TimeoutError: at once while the circuit is open.
        """
        begun = time.monotonic()
        probes = self._enter(begun)
        try:
            result = super().call_with_retry(do, fail, is_retryable, with_failure_count)
            # Connecting and listening return None, whether Redis answers or not.
            if result is not None:
                self._answered_at, self._open_until = time.monotonic(), None
            elif probes:
                self._open_until = time.monotonic()
            return result
        except TimeoutError as error:
            self._note_timeout(begun, probes)
            fail(error, 1) if with_failure_count else fail(error)
            raise
        except (ConnectionError, ResponseError):
            self._open_until = None
            raise
        finally:
            if probes:
                self._prober = None

    def _enter(self, now: float) -> bool:
        """Return whether this call is the probe of an open circuit."""
        # A probe connects where it has to, which is a call within the call.
        if self._open_until is None or self._prober == get_ident():
            return False
        with self._lock:
            if self._open_until is None:
                return False
            if self._prober is not None or now < self._open_until:
                raise TimeoutError("Redis did not answer a moment ago")
            self._prober = get_ident()
            return True

    def _note_timeout(self, begun: float, probes: bool) -> None:
        # If other calls were answered since, only this connection is dead.
        if probes or self._answered_at < begun:
            self._open_until = time.monotonic() + _OPEN_SECONDS
