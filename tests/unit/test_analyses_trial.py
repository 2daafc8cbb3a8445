"""Trying an analysis without a server gives what a job would store."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from analyses import InvalidParams, UnknownAnalysis
from analyses.__main__ import main
from analyses.kit import try_analysis

SAMPLE = Path(__file__).parents[2] / "samples" / "earthquakes.csv"
FRAME = pl.DataFrame({"size": [1.0, 2.0, None, 4.0], "day": ["2018-01-01", "2018-01-02", "2018-01-03", "2018-01-04"]})


def test_a_frame_is_analysed_in_one_line_with_the_defaults_of_a_job():
    trial = try_analysis("histogram", FRAME, column="size", bins=3)

    assert (trial.params, trial.count) == ({"column": "size", "bins": 3}, 4)
    assert (trial.result["counts"], trial.result["missing"]) == ([1, 1, 1], 1)
    assert [artifact.name for artifact in trial.artifacts] == ["plot.png", "plot.svg", "table.csv"]


def test_a_trial_is_saved_and_shown_in_a_notebook(tmp_path):
    trial = try_analysis("histogram", FRAME)

    saved = trial.save(tmp_path / "new")

    assert saved[0].read_bytes()[:4] == b"\x89PNG"
    assert '"counts"' in trial._repr_html_().replace("&quot;", '"')
    assert trial._repr_html_().count("<img") == 1


def test_a_range_of_days_includes_its_last_day_whole():
    trial = try_analysis("summary", SAMPLE, start="2018-02-01", end="2018-02-02")

    times = trial.result["columns"]["time"]
    assert (times["min"][:10], times["max"][:10]) == ("2018-02-01", "2018-02-02")
    assert trial.count == times["count"] == 473


def test_bounds_need_a_column_of_dates():
    with pytest.raises(ValueError, match="no column has dates"):
        try_analysis("summary", FRAME, start="2018-01-02")


def test_parameters_are_validated_as_those_of_a_job():
    with pytest.raises(InvalidParams) as raised:
        try_analysis("histogram", FRAME, column="sise", bins=0)
    assert [pointer for pointer, _ in raised.value.errors] == ["/column", "/bins"]
    with pytest.raises(UnknownAnalysis, match="histogram"):
        try_analysis("histogramm", FRAME)


def test_an_analysis_without_a_dataset_needs_no_rows():
    assert try_analysis("sleep", seconds=0).result == {"slept": 0.0}
    with pytest.raises(ValueError, match="reads a dataset"):
        try_analysis("summary")


@pytest.mark.parametrize("suffix", [".parquet", ".ndjson", ".json"])
def test_other_files_are_read_by_their_suffix(tmp_path, suffix):
    file = tmp_path / f"rows{suffix}"
    getattr(FRAME, f"write_{suffix[1:]}")(file)

    assert try_analysis("summary", file).count == 4


def test_the_command_prints_the_result_and_saves_the_plots(tmp_path, capsys):
    words = ["histogram", str(SAMPLE), "--param", "column=magnitude", "--param", "bins=5", "--out", str(tmp_path)]

    assert main(words) == 0

    printed = json.loads(capsys.readouterr().out)
    assert (printed["params"], printed["count"]) == ({"column": "magnitude", "bins": 5}, 1707)
    assert {path.name for path in tmp_path.iterdir()} == {"plot.png", "plot.svg", "table.csv"}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["histogram", str(SAMPLE), "--param", "column=magnitud"], "column: the dataset has no column 'magnitud'"),
        (["histogram", str(SAMPLE), "--param", "column"], "expected NAME=VALUE"),
        (["histogram", str(SAMPLE), "--param", "start=2018-02-01"], "start: "),
        (["nothing", str(SAMPLE)], "no analysis 'nothing'"),
        (["summary", "there-is-none.csv"], "No such file"),
        (["summary", "Makefile"], "expected a file that ends with .csv"),
        (["summary", str(SAMPLE), "--start", "yesterday"], "yesterday"),
    ],
)
def test_the_command_refuses_wrong_arguments_in_one_line(words, reason, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_the_command_lists_the_analyses(capsys):
    assert main([]) == 0
    assert "parameters: [column], [bins]" in capsys.readouterr().out
