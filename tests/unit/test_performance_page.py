"""The performance page compares round by round, judges each line by its target, and gives a reason for each miss."""

from __future__ import annotations

import json

import pytest

from benchmarks.figures import HERE, Figure, report
from benchmarks.http_load import answer_state
from benchmarks.lines import LINES, Line, at_least, at_most, best_other
from benchmarks.page import (
    BEGIN,
    END,
    PAGE,
    Summary,
    generate,
    main_table,
    missed,
    number,
    replace_generated,
    summarize,
)
from benchmarks.run import load_results

BULLMQ, SLOWER = "BullMQ, concurrency 100", "BullMQ, concurrency 1"


def results(*rounds: list[tuple[str, str, float]]) -> dict[str, dict[str, object]]:
    about = {"date": "2026-01-01", "commit": "abc", "machine": "2 cores", "versions": {"Python": "3.11"}}
    return {"drain": {**about, "rounds": [[[*figure, "jobs/s"] for figure in each] for each in rounds]}}


def only(found: dict[str, dict[str, object]]) -> Summary:
    [summary] = summarize(found)
    return summary


def test_the_ratio_is_the_median_of_the_rounds_not_the_ratio_of_the_medians():
    # given a machine that was slow for both sides in one round, and for one side in another
    summary = only(
        results(
            [("drain-1", HERE, 100), ("drain-1", BULLMQ, 50)],
            [("drain-1", HERE, 10), ("drain-1", BULLMQ, 10)],
            [("drain-1", HERE, 90), ("drain-1", BULLMQ, 30)],
        )
    )
    assert summary.ratios is not None
    assert (summary.ratios.median, list(summary.ratios.values)) == (2, [2, 1, 3])
    assert summary.sides[HERE].median / summary.sides[BULLMQ].median == 3
    assert (summary.other, summary.is_met) == (BULLMQ, True)


def test_a_line_is_compared_with_the_best_of_the_sides_that_its_target_names():
    line = LINES["drain-1"]
    assert best_other(line, {HERE: 5, BULLMQ: 9, SLOWER: 4, "Huey, 1 thread": 20}) == BULLMQ
    faster = Line("idle", "Latency", at_most(1, "BullMQ"))
    assert best_other(faster, {HERE: 5, BULLMQ: 9, SLOWER: 4, "Huey, 1 thread": 1}) == SLOWER
    assert best_other(faster, {HERE: 5, "Huey, 1 thread": 1}) is None


def test_a_target_of_a_value_is_judged_by_the_value_also_where_it_is_compared():
    summary = only(results([("redis-memory", HERE, 600), ("redis-memory", BULLMQ, 400)]))
    assert summary.ratios is not None
    assert (summary.ratios.median, summary.judged, summary.is_met) == (1.5, summary.sides[HERE], True)


@pytest.mark.parametrize(
    ("target", "judged", "reached"),
    [(at_most(2), 4, 0.5), (at_most(2), 2, 1), (at_least(2), 4, 2), (at_least(1, "Huey"), 0.5, 0.5)],
)
def test_a_target_is_met_from_one_on(target, judged, reached):
    assert target.reached(judged) == reached


def test_a_line_without_a_side_to_compare_is_not_judged():
    summary = only(results([("drain-1", HERE, 100)]))
    assert (summary.judged, summary.is_met) == (None, None)
    assert missed(results([("drain-1", HERE, 100)])) == []


def test_several_figures_of_one_round_count_once():
    summary = only(results([("start", HERE, 1), ("start", HERE, 2), ("start", HERE, 9)], [("start", HERE, 4)]))
    assert list(summary.sides[HERE].values) == [2, 4]
    assert str(summary.sides[HERE]) == "3.00 (2.00 to 4.00)"


def test_the_table_has_target_figure_ratio_spread_and_verdict():
    rounds = [
        [("drain-1", HERE, 100.0), ("drain-1", BULLMQ, 200.0)],
        [("drain-1", HERE, 150.0), ("drain-1", BULLMQ, 200.0)],
    ]
    *_, row = main_table(results(*rounds)).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        LINES["drain-1"].title,
        "≥ 1 of BullMQ",
        "125 (100 to 150)",
        BULLMQ,
        "200 (200 to 200)",
        "0.62 (0.50 to 0.75)",
        "**no**",
    ]


@pytest.mark.parametrize(("value", "text"), [(12_345.6, "12,346"), (99.94, "99.9"), (1.005, "1.00"), (0.25, "0.25")])
def test_numbers_have_about_three_digits(value, text):
    assert number(value) == text


def test_the_text_around_the_markers_stays():
    page = f"# Title\n\n{BEGIN}old\n{END}\nthe reasons\n"
    assert replace_generated(page, "new") == f"# Title\n\n{BEGIN}\nnew\n\n{END}\nthe reasons\n"
    with pytest.raises(ValueError, match="marker"):
        replace_generated("# Title\n", "new")


def test_a_module_prints_its_figures_as_json_lines(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["module", "--quick"])
    report(lambda quick: iter([Figure("start", HERE, 1.5, "s" if quick else "ms")]))
    assert json.loads(capsys.readouterr().out) == {"line": "start", "side": HERE, "value": 1.5, "unit": "s"}


@pytest.mark.parametrize(
    ("got", "state"),
    [
        (b"HTTP/1.1 202 ACC", ""),
        (b"HTTP/1.1 202 ACCEPTED\r\nContent-Length: 2\r\n\r\n{", ""),
        (b"HTTP/1.1 202 ACCEPTED\r\nContent-Length: 2\r\n\r\n{}", "open"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 2\r\n\r\n{}", "closed"),
    ],
)
def test_an_answer_over_http_is_counted_when_it_is_complete(got, state):
    assert answer_state(bytearray(got)) == state
    with pytest.raises(RuntimeError, match="429"):
        answer_state(bytearray(b"HTTP/1.1 429 TOO MANY\r\nContent-Length: 0\r\n\r\n"))


def test_the_page_shows_the_stored_results():
    assert f"{BEGIN}\n{generate(load_results())}\n\n{END}" in PAGE.read_text()


def test_the_text_gives_the_reason_of_each_missed_target():
    before, _, rest = PAGE.read_text().partition(BEGIN)
    text = " ".join((before + rest.partition(END)[2]).split())
    assert [title for title in missed(load_results()) if title not in text] == []
