"""Readings of numbers that are not plain numerals.

A sign of a currency or of percent at every value, separators of thousands, a decimal comma, a typographic minus, and
negative amounts in parentheses. A percentage keeps its value: `12.5%` is 12.5. Sign, decimal mark and separator must be
the same in the whole column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Final

import polars as pl

from dataset.load_options import LoadOptions
from dataset.types.readings import Reading, in_slices
from dataset.types.type_inference import null_inexact, null_non_finite

__all__ = ["MAYBE_THOUSANDS", "PLAIN", "implied_options", "number_readings"]

MAYBE_THOUSANDS: Final = r"^[+-]?(?:0|[1-9][0-9]{0,2}(?:\.[0-9]{3})?)$"
"""The pattern of numerals of which a point may be a decimal point or separate thousands."""

PLAIN: Final = "numbers, of which some are negative by a typographic minus or by parentheses"
"""The reading of numbers with a decimal point and nothing else, of which plain ones are read without a note."""

_MINUS: Final = "\\-\u2212\u2013"  # in a class of characters
_SPACE: Final = "[ \u00a0\u2009\u202f]"
_CURRENCY: Final = (
    "(?:[A-Z]{0,3}[$\u00a2-\u00a5\u058f\u060b\u09f2\u09f3\u0af1\u0bf9\u0e3f\u17db\u20a0-\u20c0\ufdfc\uff04\uffe1\uffe5]"
    "|USD|EUR|GBP|JPY|CNY|RMB|CHF|INR|AUD|CAD|NZD|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|RUB|UAH|TRY|BRL|MXN|ARS|CLP|COP"
    r"|ZAR|KRW|SGD|HKD|TWD|THB|IDR|MYR|PHP|VND|ILS|AED|SAR|EGP|NGN|KES|Fr\.|Rs\.?|kr\.?|z\u0142|K\u010d|Ft)"
)
_NO_UNIT: Final = ("", "")
_PERCENT: Final = ("%", "\uff05", "\u2030")
_UNIT: Final = f"{_CURRENCY}|[{''.join(_PERCENT)}]"
_WITH_UNIT: Final = re.compile(
    rf"^\(?[+{_MINUS}]?(?:(?P<before>{_UNIT}){_SPACE}?[+{_MINUS}]?)?[0-9.,](?:[0-9.,'\u2019]|{_SPACE}(?=[0-9]))*"
    rf"(?:{_SPACE}?(?P<after>{_UNIT}))?\)?$"
)
_POINT_CURRENCIES: Final = re.compile("[$\u00a3\u00a5\u20b9\uff04\uffe1\uffe5]|USD|GBP|JPY|INR|CNY")
_GROUPS: Final = {"": "", ",": ",", ".": r"\.", " ": _SPACE, "'": "['\u2019]"}
_GROUP_NAMES: Final = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes"}
_MARKS: Final = {".": r"\.", ",": ","}
_ADDRESS: Final = r"^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$"


def number_readings(sample: Sequence[str], options: LoadOptions) -> list[Reading]:
    """Return the readings of numbers that the options allow, with the most frequent unit of the sample, and without."""
    matches = filter(None, map(_WITH_UNIT.search, sample))
    counts = Counter((match["before"] or "", match["after"] or "") for match in matches)
    bare = counts.pop(_NO_UNIT, 0)
    units = [unit for unit, _ in counts.most_common(1)] + ([_NO_UNIT] if bare or not counts else [])
    decimal, thousands = options.decimal, options.thousands
    if decimal is None and thousands in (",", "."):
        decimal = "," if thousands == "." else "."
    readings = []
    for mark, group in product(_MARKS, _GROUPS):
        is_chosen = thousands is not None and re.fullmatch(_GROUPS[group], thousands) is not None
        if group != mark and decimal in (None, mark) and (not group or thousands is None or is_chosen):
            for before, after in units:
                reading = _reading(mark, group, before, after)
                readings.append(replace(reading, doubt=None) if is_chosen or options.decimal else reading)
    return readings


def implied_options(readings: Iterable[Reading], options: LoadOptions) -> LoadOptions:
    """Return the options with the separators that some columns imply for numbers in the other columns."""
    kinds = [(reading.decimal, reading.thousands) for reading in readings]
    have_commas = any(decimal == "," for decimal, _ in kinds)
    if any(thousands == "," for _, thousands in kinds):
        return options if have_commas else replace(options, thousands=",")
    if any(thousands == "." for _, thousands in kinds):
        return replace(options, thousands=".")
    return replace(options, decimal=",") if have_commas else options


def _reading(mark: str, group: str, before: str, after: str) -> Reading:
    digits = "(?:0|[1-9][0-9]*)"
    if group:
        separator = _GROUPS[group]
        lakh = f"|[1-9][0-9]?(?:{separator}[0-9]{{2}})+{separator}[0-9]{{3}}"
        digits = f"(?:0|[1-9][0-9]*|[1-9][0-9]{{0,2}}(?:{separator}[0-9]{{3}})+{lakh if group == ',' else ''})"
    fraction = f"(?:{_MARKS[mark]}[0-9]+)"
    core = f"(?:{digits}{fraction}?|{fraction})"
    unit = before or after
    if unit:
        gap = f"{_SPACE}{'' if unit.isalpha() and before else '?'}"  # CAD1 is a code, CAD 1 is an amount
        start, end = before and re.escape(before) + gap, after and gap + re.escape(after)
        sign = f"[+{_MINUS}]?"
        pattern = rf"^(?:{sign}{start}{sign if before else ''}{core}{end}|\({start}{core}{end}\)|0)$"
    else:
        # A plus before an integer is that of a telephone number, and 1e5 without a fraction or a sign is a code.
        scientific = f"(?:{digits}?{fraction}[eE][+{_MINUS}]?|{digits}[eE][+{_MINUS}])[0-9]+"
        pattern = (
            rf"^(?:[{_MINUS}]?(?:{core}|{digits}{_MARKS[mark]}|{scientific})|\+(?:{digits}?{fraction}|{scientific})"
            rf"|\({core}\))$"
        )
    return Reading(
        "number",
        _describe(mark, group, unit),
        pattern,
        partial(_convert, mark, group, unit, pattern),
        f"?thousands={'space' if group == ' ' else group}" if group else f"?decimal={mark}",
        partial(_is_doubtful, group),
        certain=mark == "." and (_POINT_CURRENCIES.search(unit) is not None if _is_currency(unit) else not group),
        needs=group and f"[0-9]{_GROUPS[group]}[0-9]",
        decimal=mark,
        thousands=group,
    )


def _is_currency(unit: str) -> bool:
    return unit not in ("", *_PERCENT)


def _describe(mark: str, group: str, unit: str) -> str:
    if not unit and not group and mark == ".":
        return PLAIN
    words = [f"without {unit!r}"] if unit else []
    words += [f"with {_GROUP_NAMES[group]} between thousands"] if group else []
    words += ["with a decimal comma"] if mark == "," else []
    return " ".join(["numbers", ", ".join(words)]).strip() + (" (12.5% as 12.5)" if unit in _PERCENT else "")


def _is_doubtful(group: str, texts: pl.Series) -> bool:
    """Return whether the column may as well hold telephone numbers, addresses of hosts, or numbered items."""
    if texts.str.starts_with("(").all():
        return True
    if group == ".":
        return bool(texts.str.contains(_ADDRESS).all())
    if group == " " and texts.str.contains("[0-9] [0-9]").any():
        return texts.str.count_matches("[0-9]").drop_nulls().n_unique() == 1
    return False


def _convert(mark: str, group: str, unit: str, pattern: str, texts: pl.Series) -> pl.Series:
    """Return integers, or numbers if any text has a fraction; null where a text is not such a number."""
    numerals = in_slices(texts, partial(_to_numerals, mark, group, unit, pattern))
    dtype = pl.Float64() if numerals.str.contains("[.eE]").any() else pl.Int64()
    numbers = numerals.cast(dtype, strict=False)
    return numbers if dtype == pl.Int64 else null_inexact(numerals, null_non_finite(numbers))


def _to_numerals(mark: str, group: str, unit: str, pattern: str, texts: pl.Series) -> pl.Series:
    matching = texts.set(~texts.str.contains(pattern), None).str.replace(unit, "", literal=True)
    bare = matching.str.replace_all(f"{_GROUPS[group] or _SPACE}|{_SPACE}|[)+]", "")
    return bare.str.replace_all(f"[{_MINUS}(]", "-").str.replace(mark, ".", literal=True)
