"""Tries an analysis on a file: ``python -m analyses NAME FILE --param column=magnitude``.

Without arguments, it lists all analyses.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from polars.exceptions import PolarsError

from analyses import BrokenAnalysis, InvalidParams, UnknownAnalysis, get_analysis, get_registry
from analyses.framework.trial import BadBound, PreparedTrial, prepare_trial

__all__ = ["main"]

_JSON_TYPES = {
    str: ("string",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number", "integer"),  # 48.0 is an integer
    type(None): ("null",),
    list: ("array",),
    dict: ("object",),
}


def main(words: list[str] | None = None) -> int:
    """Print the result as JSON and save the artifacts; return the exit status, 2 for a wrong argument.

    An error of the analysis itself is not caught, so that Python prints its traceback.
    """
    options = _parser().parse_args(words)
    try:
        if options.name is None:
            print(_list_analyses())
            return 0
        prepared = _prepare(options)
    except InvalidParams as error:
        return _refuse(_in_words(error))
    except BadBound as error:
        return _refuse(f"--{error}")
    except (UnknownAnalysis, BrokenAnalysis, ValueError, OSError) as error:
        return _refuse(str(error))
    except PolarsError as error:
        return _refuse(f"{options.file} cannot be read: {error}".splitlines()[0])
    try:
        trial = prepared.run()
    except InvalidParams as error:
        return _refuse(_in_words(error))
    try:
        saved = trial.save(options.out)
    except OSError as error:
        return _refuse(f"--out {options.out}: {error.strerror}")
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


def _prepare(options: argparse.Namespace) -> PreparedTrial:
    schema = get_analysis(options.name).params_schema()
    params = dict(_param(text, schema) for text in options.param)
    return prepare_trial(options.name, options.file, params, options.start, options.end)


def _param(text: str, schema: dict[str, Any]) -> tuple[str, Any]:
    """Split ``NAME=VALUE``; the value is JSON, or text where it is no JSON or the parameter takes text instead."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--param {text}: expected NAME=VALUE")
    try:
        parsed = json.loads(value, parse_constant=_refuse_constant)
    except ValueError:
        return name, value
    types = set(_types(schema.get("properties", {}).get(name, {}), schema.get("$defs", {})))
    return name, value if "string" in types and not types & set(_JSON_TYPES[type(parsed)]) else parsed


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _types(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """Yield the JSON types that a schema accepts."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]] | schema
    types = schema.get("type", ())
    yield from [types] if isinstance(types, str) else types
    for value in schema.get("enum", ()):
        yield from _JSON_TYPES[type(value)]
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _types(part, definitions)


def _in_words(error: InvalidParams) -> str:
    return "; ".join(f"{pointer[1:] or 'params'}: {detail}" for pointer, detail in error.errors)


def _list_analyses() -> str:
    lines = []
    found = get_registry()
    for name, analysis in found.analyses.items():
        schema = analysis.params_schema()
        required = schema.get("required", ())
        params = [param if param in required else f"[{param}]" for param in schema.get("properties", {})]
        lines.append(f"{name:<14} {analysis.description}\n{'':<14} parameters: {', '.join(params) or 'none'}")
    lines += [f"{name:<14} unavailable: {error}" for name, error in found.broken.items()]
    return "\n".join(lines)


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
