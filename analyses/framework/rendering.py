"""Renders an outcome for storing and serving: a JSON-able result, and artifacts as bytes."""

from __future__ import annotations

import io
import json
import math
import re
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from analyses.framework.outcome import Outcome, to_text

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["Artifact", "Rendered", "render"]

# Most values: building the position of each would cost more than copying it.
_AS_IT_IS = frozenset((str, bool, type(None)))

# Python itself does not parse longer ones by default.
_LONGEST_INTEGER_BITS = 14_000


class Artifact(NamedTuple):
    """A file of a result: its name (``plot.png``), its media type, its bytes."""

    name: str
    type: str
    content: bytes


class Rendered(NamedTuple):
    """A rendered outcome; ``result`` consists of JSON values."""

    result: dict[str, Any]
    artifacts: list[Artifact]


def render(outcome: Outcome) -> Rendered:
    """Render an outcome: figures first, then tables. The same outcome gives the same bytes.

    In the result, NaN and infinities become null, dates and times text, durations seconds, values of NumPy and polars
    plain Python values, and keys text (the JSON of their value).

    :raises TypeError: for a value that JSON cannot represent; the message gives its position.
    :raises ValueError: for two keys that become the same text, names of figures or tables that are not valid
        file names, and lists or dicts that are nested too deeply.
    """
    try:
        result = _mapping(outcome.result, "result") if outcome.result else {}
    except RecursionError:
        raise ValueError("result: nested too deeply, or something holds itself") from None
    artifacts = []
    for name, figure in outcome.figures.items():
        artifacts.append(Artifact(_file(name, "png"), "image/png", _drawn(figure, "png")))
        artifacts.append(Artifact(_file(name, "svg"), "image/svg+xml", _drawn(figure, "svg")))
    for name, table in outcome.tables.items():
        artifacts.append(Artifact(_file(name, "csv"), "text/csv", _csv(table)))
    return Rendered(result, artifacts)


def _file(name: str, suffix: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
        raise ValueError(f"a figure or table cannot be called {name!r}: use letters, digits, - and _")
    return f"{name}.{suffix}"


def _drawn(figure: Figure, kind: str) -> bytes:
    import matplotlib

    # Without a fixed salt, or with a date, each drawing would differ.
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "plot"}), io.BytesIO() as file:
        figure.savefig(file, format=kind, dpi=figure.dpi, metadata=metadata)
        # A second layout for the other format would cost as much as drawing.
        figure.set_layout_engine("none")
        return file.getvalue()


def _csv(table: pl.DataFrame) -> bytes:
    import polars.selectors as cs

    plain = table.with_columns(cs.datetime().dt.convert_time_zone("UTC"), cs.float().fill_nan(None))
    return plain.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.3fZ").encode()


def _plain(value: Any, where: str) -> Any:
    """Convert ``value`` to JSON values; ``where`` is its position for messages."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        if value.bit_length() > _LONGEST_INTEGER_BITS:
            raise ValueError(f"{where}: an integer of more than 4,000 digits; make it text")
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return _mapping(value, where)
    if isinstance(value, (list, tuple)):
        return [
            each if type(each) in _AS_IT_IS else _plain(each, f"{where}[{index}]") for index, each in enumerate(value)
        ]
    if isinstance(value, (date, time)):
        return to_text(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return _plain(value.value, where)
    if isinstance(value, Decimal):
        return _plain(float(value), where)
    return _plain(_unwrapped(value, where), where)


def _unwrapped(value: Any, where: str) -> Any:
    """Convert a NumPy scalar or array or a polars series to plain Python values.

    They are recognized by their methods, so that other results do not import the libraries.
    """
    if hasattr(value, "tolist"):
        kind = getattr(value.dtype, "kind", "")
        # NumPy returns times in nanoseconds as plain integers.
        unwrapped = (value.astype(f"{kind}8[us]") if kind in ("M", "m") else value).tolist()
        if type(unwrapped) is not type(value):
            return unwrapped
    elif hasattr(value, "to_list"):
        return value.to_list()
    raise TypeError(f"{where}: a {type(value).__name__} cannot be written as JSON; make it text, numbers or lists")


def _mapping(value: dict[Any, Any], where: str) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, each in value.items():
        name = _key(key, where)
        if name in plain:
            raise ValueError(f"{where}: two keys become the text {name!r}")
        as_it_is = type(each) in _AS_IT_IS or (type(each) is float and math.isfinite(each))
        plain[name] = each if as_it_is else _plain(each, f"{where}[{name!r}]")
    return plain


def _key(key: Any, where: str) -> str:
    if type(key) is str:
        return key
    plain = _plain(key, f"{where}, key {key!r}")
    return plain if isinstance(plain, str) else json.dumps(plain)
