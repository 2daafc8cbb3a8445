"""What people do with jobs on the dashboard, in a real browser."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.conftest import eventually

NIGHT = {"seconds": 300}


def test_progress_moves_without_a_reload(open_page, submit):
    # Given the page of a running job
    job = submit(params={"seconds": 3})
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


def test_all_that_match_are_cancelled_and_deleted(open_page, submit, api):
    # Given jobs of a tag, and one of another
    tag, other = "to go", "to stay"
    for _ in range(3):
        submit(params=NIGHT, tags=[tag], delay=3600)
    kept = submit(params=NIGHT, tags=[other], delay=3600)
    page = open_page("/ui/jobs")

    # when the list is filtered, and all that match are cancelled
    page.get_by_text("More filters").click()
    page.get_by_label("Tag").fill(tag)
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(4)
    page.get_by_text("All that match…").click()
    page.get_by_role("button", name="Cancel all").click()

    # then the page shows how many were, and the others stay
    expect(page.get_by_text("3 of 3 matching jobs cancelled.")).to_be_visible()
    expect(page.get_by_role("table").get_by_text("cancelled")).to_have_count(3)
    page.get_by_text("All that match…").click()
    page.get_by_role("button", name="Delete all").click()
    expect(page.get_by_text("3 of 3 matching jobs deleted.")).to_be_visible()
    assert api.get(f"/jobs/{kept['id']}").json()["status"] == "scheduled"
    api.post(f"/jobs/{kept['id']}/cancel")


def test_a_new_job_appears_in_the_list_and_on_the_overview(open_page, submit):
    pages = [open_page(path) for path in ("/", "/ui/jobs?tag=fresh")]
    job = submit(params={"seconds": 0}, tags=["fresh"])
    for page in pages:
        expect(page.get_by_role("link", name=job["id"][:8])).to_be_visible()
