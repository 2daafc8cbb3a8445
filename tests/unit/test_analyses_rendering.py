"""What an analysis returns becomes JSON and files."""

from __future__ import annotations

import enum
import json
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from analyses import Artifact, Outcome, render
from analyses.kit import new_plot, truncate_label


class Color(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (np.float64("nan"), None),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array([[1.0, np.inf]]), [[1.0, None]]),
        (np.array(["2026-01-02T03:04:05"], "datetime64[ns]"), ["2026-01-02T03:04:05.000Z"]),
        (np.timedelta64(1500, "ms"), 1.5),
        (pl.Series([1, None]), [1, None]),
        ((1, [2]), [1, [2]]),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (datetime(2026, 1, 2, 3, 4, 5, 678901), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T23:00:00.000Z"),
        (timedelta(minutes=1), 60.0),
        (Decimal("1.5"), 1.5),
        (Color.RED, "red"),
    ],
)
def test_values_become_json(value: Any, expected: Any) -> None:
    result = render(Outcome({"value": value})).result
    assert result == {"value": expected}
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_keys_become_text() -> None:
    keys = {1: "a", 2.5: "b", None: "c", 4: "d", date(2026, 1, 2): "e", np.int64(3): "f"}
    assert render(Outcome({False: keys})).result == {
        "false": {"1": "a", "2.5": "b", "null": "c", "4": "d", "2026-01-02": "e", "3": "f"}
    }


def test_keys_that_become_the_same_text_are_refused() -> None:
    with pytest.raises(ValueError, match=r"result\['a'\]: two keys become the text '1'"):
        render(Outcome({"a": {1: 0, "1": 0}}))


@pytest.mark.parametrize("value", [b"bytes", {1}, object(), 1j, np.complex128(1), np.void(b"x"), pl.DataFrame()])
def test_what_json_has_no_word_for_is_told_with_its_place(value: Any) -> None:
    with pytest.raises(TypeError, match=r"result\['a'\]\[1\]: a \w+ cannot be written as JSON"):
        render(Outcome({"a": [0, value]}))


def test_a_figure_becomes_two_pictures_that_are_the_same_each_time() -> None:
    # Given the same plot drawn twice
    def drawn() -> list[Artifact]:
        figure, axes = new_plot("Costs in $ or $", x="a\nb", y="<&>")
        axes.plot([1, 2], [3, 4])
        return render(Outcome({}, figures={"plot": figure})).artifacts

    first, second = drawn(), drawn()

    # Then all bytes are equal, and they are what they say
    assert first == second
    assert [(each.name, each.type) for each in first] == [("plot.png", "image/png"), ("plot.svg", "image/svg+xml")]
    assert first[0].content.startswith(b"\x89PNG")
    assert b"<svg" in first[1].content
    assert not re.search(rb"<dc:date>", first[1].content)


def test_a_table_becomes_csv() -> None:
    table = pl.DataFrame(
        {"text": ['a,"b"', None], "number": [0.1, float("nan")], "time": [datetime(2026, 1, 2, tzinfo=UTC), None]}
    )
    (artifact,) = render(Outcome({}, tables={"table": table})).artifacts
    assert (artifact.name, artifact.type) == ("table.csv", "text/csv")
    assert artifact.content.decode() == 'text,number,time\n"a,""b""",0.1,2026-01-02T00:00:00.000Z\n,,\n'


@pytest.mark.parametrize("name", ["", "../x", "a b", "a/b", "ä"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be called"):
        render(Outcome({}, tables={name: pl.DataFrame()}))


def test_long_and_broken_labels_are_cut_to_one_line() -> None:
    assert truncate_label("a\n\x00b") == "a  b"
    assert truncate_label("x" * 50 + "y" * 50) == "x" * 39 + "…" + "y" * 20
