"""Tests that parameters are validated, with a reason and a JSON pointer for each that is refused."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import pytest
from pydantic import Field

from analyses import DatasetColumns, InvalidParams, get_analysis
from analyses.kit import Column, Columns, NumberColumn, Params

COLUMNS = {"name": "text", "size": "integer", "a/b~c": "number"}


class AllParams(Params):
    day: date = date(2026, 1, 2)
    columns: list[Column] = Field(default=[])
    number: NumberColumn | None = None
    bins: int | Literal["auto"] = "auto"
    pair: tuple[int, int] = (1, 2)


def errors(params: Any, model: type[Params] = AllParams) -> list[tuple[str, str]]:
    with pytest.raises(InvalidParams) as raised:
        model.parse(params, COLUMNS)
    return raised.value.errors


def test_defaults_are_filled_in_as_json() -> None:
    assert get_analysis("sleep").check({}, {}) == {"seconds": 15.0}
    assert get_analysis("summary").check({"top": 3}, COLUMNS) == {"columns": None, "top": 3}
    assert AllParams.parse({}).model_dump(mode="json")["day"] == "2026-01-02"


def test_what_check_returns_is_accepted_again() -> None:
    once = AllParams.parse({"day": "2026-11-24", "pair": [3, 4]}, COLUMNS)
    assert AllParams.parse(once.model_dump(mode="json"), COLUMNS) == once


def test_an_unknown_column_is_answered_with_those_there_are() -> None:
    assert errors({"columns": ["size", "nmae"]}) == [
        ("/columns/1", "the dataset has no column 'nmae'; it has: name, size, a/b~c")
    ]


def test_a_column_of_another_type_is_answered_with_those_of_numbers() -> None:
    assert errors({"number": "name"}) == [
        ("/number", "column 'name' holds text, not numbers; columns of numbers: size, a/b~c")
    ]


def test_columns_are_not_checked_where_the_dataset_is_not_known() -> None:
    assert AllParams.parse({"columns": ["anything"], "number": "any"}).number == "any"


def test_every_error_is_told_and_pointed_at() -> None:
    pointers = [pointer for pointer, _ in errors({"day": "never", "bins": "few", "pair": [1, "2"], "a/b~c": 1})]
    assert pointers == ["/day", "/bins", "/bins", "/pair/1", "/a~1b~0c"]


def test_an_unknown_parameter_is_answered_with_those_there_are() -> None:
    class Two(Params):
        one: int = 1
        two: int = 2

    assert errors({"three": 3}, Two) == [("/three", "unknown parameter; there are: one, two")]
    assert errors({"three": 3}, Params) == [("/three", "unknown parameter; this analysis takes none")]


def test_a_missing_parameter_is_pointed_at() -> None:
    class Needy(Params):
        column: Column

    assert errors({}, Needy) == [("/column", "Field required")]


def test_of_many_columns_a_few_are_listed_and_long_names_are_cut() -> None:
    columns = {f"column {number}": "integer" for number in range(10_000)} | {"l" * 500: "text"}
    for params in ({"columns": ["nope"]}, {"number": "l" * 500}):
        with pytest.raises(InvalidParams) as raised:
            AllParams.parse(params, columns)
        ((_, detail),) = raised.value.errors
        assert "column 0, column 1," in detail
        assert "more" in detail
        assert len(detail) < 700


def test_the_errors_stop_at_a_hundred() -> None:
    assert len(errors({"columns": ["nope"] * 5000})) == 100
    assert len(errors({f"x{number}": 0 for number in range(5000)})) == 100


def test_a_list_of_columns_has_an_end_and_each_column_once() -> None:
    class Some(Params):
        columns: Columns

    assert Some.parse({"columns": ["size", "name", "size"]}, COLUMNS).columns == ["size", "name"]
    assert [pointer for pointer, _ in errors({"columns": ["size"] * 1001}, Some)] == ["/columns"]
    assert Some.model_json_schema()["properties"]["columns"]["maxItems"] == 1000


def test_what_is_found_in_the_columns_is_found_once() -> None:
    class Counted(dict[str, str]):
        looks = 0

        def items(self) -> Any:
            self.looks += 1
            return super().items()

    known = DatasetColumns(types := Counted(COLUMNS), "size")
    for _ in range(50):
        assert get_analysis("histogram").check({}, known)["column"] == "size"
        assert get_analysis("trend").check({}, known)["y"] == "a/b~c"
    assert types.looks <= 3


@pytest.mark.parametrize("bins", [30, 30.0])
def test_an_integer_is_one_however_it_is_written(bins: float) -> None:
    checked = AllParams.parse({"bins": bins, "pair": [1.0, -2.0], "day": "2026-11-24"}, COLUMNS)
    assert (checked.bins, checked.pair, checked.day) == (30, (1, -2), date(2026, 11, 24))
    assert AllParams.parse_text('{"bins": 30.00, "pair": [1e0, 2]}', COLUMNS).pair == (1, 2)
    assert get_analysis("sleep").check({"seconds": 2.0}, {}) == {"seconds": 2.0}


@pytest.mark.parametrize("bins", [30.5, 1e300, True, "30"])
def test_what_is_no_integer_is_none(bins: Any) -> None:
    assert errors({"bins": bins})


@pytest.mark.parametrize(
    "seconds", [-1, 86_401, "1", True, None, [], float("nan"), float("inf"), 10**400, "\ud800", {"\ud800": 1}]
)
def test_what_is_no_number_of_seconds_is_refused(seconds: Any) -> None:
    with pytest.raises(InvalidParams):
        get_analysis("sleep").check({"seconds": seconds}, {})


@pytest.mark.parametrize("params", [[], None, "text", 5])
def test_what_is_no_object_is_refused(params: Any) -> None:
    assert errors(params) == [("", "Input should be an object")]


def test_parameters_nested_beyond_reason_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    assert [pointer for pointer, _ in errors({"columns": deep})] == [""]


def test_a_run_with_bad_parameters_says_so_too() -> None:
    with pytest.raises(InvalidParams, match=r"params/seconds: Input should be greater than or equal to 0"):
        get_analysis("sleep").run(None, {"seconds": -1}, lambda fraction, message=None: None)
