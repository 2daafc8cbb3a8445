"""The dashboard of an API with keys: signing in and out, and what each role sees and may do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SAMPLE, TIMEOUT_MS, start_stack
from tests.browser.test_everyone import serious_findings, tab_to

ROLES = ("read", "submit", "admin")
NIGHT = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 300}, "tags": ["night"]}
ACTS = ("Cancel", "Retry", "Delete…", "Change and run again", "All that match…", "Load a file", "Unload…")


@pytest.fixture(scope="module")
def with_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API with a key of each role, named like it; each key is its name and `-key`. There is a worker and data."""
    folder = tmp_path_factory.mktemp("keys")
    file = folder / "keys"
    lines = [f"{role} {role} {hashlib.sha256(f'{role}-key'.encode()).hexdigest()}" for role in ROLES]
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    with (
        start_stack(folder, WORKERS="1", API_KEYS_FILE=str(file)) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client,
    ):
        headers = {**as_role("admin"), "Content-Type": "text/csv"}
        client.post("/data", content=SAMPLE.read_bytes(), headers=headers).raise_for_status()
        yield client


@pytest.fixture(autouse=True)
def _without_jobs(with_keys: httpx.Client) -> Iterator[None]:
    yield
    with_keys.post("/jobs/cancel?created_after=2000-01-01", headers=as_role("admin")).raise_for_status()
    with_keys.delete("/jobs?created_after=2000-01-01", headers=as_role("admin")).raise_for_status()


def as_role(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {role}-key"}


@pytest.fixture
def sign_in(browser, with_keys) -> Iterator[Any]:
    """Opens a page with the key of a role."""
    contexts = []

    def run(role: str, path: str = "/") -> Page:
        context = browser.new_context(base_url=str(with_keys.base_url), bypass_csp=True)
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        assert page.goto(path).status == 401
        page.get_by_label("API key").fill(f"{role}-key")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        return page

    yield run
    for context in contexts:
        context.close()


def test_people_sign_in_and_out_and_see_the_buttons_of_their_role(browser, with_keys):
    # Given a job of the key `submit`, and its page, for which a key is needed
    job = with_keys.post("/jobs", json=NIGHT, headers=as_role("submit")).json()["id"]
    address = str(with_keys.base_url.join(f"/ui/jobs/{job}"))
    for role, buttons in (("read", 0), ("submit", 1), ("admin", 1)):
        page = browser.new_context(bypass_csp=True).new_page()
        page.set_viewport_size({"width": 360, "height": 720})
        assert page.goto(address).status == 401
        assert serious_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

        # when a wrong key and then a right one are entered
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text("This key is not valid.")
        page.get_by_label("API key").fill(f"{role}-key")
        page.get_by_role("button", name="Sign in").click()

        # then the page opens, with what the role may do, and closes when signed out
        expect(page.get_by_role("heading", name="sleep")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_have_count(buttons)
        expect(page.get_by_role("link", name="New job")).to_have_count(buttons)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        [cookie] = page.context.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API key")).to_be_visible()
        page.context.close()


def test_a_reader_sees_everything_and_changes_nothing(with_keys, sign_in):
    # Given jobs and data, and a page that is signed in as `read`
    running = with_keys.post("/jobs", json=NIGHT, headers=as_role("submit")).json()["id"]
    page = sign_in("read")

    # then no page has a control that acts
    for path in ("/", "/ui/jobs?tag=night", f"/ui/jobs/{running}", "/ui/data", "/ui/new", "/ui/analyses"):
        page.goto(path)
        for name in ACTS:
            assert page.get_by_role("main").get_by_text(name, exact=True).count() == 0, (path, name)
        assert page.get_by_role("link", name="New job").count() == 0, path
        assert page.locator("main form[method=post]").count() == 0, path
    page.goto("/ui/new")
    expect(page.get_by_text("Your key may see jobs, but not submit any.")).to_be_visible()

    # and the server refuses what a form would send, with a page that names the role
    attempts = (
        "/ui/new",
        "/ui/jobs/cancel?tag=night",
        "/ui/jobs/delete?tag=night",
        f"/ui/jobs/{running}/cancel",
        "/ui/data",
        "/ui/data/preview",
        "/ui/data/unload",
    )
    for path in attempts:
        answer = page.request.post(path, form={"/analysis": "sleep"}, headers={"Accept": "text/html"})
        assert answer.status == 403, path
        assert "yours has the role read" in answer.text()
    assert with_keys.get("/jobs", headers=as_role("read")).json()["total"] == 1
    assert with_keys.get("/data?limit=1", headers=as_role("read")).json()["dataset"]["count"] == 1707


def test_jobs_of_others_are_not_acted_on(with_keys, sign_in):
    # Given a job of the key `admin`, and one of `submit`
    with_keys.post("/jobs", json=NIGHT, headers=as_role("admin"))
    own = with_keys.post("/jobs", json=NIGHT, headers=as_role("submit")).json()["id"]
    page = sign_in("submit", "/ui/jobs?tag=night")

    # when all that match are cancelled, then only the own one is
    page.get_by_text("All that match…").click()
    page.get_by_role("button", name="Cancel all").click()
    expect(page.get_by_text("1 of 2 matching jobs cancelled.")).to_be_visible()
    page.get_by_label("Id or text").fill(own)
    page.keyboard.press("Enter")
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("table")).to_contain_text("cancelled")


@pytest.mark.long
def test_everything_is_done_by_keyboard(with_keys, sign_in, browser):
    # Given the form to sign in, and no mouse
    context = browser.new_context(base_url=str(with_keys.base_url))
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto("/")
    assert page.evaluate("document.activeElement.id") == "key"
    page.keyboard.type("submit-key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    # when the form of a new job is reached and filled in
    tab_to(page, "New job")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/new")
    tab_to(page, "Analysis")
    page.keyboard.type("sleep")
    page.wait_for_load_state("networkidle")  # the form of its parameters
    tab_to(page, "seconds")
    page.keyboard.type("300")
    page.keyboard.press("Enter")

    # then its job is opened, followed and cancelled
    page.wait_for_url("**/ui/jobs/*")
    expect(page.get_by_role("status").first).to_have_text("in progress")
    tab_to(page, "Cancel")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_text("The job was cancelled.")).to_be_visible()
    tab_to(page, "Sign out")
    page.keyboard.press("Enter")
    expect(page.get_by_label("API key")).to_be_visible()
    context.close()
