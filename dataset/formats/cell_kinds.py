"""The kind of a single cell of text, as far as headers, footers and delimiters are told from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

__all__ = ["Kind", "is_typed", "kind_of"]

Kind = Literal["missing", "number", "moment", "boolean", "text"]

_TYPED_SHARE: Final = 0.6
_MAX_LENGTH: Final = 64
_CACHED: Final = 10_000
_MISSING: Final = frozenset(
    ("", "na", "n/a", "nan", "null", "none", "#n/a", "-", "--", "?", ".", "..", "...", "*", "**", "***")
)
_BOOLEAN: Final = frozenset(("true", "false", "yes", "no"))
_DIGIT: Final = re.compile("[0-9]")
_NUMBER: Final = re.compile(
    r"[-+(]*[$€£¥]? ?[-+]?(?:[0-9][0-9.,'_]*(?:[ \u00a0\u202f][0-9]{3}(?:[.,][0-9]*)?)*|[.,][0-9]+)"
    r"(?:[eE][-+]?[0-9]+)? ?[%$€£¥)]*"
)
_MOMENT: Final = re.compile(
    r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}\.?"  # 2020-01-31, 31.12.20, 5-8-2019 18:20
    r"(?:[T ,]+[0-9]{1,2}[:.][0-9]{2}[0-9:.,]*(?: ?[ap]m)?(?: ?[a-z]{1,5}| ?[-+][0-9:]{2,6})?)?"
    r"|[0-9]{4}-[0-9]{2}|[0-9]{4}-?(?:W[0-9]{2}|Q[1-4])(?:-[1-7])?|[0-9]{4}-[0-9]{3}(?:T[0-9:.]+Z?)?"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?: ?[ap]m)?"
    r"|(?=.*[0-9])[0-9 ,.-]*(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[ ,./-]?[0-9][0-9 ,.:apm-]*",
    re.IGNORECASE,
)


def kind_of(cell: str) -> Kind:
    """Return the kind of a cell; digits count as a number even where a column of them would stay text."""
    return "text" if len(cell) > _MAX_LENGTH else _short_kind(cell.strip())


@lru_cache(_CACHED)
def _short_kind(text: str) -> Kind:
    if text.lower() in _MISSING:
        return "missing"
    if not _DIGIT.search(text):
        return "boolean" if text.lower() in _BOOLEAN else "text"
    if _NUMBER.fullmatch(text):
        return "number"
    return "moment" if _MOMENT.fullmatch(text) else "text"


def is_typed(cells: Iterable[str]) -> bool:
    """Return whether most of the values that are not missing are of another kind than text."""
    kinds = [kind for kind in map(kind_of, cells) if kind != "missing"]
    return bool(kinds) and sum(kind != "text" for kind in kinds) >= _TYPED_SHARE * len(kinds)
