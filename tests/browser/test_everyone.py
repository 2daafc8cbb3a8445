"""The dashboard for everyone: by keyboard, on a phone, without scripts, with a screen reader, signed in and out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.conftest import eventually

PAGES = (
    "/",
    "/ui/jobs",
    "/ui/jobs?tag=none&operation=gone",
    "/ui/jobs/<done>",
    "/ui/jobs/<running>",
    "/ui/new",
    "/ui/new?from=<done>",
    "/ui/data",
    "/ui/analyses",
    "/ui/nothing",
)


@pytest.fixture
def paths(submit, api) -> Iterator[list[str]]:
    """The pages, of a complete and a running job too."""
    done = submit("histogram", wait=True, tags=["weekly"])
    running = submit(params={"seconds": 300}, tags=["nightly", "<b>&amp;"])
    eventually(lambda: api.get(f"/jobs/{running['id']}").json()["status"] == "in progress")
    yield [path.replace("<done>", done["id"]).replace("<running>", running["id"]) for path in PAGES]
    api.post(f"/jobs/{running['id']}/cancel")


def serious_findings(page: Page) -> list[Any]:
    found = Axe().run(page).response["violations"]
    return [(each["id"], each["nodes"]) for each in found if each["impact"] in ("serious", "critical")]


def test_axe_finds_nothing_serious(open_page, paths):
    page = open_page(bypass_csp=True)
    for path in paths:
        page.goto(path)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            assert serious_findings(page) == [], (path, theme)
    open_page.complaints.clear()  # a page that does not exist is one


def test_no_page_scrolls_sideways(open_page, paths):
    page = open_page()
    for path in paths:
        page.goto(path)
        for width in (360, 768, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    open_page.complaints.clear()


def test_a_theme_is_kept(open_page):
    page = open_page(color_scheme="light")
    toggle = page.get_by_role("button", name="Dark theme")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    toggle.click()
    page.goto("/ui/jobs")
    expect(toggle).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_a_job_is_found_and_cancelled_by_keyboard(open_page, submit):
    # Given a job that nobody else has, and the list without a mouse
    job = submit(params={"seconds": 300}, tags=["by keyboard"])
    page = open_page("/ui/jobs")

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if name in page.evaluate(
                "document.activeElement.labels?.[0]?.innerText || document.activeElement.innerText || ''"
            ):
                return
        pytest.fail(f"Tab does not reach {name}")

    # when the content is skipped to, the list searched, and its job opened
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to("Id or text")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
    tab_to(job["id"][:8])
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/ui/jobs/{job['id']}")

    # then it is cancelled by its button
    tab_to("Cancel")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The job was cancelled.")).to_be_visible()


def test_everything_works_without_scripts(open_page, submit):
    # Given a browser without JavaScript, and a job
    job = submit(params={"seconds": 300}, tags=["without scripts"])
    page = open_page("/ui/jobs?tag=without+scripts", java_script_enabled=False)

    # when it is opened, cancelled and retried by links and forms
    page.get_by_role("link", name=job["id"][:8]).click()
    assert page.locator("noscript meta[http-equiv=refresh], meta[http-equiv=refresh]").count() == 1
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The job was cancelled.")).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("This is the new job")).to_be_visible()

    # then all that match can be cancelled, too, and the toggle of the theme, which needs scripts, is not shown
    page.goto("/ui/jobs?tag=without+scripts")
    page.get_by_text("All that match…").click()
    page.get_by_role("button", name="Cancel all").click()
    expect(page.get_by_text("1 of 2 matching jobs cancelled.")).to_be_visible()
    assert page.get_by_role("button", name="Dark theme").count() == 0


@pytest.fixture
def with_keys(tmp_path: Path, start_api) -> httpx.Client:
    """An API with a key of each role, named like it; each key is its name and `-key`."""
    file = tmp_path / "keys"
    lines = [
        f"{role} {role} {hashlib.sha256(f'{role}-key'.encode()).hexdigest()}" for role in ("read", "submit", "admin")
    ]
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    client: httpx.Client = start_api(API_KEYS_FILE=file)
    return client


def test_people_sign_in_and_out_and_see_the_buttons_of_their_role(browser, with_keys):
    # Given a job of the key `submit`, and its page, for which a key is needed
    nap = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 300}}
    answer = with_keys.post("/jobs", json=nap, headers={"Authorization": "Bearer submit-key"})
    job = answer.json()["id"]
    address = str(with_keys.base_url.join(f"/ui/jobs/{job}"))
    for role, buttons in (("read", 0), ("submit", 1), ("admin", 1)):
        page = browser.new_context(bypass_csp=True).new_page()
        assert page.goto(address).status == 401
        assert serious_findings(page) == []

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
        [cookie] = page.context.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API key")).to_be_visible()
        page.context.close()
