"""Sessions of the dashboard: signing in and out, what a cookie is worth, and when it ends."""

import dataclasses

import pytest

import jobs
from api import create_app
from tests.keys import bearer, line_of, write_keys

HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}


@pytest.fixture
def file(tmp_path):
    return write_keys(tmp_path / "keys", line_of("ann", "submit"), line_of("reader", "read"))


@pytest.fixture
def app(rd, file):
    return create_app(dataclasses.replace(jobs.settings, api_keys_file=str(file)), redis_client=rd)


@pytest.fixture
def client(app):
    return app.test_client()


def sign_in(client, key="ann", **options):
    return client.post("/ui/sign-in", data={"key": key, **options.pop("form", {})}, **options)


def is_form(answer):
    assert answer.status_code == 401
    assert answer.mimetype == "text/html"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert 'action="/ui/sign-in"' in answer.text
    return answer.text


def test_a_page_without_a_session_is_the_form_to_sign_in(client):
    assert 'name="next" value="/ui/jobs?status=failed&amp;a=%22"' in is_form(
        client.get("/ui/jobs?status=failed&a=%22", headers=HTML)
    )
    is_form(client.get("/", headers=HTML))
    for path, headers in (("/", {}), ("/", {"Accept": "*/*"}), ("/jobs", HTML), ("/ui/jobs", {})):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")


def test_a_key_begins_a_session_that_allows_what_the_key_allows(client):
    # Given a browser that signed in with a key
    answer = sign_in(client, form={"next": "/ui/jobs?a=b"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ui/jobs?a=b")
    cookie = answer.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"):
        assert part in cookie
    assert "Secure" not in cookie
    # then it may do what the key may do
    assert client.post("/jobs", json=NAP).json["owner"] == "ann"
    # when it signs out, then its cookie is worth nothing, even where it is kept
    kept = cookie.split(";")[0]
    assert client.post("/ui/sign-out").headers["Location"] == "/"
    assert client.get("/jobs").status_code == 401
    assert client.get("/jobs", headers={"Cookie": kept}).status_code == 401


def test_a_session_of_the_role_read_may_sign_out_and_nothing_else(client):
    sign_in(client, "reader")
    assert client.post("/jobs", json=NAP).status_code == 403
    assert client.get("/jobs").status_code == 200
    assert client.post("/ui/sign-out").status_code == 303


@pytest.mark.parametrize(
    "options",
    [{"base_url": "https://localhost"}, {"headers": {"X-Forwarded-Proto": "https"}},
     {"headers": {"Origin": "https://localhost", "Host": "localhost"}}],
)  # fmt: skip
def test_behind_tls_the_cookie_is_secure(client, options):
    assert "Secure" in sign_in(client, **options).headers["Set-Cookie"]


@pytest.mark.parametrize("key", ["wrong", "", "ann submit", "é", "\ud800"])
def test_a_wrong_key_is_the_form_with_the_reason(client, key):
    answer = client.post("/ui/sign-in", data={"key": key.encode(errors="surrogatepass"), "next": "/ui/data"})
    assert "not valid" in is_form(answer)
    assert 'value="/ui/data"' in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "next",
    ["https://example.org/", "//example.org", "/\\example.org", "example.org", "", "/\n//x", "/\t/x", "javascript:1"],
)
def test_the_way_on_leads_to_no_other_site(client, next):
    assert sign_in(client, form={"next": next}).headers["Location"] == "/"


def test_below_a_prefix_the_cookie_is_kept_from_what_is_beside(rd, file):
    settings = dataclasses.replace(jobs.settings, api_keys_file=str(file), url_prefix="/below")
    client = create_app(settings, redis_client=rd).test_client()
    assert 'value="/below/ui/jobs"' in client.get("/below/ui/jobs", headers=HTML).text
    answer = client.post("/below/ui/sign-in", data={"key": "ann", "next": ""})
    assert answer.headers["Location"] == "/below/"
    assert "Path=/below" in answer.headers["Set-Cookie"]
    assert client.get("/below/jobs").status_code == 200


def test_a_session_ends_with_its_key_and_with_its_time(client, rd, file):
    sign_in(client)
    # when the key is replaced by another of the same name, then the session is over
    write_keys(file, line_of("ann", "submit", "newer"))
    assert client.get("/jobs").status_code == 401
    sign_in(client, "newer")
    assert client.get("/jobs").status_code == 200
    # and after twelve hours too: Redis forgets it by itself
    names = rd.keys("session.*")
    assert len(names) == 2
    assert all(0 < rd.ttl(name) <= 12 * 3600 for name in names)
    rd.delete(*names)
    assert client.get("/jobs").status_code == 401


def test_what_stands_in_the_file_and_in_redis_makes_no_cookie(client, rd, file):
    sign_in(client)
    digest = file.read_text().split()[-4]
    [name] = rd.keys("session.*")
    fresh = client.application.test_client()
    for guess in (
        digest,
        name.decode(),
        name.decode().removeprefix("session."),
        rd.get(name).decode(),
        "ann",
        "x" * 5000,
    ):
        assert fresh.get("/jobs", headers={"Cookie": f"jobs_session={guess}"}).status_code == 401


def test_a_wrong_header_is_not_made_up_for_by_a_session(client):
    sign_in(client)
    assert client.get("/jobs", headers=bearer("wrong")).status_code == 401


def test_pages_of_other_sites_can_neither_sign_in_nor_use_a_session(client):
    for headers in ({"Origin": "http://example.org"}, {"Sec-Fetch-Site": "cross-site"}):
        assert sign_in(client, headers=headers).status_code == 403
    sign_in(client)
    for headers in ({"Origin": "http://example.org"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post("/jobs", json=NAP, headers=headers).status_code == 403
        assert client.post("/ui/sign-out", headers=headers).status_code == 403


def test_wrong_keys_from_one_address_are_limited(client):
    answers = [sign_in(client, "wrong").status_code for _ in range(21)]
    assert answers == [401] * 20 + [429]
    refused = sign_in(client)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    # and keys in the header count on
    assert client.get("/jobs", headers=bearer("ann")).status_code == 200
    assert sign_in(client, environ_overrides={"REMOTE_ADDR": "127.0.0.2"}).status_code == 303


def test_a_form_that_is_too_large_or_of_another_kind_is_refused(client):
    assert client.post("/ui/sign-in", data={"key": "x" * 20_000}).status_code == 413
    assert client.post("/ui/sign-in", json={"key": "ann"}).status_code == 401


def test_redis_away_is_503_for_a_session_and_not_for_what_needs_no_redis(client, rd):
    sign_in(client)
    rd.connection_pool.connection_kwargs["server"].connected = False
    assert client.get("/analyses").status_code == 503
    assert client.get("/analyses", headers=bearer("ann")).status_code == 200
    assert sign_in(client).status_code == 503
    assert client.get("/health").status_code == 200


def test_without_keys_there_is_nothing_to_sign_in_to(rd):
    client = create_app(redis_client=rd).test_client()
    answer = sign_in(client)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "Set-Cookie" not in answer.headers
    assert client.post("/ui/sign-out").status_code == 303
