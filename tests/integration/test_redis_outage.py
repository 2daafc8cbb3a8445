"""An outage of Redis in the log of the API."""

from __future__ import annotations

import re

from tests.conftest import eventually

BEGUN, OVER = "Redis unavailable, answering 503 error=", "Redis available again seconds="


def test_an_outage_is_logged_when_it_begins_and_when_it_is_over(live, start_api, tmp_path):
    # Given an API of one process
    api = start_api(API_PROCESSES=1)
    [log] = tmp_path.glob("*.log")

    # when Redis is away for a while in which requests come, twice
    for outage in (1, 2):
        live.stop()
        assert {api.get("/jobs").status_code for _ in range(20)} == {503}
        assert (api.get("/ready").status_code, api.get("/health").status_code) == (503, 200)
        assert api.get("/metrics").status_code == 200
        assert (log.read_text().count(BEGUN), log.read_text().count(OVER)) == (outage, outage - 1)
        live.start()
        eventually(lambda: api.get("/ready").status_code == 200)

        # then each has two lines, the second with its seconds
        eventually(lambda n=outage: log.read_text().count(OVER) == n)
        assert log.read_text().count(BEGUN) == outage
    for seconds in re.findall(f"{OVER}([0-9.]+)$", log.read_text(), re.M):
        assert 0 < float(seconds) < 20


def test_without_requests_it_is_logged_too(live, start_api, tmp_path):
    start_api(API_PROCESSES=1)
    [log] = tmp_path.glob("*.log")

    live.stop()
    eventually(lambda: BEGUN in log.read_text())
    live.start()

    eventually(lambda: OVER in log.read_text())
