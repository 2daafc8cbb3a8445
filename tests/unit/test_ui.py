"""The pages of the dashboard: which there are, what they show to whom, and that texts stay texts."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import pytest

import jobs
from api import create_app
from web.auth import Key, Role
from web.ui.formats import FILTERS

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


@pytest.fixture
def app(rd, worker):
    return create_app(redis_client=rd)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def page(client) -> Any:
    """Fetch a page as a browser does, and return its text."""

    def fetch(path: str, status: int = 200) -> str:
        answer = client.get(path, headers=HTML)
        assert (answer.status_code, answer.mimetype) == (status, "text/html"), answer.text
        return answer.text

    return fetch


def add(**members: Any) -> str:
    return jobs.add_job(None, None, "sleep", **({"params": {"seconds": 0}} | members))["id"]


def complete(document: dict[str, Any] | None = None, artifacts: Sequence[tuple[str, bytes]] = (), log: str = "") -> str:
    """Complete the job that waits longest, and return its id."""
    taken = jobs.q.get()
    listed = [{"name": name, "type": kind_of(name), "bytes": len(content)} for name, content in artifacts]
    whole = {"job": taken.id, "result": {}, **(document or {}), "artifacts": listed}
    jobs.q.defer_complete(taken, json.dumps(whole), list(artifacts), log)
    jobs.q.flush()
    return taken.id


def test_the_timeline_has_each_attempt_with_the_wait_before_it(page):
    # Given a job whose first attempt was killed, and that runs again
    jid = add()
    taken = jobs.q.get()
    jobs.q.defer_release(
        taken, jobs.ReleaseReason.KILLED, json.dumps({"type": "X", "message": "m", "reason": "killed"}), ""
    )
    jobs.q.flush()
    # Then its page has the wait and the loss
    text = page(f"/ui/jobs/{jid}")
    assert re.findall(r'<span class="dot (\w+)"', text) == ["wait", "lost", "wait"]
    assert "attempt 1 (killed) ran" in text
    # and, when the next attempt has completed the job, that as well
    complete()
    text = page(f"/ui/jobs/{jid}")
    assert re.findall(r'<span class="dot (\w+)"', text) == ["wait", "lost", "wait", "run"]
    assert "attempt 2 ran" in text


def kind_of(name: str) -> str:
    return {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv"}[name.rpartition(".")[2]]


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html", "text/html"),
        (HTML["Accept"], "text/html"),
        ("application/json;q=0.5, text/html;q=0.5", "text/html"),
        ("*/*", "application/json"),
        (None, "application/json"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/*", "application/json"),
        ("text/html; charset=utf-8", "text/html"),
        ("Text/HTML", "text/html"),
        ("text/html;q=0", "application/json"),
    ],
)
def test_the_root_is_a_page_where_accept_names_html(client, accept, kind):
    answer = client.get("/", headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.mimetype) == (200, kind)
    assert answer.headers["Vary"] == "Accept"


def test_pages_have_a_strict_policy_and_nothing_inline(client, page):
    # Given every page, of jobs in all states
    jids = [complete({"result": {"a": 1}}) if add() else "", add(), add(delay=60)]
    for path in ("/", "/ui/jobs", "/ui/jobs?status=failed", "/ui/nothing", *(f"/ui/jobs/{jid}" for jid in jids)):
        answer = client.get(path, headers=HTML)
        # then its policy allows its own files only, and it has no script, style or handler in its text
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        nonce = re.search("'nonce-([^']+)'", policy.pop("script-src"))[1]
        assert policy == {
            "default-src": "'none'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "connect-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        for tag, attributes in Elements(answer.text).found:
            assert tag != "style"
            assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
            assert tag != "script" or (attributes["src"].startswith("/ui/static/") and attributes["nonce"] == nonce)
            assert not any(name.startswith("hx-") for name in attributes) or attributes["hx-nonce"] == nonce
        assert answer.headers["Cache-Control"] == "no-store"


def test_static_files_are_kept_by_their_hash(client, page):
    for address in re.findall(r'(?:href|src)="(/ui/static/[^"]+)"', page("/")):
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        old = client.get(re.sub("static/[^/]+/", "static/old/", address))
        assert (old.status_code, old.headers["Cache-Control"]) == (200, "no-cache")
    assert client.get("/ui/static/x/nothing.js").status_code == 404
    assert client.get("/ui/static/x/../pages.py").status_code == 404


def test_texts_of_jobs_stay_texts(client, page, rd):
    # Given jobs with markup in everything that is a text
    jid = add(tags=(HOSTILE,), params={HOSTILE: HOSTILE}, owner=HOSTILE, request_id=HOSTILE)
    rows = f'{json.dumps(HOSTILE)},"n"\n'.encode()
    document = {"params": {HOSTILE: HOSTILE}, "result": {HOSTILE: HOSTILE, "list": [HOSTILE]}}
    assert complete(document, [("a.csv", rows), (f"{HOSTILE}.png", b"x")], HOSTILE) == jid
    failed = add(tags=(HOSTILE,))
    taken = jobs.q.get()
    jobs.q.defer_release(
        taken, "invalid", json.dumps({"type": HOSTILE, "message": HOSTILE, "reason": "error"}), HOSTILE
    )
    jobs.q.flush()
    running = add()
    jobs.report_progress(jobs.q.get().run, jobs.q.worker_id, 0.5, HOSTILE, HOSTILE)

    # when they are shown
    texts = [page(f"/ui/jobs/{each}") for each in (jid, failed, running)] + [page("/"), page("/ui/jobs")]
    texts.append(
        page(f"/ui/jobs?{'&'.join(f'{name}=%22%3E%3Cscript%3E' for name in ('search', 'tag', 'owner', 'analysis'))}")
    )

    # then none of it is markup
    for text in texts:
        assert "&lt;script&gt;" in text
        for tag, attributes in Elements(text).found:
            assert tag != "script" or "src" in attributes
            assert "onerror" not in attributes


def test_a_page_of_a_job_shows_what_is_known(page):
    # Given a complete job with a result, tables and a plot
    jid = add(tags=("weekly",), params={"seconds": 0.25})
    table = b"name,count\n" + b"".join(b"row %d,%d\n" % (n, n) for n in range(150))
    document = {"count": 1234, "params": {"seconds": 0.25}, "result": {"mean": 1.5, "nested": {"a": {"b": 1}}}}
    complete(document, [("plot.png", b"png"), ("plot.svg", b"svg"), ("table.csv", table)], "hello from the job\n")

    text = page(f"/ui/jobs/{jid}")
    assert f'src="/jobs/{jid}/results/plot.png"' in text
    assert f'src="/jobs/{jid}/results/plot.svg"' not in text
    assert "hello from the job" in text
    assert "1,234 rows" in text
    assert "<dt>mean</dt><dd>1.5</dd>" in text
    assert text.count('<td class="cut">row ') == 100
    assert "50 more rows are in the file" in text
    assert f'action="/ui/jobs/{jid}/retry"' in text
    assert f'href="/ui/new?from={jid}"' in text
    assert "hx-get" not in text  # it changes no more


def test_a_result_without_a_table_of_its_own_becomes_one(page):
    jid = add()
    complete({"result": {"columns": {"a": {"type": "text", "missing": 0}, "b": {"type": "number"}}, "top": [{"v": 1}]}})
    text = page(f"/ui/jobs/{jid}")
    assert re.search(r"<caption>columns</caption>.*<caption>top</caption>", text, re.DOTALL)


def test_a_running_job_is_refreshed_with_scripts_and_without(page):
    jid = add()
    jobs.report_progress(jobs.q.get().run, jobs.q.worker_id, 0.25, "a quarter", "")
    text = page(f"/ui/jobs/{jid}")
    assert f'hx-sse:connect="/jobs/{jid}/events"' in text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in text
    assert 'value="0.25"' in text
    assert "a quarter" in text


def test_the_overview_counts_the_last_hour_and_shows_what_workers_hold(page):
    for _ in range(3):
        add()
        complete()
    add()
    jobs.q.defer_release(jobs.q.get(), "invalid", json.dumps({"type": "E", "message": "m", "reason": "error"}), "")
    jobs.q.flush()
    held = add()
    jobs.q.get()

    text = page("/")
    assert "Ended in the last hour: 4" in text
    assert "Failed in the last hour: 1" in text
    assert text.count(f'href="/ui/jobs/{held}"') == 2  # as new, and as what the worker holds
    minutes = jobs.get_ended_by_minute()
    assert len(minutes) == 60
    assert sum(minute.ended for minute in minutes) == 4
    assert [minute.begin for minute in minutes] == sorted(minute.begin for minute in minutes)


def test_pages_of_jobs_follow_each_other(client, page):
    # Given more jobs than fit on a page, of a tag
    jids = [add(tags=("many",)) for _ in range(120)]
    add()
    seen, path = [], "/ui/jobs?tag=many&owner="
    while path:
        text = page(path)
        seen += re.findall(r'<a href="/ui/jobs/([0-9a-f-]{36})"', text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        path = following[1].replace("&amp;", "&") if following else None
    assert seen == jids[::-1]


def test_all_that_match_are_cancelled_and_the_list_shows_how_many(client):
    kept, gone = add(tags=("a",)), [add(tags=("b",)) for _ in range(3)]
    answer = client.post("/ui/jobs/cancel?tag=b&status=")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/ui/jobs?tag=b&done=cancel&matched=3&changed=3"
    assert "3 of 3 matching jobs cancelled" in client.get(answer.headers["Location"], headers=HTML).text
    assert {jobs.get_job_by_id(jid)["status"] for jid in gone} == {"cancelled"}
    assert jobs.get_job_by_id(kept)["status"] == "submitted"
    assert client.post("/ui/jobs/delete?status=&tag=").status_code == 422


def test_buttons_act_and_return_to_a_page(client):
    jid = add()
    assert client.post(f"/ui/jobs/{jid}/cancel").headers["Location"] == f"/ui/jobs/{jid}?done=cancel"
    answer = client.post(f"/ui/jobs/{jid}/retry")
    assert answer.status_code == 303
    made = re.fullmatch(r"/ui/jobs/([0-9a-f-]{36})\?done=retry", answer.headers["Location"])[1]
    assert jobs.get_job_by_id(made)["retry_of"] == jid
    assert client.post(f"/ui/jobs/{jid}/delete").headers["Location"] == "/ui/jobs?done=delete"
    assert client.post(f"/ui/jobs/{jid}/cancel", headers=HTML).mimetype == "text/html"
    assert client.post(f"/ui/jobs/{made}/delete", headers=HTML).status_code == 409
    assert client.post(f"/ui/jobs/{made}/cancel", headers={"Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("key", "own", "others", "new"),
    [
        (None, True, True, True),
        (Key("ada", Role.ADMIN), True, True, True),
        (Key("bob", Role.SUBMIT), True, False, True),
        (Key("eve", Role.READ), False, False, False),
    ],
)
def test_each_role_sees_the_buttons_that_it_may_use(app, client, key, own, others, new):
    from flask import g

    mine, theirs = add(owner="bob"), add(owner="zoe")
    app.before_request(lambda: setattr(g, "key", key))

    def has_button(jid: str) -> bool:
        return "Cancel</button>" in client.get(f"/ui/jobs/{jid}", headers=HTML).text

    assert (has_button(mine), has_button(theirs)) == (own, others)
    overview, listed = (client.get(path, headers=HTML).text for path in ("/", "/ui/jobs?tag=x"))
    assert ('href="/ui/new"' in overview) == new
    assert ("Cancel all" in listed) == new
    assert ("Sign out" in overview) == (key is not None)


def test_every_address_of_a_page_has_the_prefix(rd, worker):
    client = create_app(dataclasses.replace(jobs.settings, url_prefix="/jobs-api"), redis_client=rd).test_client()
    add(tags=("t",), owner="o")
    jid = complete({"result": {}}, [("plot.png", b"x"), ("a b.csv", b"n\n1\n")])
    running = add()
    jobs.q.get()
    for path in ("/", "/ui/jobs?tag=t", f"/ui/jobs/{jid}", f"/ui/jobs/{running}", "/ui/nothing"):
        text = client.get(f"/jobs-api{path}", headers=HTML).text
        names = ("href", "src", "action", "hx-get", "hx-sse:connect")
        links = [value for _, each in Elements(text).found for name, value in each.items() if name in names]
        assert len(links) > 8
        assert all(link.startswith(("/jobs-api/", "#")) for link in links), links
    assert client.post(f"/jobs-api/ui/jobs/{running}/cancel").headers["Location"].startswith("/jobs-api/ui/jobs/")


def test_errors_are_pages_for_browsers_and_problems_for_programs(client):
    answer = client.get("/ui/jobs/none", headers=HTML)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "There is no such job" in answer.text
    assert client.get("/ui/jobs/none").mimetype == "application/problem+json"
    assert client.get("/ui/jobs?status=odd", headers=HTML).status_code == 422
    assert client.get("/jobs/none", headers=HTML).mimetype == "application/problem+json"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("duration", 0.35, "350 ms"),
        ("duration", 12.34, "12.3 s"),
        ("duration", 245, "4 min 5 s"),
        ("duration", 86400 * 2 + 3600 * 3 + 5, "2 d 3 h"),
        ("duration", None, "—"),
        ("size", 999, "999 B"),
        ("size", 121360, "121.4 kB"),
        ("size", 5e9, "5.0 GB"),
        ("number", 1234567, "1,234,567"),
        ("number", 1.5327416520210895, "1.53274"),
        ("cell", None, "—"),
        ("cell", True, "true"),
        ("cell", "-0.44000000000000006", "-0.44"),
        ("cell", "12345678901234567", "12345678901234567"),
        ("cell", ["a", 1], "a, 1"),
        ("cell", "x" * 300, "x" * 200 + "…"),
        ("cell", {"a": 1}, '{"a": 1}'),
    ],
)
def test_values_are_written_for_people(name, value, text):
    assert FILTERS[name](value) == text
