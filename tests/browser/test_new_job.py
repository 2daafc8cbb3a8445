"""New jobs by the form of the dashboard, in a real browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.conftest import eventually


def job_of(page) -> str:
    """Return the id of the job whose page this is, or becomes."""
    page.wait_for_url("**/ui/jobs/*")
    return urlsplit(page.url).path.rpartition("/")[2]


def test_progress_moves_and_the_plot_appears_without_a_reload(open_page, api):
    # Given the form, in which an analysis is chosen, whose parameters then appear
    page = open_page("/ui/new")
    page.get_by_role("combobox", name="Analysis").select_option("histogram")
    page.get_by_label("column", exact=True).first.select_option("magnitude")
    page.get_by_text("Priority, tags, attempts").click()
    page.get_by_label("delay").fill("2")
    page.get_by_label("tags").fill("by form, weekly")

    # when it is submitted, then the page of the job follows it until its plot is there
    page.get_by_role("button", name="Submit job").click()
    jid = job_of(page)
    page.evaluate("window.sameDocument = true")
    plot = page.get_by_role("img", name="Plot of histogram")
    expect(plot).to_be_visible()
    eventually(lambda: plot.evaluate("image => image.complete && image.naturalWidth > 100"))
    assert page.evaluate("window.sameDocument")
    job = api.get(f"/jobs/{jid}").json()
    assert job["tags"] == ["by form", "weekly"]
    assert job["params"] == {"column": "magnitude"}


def test_the_range_is_picked_within_the_data(open_page, api):
    # Given the ends of the data as the limits of the range
    page = open_page("/ui/new?analysis=summary")
    start, end = page.locator("[id='/start']"), page.locator("[id='/end']")
    assert start.get_attribute("min") == "2018-01-31T01:49:59.650"
    page.get_by_label("Range over").select_option("magnitude")
    expect(start).to_have_attribute("type", "number")

    # when magnitudes and a filter are chosen, then the job has them
    start.fill("5")
    end.fill("6")
    page.get_by_role("combobox", name="Column").select_option("type")
    page.get_by_role("textbox", name="Value", exact=True).fill("earthquake")
    page.get_by_role("button", name="Submit job").click()
    job = api.get(f"/jobs/{job_of(page)}?wait=20").json()
    assert (job["index"], job["start"], job["end"]) == ("magnitude", 5, 6)
    assert job["where"] == {"type": "earthquake"}


def test_the_range_is_dragged_over_the_histogram(open_page, api):
    # Given the histogram of the magnitudes
    page = open_page("/ui/new?analysis=summary")
    page.get_by_label("Range over").select_option("magnitude")
    bars = page.locator(".pickable > g")
    expect(page.locator("[id='/start']")).to_have_attribute("type", "number")

    # when the mouse is dragged from a bar to the one before it
    bars.nth(5).hover()
    page.mouse.down()
    bars.nth(4).hover()
    page.mouse.up()
    bars.nth(10).hover()

    # then the range is that of the two
    expect(page.locator(".picked")).to_have_count(2)
    assert page.locator("[id='/start']").input_value() == bars.nth(4).get_attribute("data-start")
    assert page.locator("[id='/end']").input_value() == bars.nth(5).get_attribute("data-end")
    page.get_by_role("button", name="Submit job").click()
    job = api.get(f"/jobs/{job_of(page)}").json()
    assert job["index"] == "magnitude"
    assert -0.8 < job["start"] < job["end"] < 6.4


def test_times_are_chosen_on_the_histogram(open_page, api):
    page = open_page("/ui/new?analysis=summary")
    page.locator(".pickable > g").last.click()
    assert page.locator("[id='/end']").input_value().startswith("2018-02-07T01:26:13.84")
    page.get_by_role("button", name="Submit job").click()
    results = api.get(f"/jobs/{job_of(page)}/results?wait=20").json()
    assert 0 < results["count"] < 200


def test_an_error_stands_next_to_its_field_and_what_was_typed_stays(open_page, api):
    page = open_page("/ui/new?analysis=sleep")
    page.get_by_label("seconds").fill("1")
    page.get_by_text("Priority, tags, attempts").click()
    page.get_by_label("tags").fill(", ".join(f"tag {number}" for number in range(200)))
    page.get_by_role("button", name="Submit job").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was queued")
    expect(page.get_by_label("seconds")).to_have_value("1")
    page.get_by_role("alert").get_by_role("link").first.click()
    expect(page.get_by_label("tags")).to_be_in_viewport()
    open_page.complaints.clear()  # 422 is one


def test_a_job_is_repeated_with_other_parameters(open_page, submit, api):
    # Given a complete job
    old = submit("histogram", wait=True, params={"column": "magnitude", "bins": 7}, tags=["old"])
    page = open_page(f"/ui/jobs/{old['id']}")

    # when its form is changed, then the new job has both what was changed and what was kept, and names the old one
    page.get_by_role("link", name="Change and run again").click()
    expect(page.get_by_label("bins")).to_have_value("7")
    page.get_by_label("bins").fill("9")
    page.get_by_role("button", name="Submit job").click()
    expect(page.get_by_text("This is the new job; it repeats")).to_be_visible()
    made = api.get(f"/jobs/{job_of(page)}").json()
    assert made["params"] == {"column": "magnitude", "bins": 9}
    assert made["tags"] == ["old"]
    assert made["retry_of"] == old["id"]
