"""Loading, searching and previewing a dataset on the dashboard, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SAMPLE

RIVER = Path(SAMPLE).with_name("river.csv")
FEW = b"city,people\nOslo,700000\nBergen,290000\nHamar,32000\n"
ONE = b"city,people\nTurku,197000\n"
SLOW_BYTES_PER_SECOND = 100_000


@pytest.fixture
def other_data(api: httpx.Client) -> Iterator[httpx.Client]:
    """The API, whose dataset the test may replace."""
    yield api
    api.post("/data", content=SAMPLE.read_bytes(), headers={"Content-Type": "text/csv"}).raise_for_status()


def upload_form(page: Page) -> None:
    """Open the form, which is closed while a dataset is loaded."""
    page.get_by_text("Load a file", exact=True).click()


def records(page: Page) -> str:
    return page.get_by_role("region", name="Table of records").inner_text()


def test_a_file_is_chosen_previewed_and_loaded(open_page, other_data):
    # Given the form of an upload
    page = open_page("/ui/data")
    upload_form(page)

    # when a file is chosen, then its first records and its columns are shown, and nothing is replaced
    page.locator("#file").set_input_files(RIVER)
    expect(page.get_by_role("heading", name="How the file is read")).to_be_visible()
    before = other_data.get("/data?limit=1").json()["dataset"]["count"]

    # when another type is chosen for a column, then the file is read again
    types = page.get_by_role("combobox", name="Type of ")
    types.nth(1).select_option("text")
    expect(page.get_by_role("combobox", name="Type of ").nth(1)).to_have_value("text")
    assert other_data.get("/data?limit=1").json()["dataset"]["count"] == before

    # when it is loaded, then the page shows it
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.locator(".tiles")).not_to_contain_text(f"{before:,}")
    dataset = other_data.get("/data?limit=1").json()["dataset"]
    assert dataset["count"] != before
    assert dataset["columns"][1]["type"] == "text"


def test_a_file_is_dropped(open_page, other_data):
    page = open_page("/ui/data")
    upload_form(page)
    dropped = page.evaluate_handle(
        """content => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([content], "cities.csv", {type: "text/csv"}));
            return transfer;
        }""",
        FEW.decode(),
    )
    page.dispatch_event(".drop", "dragover", {"dataTransfer": dropped})
    expect(page.locator(".drop")).to_have_class("drop over")
    page.dispatch_event(".drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("#preview")).to_contain_text("3 records in 2 columns")
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.get_by_role("region", name="Table of records")).to_contain_text("Bergen")
    assert [row["city"] for row in other_data.get("/data").json()["records"]] == ["Oslo", "Bergen", "Hamar"]


def test_the_progress_of_an_upload_is_seen_on_a_slow_line(open_page, api):
    # Given a line that takes two seconds for the file
    page = open_page("/ui/data")
    upload_form(page)
    line = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW_BYTES_PER_SECOND}
    line.send("Network.emulateNetworkConditions", slow)

    # when it is sent, then the bar moves before the server has answered
    page.evaluate(
        """() => {
            const bar = document.getElementById("upload-progress");
            window.seen = [];
            const note = () => { if (!bar.hidden) window.seen.push(bar.value); };
            new MutationObserver(note).observe(bar, {attributes: true});
        }"""
    )
    page.locator("#file").set_input_files(SAMPLE)
    expect(page.get_by_role("progressbar", name="Upload")).to_be_visible()
    expect(page.locator("#upload-state")).to_contain_text("Sending")
    expect(page.get_by_role("heading", name="How the file is read")).to_be_visible()
    assert any(0 < value < 100 for value in page.evaluate("window.seen"))
    expect(page.get_by_role("progressbar", name="Upload")).to_be_hidden()


def test_a_file_that_cannot_be_read_is_explained(open_page, api):
    page = open_page("/ui/data")
    upload_form(page)
    page.locator("#file").set_input_files({"name": "a.xml", "mimeType": "text/xml", "buffer": b"<a><b>1</b></a>"})
    expect(page.get_by_role("heading", name="The file cannot be loaded")).to_be_visible()
    assert "415" in " ".join(open_page.complaints)
    open_page.complaints.clear()


def test_records_are_searched_while_typing(open_page, api):
    # Given the page of the data
    page = open_page("/ui/data")
    page.evaluate("window.sameDocument = true")

    # when a word is typed, then only its records are listed, in the same document
    page.get_by_role("searchbox", name="Text in any value").press_sequentially("oklahoma")
    found = api.get("/data?search=oklahoma&limit=1").json()["total"]
    expect(page.locator("#records").get_by_role("status")).to_contain_text(f"of {found}")
    assert "Oklahoma" in records(page)
    assert page.evaluate("window.sameDocument")

    # then the next page of them has no others, and it can be undone
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("#records").get_by_role("status")).to_contain_text("of 1,707")


def test_a_value_of_a_column_leads_to_its_records_and_they_are_sorted(open_page, api):
    page = open_page("/ui/data")
    page.get_by_role("link", name="quarry blast").first.click()
    expect(page.get_by_text("type = quarry blast ✕")).to_be_visible()
    page.get_by_role("link", name="magnitude", exact=True).click()
    expect(page.get_by_role("columnheader", name="magnitude ▲")).to_have_attribute("aria-sort", "ascending")
    page.get_by_text("type = quarry blast ✕").click()
    expect(page.locator("#records").get_by_role("status")).to_contain_text("of 1,707")


def test_the_page_shows_a_dataset_that_another_has_loaded(open_page, other_data):
    # Given the page of the data, and one with a filter
    page, filtered = open_page("/ui/data"), open_page("/ui/data?type=quarry+blast")
    page.evaluate("window.sameDocument = true")
    expect(page.get_by_role("region", name="Table of records")).to_contain_text("uw61345682")

    # when other data are loaded elsewhere, then the page shows them without a reload
    other_data.post("/data", content=ONE, headers={"Content-Type": "text/csv"}).raise_for_status()
    expect(page.get_by_role("region", name="Table of records")).to_contain_text("Turku")
    assert page.evaluate("window.sameDocument")

    # and where the new data lack the column of the filter, a link leads to them
    filtered.get_by_role("link", name="Show the new one").click()
    expect(filtered.get_by_role("region", name="Table of records")).to_contain_text("Turku")
    open_page.complaints.clear()  # 422 is one
