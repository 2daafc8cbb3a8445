"""Tests that the registry finds every analysis by its file and passes the arguments that ``run`` declares."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import analyses
from analyses import BrokenAnalysis, Outcome, UnknownAnalysis, get_analyses, get_analysis, get_registry, render

ROOT = Path(analyses.__file__).parents[1]
COME_ALONG = "correlation groups histogram map outliers sleep summary timeseries trend".split()
COUNT = '''"""Count the rows by the values of one column.

More that only readers of the file need.
"""
import polars as pl
from analyses.kit import Column, Params

class CountParams(Params):
    column: Column

def run(rows: pl.DataFrame, params: CountParams) -> dict:
    return dict(rows[params.column].value_counts().iter_rows())
'''

MODEL = "from analyses.kit import Params\nclass P(Params):\n"

DropIn = Callable[[str, str], None]


def ignore(fraction: float, message: str | None = None) -> None:
    """Ignore the progress."""


def test_the_analyses_that_come_along_are_found_sorted_and_described() -> None:
    found = get_analyses()
    assert get_registry().broken == {}
    assert list(found) == sorted(found)
    assert found.keys() >= set(COME_ALONG)
    assert all(each.description and each.name == name for name, each in found.items())
    assert not found["sleep"].reads_dataset
    assert all(found[name].reads_dataset for name in COME_ALONG if name != "sleep")


def test_a_file_is_all_it_takes(drop_in: DropIn) -> None:
    # Given a new file
    drop_in("count", COUNT)

    # When the registry is asked for it
    count = get_analysis("count")

    # Then it is described, checked and run
    assert count.description == "Count the rows by the values of one column."
    assert count.params_schema()["properties"]["column"]["description"] == "A column of the dataset."
    assert count.check({"column": "a"}, {"a": "integer"}) == {"column": "a"}
    outcome = count.run(pl.DataFrame({"a": [1, 2, 2]}), {"column": "a"}, ignore)
    assert render(outcome).result == {"1": 1, "2": 2}


def test_an_example_fills_in_what_is_required(drop_in: DropIn) -> None:
    drop_in("count", COUNT)
    assert get_analysis("count").example_params() == {}
    assert get_analysis("count").example_params({"a": "text"}) == {"column": "a"}
    assert get_analysis("sleep").example_params({"a": "text"}) == {}


def test_what_run_does_not_ask_for_it_does_not_get(drop_in: DropIn) -> None:
    # Given an analysis that asks for nothing and one whose annotations name what only type checkers import
    drop_in("bare", "def run():\n    return {}\n")
    drop_in(
        "typed",
        '"""Typed."""\nfrom __future__ import annotations\nfrom typing import TYPE_CHECKING\n'
        "from analyses.kit import Params\nif TYPE_CHECKING:\n    import polars as pl\n"
        "def run(rows: pl.DataFrame, params: Params) -> dict:\n    return {'rows': len(rows)}\n",
    )

    # Then both run
    assert get_analysis("bare").run(None, {}, ignore) == Outcome({})
    assert get_analysis("typed").run(pl.DataFrame({"a": [1]}), {}, ignore) == Outcome({"rows": 1})


@pytest.mark.parametrize(
    ("imported", "annotation"),
    [
        ("from analyses.kit import Rows", "Rows"),
        ("from analyses.kit import Rows", "'Rows'"),
        ("from analyses.kit import Rows as Table", "Table"),
        ("from analyses import kit", "kit.Rows"),
        ("from analyses import kit\nTable = kit.Rows", "Table"),
        ("import typing\nif typing.TYPE_CHECKING:\n    from analyses.kit import Rows", "Rows"),
        ("import typing\nif typing.TYPE_CHECKING:\n    from analyses import kit", "kit.Rows"),
    ],
)
def test_rows_are_passed_in_batches_under_any_name(drop_in: DropIn, imported: str, annotation: str) -> None:
    # Given an analysis that names the type of its rows as it likes
    drop_in(
        "batched",
        f"from __future__ import annotations\n{imported}\n"
        f"def run(rows: {annotation}) -> dict:\n    return {{'rows': [len(each) for each in rows.batches(['a'])]}}\n",
    )

    # When it runs, then it gets batches
    assert get_analysis("batched").run(pl.DataFrame({"a": [1, 2]}), {}, ignore) == Outcome({"rows": [2]})


def test_params_may_be_a_class_of_another_module(drop_in: DropIn) -> None:
    # Given an annotation with the name of a module in it
    drop_in("plain", "from __future__ import annotations\nfrom analyses import kit\ndef run(params: kit.Params): ...\n")

    # Then its class is found
    assert get_analysis("plain").check({}, {}) == {}


def test_progress_stays_between_0_and_1(drop_in: DropIn) -> None:
    drop_in(
        "eager",
        "def run(progress):\n    progress(-1)\n    progress(float('nan'), 'lost')\n    progress(2, 'done')\n"
        "    return {}\n",
    )
    seen: list[tuple[float, str | None]] = []
    get_analysis("eager").run(None, {}, lambda fraction, message=None: seen.append((fraction, message)))
    assert seen == [(0.0, None), (0.0, "lost"), (1.0, "done")]


def test_helpers_are_no_analyses(drop_in: DropIn) -> None:
    before = list(get_analyses())
    drop_in("_private", "raise RuntimeError('is never imported')")
    drop_in("helper", "X = 1\n")
    assert list(get_analyses()) == before


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def run(:\n", "SyntaxError"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("def run(rows, colour): ...\n", "'colour'"),
        ("def run(**rows): ...\n", "rows"),
        ("def run(params): ...\n", "annotate"),
        ("def run(params: dict): ...\n", "annotate"),
        ("from analyses.kit import Params\nclass P(Params):\n    x: 'Gone'\ndef run(params: P): ...\n", "imported"),
        ("import sys\nsys.exit('usage')\n", "SystemExit: usage"),
        ("run = print\n", "run() may take"),
        (f"from collections.abc import Callable\n{MODEL}    x: Callable\ndef run(params: P): ...\n", "CallableSchema"),
        (f"{MODEL}    x: float = float('nan')\ndef run(params: P): ...\n", "not JSON compliant"),
        ('"""\\udc80"""\ndef run(): ...\n', "UnicodeEncodeError"),
    ],
)
def test_a_broken_file_makes_only_its_analysis_unavailable(drop_in: DropIn, source: str, reason: str) -> None:
    before = get_analyses()

    drop_in("broken", source)

    found = get_registry()
    assert found.analyses.keys() == before.keys()
    assert found.broken.keys() == {"broken"}
    assert str(found.broken["broken"]).startswith("analyses/broken.py")
    with pytest.raises(BrokenAnalysis, match=re.escape(reason)):
        get_analysis("broken")


def test_what_is_neither_dict_nor_outcome_is_refused(drop_in: DropIn) -> None:
    drop_in("listed", "def run():\n    return [1]\n")
    with pytest.raises(TypeError, match=r"'listed' must return a dict or an Outcome, not list"):
        get_analysis("listed").run(None, {}, ignore)


def test_an_unknown_analysis_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownAnalysis, match=f"no analysis 'median'; there are: {', '.join(get_analyses())}"):
        get_analysis("median")


def test_loading_all_analyses_loads_nothing_heavy() -> None:
    script = (
        "import sys, analyses; analyses.get_analyses(); print({'matplotlib', 'numpy', 'polars'} & sys.modules.keys())"
    )
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"
