"""Event streams on the real server: what they send, how they end, and that they cost no threads."""

from __future__ import annotations

import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

import jobs
from config.cpu import usable_cores
from tests.conftest import eventually
from tests.integration.sse import Listener
from web.events.streams import MAX_STREAMS

NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
LISTENERS, WAITERS = 200, 64


@pytest.fixture
def api(live, shared_api):
    return shared_api.client


def submit(api, **members):
    return api.post("/jobs", json=NAP | members).json()["id"]


def subscriptions(jid):
    [(_, count)] = jobs.rd.pubsub_numsub(f"job.{jid}")
    return count


def report(jid, message):
    """Change a job as a worker's report does."""
    jobs.rd.hset(f"job.{jid}", mapping={"message": message, "progress": 0.5})
    jobs.rd.publish(f"job.{jid}", "progress")


def test_a_stream_sends_a_job_at_once_and_after_each_change_until_it_has_ended(api, start_worker):
    # Given a client that follows a job which waits
    jid = submit(api, params={"seconds": 1.2})
    with Listener(api.base_url.port, f"/jobs/{jid}/events") as listener:
        first = listener.next()
        assert (first.name, first.data["status"]) == ("status", "submitted")
        assert first.data == api.get(f"/jobs/{jid}").json()
        # when it is run
        start_worker()
        events = [first, *listener.events()]
    # then each change was sent once, in order, and the response ended with the final one
    assert [event.data["status"] for event in events if event.name == "status"] == [
        "submitted",
        "in progress",
        "complete",
    ]
    progress = [event.data["progress"] for event in events if event.name == "progress"]
    assert progress == sorted(progress)
    assert len(progress) >= 2
    ids = [event.id for event in events]
    assert ids == sorted(set(ids))
    assert events[-1].data == api.get(f"/jobs/{jid}").json()


def test_a_client_that_resumes_is_sent_the_state_of_now_whatever_it_saw_last(api):
    jid = submit(api)
    api.post(f"/jobs/{jid}/cancel")
    before = 0
    for last in ("1", "9" * 400, "-1", "x\tä", ""):
        with Listener(api.base_url.port, f"/jobs/{jid}/events", Last_Event_ID=last) as listener:
            [event] = listener.events()
        assert (event.name, event.data["status"]) == ("status", "cancelled")
        assert event.id > before
        before = event.id


def test_a_connection_takes_another_request_after_a_stream(api):
    jid = submit(api)
    with Listener(api.base_url.port, f"/jobs/{jid}/events") as listener:
        assert listener.next().data["status"] == "submitted"
        api.post(f"/jobs/{jid}/cancel")
        assert listener.next().data["status"] == "cancelled"
        assert list(listener.events()) == []
        listener.sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert listener.sock.makefile("rb").read().startswith(b"HTTP/1.1 200 ")


def test_an_old_client_gets_a_stream_that_ends_with_its_connection(api):
    jid = submit(api)
    with Listener(api.base_url.port, f"/jobs/{jid}/events", version="1.0") as listener:
        assert listener.response.getheader("Transfer-Encoding") is None
        assert listener.next().data["status"] == "submitted"
        api.post(f"/jobs/{jid}/cancel")
        assert [event.data["status"] for event in listener.events()] == ["cancelled"]


def test_links_in_events_have_the_prefix(start_api):
    api = start_api(URL_PREFIX="/jobs-api")
    jid = submit(api)
    with Listener(api.base_url.port, f"/jobs/{jid}/events") as listener:
        assert listener.next().data["links"]["self"] == f"/jobs-api/jobs/{jid}"
        api.post(f"/jobs/{jid}/cancel")
        assert listener.next().data["links"]["self"] == f"/jobs-api/jobs/{jid}"


def test_listeners_and_waiters_share_one_connection_of_each_process_and_keep_no_thread(api):
    # Given many who listen to a job, some who listen to everything, and as many who wait as are allowed
    port = api.base_url.port
    watched, waited = submit(api), submit(api)
    listeners = [Listener(port, f"/jobs/{watched}/events") for _ in range(LISTENERS - 20)]
    listeners += [Listener(port, "/events") for _ in range(20)]
    for listener in listeners:
        listener.next()
    with ThreadPoolExecutor(WAITERS) as pool:
        waiting = [pool.submit(api.get, f"/jobs/{waited}", params={"wait": 60}) for _ in range(WAITERS)]
        eventually(lambda: subscriptions(waited) and subscriptions(watched))
        # then Redis has one subscriber of each process, and others are answered
        assert 1 <= len(jobs.rd.client_list("pubsub")) <= min(4, usable_cores())
        assert api.get("/stats").status_code == 200
        # when the jobs end, then all learn it
        for jid in (watched, waited):
            assert api.post(f"/jobs/{jid}/cancel").status_code == 200
        assert {answer.result().json()["status"] for answer in waiting} == {"cancelled"}
    for listener in listeners[:-20]:
        assert [event.data["status"] for event in listener.events()] == ["cancelled"]
    for listener in listeners[-20:]:
        ids: set[str] = set()
        while not ids >= {watched, waited}:
            ids.update(listener.next().data["jobs"])
    for listener in listeners:
        listener.close()
    # and nothing is left of them
    eventually(lambda: not jobs.rd.pubsub_channels("job.*") and not jobs.rd.pubsub_numpat())


def test_jobs_added_as_soon_as_the_first_event_is_there_are_named_and_no_earlier_ones(api):
    with ExitStack() as crowd:
        # Given clients that each listen just after a job was added and just before another one is
        followed, added = [], []
        for number in range(20):
            listener = crowd.enter_context(Listener(api.base_url.port, "/events"))
            first = listener.next().data
            assert (first["jobs"], first["more"], first["stats"]["jobs"]["submitted"]) == ([], False, number)
            followed.append(listener)
            added.append(submit(api))
        # then the next event names that one and those that followed
        for number, listener in enumerate(followed):
            after = listener.next().data
            assert after["jobs"] == added[number : number + len(after["jobs"])] != []
            assert not after["more"]


def test_changes_are_sent_at_most_once_a_second_and_only_if_there_are_some(api):
    with Listener(api.base_url.port, "/events") as listener:
        first = listener.next()
        assert first.name == "change"
        assert (first.data["jobs"], first.data["more"], first.data["data"]) == ([], False, None)
        assert first.data["stats"] == api.get("/stats").json()
        assert listener.is_silent(1.5)
        # when a job is added and cancelled, then one event has it
        jid = submit(api)
        added = listener.next()
        at = time.monotonic()
        assert (added.data["jobs"], added.data["more"]) == ([jid], False)
        # when it is cancelled and deleted, and data are loaded, then the next event has all that
        api.post(f"/jobs/{jid}/cancel")
        api.delete(f"/jobs/{jid}")
        loaded = api.post("/data", content=b"id,a\n1,2\n", headers={"Content-Type": "text/csv"}).json()
        while (event := listener.next()).data["data"] != loaded["version"]:
            assert event.data["jobs"] == [jid]
        assert time.monotonic() - at > 0.9
        assert listener.is_silent(1.5)


def test_many_changes_are_one_event_with_a_hundred_jobs(api):
    with Listener(api.base_url.port, "/events") as listener:
        listener.next()
        assert api.post("/jobs", json=[NAP] * 5_000).status_code == 202
        total = 0
        while total < 5_000:
            event = listener.next()
            assert len(event.data["jobs"]) <= 100
            assert event.data["more"]
            total = event.data["stats"]["jobs"]["submitted"]
        # and then single jobs are listed again
        time.sleep(1.5)
        jid = submit(api)
        assert jid in listener.next().data["jobs"]


def test_a_stream_more_than_are_allowed_is_refused_until_a_client_leaves(api):
    # Given as many who listen as are allowed
    port = api.base_url.port
    jid = submit(api)
    with ExitStack() as crowd:
        listeners = [crowd.enter_context(Listener(port, f"/jobs/{jid}/events")) for _ in range(MAX_STREAMS - 1)]
        listeners.append(crowd.enter_context(Listener(port, "/events")))
        for listener in listeners:
            listener.next()
        # then further ones are refused, and other requests are not
        for path in (f"/jobs/{jid}/events", "/events"):
            refused = api.get(path)
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/unavailable")
            assert int(refused.headers["Retry-After"]) > 0
        assert api.get(f"/jobs/{jid}").status_code == 200
        # when one leaves, then another one takes its place
        for listener in (listeners[0], listeners[-1]):
            listener.close()
            eventually(lambda: _is_admitted(port, "/events"))
        # and all that stayed learn the end
        api.post(f"/jobs/{jid}/cancel")
        for listener in listeners[1:-1]:
            assert [event.data["status"] for event in listener.events()] == ["cancelled"]


def _is_admitted(port, path):
    with Listener(port, path) as listener:
        return listener.response.status == 200 and listener.next().name == "change"


def test_a_stop_ends_all_streams_at_once(start_api, start):
    # Given clients that listen
    api = start_api()
    jid = submit(api)
    listeners = [Listener(api.base_url.port, path) for path in ("/events", f"/jobs/{jid}/events") for _ in range(20)]
    for listener in listeners:
        listener.next()
    # when the server is stopped, then the streams end as they should, and so does the server
    begun = time.monotonic()
    start.started[0].process.send_signal(signal.SIGTERM)
    for listener in listeners:
        assert list(listener.events()) == []
        listener.close()
    assert start.started[0].process.wait(20) == 0
    assert time.monotonic() - begun < 8


def test_a_client_that_hangs_up_is_forgotten_and_logged(api, shared_api):
    jid = submit(api)
    for path in ("/events", f"/jobs/{jid}/events"):
        with Listener(api.base_url.port, path) as listener:
            listener.next()
            eventually(lambda: subscriptions(jid) or jobs.rd.pubsub_numpat())
        eventually(lambda: not subscriptions(jid) and not jobs.rd.pubsub_numpat())
        line = rf"request method=GET path={path} status=200 ms=[\d.]+ bytes=\d{{3,}}"
        eventually(lambda line=line: re.search(line, shared_api.process.log.read_text()))


def test_streams_outlast_an_outage_of_redis(api, live):
    # Given clients that listen to a job and to everything
    jid = submit(api)
    with (
        Listener(api.base_url.port, f"/jobs/{jid}/events") as of_job,
        Listener(api.base_url.port, "/events") as of_all,
    ):
        of_job.next(), of_all.next()
        # when Redis is restarted, and the job ends after that
        live.stop(signal.SIGKILL)
        time.sleep(1)
        live.start()
        eventually(lambda: api.post(f"/jobs/{jid}/cancel").status_code == 200)
        # then both learn it
        assert of_job.next().data["status"] == "cancelled"
        assert of_all.next().data["stats"]["jobs"]["cancelled"] == 1


def test_a_client_that_does_not_read_costs_no_memory_and_delays_nobody(api):
    # Given a client that reads and one that does not, of a job with large parameters
    jid = submit(api, tags=["x" * 60])
    jobs.rd.hset(f"job.{jid}", "params", f'{{"text":"{"x" * 60_000}"}}')
    with (
        Listener(api.base_url.port, f"/jobs/{jid}/events") as reader,
        Listener(api.base_url.port, f"/jobs/{jid}/events") as idler,
    ):
        reader.next()
        # when the job changes often
        seen: list[str] = []
        thread = threading.Thread(target=lambda: seen.extend(e.data["message"] or "" for e in reader.events()))
        thread.start()
        for number in range(400):
            report(jid, str(number))
            time.sleep(0.005)
        eventually(lambda: seen and seen[-1] == "399")
        api.post(f"/jobs/{jid}/cancel")
        thread.join(20)
        assert not thread.is_alive()
        # then the idler was sent what fits into the kernel's buffers, and when it reads it learns the end
        events = list(idler.events())
        assert events[-1].data["status"] == "cancelled"
        assert len(events) < 400


@pytest.mark.long
def test_a_client_that_never_reads_is_disconnected(api):
    jid = submit(api)
    jobs.rd.hset(f"job.{jid}", "params", f'{{"text":"{"x" * 60_000}"}}')
    with Listener(api.base_url.port, f"/jobs/{jid}/events"):
        eventually(lambda: subscriptions(jid))

        def is_gone():
            report(jid, str(time.monotonic()))
            return not subscriptions(jid)

        eventually(is_gone, seconds=90)
