"""The page of the limits shows what was measured, and its arithmetic starts from that."""

from __future__ import annotations

import re

import pytest

from benchmarks.scaling.measure import LEASES, SHAPES
from benchmarks.scaling.page import BEGIN, END, PAGE, Figures, generate, load


def cells(table: str, start: str) -> list[str]:
    """Return the cells of the row that begins with this text, without spaces around them."""
    [row] = [line for line in table.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_page_shows_the_stored_results():
    assert f"{BEGIN}\n{generate(load())}\n\n{END}" in PAGE.read_text()


@pytest.mark.parametrize("lease", LEASES)
def test_the_text_tells_which_heartbeats_cost_less_than_a_fifth_of_a_core(lease):
    # Given the sentence on this lease, and what was measured
    text = " ".join(PAGE.read_text().partition(END)[2].split())
    [sentence] = re.findall(rf"[Ww]ith `LEASE_SECONDS={lease}`([^.;]*)", text)
    figures = Figures(load())

    # then it is right about each number of workers under a supervisor
    for shape in SHAPES:
        percent = figures("heartbeat-busy", f"{shape} each, {lease} s")
        assert re.findall(rf"(below|above) 20 % (?:with|for) {shape}\b", sentence) == [
            "below" if percent < 20 else "above"
        ], f"{shape}: {percent:.1f} %"


def test_the_arithmetic_starts_from_the_figures():
    # Given figures of which each is ten times as large
    results = load()
    larger = {
        part: {
            **about,
            "rounds": [
                [(line, side, 10 * value, unit) for line, side, value, unit in each] for each in about["rounds"]
            ],
        }
        for part, about in results.items()
    }

    # then what is needed is ten times as much, and the number of jobs is the same
    before, after = generate(results), generate(larger)
    for row in ("memory of Redis, jobs kept for a day", "log of Redis"):
        needs = [float(re.sub("[^0-9.]", "", cells(text, row)[2])) for text in (before, after)]
        assert abs(needs[1] / needs[0] - 10) < 0.3
    assert cells(before, "jobs ") == cells(after, "jobs ")
    assert cells(before, "jobs ")[2] == "386 jobs/s, 1,929 at the peak"
