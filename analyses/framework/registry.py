"""Finds the analyses: every module of this package that defines a function ``run``."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from analyses.framework.columns import type_of
from analyses.framework.outcome import Outcome, Progress
from analyses.framework.parameters import Params
from analyses.framework.rows import MemoryRows, Rows
from analyses.framework.sources import forget_modules, read_sources

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "Analysis",
    "BrokenAnalysis",
    "Registry",
    "UnknownAnalysis",
    "get_analyses",
    "get_analysis",
    "get_registry",
    "has_changed",
    "load_analyses",
    "reload_if_changed",
]

_PACKAGE = "analyses"
_OFFERED = ("rows", "params", "progress")


class UnknownAnalysis(LookupError):
    """There is no analysis of this name; the message lists all analyses."""


class BrokenAnalysis(RuntimeError):
    """A file of this package cannot be used; the message names it and gives the reason."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis: a function of rows and parameters. Get one by :func:`get_analysis`."""

    name: str
    description: str
    reads_dataset: bool
    _schema: dict[str, Any]
    _model: type[Params]
    _function: Callable[..., Any]
    _takes: frozenset[str]
    _takes_batches: bool

    def params_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the parameters."""
        return self._schema

    def example_params(self, columns: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return parameters for an example: the required ones whose fields have ``examples``.

        With ``columns`` (names and types), a required column is the first that fits.
        """
        schema, example = self.params_schema(), {}
        for name in schema.get("required", ()):
            about = schema["properties"][name]
            fitting = about.get("examples", []) + _fitting(about.get("format"), columns or {})
            if fitting:
                example[name] = fitting[0]
        return example

    def read_params(self, params: Any, columns: Mapping[str, str], index: str | None = None) -> Params:
        """Parse posted parameters; ``columns`` (name to type) and ``index`` are those of the dataset.

        Pass :class:`DatasetColumns` to validate many jobs against the same dataset.

        :raises InvalidParams: with all reasons.
        """
        return self._model.parse(params, columns, index)

    def read_params_text(self, text: str, columns: Mapping[str, str], index: str | None = None) -> Params:
        """Parse posted parameters from JSON text."""
        return self._model.parse_text(text, columns, index)

    def check(self, params: Any, columns: Mapping[str, str], index: str | None = None) -> dict[str, Any]:
        """Return the parameters with their defaults as JSON values; otherwise as :meth:`read_params`."""
        return self.read_params(params, columns, index).as_json()

    def run(self, rows: pl.DataFrame | Rows | None, params: Any, progress: Progress) -> Outcome:
        """Run on ``rows`` (None if it reads no dataset) with ``params`` as posted or as parsed.

        A function that takes a frame gets all columns of the rows in memory.

        :raises InvalidParams: if the parameters do not fit the analysis.
        """
        arguments: dict[str, Any] = {}
        if "params" in self._takes:
            arguments["params"] = params if isinstance(params, self._model) else self._read_for(rows, params)
        if "rows" in self._takes:
            arguments["rows"] = self._rows_as_taken(rows)
        if "progress" in self._takes:
            arguments["progress"] = _clamped(progress)
        outcome = self._function(**arguments)
        if isinstance(outcome, dict):
            return Outcome(outcome)
        if isinstance(outcome, Outcome):
            return outcome
        raise TypeError(f"analysis {self.name!r} must return a dict or an Outcome, not {type(outcome).__name__}")

    def _rows_as_taken(self, rows: pl.DataFrame | Rows | None) -> pl.DataFrame | Rows | None:
        is_frame = rows is None or not hasattr(rows, "batches")
        if self._takes_batches:
            return MemoryRows(rows) if is_frame else rows  # type: ignore[arg-type]
        return rows if is_frame else rows.frame(rows.schema.names())  # type: ignore[union-attr]

    def _read_for(self, rows: pl.DataFrame | Rows | None, params: Any) -> Params:
        columns = None if rows is None else {name: type_of(dtype) for name, dtype in rows.schema.items()}
        return self._model.parse(params, columns)


def _fitting(format_: str | None, columns: Mapping[str, str]) -> list[str]:
    """Return the names of ``columns`` that fit a parameter of this format."""
    if format_ == "number-column":
        return [name for name, type_ in columns.items() if type_ in ("integer", "number")]
    return list(columns) if format_ == "column" else []


def _clamped(progress: Progress) -> Progress:
    def report(fraction: float, message: str | None = None) -> None:
        progress(min(1.0, max(0.0, float(fraction))), message)

    return report


class Registry(NamedTuple):
    """The analyses by name, sorted, and the errors of the files that cannot be used; immutable."""

    analyses: Mapping[str, Analysis]
    broken: Mapping[str, BrokenAnalysis]
    sources: Mapping[str, tuple[int, int]]


_registry: Registry | None = None
_reloading = Lock()


def get_registry() -> Registry:
    """Return the registry; the files are loaded by the first call."""
    return _registry or load_analyses()


def get_analyses() -> Mapping[str, Analysis]:
    """Return all analyses that can be used, by name, sorted."""
    return get_registry().analyses


def get_analysis(name: str) -> Analysis:
    """Return the analysis called ``name``.

    :raises UnknownAnalysis: there is no such analysis.
    :raises BrokenAnalysis: its file cannot be used.
    """
    found = get_registry()
    if name in found.broken:
        raise BrokenAnalysis(str(found.broken[name]))
    try:
        return found.analyses[name]
    except KeyError:
        raise UnknownAnalysis(f"no analysis {name!r}; there are: {', '.join(found.analyses)}") from None


def load_analyses() -> Registry:
    """Find the files and load those that are not loaded yet; replace the registry at once, and return it."""
    global _registry
    package = importlib.import_module(_PACKAGE)
    # Read before the files are loaded, so that a change during the load is noticed afterwards.
    sources = read_sources(package)
    importlib.invalidate_caches()
    analyses: dict[str, Analysis] = {}
    broken: dict[str, BrokenAnalysis] = {}
    for name in sorted(each.name for each in pkgutil.iter_modules(package.__path__) if not each.name.startswith("_")):
        try:
            if (analysis := _load_file(name)) is not None:
                analyses[name] = analysis
        except BrokenAnalysis as error:
            broken[name] = error
    _registry = Registry(analyses, broken, sources)
    return _registry


def has_changed() -> bool:
    """Return whether a file was added, changed or removed since the files were loaded."""
    return get_registry().sources != read_sources(importlib.import_module(_PACKAGE))


def reload_if_changed() -> bool:
    """Load all files again if one was added, changed or removed; return whether this call did.

    One thread reloads; others continue with the registry as it was.
    """
    if not _reloading.acquire(blocking=False):
        return False
    try:
        changed = has_changed()
        if changed:
            forget_modules(importlib.import_module(_PACKAGE))
            load_analyses()
        return changed
    finally:
        _reloading.release()


def _load_file(name: str) -> Analysis | None:
    """Load a file; None if it does not define ``run``."""
    try:
        module = importlib.import_module(f"{_PACKAGE}.{name}")
        return _analysis(name, module) if callable(getattr(module, "run", None)) else None
    except BrokenAnalysis:
        raise
    except (Exception, SystemExit) as error:  # whatever is wrong with one file, the others can be used
        raise BrokenAnalysis(f"{_PACKAGE}/{name}.py cannot be loaded: {type(error).__name__}: {error}") from error


def _analysis(name: str, module: ModuleType) -> Analysis:
    file = f"{_PACKAGE}/{name}.py"
    parameters = _signature(module.run).parameters
    for each in parameters.values():
        if each.name not in _OFFERED or each.kind not in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            raise BrokenAnalysis(f"{file}: run() may take rows, params and progress, not {str(each)!r}")
    model = _model(file, module, parameters["params"].annotation) if "params" in parameters else Params
    description = " ".join(inspect.cleandoc(module.__doc__ or "").split("\n\n")[0].split())
    schema = model.model_json_schema()
    json.dumps([description, schema], allow_nan=False, ensure_ascii=False).encode()  # or it could not be listed
    return Analysis(
        name=name,
        description=description,
        reads_dataset="rows" in parameters,
        _schema=schema,
        _model=model,
        _function=module.run,
        _takes=frozenset(parameters),
        _takes_batches="rows" in parameters and _is_rows(module, parameters["rows"].annotation),
    )


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        # Names imported for type checkers only must not make the annotations unreadable.
        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def _is_rows(module: ModuleType, annotation: Any) -> bool:
    resolved = _resolve(module, annotation)
    # What is imported for type checkers only is known by its name.
    name = getattr(resolved, "__forward_arg__", resolved)
    return resolved is Rows or (isinstance(name, str) and name.strip("'\"").rpartition(".")[2] == "Rows")


def _resolve(module: ModuleType, annotation: Any) -> Any:
    """Return what an annotation means in its file, or the annotation if that cannot be found out."""
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": annotation}), vars(module))["it"]
    except (NameError, AttributeError, SyntaxError, TypeError):
        return annotation


def _model(file: str, module: ModuleType, annotation: Any) -> type[Params]:
    annotation = _resolve(module, annotation)
    if not (isinstance(annotation, type) and issubclass(annotation, Params)):
        raise BrokenAnalysis(f"{file}: annotate run()'s params with a class made from analyses.kit.Params")
    if not annotation.__pydantic_complete__:
        raise BrokenAnalysis(f"{file}: {annotation.__name__} names types that are not imported at run time")
    return annotation
