"""The dashboard in a browser without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_data import FEW, other_data

__all__ = ["other_data"]


@pytest.fixture
def open_plain(open_page) -> Any:
    """Opens a path in a browser without JavaScript."""

    def run(path: str) -> Page:
        page: Page = open_page(path, java_script_enabled=False)
        return page

    return run


def test_jobs_are_cancelled_retried_and_deleted(open_plain, submit):
    # Given a browser without JavaScript, and a job
    job = submit(params={"seconds": 300}, tags=["without scripts"])
    page = open_plain("/ui/jobs?tag=without+scripts")

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
    page.get_by_text("All that match…").click()
    page.get_by_role("button", name="Delete all").click()
    expect(page.get_by_text("2 of 2 matching jobs deleted.")).to_be_visible()


def test_a_file_is_previewed_loaded_and_searched(open_plain, other_data):
    # Given the form of an upload
    page = open_plain("/ui/data")
    page.get_by_text("Load a file", exact=True).click()
    file = {"name": "cities.csv", "mimeType": "text/csv", "buffer": FEW}

    # when a file is previewed and then loaded
    page.locator("#file").set_input_files(file)
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("3 records in 2 columns")
    expect(page.get_by_text("Choose the file again to load it.")).to_be_visible()
    page.locator("#file").set_input_files(file)
    page.get_by_role("button", name="Load", exact=True).click()

    # then its records are shown and searched
    table = page.get_by_role("region", name="Table of records")
    expect(table).to_contain_text("Oslo")
    page.get_by_role("searchbox", name="Text in any value").fill("berg")
    page.get_by_role("button", name="Search").click()
    expect(table).to_contain_text("Bergen")
    expect(table).not_to_contain_text("Oslo")


@pytest.mark.long
def test_a_job_is_submitted_by_the_form(open_plain, api):
    # Given the form, whose analysis is chosen by a button
    page = open_plain("/ui/new")
    page.get_by_role("combobox", name="Analysis").select_option("histogram")
    page.get_by_role("button", name="Choose").first.click()
    page.get_by_label("column", exact=True).first.select_option("magnitude")
    page.get_by_role("button", name="Add a filter").click()
    expect(page.get_by_role("combobox", name="Operator")).to_have_count(2)

    # when it is submitted, then the page of the job reloads itself until the plot is there
    page.get_by_role("button", name="Submit job").click()
    page.wait_for_url("**/ui/jobs/*")
    expect(page.get_by_role("img", name="Plot of histogram")).to_be_visible()
