"""The pool of connections to Redis: one that was just used is handed out as it is, others are looked at before."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import redis

from jobstore.pool import FastPool


class Connection:
    """A connection that counts how often it was polled."""

    def __init__(self, **_: object) -> None:
        self.pid = os.getpid()
        self.is_connected = False
        self.polled = 0
        self.has_data = False

    def connect(self):
        self.is_connected = True

    def disconnect(self, *_: object):
        self.is_connected = self.has_data = False

    def can_read(self, timeout: float = 0):
        self.polled += 1
        return self.has_data

    def should_reconnect(self):
        return False

    def re_auth(self):
        pass


@pytest.fixture
def now(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("jobstore.pool.time", SimpleNamespace(monotonic=lambda: clock[0]))
    return clock


@pytest.fixture
def pool():
    return FastPool(Connection)


def test_a_connection_that_was_just_used_is_not_polled(pool, now):
    first = pool.get_connection()
    pool.release(first)
    polled = first.polled
    for _ in range(10):
        now[0] += 0.9
        assert pool.get_connection() is first
        pool.release(first)
    assert first.polled == polled


def test_one_that_was_not_used_for_a_second_is_polled_and_connected_again_if_it_must_be(pool, now):
    first = pool.get_connection()
    pool.release(first)
    first.has_data = True  # as where the server has closed it
    now[0] += 1.1
    assert pool.get_connection() is first
    assert first.is_connected
    assert not first.has_data


def test_two_threads_never_get_the_same_and_the_last_one_used_comes_first(pool, now):
    first, second = pool.get_connection(), pool.get_connection()
    assert first is not second
    pool.release(first)
    pool.release(second)
    assert [pool.get_connection(), pool.get_connection()] == [second, first]


def test_connections_that_nobody_uses_are_closed_and_used_ones_only_if_asked_for(pool, now):
    idle, used = pool.get_connection(), pool.get_connection()
    pool.release(idle)
    pool.disconnect(inuse_connections=False)
    assert (idle.is_connected, used.is_connected) == (False, True)
    pool.disconnect()
    assert not used.is_connected
    # and they are connected again when they are used next
    assert pool.get_connection().is_connected


def test_a_child_process_has_connections_of_its_own(pool, now, monkeypatch):
    parents = pool.get_connection()
    pool.release(parents)
    monkeypatch.setattr("os.getpid", lambda: parents.pid + 1)
    assert pool.get_connection() is not parents


def test_the_pool_stands_in_for_that_of_redis():
    assert issubclass(FastPool, redis.ConnectionPool)
