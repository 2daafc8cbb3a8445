"""The page of the limits shows what was measured, and its arithmetic starts from that."""

from __future__ import annotations

import re

from benchmarks.scaling.measure import SHAPES
from benchmarks.scaling.page import BEGIN, END, PAGE, Figures, generate, load


def cells(table: str, start: str) -> list[str]:
    """Return the cells of the row that begins with this text, without spaces around them."""
    [row] = [line for line in table.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_page_shows_the_stored_results():
    assert f"{BEGIN}\n{generate(load())}\n\n{END}" in PAGE.read_text()


def test_the_text_has_the_figures_of_the_heartbeats_of_ten_thousand_workers():
    # Given what was measured, as the tables have it
    figures = Figures(load())
    found = {shape: figures("heartbeat-busy", f"{shape} each") for shape in SHAPES}

    # then the text states for each number of workers under a supervisor whether it is within a fifth of a core
    text = " ".join(PAGE.read_text().partition(END)[2].split())
    for shape, percent in found.items():
        [said] = re.findall(rf"supervisors of {shape} workers?[^.]*? (below|above) 20 %", text)
        assert said == ("below" if percent < 20 else "above"), f"{shape}: {percent:.1f} %"


def test_the_arithmetic_starts_from_the_figures():
    # Given figures of which each is ten times as large
    results = load()
    larger = {
        **results,
        "rounds": [[(line, side, 10 * value, unit) for line, side, value, unit in each] for each in results["rounds"]],
    }

    # then what is needed is ten times as much, and the number of jobs is the same
    before, after = generate(results), generate(larger)
    for row in ("memory of Redis, jobs kept for a day", "log of Redis"):
        needs = [float(re.sub("[^0-9.]", "", cells(text, row)[2])) for text in (before, after)]
        assert abs(needs[1] / needs[0] - 10) < 0.3
    assert cells(before, "jobs ") == cells(after, "jobs ")
    assert cells(before, "jobs ")[2] == "386 jobs/s, 1,929 at the peak"
