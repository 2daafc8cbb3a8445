"""Lines that executions left, and what is counted from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.executions import Kill, Line, Log, evaluate, in_hand


def lines(text: str) -> list[Line]:
    return [Line.read(line) for line in text.strip().splitlines()]


def test_all_is_well_when_each_job_starts_and_ends_once():
    # Given two jobs that ran, and a kill of a process that had nothing in hand
    ran = lines("""
        a start 7 100.0
        a end 7 100.5
        b start 8 101.0
        b end 8 101.5
    """)
    # When they are evaluated
    verdict = evaluate(["a", "b"], ran, [Kill(100.6, frozenset({7}))])
    # Then nothing is lost or doubled, and all was done 0.9 s after the kill
    assert (verdict.never, verdict.ended_twice, verdict.started_twice) == (0, 0, 0)
    assert verdict.held == (0,)
    assert verdict.all_done == pytest.approx(0.9)


def test_a_job_that_never_ended_is_lost_and_so_is_one_that_never_started():
    # Given a job that was killed in mid-run, and one of which there is no line
    verdict = evaluate(["a", "b"], lines("a start 7 100.0"), [Kill(100.1, frozenset({7}))])
    # Then both never finished, of which the killed process had one in hand
    assert (verdict.never, verdict.started_twice) == (2, 0)
    assert (verdict.held, verdict.held_done, verdict.all_done) == ((1,), (None,), None)


def test_a_job_that_is_taken_over_is_started_twice_and_ended_once():
    # Given a job that began in a killed process, and ran to an end in another 2 s after the kill
    ran = lines("""
        a start 7 100.0
        a start 8 101.6
        a end 8 102.1
    """)
    verdict = evaluate(["a"], ran, [Kill(100.1, frozenset({6, 7}))])
    assert (verdict.never, verdict.ended_twice, verdict.started_twice) == (0, 0, 1)
    assert verdict.held == (1,)
    assert list(verdict.held_done) == pytest.approx([2.0])


def test_a_job_that_ran_twice_to_an_end_is_told_from_one_that_only_started_twice():
    ran = lines("""
        a start 7 100.0
        a end 7 100.5
        a start 8 130.0
        a end 8 130.5
        b start 7 100.5
        b start 8 130.5
        b end 8 131.0
    """)
    verdict = evaluate(["a", "b"], ran, [])
    assert (verdict.never, verdict.ended_twice, verdict.started_twice) == (0, 1, 2)


def test_each_kill_has_its_own_jobs_and_its_own_seconds():
    # Given two kills: of a process with one job, whose job was done by another, and later of that other, with two
    ran = lines("""
        a start 7 100.0
        a start 8 100.2
        a end 8 100.3
        b start 8 100.4
        c start 9 100.4
        b start 5 115.5
        b end 5 116.4
    """)
    kills = [Kill(100.1, frozenset({7})), Kill(100.4, frozenset({8, 9}))]
    verdict = evaluate(["a", "b", "c"], ran, kills)
    # Then what came back from the first is told from what did not come back from the second
    assert verdict.held == (1, 2)
    assert verdict.held_done[0] == pytest.approx(0.2)
    assert verdict.held_done[1] is None
    assert verdict.never == 1


def test_jobs_that_warmed_the_workers_up_do_not_count():
    ran = lines("""
        warm-1 start 7 90.0
        warm-1 start 8 91.0
        a start 7 100.0
        a end 7 100.5
    """)
    verdict = evaluate(["a"], ran, [Kill(100.2, frozenset({8}))])
    assert (verdict.never, verdict.started_twice, verdict.held) == (0, 0, (0,))


def test_a_line_that_is_half_written_is_read_once_it_is_whole(tmp_path: Path):
    # Given a file of which the last line has no end yet
    log = Log(tmp_path / "executions")
    with log.file.open("a") as file:
        file.write("a start 7 100.0\na end 7 10")
        file.flush()
        assert [line.what for line in log.grow()] == ["start"]
        # When the rest of it is written
        file.write("0.5\n")
    # Then it is there, and the one before it is not there twice
    assert log.grow() == [Line("a", "start", 7, 100.0), Line("a", "end", 7, 100.5)]


def test_a_process_has_a_job_in_hand_from_its_start_to_its_end():
    ran = lines("""
        a start 7 100.0
        b start 8 100.1
        c start 8 100.2
        b end 8 100.3
        d start 9 100.4
        d end 9 100.5
    """)
    assert in_hand(ran) == [7, 8]
    assert in_hand(ran[:2]) == [7, 8]
    assert in_hand(ran[:5]) == [7, 8, 9]
