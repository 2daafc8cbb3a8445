"""The numbers that the processes of the API share: sums, shares, and what is left of one that is killed."""

from __future__ import annotations

import os
import signal

from web.shared_counts import ProcessTable


def test_processes_see_the_sum_and_what_one_held_is_released_when_it_is_cleared():
    # Given a table for two processes
    table = ProcessTable(2)
    ours = table.count("memory", 0)
    # when another process has taken 60 of 100, and is killed
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        table.enter(1)
        assert table.count("memory", 1).add_within(60, 100)
        os.write(writer, b"1")
        signal.pause()
    os.read(reader, 1)
    assert table.pids() == [child]
    # then there is room for 40 only
    assert not ours.add_within(41, 100)
    assert ours.add_within(40, 100)
    assert (ours.own, ours.total) == (40, 100)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # and for what it held once its row is cleared
    assert ours.total == 100
    table.clear(1)
    assert ours.total == 40
    assert table.pids() == []


def test_only_a_process_above_its_share_reduces_what_it_uses():
    table = ProcessTable(2)
    small, large = table.count("responses", 0), table.count("responses", 1)
    small.add(30)
    large.add(80)
    assert small.excess(100) == 0
    assert large.excess(100) == 10
    # and one that alone uses all of it, has all of it
    small.add(-30)
    large.add(20)
    assert large.excess(100) == 0


def test_a_row_is_used_by_one_process_at_a_time_also_during_a_reload():
    table = ProcessTable(2)
    used: set[int] = set()
    for _ in range(4):
        row = table.free_row(used)
        assert row not in used
        used.add(row)
    assert table.free_row(used - {2}) == 2
