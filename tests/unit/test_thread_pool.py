"""The threads of requests: started when needed, the last one that was idle first, and ended without losing work."""

from __future__ import annotations

import threading

from tests.conftest import eventually
from web.server.thread_pool import ThreadPool


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
