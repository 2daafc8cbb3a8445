"""The threads of requests: started when needed, the last one that was idle first, and ended without losing work."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from tests.conftest import eventually
from web.server.thread_pool import TICK_SECONDS, ThreadPool, waiting


def test_work_one_after_the_other_is_done_by_one_thread():
    used: list[int] = []
    pool: ThreadPool[int] = ThreadPool(4, lambda _: used.append(threading.get_ident()))
    for count in range(1, 11):
        pool.submit(count)
        eventually(lambda count=count: len(used) == count and pool._idle, every=0.001)
    assert len(set(used)) == 1
    pool.shutdown()
    eventually(lambda: pool._threads == 0)


def test_work_beyond_the_threads_waits_and_is_done_also_after_a_shutdown():
    # Given as much work as there are threads, and more
    gate, done = threading.Event(), []

    def work(number: int) -> None:
        gate.wait(10)
        done.append(number)

    pool: ThreadPool[int] = ThreadPool(2, work)
    for number in range(1, 7):
        pool.submit(number)
    assert pool._threads == 2
    # when it is shut down, then all is done before the threads end
    pool.shutdown()
    gate.set()
    eventually(lambda: pool._threads == 0)
    assert sorted(done) == [1, 2, 3, 4, 5, 6]


def test_a_thread_that_fails_is_replaced(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    done: list[int] = []

    def work(number: int) -> None:
        if number == 1:
            raise ValueError
        done.append(number)

    pool: ThreadPool[int] = ThreadPool(1, work)
    pool.submit(1)
    eventually(lambda: pool._threads == 0)
    pool.submit(2)
    eventually(lambda: done == [2])
    pool.shutdown()


@pytest.fixture
def start():
    """Returns a pool, the items that it has begun, and a gate at which they wait; at the end, all threads end."""
    made = []

    def start_pool(size: int, at_once: int, work=None):
        gate, begun = threading.Event(), []

        def hold(number: int) -> None:
            begun.append(number)
            gate.wait(10)

        made.append((ThreadPool(size, work or hold, at_once), gate))
        return made[-1][0], begun, gate

    yield start_pool
    for pool, gate in made:
        gate.set()
        pool.shutdown()


def test_a_few_threads_work_at_once_and_take_what_waits_in_its_order(start):
    pool, begun, gate = start(8, at_once=1)
    for number in range(20):
        pool.submit(number)
    assert pool.has_backlog
    gate.set()
    eventually(lambda: len(begun) == 20)
    assert begun == list(range(20))
    assert pool._threads == 1


def test_more_threads_work_while_those_that_do_are_blocked(start, monkeypatch):
    # Given as many blocked threads as work at once
    clock = [100.0]
    monkeypatch.setattr("web.server.thread_pool.time", SimpleNamespace(monotonic=lambda: clock[0], process_time=float))
    pool, begun, gate = start(5, at_once=2)
    for number in range(9):
        pool.submit(number)
    eventually(lambda: len(begun) == 2)
    # when the loop looks after it again and again, then one more begins each time, up to all
    pool.tick()
    for expected in (3, 4, 5, 5):
        clock[0] += 2 * TICK_SECONDS
        pool.tick()
        eventually(lambda expected=expected: len(begun) == expected)
    # and when they go on, then as few as before remain at work
    gate.set()
    eventually(lambda: len(begun) == 9 and not pool._working)
    for _ in range(5):
        clock[0] += 2 * TICK_SECONDS
        pool.tick()
    gate.clear()
    for number in range(4):
        pool.submit(number)
    eventually(lambda: len(begun) == 11)
    assert pool._working == 2


def test_a_look_after_a_pause_does_not_take_it_for_a_blockade(start):
    pool, begun, gate = start(5, at_once=1)
    pool.submit(1)
    pool.submit(2)
    pool._ticked -= 1000
    pool.tick()
    assert pool._working == 1
    gate.set()
    eventually(lambda: begun == [1, 2])


def test_a_thread_that_waits_lets_another_one_work(start):
    # Given one thread that works at once, and one that waits for a client
    news, begun = threading.Event(), []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            with waiting():
                news.wait(10)
            begun.append("news")

    pool, _, _ = start(3, at_once=1, work=work)
    pool.submit(0)
    pool.submit(1)
    # then the other is processed, and the first goes on when it can
    eventually(lambda: begun == [0, 1])
    news.set()
    eventually(lambda: begun == [0, 1, "news"] and pool._working == 0)
    with waiting():  # outside of a pool, nothing happens
        pass
