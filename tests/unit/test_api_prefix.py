"""Behind a path prefix every link leads on, whether the proxy in front strips the prefix or not."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import jobs
from api import create_app
from config.settings import InvalidSetting, load

PREFIX = "/jobs-api/v1"
NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}


@pytest.fixture
def client(rd, worker):
    settings = dataclasses.replace(jobs.settings, url_prefix=PREFIX)
    return create_app(settings, redis_client=rd).test_client()


@pytest.fixture
def done(client) -> str:
    """The id of a complete job with an artifact."""
    jid = client.post("/jobs", json=NAP).json["id"]
    document = {"job": jid, "result": {}, "artifacts": [{"name": "a b.csv", "type": "text/csv", "bytes": 2}]}
    jobs.q.defer_complete(jobs.q.get(), json.dumps(document), [("a b.csv", b"n\n")], "")
    jobs.q.flush()
    return str(jid)


def _links(answer: Any) -> Iterator[str]:
    """Every path in an answer that leads somewhere: in its headers and anywhere in its body."""
    if "Location" in answer.headers:
        yield answer.headers["Location"]
    yield from re.findall(r"<([^>]+)>", answer.headers.get("Link", ""))
    if answer.mimetype == "application/json":
        yield from _links_of("", answer.json)


def _links_of(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for member, each in value.items():
            yield from _links_of("link" if name == "links" else member, each)
    elif isinstance(value, list):
        for each in value:
            yield from _links_of(name, each)
    elif name in ("link", "next", "url") and value:
        yield value


@pytest.mark.parametrize("sent", ["", PREFIX], ids=["stripped by the proxy", "passed on"])
def test_every_link_of_every_answer_has_the_prefix_and_works(client, done, sent):
    # Given data and jobs of more than a page
    asked = [client.post(f"{sent}/data", data="id,t\n1,a b\n2,a b\n3,c\n", content_type="text/csv")]
    asked.append(client.post(f"{sent}/jobs", json=NAP))
    assert [answer.status_code for answer in asked] == [201, 202]
    paths = ["/", "/data?limit=1&t=a+b", "/jobs?limit=1", f"/jobs/{done}", f"/jobs/{done}/results", f"/results/{done}"]

    # When all that has links is asked, and what they lead to
    asked += [client.get(sent + path) for path in paths]
    links = {link for answer in asked for link in _links(answer)}
    asked += [client.get(link) for link in links]
    links |= {link for answer in asked for link in _links(answer)}

    # Then each begins with the prefix, and leads to what there is when the proxy strips it and when it does not
    assert len(links) > 15
    for link in links:
        assert link.startswith(f"{PREFIX}/"), link
        for path in (link, link.removeprefix(PREFIX)):
            answer = client.get(path)
            expected = (405,) if path.endswith(("/cancel", "/retry")) else (200, 404) if "results" in path else (200,)
            assert answer.status_code in expected, (path, answer.data)
    assert any("cursor=" in link and "t=a+b" in link for link in links)
    assert any(link.endswith("/results/a%20b.csv") for link in links)


def test_the_help_shows_addresses_with_the_prefix(client):
    for path in ("/help", f"{PREFIX}/help"):
        page = client.get(path, headers={"Host": "localhost:81"}).text
        assert "http://localhost:81" in page
        assert not re.search(rf"http://localhost:81(?!{PREFIX}/)", page)


def test_the_prefix_alone_is_the_root_and_what_only_looks_like_it_is_not(client):
    assert client.get(PREFIX).json["links"]["jobs"] == f"{PREFIX}/jobs"
    assert client.get(f"{PREFIX}/").status_code == 200
    for path in (f"{PREFIX}x/jobs", "/jobs-api/jobs", f"{PREFIX}//jobs", f"{PREFIX}{PREFIX}/jobs", f"{PREFIX}/jobs/"):
        assert client.get(path).status_code == 404, path


def test_one_request_is_the_same_with_and_without_the_prefix(client):
    # Given a request with a key that went through the proxy
    key = {"Idempotency-Key": "once"}
    first = client.post(f"{PREFIX}/jobs", json=NAP, headers=key)
    # when it comes again past the proxy, then it is answered as the same
    again = client.post("/jobs", json=NAP, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]


def test_types_of_problems_are_names_and_stay_the_same(client):
    assert client.get(f"{PREFIX}/nothing").json is not None
    assert json.loads(client.get(f"{PREFIX}/nothing").data)["type"] == "/problems/not-found"
    assert client.get(f"{PREFIX}/problems/not-found").status_code == 200


def test_an_application_that_is_mounted_elsewhere_has_its_links_there(rd):
    client = create_app(redis_client=rd).test_client()
    answer = client.get("/jobs", base_url="http://localhost/mounted")
    assert answer.status_code == 200
    root = client.get("/", base_url="http://localhost/mounted")
    assert root.json["links"]["data"] == "/mounted/data"


@pytest.mark.parametrize(
    "prefix", ["jobs-api", "/jobs-api/", "/", "//a", "/a//b", "/a b", "/é", "/..", "/a/../b", "/a?b"]
)
def test_a_prefix_that_is_no_path_is_refused(prefix):
    with pytest.raises(InvalidSetting, match=r"URL_PREFIX=.*expected a path such as /jobs-api"):
        load({"URL_PREFIX": prefix})


def test_a_prefix_that_begins_like_a_route_is_refused(rd):
    for prefix in ("/jobs", "/data/api"):
        with pytest.raises(InvalidSetting, match="choose another prefix"):
            create_app(dataclasses.replace(jobs.settings, url_prefix=prefix), redis_client=rd)


@pytest.mark.parametrize("prefix", ["", "/a", "/jobs-api", "/a.b/c_d/~e", "/...", "/.well-known"])
def test_a_prefix_is_a_path(prefix):
    assert load({"URL_PREFIX": prefix}).url_prefix == prefix
