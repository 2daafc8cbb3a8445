"""One place that wires: importing ``jobs`` opens nothing and reads no environment, ``jobs.connect`` binds it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fakeredis
import pytest

import jobs
from config.settings import Settings

ROOT = Path(__file__).parents[2]
BROKEN = {**os.environ, "API_PORT": "five", "REDIS_IP": "not a host"}


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=BROKEN, capture_output=True, text=True)


@pytest.mark.parametrize("module", ["jobs", "worker", "api"])
def test_importing_reads_no_environment(module):
    done = _python(f"import {module}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "use", ["rd.get('a')", "rd.pipeline().get('a').execute()", "len(q)", "q.put('a')", "settings.api_port"]
)
def test_a_use_before_connect_names_the_call_that_is_missing(use):
    done = _python(f"from jobs import q, rd, settings; {use}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("call jobs.connect(settings) first.")


def test_what_was_imported_and_decorated_before_is_bound():
    # Given names that were imported, and a function that was decorated, before connect
    from jobs import q, rd

    ran = []

    @q.worker  # type: ignore[untyped-decorator]
    def work(job: jobs.ClaimedJob) -> None:
        ran.append(job.id)
        q.defer_complete(job, "{}", [], "")
        q.drain()

    # when a server is bound, and a job is added
    jobs.connect(Settings(queue_name="other"), fakeredis.FakeRedis(server=fakeredis.FakeServer()))
    added = jobs.add_job(1, 2)
    jobs.register_worker("w", "host", 1)
    q.set_worker_id("w")
    # then they use that server
    assert rd.hget(f"job.{added['id']}", "status") == b"submitted"
    assert (q.key, len(q)) == ("hotqueue:other", 1)
    work()
    assert ran == [added["id"]]
    assert jobs.get_job_by_id(added["id"])["status"] == "complete"


def test_the_last_settings_count(rd):
    jobs.connect(replace(jobs.settings, max_queued_jobs=1), rd)
    jobs.add_job(1, 2)
    with pytest.raises(jobs.QueueFull):
        jobs.add_job(1, 2)
