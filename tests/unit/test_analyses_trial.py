"""Trying an analysis without a server gives what a job would store."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from analyses import InvalidParams, UnknownAnalysis
from analyses.__main__ import main
from analyses.framework.trial import prepare_trial
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


@pytest.mark.parametrize("day", ["2018-02-02", "20180202", "2018-W05-5", date(2018, 2, 2)])
def test_a_day_is_included_whole_in_every_spelling(day):
    assert try_analysis("summary", SAMPLE, start=day, end=day).count == 242
    assert try_analysis("summary", SAMPLE, start=day, end=datetime(2018, 2, 2)).count == 0


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_the_times_of_a_frame_are_converted_as_the_service_stores_them(unit):
    # Given a frame with times in a zone, times without one, and days
    midnight = datetime(2018, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame({"here": [midnight], "there": [midnight], "day": [midnight.date()]}).with_columns(
        pl.col("here").dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit(unit),
        pl.col("there").dt.replace_time_zone(None).dt.cast_time_unit(unit),
    )

    # When a range of a frame is analysed
    rows = prepare_trial("summary", frame, {}, start="2018-01-01", end="2018-01-01T00:00Z").rows

    # Then both are in UTC and in microseconds
    assert rows.schema == {"here": pl.Datetime("us", "UTC"), "there": pl.Datetime("us", "UTC"), "day": pl.Date}
    assert rows.row(0) == (midnight, midnight, midnight.date())


def test_the_last_days_that_there_are_can_be_bounds():
    frame = pl.DataFrame({"day": [date(1, 1, 1), date(9999, 12, 31)]})
    assert try_analysis("summary", frame, start="0001-01-01", end="9999-12-31").count == 2


def test_bounds_need_a_column_of_dates():
    with pytest.raises(ValueError, match=r"^start '2018-01-02': no column has dates"):
        try_analysis("summary", FRAME, start="2018-01-02")
    with pytest.raises(ValueError, match=r"^end 'soon': expected an ISO date or time"):
        try_analysis("summary", SAMPLE, end="soon")


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
        (["summary", str(SAMPLE), "--start", "yesterday"], "--start 'yesterday': expected an ISO date or time"),
        (["summary", str(SAMPLE), "--end", "0001-01-01T00:00+05:00"], "--end '0001-01-01T00:00+05:00': expected"),
        (["summary", str(SAMPLE), "--out", str(SAMPLE)], "--out"),
        (["timeseries", str(SAMPLE), "--param", "every=1s"], "every: more than 100,000 steps"),
        (["histogram", str(SAMPLE), "--param", "column=2018"], "column: the dataset has no column '2018'"),
        (["histogram", str(SAMPLE), "--param", "bins=0"], "bins: Input should be greater than or equal to 1"),
        (["histogram", str(SAMPLE), "--param", "bins=true"], "bins: Input should be a valid integer"),
    ],
)
def test_the_command_refuses_wrong_arguments_in_one_line(words, reason, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["2018", "NaN", "true", "1e3", "Infinity", "[km]", '"'])
def test_a_column_of_any_name_can_be_named(tmp_path, capsys, name):
    file = tmp_path / "rows.parquet"
    pl.DataFrame({"a": ["x"], name: [1.0]}).write_parquet(file)
    words = ["groups", str(file), "--param", f"column={name}", "--param", f"by={name}", "--out", str(tmp_path)]

    assert main(words) == 0

    printed = json.loads(capsys.readouterr().out)
    assert (printed["params"]["column"], printed["params"]["by"]) == (name, [name])


def test_parameters_that_take_other_json_are_read_as_json(tmp_path, capsys):
    words = ["groups", str(SAMPLE), "--param", 'by=["network", "type"]', "--param", "column=null", "--param", "top=2.0"]

    assert main([*words, "--out", str(tmp_path)]) == 0

    params = json.loads(capsys.readouterr().out)["params"]
    assert (params["by"], params["column"], params["top"]) == (["network", "type"], None, 2)


@pytest.mark.parametrize("error", ["ValueError('too odd')", "pl.exceptions.ComputeError('too odd')", "OSError('odd')"])
def test_an_error_of_the_analysis_is_raised_with_its_traceback(drop_in, error):
    # Given an analysis that raises an error that a wrong argument raises as well
    drop_in("odd", f"import polars as pl\n\ndef run(rows):\n    raise {error}\n")

    # When the command tries it, the error is not taken for that of an argument
    with pytest.raises(Exception, match="odd") as raised:
        main(["odd", str(SAMPLE)])
    assert raised.traceback[-1].path.name == "odd.py"


def test_the_command_lists_the_analyses(capsys):
    assert main([]) == 0
    assert "parameters: [column], [bins]" in capsys.readouterr().out
