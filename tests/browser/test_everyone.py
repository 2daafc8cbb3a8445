"""The dashboard for everyone: by keyboard, on a phone, with a screen reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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


def tab_to(page: Page, name: str) -> None:
    """Press Tab until a control of this name has the focus."""
    own_name = "document.activeElement.labels?.[0]?.innerText || document.activeElement.innerText || ''"
    for _ in range(60):
        page.keyboard.press("Tab")
        if name in page.evaluate(own_name):
            return
    pytest.fail(f"Tab does not reach {name}")


@pytest.mark.long
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

    # when the content is skipped to, the list searched, and its job opened
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to(page, "Id or text")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
    tab_to(page, job["id"][:8])
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/ui/jobs/{job['id']}")

    # then it is cancelled by its button
    tab_to(page, "Cancel")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The job was cancelled.")).to_be_visible()
