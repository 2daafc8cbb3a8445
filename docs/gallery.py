"""Runs each analysis on the samples and writes ``docs/analyses.md`` with its plots: ``make gallery``."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from analyses import Analysis, get_analyses, render
from dataset import Table, ingest

__all__ = ["PAGE", "PICTURES", "main", "page"]

_DOCS = Path(__file__).parent
_SAMPLES = _DOCS.parent / "samples"
PAGE = _DOCS / "analyses.md"
PICTURES = _DOCS / "gallery"


class _Example(NamedTuple):
    """A job to show: its caption, its sample and its parameters."""

    caption: str
    sample: str
    params: dict[str, Any]


_QUAKES, _WEATHER = "earthquakes", "seattle-weather"
_EXAMPLES = {
    "correlation": [
        _Example("Correlations of the weather.", _WEATHER, {}),
        _Example("Rank correlations of the earthquakes.", _QUAKES, {"method": "spearman"}),
    ],
    "groups": [
        _Example("Earthquakes by the method of their magnitude.", _QUAKES, {}),
        _Example(
            "Mean magnitude by network and kind of event.",
            _QUAKES,
            {"by": ["network", "type"], "column": "magnitude", "sort": "mean"},
        ),
        _Example(
            "Mean depth by the method of the magnitude, of earthquakes that were reviewed and that were not.",
            _QUAKES,
            {
                "by": "magnitude_type",
                "column": "depth_km",
                "sort": "mean",
                "compare": {"column": "reviewed", "values": [True, False]},
            },
        ),
    ],
    "histogram": [
        _Example("Magnitudes of the earthquakes.", _QUAKES, {"column": "magnitude", "bins": 30}),
        _Example(
            "Magnitudes that two networks have measured.",
            _QUAKES,
            {"column": "magnitude", "compare": {"column": "network", "values": ["ak", "nc"]}},
        ),
    ],
    "map": [
        _Example("Earthquakes, with their depth and magnitude.", _QUAKES, {"color": "depth_km", "size": "magnitude"}),
        _Example("Earthquakes in each cell.", _QUAKES, {"show": "heat"}),
    ],
    "outliers": [
        _Example("Windy days.", _WEATHER, {"column": "wind"}),
        _Example("Magnitudes with a robust z-score above 3.5.", _QUAKES, {"method": "robust-z"}),
    ],
    "sleep": [_Example("A placeholder for a long computation.", _QUAKES, {"seconds": 0})],
    "timeseries": [
        _Example("Earthquakes by the hour.", _QUAKES, {}),
        _Example("Each week's mean of the daily highs.", _WEATHER, {"column": "temp_max", "every": "1w"}),
    ],
    "trend": [
        _Example("Highs over lows.", _WEATHER, {"x": "temp_min", "y": "temp_max"}),
        _Example("Magnitudes over time, by Theil-Sen.", _QUAKES, {"method": "theil-sen"}),
    ],
}

_INTRODUCTION = """\
# The analyses

Written by `make gallery` from the files in `analyses/` and the [samples](../samples/README.md). Every analysis is
submitted with `start`, `end` and these `params`; all have defaults, so `{}` suffices. Plots are PNG and SVG, tables are
CSV. Missing values, NaN and infinities are left out and counted. Each file documents its methods and their sources.
Cells of a table are the data's own text, unchanged: a spreadsheet may run one that begins with `=`, `+`, `-` or `@` as
a formula, so import the tables of a dataset that is not yours as text.
"""


def main() -> None:
    """Write the page and its plots."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir()
    for analysis in get_analyses().values():
        for number, example in enumerate(_examples(analysis), 1):
            for name, content in _pictures(analysis, example):
                (PICTURES / _file(analysis, number, name)).write_bytes(content)
    PAGE.write_text(page())


def page() -> str:
    """Return the text of the page, with the plots that exist."""
    return "\n".join([_INTRODUCTION, *(_section(analysis) for analysis in get_analyses().values())])


def _examples(analysis: Analysis) -> list[_Example]:
    if analysis.name in _EXAMPLES:
        return _EXAMPLES[analysis.name]
    params = analysis.example_params(_table(_QUAKES).description.types())
    return [_Example("On the earthquakes.", _QUAKES, params)]


@cache
def _table(sample: str) -> Table:
    return ingest((_SAMPLES / f"{sample}.csv").read_bytes(), "text/csv")


def _pictures(analysis: Analysis, example: _Example) -> list[tuple[str, bytes]]:
    table = _table(example.sample)
    params = analysis.read_params(example.params, table.description.types(), table.description.index)
    rendered = render(analysis.run(table.frame, params, lambda fraction, message=None: None))
    return [(each.name, each.content) for each in rendered.artifacts if each.type == "image/png"]


def _file(analysis: Analysis, number: int, name: str) -> str:
    return f"{analysis.name}-{number}-{name}"


def _section(analysis: Analysis) -> str:
    parts = [f"## {analysis.name}\n", f"{analysis.description}\n", _parameters(analysis)]
    for number, example in enumerate(_examples(analysis), 1):
        job = {"start": None, "end": None, "analysis": analysis.name, "params": example.params}
        parts.append(f"{example.caption} (`samples/{example.sample}.csv`)\n")
        parts.append(f"```sh\ncurl localhost:5000/jobs -d '{json.dumps(job)}'\n```\n")
        for path in sorted(PICTURES.glob(_file(analysis, number, "*.png"))):
            parts.append(f"![{analysis.name}: {example.caption}](gallery/{path.name})\n")
    return "\n".join(parts)


def _parameters(analysis: Analysis) -> str:
    schema = analysis.params_schema()
    lines = ["| parameter | default | description |", "| --- | --- | --- |"]
    for name, about in schema.get("properties", {}).items():
        default = "required" if name in schema.get("required", ()) else f"`{json.dumps(about.get('default'))}`"
        lines.append(f"| `{name}` | {default} | {_words(about)} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else "It takes no parameters.\n"


def _words(about: dict[str, Any]) -> str:
    """Return the description, followed by the values of an enumeration."""
    options = [each for part in (about, *about.get("anyOf", ())) for each in _options(part)]
    listed = f" One of {', '.join(f'`{each}`' for each in options)}." if options else ""
    return f"{about.get('description', '')}{listed}".replace("|", "\\|").strip()


def _options(part: dict[str, Any]) -> list[Any]:
    return [*part.get("enum", ()), *part.get("items", {}).get("enum", ())]


if __name__ == "__main__":
    main()
