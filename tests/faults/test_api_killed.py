"""gunicorn's worker is killed in mid-request; who was told 202 has a job, and who asks again has no second one."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

import jobs
from tests.conftest import eventually

CLIENTS = 8
KILLS = 5


def _post(api: httpx.Client, over: threading.Event, made: dict[str, str], unanswered: list[str], number: int) -> None:
    """Post job after job; the same one again, under its key, until it is answered."""
    body = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
    turn = 0
    while not over.is_set():
        turn += 1
        key = f"{number}-{turn}"
        while key not in made:
            try:
                answer = api.post("/jobs", json={**body, "tags": [key]}, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                unanswered.append(key)
                time.sleep(0.05)
                continue
            assert answer.status_code == 202, answer.text
            made[key] = answer.json()["id"]


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_requests_that_died_with_the_api_make_one_job_each_when_asked_again(start, start_api):
    api = start_api()
    gunicorn = start.started[-1].process.pid
    over = threading.Event()
    made: dict[str, str] = {}
    unanswered: list[str] = []
    clients = [
        threading.Thread(target=_post, args=(api, over, made, unanswered, number), daemon=True)
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    dice = random.Random(1)

    for _ in range(KILLS):
        answered = len(made)
        eventually(lambda answered=answered: len(made) > answered + CLIENTS)
        time.sleep(dice.uniform(0, 0.1))
        for pid in Path(f"/proc/{gunicorn}/task/{gunicorn}/children").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
    over.set()
    for client in clients:
        client.join(60)

    assert unanswered
    assert not any(client.is_alive() for client in clients)
    records = [jobs.get_job_by_id(jid) for jid in made.values()]
    assert [job["tags"] for job in records] == [[key] for key in made]
    assert jobs.get_stats()["jobs"]["submitted"] == len(set(made.values())) == len(made)
