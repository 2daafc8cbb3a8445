"""The table of the cluster in small: rates, gaps, lost jobs, and which promises were kept."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from benchmarks.cluster.history import History, Outage, judge, longest_gap, rate
from benchmarks.cluster.page import table


def job(jid: str, end: float, attempt: int = 1, start: float | None = None) -> dict[str, object]:
    moments = {"created": end - 1, "started": end - 0.5 if start is None else start, "ended": end}
    texts = {name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in moments.items()}
    return {"id": jid, "status": "complete", "attempt": attempt, **texts}


def at(name: str, found: dict[str, str]) -> float:
    return datetime.fromisoformat(found[name]).timestamp()


@pytest.fixture
def history() -> History:
    """A run in which all went well: a job a second, four a second from 10 to 20, and one that ran again."""
    times = [*range(1, 10), *(10 + n / 4 for n in range(40)), *range(20, 60)]
    jobs = [job(str(at), at) for at in times] + [job("again", 25.5, attempt=2, start=25)]
    return History(
        lease=5,
        spans=[(1, 10), (10, 20), (50, 60)],
        lost_workers=[(Outage("worker-2 is cut off", 21, 30), ("again",), 1)],
        lost_api=Outage("api-1 dies", 30, 35),
        lost_master=Outage("redis-1 is cut off", 35, 47),
        other_master=39,
        accepted={found["id"]: at("created", found) for found in jobs},
        jobs=jobs,
        results={found["id"]: found["attempt"] for found in jobs},
        holds=True,
        check="all invariants hold",
    )


def broken(history: History) -> list[str]:
    return [line.step for line in judge(history) if line.kept is False]


def test_gaps_begin_and_end_with_the_span():
    assert longest_gap([1, 4, 5, 20], 0, 10) == 5
    assert longest_gap([], 2, 10) == 8


def test_a_rate_counts_its_span_alone():
    assert rate([0.5, 1, 1.5, 2], 1, 2) == 2


def test_a_run_without_losses_keeps_all_promises(history):
    printed = table(judge(history))

    assert broken(history) == []
    assert "4.0 jobs/s, 4.00 times as many" in printed
    assert "1 of its 1 jobs ran again within 4.0 s; 1 late results rejected" in printed
    assert "another master after 4.0 s; longest pause of accepted jobs 1.0 s, of completed ones 1.0 s" in printed
    assert "90 accepted, 90 complete with one result, 0 lost, 0 made twice" in printed
    assert "**no**" not in printed


def test_each_broken_promise_is_named(history):
    # given a run that is slow with four hosts, and in which Redis and the jobs of a lost worker take too long
    history.jobs = [
        found for found in history.jobs if not 11 < at("ended", found) < 20 and not 35 < at("ended", found) < 46
    ]
    history.lost_workers = [(Outage("worker-2 is cut off", 21, 30), ("again", "20"), 0)]
    # and jobs that are lost with it, one that is unknown, and one whose results are of another attempt
    history.jobs.append(job("unknown", 59))
    history.results |= {"unknown": 1, "20": 2}

    lines = {line.step: line for line in judge(history)}

    assert broken(history) == ["4 worker hosts", "worker-2 is cut off", "redis-1 is cut off", "all jobs"]
    assert lines["worker-2 is cut off"].found.startswith("1 of its 2 jobs")
    assert lines["all jobs"].found.endswith(f"{90 - len(history.jobs) + 1} lost, 1 made twice")
    assert "**no**" in table(list(lines.values()))
