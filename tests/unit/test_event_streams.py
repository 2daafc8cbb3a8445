"""Event streams on another server than ours: each response is an ordinary generator."""

from __future__ import annotations

import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import jobs
from api import create_app
from tests.keys import bearer, line_of, write_keys
from web.events import EventStreams, JobListener, change_streams, streams
from web.events.changes import MAX_IDS, ChangedIds, ChangedJobs

NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}


@pytest.fixture
def app(rd, worker, monkeypatch):
    monkeypatch.setattr(jobs, "open_pubsub", rd.pubsub)
    return create_app(redis_client=rd)


@pytest.fixture
def client(app):
    return app.test_client()


class Stream:
    """A response that is read event by event."""

    def __init__(self, response):
        assert (response.status_code, response.mimetype) == (200, "text/event-stream")
        self.response = response
        self._parts = iter(response.response)

    def next(self):
        """Return the name and the data of the next event, the text of a comment, or None at the end."""
        part = next(self._parts, b"").decode()
        if not part:
            return None
        assert part.endswith("\n\n")
        if part.startswith(":"):
            return part
        id_, name, data = part.splitlines()[:3]
        assert int(id_.removeprefix("id: "))
        return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def follow(client, path):
    return Stream(client.get(path))


def statuses(stream):
    """Return the statuses until the end."""
    found = []
    while event := stream.next():
        found.append(event[1]["status"])
    return found


def eventually(condition):
    pause = threading.Event()
    while not condition():
        pause.wait(0.005)


def test_a_job_is_sent_until_it_has_ended(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    stream = follow(client, f"{own}/events")
    assert stream.next() == ("status", client.get(own).json)
    job = jobs.q.get()
    name, sent = stream.next()
    assert (name, sent["status"]) == ("status", "in progress")
    jobs.report_progress(job.run, jobs.q.worker_id, 0.5, "half", "")
    name, sent = stream.next()
    assert (name, sent["progress"], sent["message"]) == ("progress", 0.5, "half")
    client.post(f"{own}/cancel")
    assert statuses(stream) == ["cancelled"]
    eventually(lambda: not len(client.application.extensions["events"]))


def test_an_ended_job_is_one_event(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    client.post(f"{own}/cancel")
    response = client.get(f"{own}/events")
    assert response.headers["Cache-Control"] == "no-store"
    assert statuses(Stream(response)) == ["cancelled"]


def test_a_message_without_a_change_is_not_sent(client, rd):
    own = client.post("/jobs", json=NAP).headers["Location"]
    stream = follow(client, f"{own}/events")
    stream.next()
    for _ in range(5):
        rd.publish(own[1:].replace("/", "."), "progress")
    client.post(f"{own}/cancel")
    assert statuses(stream) == ["cancelled"]


def test_the_stream_of_a_deleted_job_ends(client, rd):
    own = client.post("/jobs", json=NAP).headers["Location"]
    stream = follow(client, f"{own}/events")
    stream.next()
    rd.delete(f"job.{own.removeprefix('/jobs/')}")
    rd.publish(f"job.{own.removeprefix('/jobs/')}", "deleted")
    assert stream.next() is None


def test_a_job_that_cannot_be_parsed_ends_its_stream_and_no_other(client, rd):
    first, second = (client.post("/jobs", json=NAP).headers["Location"] for _ in range(2))
    streams = [follow(client, f"{own}/events") for own in (first, second)]
    for stream in streams:
        stream.next()
    rd.hset(f"job.{first.removeprefix('/jobs/')}", "params", "{")
    rd.publish(f"job.{first.removeprefix('/jobs/')}", "progress")
    assert streams[0].next() is None
    client.post(f"{second}/cancel")
    assert statuses(streams[1]) == ["cancelled"]


def test_a_job_that_does_not_exist_has_no_stream(client):
    answer = client.get("/jobs/nothing/events")
    assert (answer.status_code, answer.json["type"]) == (404, "/problems/job-not-found")


def test_head_answers_without_a_stream(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    for path in (f"{own}/events", "/events"):
        answer = client.head(path)
        assert (answer.status_code, answer.mimetype, answer.data) == (200, "text/event-stream", b"")
    assert not len(client.application.extensions["events"])


def test_more_streams_than_allowed_are_refused(client):
    client.application.extensions["events"] = EventStreams(JobListener(), 1)
    own = client.post("/jobs", json=NAP).headers["Location"]
    stream = follow(client, f"{own}/events")
    stream.next()
    threading.Thread(target=stream.next).start()
    eventually(lambda: len(client.application.extensions["events"]) == 1)
    for path in (f"{own}/events", "/events"):
        answer = client.get(path)
        assert (answer.status_code, answer.json["type"]) == (503, "/problems/unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    client.post(f"{own}/cancel")
    # An ended job needs no place.
    assert client.get(f"{own}/events").status_code == 200


def test_a_client_is_sent_comments(client, monkeypatch):
    monkeypatch.setattr(streams, "_BEAT_SECONDS", 0.0)
    monkeypatch.setattr(streams, "_SWEEP_SECONDS", 0.01)
    own = client.post("/jobs", json=NAP).headers["Location"]
    stream = follow(client, f"{own}/events")
    stream.next()
    assert stream.next() == stream.next() == ": keep-alive\n\n"


def test_comments_go_on_and_state_is_sent_again_after_an_outage(client, rd, monkeypatch):
    monkeypatch.setattr(streams, "_BEAT_SECONDS", 0.0)
    monkeypatch.setattr(streams, "_SWEEP_SECONDS", 0.01)
    own = client.post("/jobs", json=NAP).headers["Location"]
    stream = follow(client, f"{own}/events")
    stream.next()
    server = rd.connection_pool.connection_kwargs["server"]
    server.connected = False
    for _ in range(3):
        assert stream.next() == ": keep-alive\n\n"
    server.connected = True
    # when the job changed without a message
    rd.hset(f"job.{own.removeprefix('/jobs/')}", "message", "changed")
    while (event := stream.next()) == ": keep-alive\n\n":
        pass
    assert event[1]["message"] == "changed"


def test_a_drain_ends_all_streams_and_lets_no_new_one_stay(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    followed = [follow(client, path) for path in (f"{own}/events", "/events")]
    for stream in followed:
        stream.next()
    client.application.extensions["events"].drain()
    for stream in followed:
        assert stream.next() is None
    late = follow(client, f"{own}/events")
    assert late.next()[1]["status"] == "submitted"
    assert late.next() is None


def test_a_client_that_leaves_is_forgotten(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    response = client.get(f"{own}/events")
    parts = iter(response.response)
    next(parts)
    reader = threading.Thread(target=lambda: next(parts, None))
    reader.start()
    eventually(lambda: len(client.application.extensions["events"]) == 1)
    client.post(f"{own}/cancel")
    reader.join()
    response.close()
    eventually(lambda: not len(client.application.extensions["events"]))


def test_links_have_the_prefix_of_the_client_whichever_way_it_came(rd, worker, monkeypatch):
    monkeypatch.setattr(jobs, "open_pubsub", rd.pubsub)
    settings = dataclasses.replace(jobs.settings, url_prefix="/below")
    client = create_app(settings, redis_client=rd).test_client()
    own = client.post("/below/jobs", json=NAP).headers["Location"]
    followed = [follow(client, f"{path}/events") for path in (own, own.removeprefix("/below"))]
    for stream in followed:
        assert stream.next()[1]["links"]["self"] == own
    jobs.cancel_job(own.rpartition("/")[2])
    for stream in followed:
        assert stream.next()[1]["links"]["self"] == own


# All changes


def test_changes_are_the_state_now_and_then_what_changed(client, rd, monkeypatch):
    monkeypatch.setattr(change_streams, "_SECONDS", 0.1)
    stream = follow(client, "/events")
    name, sent = stream.next()
    assert (name, sent) == (
        "change",
        {"stats": client.get("/stats").json, "jobs": [], "more": False, "data": None},
    )

    # when jobs are added, also at once, then they are listed, and these are all
    for number in (1, 2):
        jid = client.post("/jobs", json=NAP).json["id"]
        _, sent = stream.next()
        assert (sent["jobs"], sent["more"]) == ([jid], False)
        assert sent["stats"]["jobs"]["submitted"] == number
    # when a dataset is loaded, or a worker goes, then that is sent too
    version = client.post("/data", data="id,n\na,1\n", content_type="text/csv").json["version"]
    assert stream.next()[1]["data"] == version
    jobs.deregister_worker(jobs.q.worker_id, jobs.ReleaseReason.DRAIN)
    assert stream.next()[1]["stats"]["workers"] == 0


def test_a_stream_that_joins_others_is_sent_only_what_changes_after_its_first_event(client, monkeypatch):
    monkeypatch.setattr(change_streams, "_SECONDS", 0.1)
    followed = []
    for number in range(8):
        # Given a job that was added just before
        client.post("/jobs", json=NAP)
        followed.append(follow(client, "/events"))
        first = followed[-1].next()[1]
        assert (first["jobs"], first["more"], first["stats"]["jobs"]["submitted"]) == ([], False, 2 * number + 1)
        # when another one is added just after, then it is in the next event
        jid = client.post("/jobs", json=NAP).json["id"]
        after = followed[-1].next()[1]
        assert (after["jobs"], after["more"]) == ([jid], False)


def test_no_more_ids_are_kept_than_an_event_holds():
    changed = ChangedIds()
    changed.add(str(number) for number in range(MAX_IDS))
    changed.add(["0"])
    assert (len(changed.ids), changed.more) == (MAX_IDS, False)
    changed.add(["another"])
    assert (len(changed.ids), changed.more) == (MAX_IDS, True)


class Watched:
    """A listener that records what it is asked for."""

    def __init__(self):
        self.watching = None
        self.asked = 0

    def watch_all(self, changed):
        self.watching = changed
        self.asked += 1


def test_however_many_jobs_change_only_as_many_messages_are_read():
    # Given someone who watches all jobs
    listener = Watched()
    noted: list[bool] = []
    changed = ChangedJobs(listener, lambda: noted.append(True))
    changed.start()
    # when as many change as an event holds, then no more are watched
    for number in range(MAX_IDS):
        listener.watching(str(number))
    assert listener.watching is None
    # and the thread that sends was called once
    assert noted == [True]
    # when these are taken, then the next ones are watched
    taken = changed.take()
    assert (len(taken.ids), taken.more) == (MAX_IDS, True)
    assert listener.watching is not None
    assert changed.take().ids == {}


def test_who_watches_a_job_that_is_watched_already_is_called_at_once(rd, monkeypatch):
    monkeypatch.setattr(jobs, "open_pubsub", rd.pubsub)
    listener, calls = JobListener(), []
    listener.watch("a", lambda: calls.append(1))
    eventually(lambda: calls == [1])
    again = lambda: calls.append(2)  # noqa: E731
    listener.watch("a", again)
    eventually(lambda: calls == [1, 2])
    # also if the last one left just before
    listener.unwatch("a", again)
    listener.watch("a", again)
    eventually(lambda: calls == [1, 2, 2])
    rd.publish("job.a", "progress")
    eventually(lambda: calls[3:] == [1, 2])


@pytest.fixture
def file(tmp_path):
    return write_keys(tmp_path / "keys", line_of("ann", "submit"), line_of("bob", "admin"))


@pytest.fixture
def with_keys(rd, worker, monkeypatch, file):
    monkeypatch.setattr(jobs, "open_pubsub", rd.pubsub)
    monkeypatch.setattr(streams, "_SWEEP_SECONDS", 0.01)
    return create_app(dataclasses.replace(jobs.settings, api_keys_file=str(file)), redis_client=rd)


@pytest.mark.parametrize("by_session", [False, True])
def test_the_streams_of_a_revoked_key_end_and_those_of_others_do_not(with_keys, file, by_session):
    # Given streams of Ann, by her key or by a session of it, and one of Bob
    client, bob = with_keys.test_client(), with_keys.test_client()
    job = client.post("/jobs", json=NAP, headers=bearer("ann")).json["id"]
    if by_session:
        client.post("/ui/sign-in", data={"key": "ann"})
    paths = ("/events", f"/jobs/{job}/events")
    anns = [Stream(client.get(path, headers={} if by_session else bearer("ann"))) for path in paths]
    bobs = Stream(bob.get(paths[1], headers=bearer("bob")))
    for stream in (*anns, bobs):
        stream.next()
    # when her key is taken out of the file, then hers end
    write_keys(file, line_of("bob", "admin"))
    assert [stream.next() for stream in anns] == [None, None]
    # and Bob's goes on
    bob.post(f"/jobs/{job}/cancel", headers=bearer("bob"))
    assert statuses(bobs) == ["cancelled"]


def test_the_streams_of_a_session_end_when_it_is_signed_out(with_keys, rd):
    client, events = with_keys.test_client(), with_keys.extensions["events"]
    client.post("/ui/sign-in", data={"key": "ann"})
    stream = follow(client, "/events")
    stream.next()
    with ThreadPoolExecutor() as threads:
        following = threads.submit(stream.next)
        eventually(lambda: len(events))
        # when Redis is unavailable for a while, then the stream goes on
        rd.connection_pool.connection_kwargs["server"].connected = False
        swept = events._swept_at
        eventually(lambda: events._swept_at > swept + 0.1)
        assert len(events) == 1
        rd.connection_pool.connection_kwargs["server"].connected = True
        # when the browser signs out, then it ends
        client.post("/ui/sign-out")
        assert following.result() is None
