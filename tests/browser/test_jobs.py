"""What people do with jobs on the dashboard, in a real browser."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.conftest import eventually

NIGHT = {"seconds": 300}


def test_progress_moves_without_a_reload(open_page, submit):
    # Given the page of a running job
    job = submit(params={"seconds": 8})
    page = open_page(f"/ui/jobs/{job['id']}")
    expect(page.get_by_role("status").first).to_have_text("in progress")
    page.evaluate("window.sameDocument = true")
    bar = page.locator("#job progress")
    before = float(bar.get_attribute("value") or 0)

    # then its bar moves, and the end shows, in the same document
    eventually(lambda: float(bar.get_attribute("value")) > before)
    expect(page.get_by_role("status").first).to_have_text("complete")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    assert page.evaluate("window.sameDocument")


def test_the_plot_of_a_job_is_seen_and_its_table_read(open_page, submit):
    job = submit("histogram", wait=True, params={"column": "magnitude"})
    page = open_page(f"/ui/jobs/{job['id']}")
    plot = page.get_by_role("img", name="Plot of histogram")
    expect(plot).to_be_visible()
    assert plot.evaluate("image => image.complete && image.naturalWidth") > 100
    expect(page.get_by_role("table", name="table.csv").get_by_role("row")).to_have_count(21)
    with page.expect_download() as download:
        page.get_by_role("link", name="table.csv").click()
    assert download.value.suggested_filename == "table.csv"


def test_a_job_is_cancelled_retried_and_deleted(open_page, submit):
    # Given a running job, cancelled on its page
    job = submit(params=NIGHT)
    page = open_page(f"/ui/jobs/{job['id']}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The job was cancelled.")).to_be_visible()

    # when it is retried, then the page of the new job opens, and it can be cancelled
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("This is the new job; it repeats")).to_be_visible()
    assert job["id"] not in page.url
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The job was cancelled.")).to_be_visible()

    # and deleted after a second thought
    page.get_by_text("Delete…").click()
    page.get_by_role("button", name="Delete this job").click()
    expect(page.get_by_text("The job was deleted.")).to_be_visible()
