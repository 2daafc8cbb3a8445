"""Tries an analysis on a file: ``python -m analyses NAME FILE --param column=magnitude``.

Without arguments, it lists all analyses.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from polars.exceptions import PolarsError

from analyses import BrokenAnalysis, InvalidParams, UnknownAnalysis, get_analyses
from analyses.framework.trial import run_trial

__all__ = ["main"]


def main(words: list[str] | None = None) -> int:
    """Print the result as JSON and save the artifacts; return the exit status, 2 for a wrong argument."""
    options = _parser().parse_args(words)
    try:
        if options.name is None:
            print(_list_analyses())
            return 0
        params = dict(_param(text) for text in options.param)
        trial = run_trial(options.name, options.file, params, options.start, options.end)
        saved = trial.save(options.out)
    except InvalidParams as error:
        return _refuse("; ".join(f"{pointer[1:] or 'params'}: {detail}" for pointer, detail in error.errors))
    except (UnknownAnalysis, BrokenAnalysis, ValueError, OSError) as error:
        return _refuse(str(error))
    except PolarsError as error:
        return _refuse(f"{options.file} cannot be read: {error}".splitlines()[0])
    shown = {"analysis": trial.analysis, "params": trial.params, "count": trial.count, "result": trial.result}
    print(json.dumps(shown, indent=2, ensure_ascii=False))
    for path in saved:
        print(f"saved {path}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analyses", description="Run an analysis on a file, without a server."
    )
    parser.add_argument("name", nargs="?", help="the analysis; without it, all are listed")
    parser.add_argument("file", nargs="?", help="a .csv, .parquet, .ndjson or .json file")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter; JSON or text")
    parser.add_argument("--start", help="the first day or time to include")
    parser.add_argument("--end", help="the last day or time to include")
    parser.add_argument("--out", default=".", metavar="FOLDER", help="where plots and tables are saved (.)")
    return parser


def _param(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--param {text}: expected NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _list_analyses() -> str:
    lines = []
    for name, analysis in get_analyses().items():
        schema = analysis.params_schema()
        required = schema.get("required", ())
        params = [param if param in required else f"[{param}]" for param in schema.get("properties", {})]
        lines.append(f"{name:<14} {analysis.description}\n{'':<14} parameters: {', '.join(params) or 'none'}")
    return "\n".join(lines)


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
