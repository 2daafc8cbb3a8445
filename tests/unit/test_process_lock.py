"""A lock between processes: exclusive, with a time-out, and released by the death of its holder."""

from __future__ import annotations

import os
import signal
import threading

from config import process_lock
from config.process_lock import ProcessLock, share_locks


def test_a_lock_without_other_processes_excludes_threads():
    lock = ProcessLock(0)
    with lock.held():
        taken: list[bool] = []
        thread = threading.Thread(target=lambda: taken.append(lock.acquire(timeout=0.05)))
        thread.start()
        thread.join()
        assert taken == [False]
    assert lock.acquire(timeout=0)
    lock.release()


def test_a_lock_is_held_by_one_process_until_it_is_killed(monkeypatch):
    # Given locks that are shared, and a process that holds one
    monkeypatch.setattr(process_lock, "_file", None)
    share_locks()
    lock, other = ProcessLock(0), ProcessLock(1)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        lock.acquire()
        os.write(writer, b"1")
        signal.pause()
    os.read(reader, 1)
    # then this one waits in vain, and another lock is free
    assert not lock.acquire(timeout=0.05)
    assert other.acquire(timeout=0)
    other.release()
    # until the process dies
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert lock.acquire(timeout=5)
    lock.release()
    assert process_lock._file is not None
    process_lock._file.close()
