"""``GET /jobs?search=`` and ``?owner=``: what they find, in which order, and page by page."""

from __future__ import annotations

import pytest

import jobs
from api import create_app
from config.settings import Settings
from tests.keys import bearer, line_of, write_keys

NAP = {"analysis": "sleep", "params": {"seconds": 0}}


@pytest.fixture
def client(rd):
    return create_app(redis_client=rd).test_client()


def post(client, key=None, **members) -> str:
    answer = client.post("/jobs", json={**NAP, **members}, headers=bearer(key) if key else {})
    assert answer.status_code == 202, answer.text
    return answer.json["id"]


def pages(client, query: str, headers=None) -> list[list[str]]:
    """Return the ids of each page, from the first to the last."""
    found, url = [], f"/jobs?{query}"
    while url:
        answer = client.get(url, headers=headers or {})
        assert answer.status_code == 200, answer.text
        found.append([job["id"] for job in answer.json["jobs"]])
        url = answer.json["next"]
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SLEEP", [3, 2, 1, 0]),
        ("sleep", [3, 2, 1, 0]),
        ("Ärmel", [1]),
        ("ärMEL", [1]),
        ("night shift", [2]),
        ("SHIFT", [2]),
        ("0.125", [3]),
        ('"seconds"', [3, 2, 1, 0]),
        ("nothing has this", []),
    ],
)
def test_a_search_finds_what_contains_the_text_in_any_case_newest_first(client, text, found):
    # Given four jobs that differ in tags and parameters
    ids = [
        post(client),
        post(client, tags=["ärmel"]),
        post(client, tags=["night shift"]),
        post(client, params={"seconds": 0.125}),
    ]
    # When one searches, then these are found, the newest first
    answer = client.get("/jobs", query_string={"search": text})
    assert [ids.index(job["id"]) for job in answer.json["jobs"]] == found
    # and the number may not be known
    assert answer.json["total"] in (None, len(found))


def test_a_part_of_an_id_finds_its_job(client):
    ids = [post(client) for _ in range(5)]
    assert pages(client, f"search={ids[2][4:20].upper()}") == [[ids[2]]]


def test_a_search_is_paged_and_each_job_is_on_one_page(client):
    # Given jobs of which every third has the tag
    ids = [post(client, tags=["third"] if n % 3 == 0 else []) for n in range(20)]
    wanted = ids[::3][::-1]
    # When the pages are read to the end
    found = pages(client, "search=third&limit=2")
    # Then no page has more than was asked, and all are there once and in order
    assert [jid for page in found for jid in page] == wanted
    assert all(len(page) <= 2 for page in found)
    # and oldest first as well
    assert [jid for page in pages(client, "search=third&limit=2&order=asc") for jid in page] == wanted[::-1]


def test_few_that_match_among_many_are_found_however_far_they_are_apart(client, monkeypatch):
    # Given that a page walks ten jobs in two calls
    monkeypatch.setattr("jobstore.listing.MAX_WALKED", 5)
    monkeypatch.setattr("jobstore.listing._MAX_STRETCHES", 2)
    ids = [post(client, tags=["rare"] if n in (0, 29) else []) for n in range(30)]
    # Then pages may be short or empty, and together have all
    found = pages(client, "search=rare")
    assert [jid for page in found for jid in page] == [ids[29], ids[0]]
    assert [] in found


def test_a_search_goes_with_the_other_filters(client):
    first = post(client, tags=["a"])
    post(client, tags=["b"])
    assert pages(client, "search=sleep&tag=a") == [[first]]
    assert pages(client, "search=sleep&status=complete") == [[]]
    assert pages(client, "search=sleep&analysis=summary") == [[]]


def test_an_owner_finds_the_jobs_of_one_key(rd, tmp_path):
    # Given jobs of two keys
    file = write_keys(tmp_path / "keys", line_of("ann", "submit"), line_of("bob", "submit"), line_of("eve", "read"))
    client = create_app(Settings(api_keys_file=str(file)), redis_client=rd).test_client()
    of_ann = [post(client, "ann") for _ in range(3)]
    of_bob = post(client, "bob")
    # When a third one lists them by owner, then each has its own
    reads = bearer("eve")
    assert pages(client, "owner=ann", reads) == [of_ann[::-1]]
    assert pages(client, "owner=bob", reads) == [[of_bob]]
    assert pages(client, "owner=nobody", reads) == [[]]
    assert client.get("/jobs?owner=ann&limit=2", headers=reads).json["total"] == 3
    # and a search looks at owners too
    assert pages(client, "search=BOB", reads) == [[of_bob]]
    # A job that has ended is its owner's still.
    jobs.cancel_job(of_bob)
    assert pages(client, "owner=bob&status=cancelled", reads) == [[of_bob]]
