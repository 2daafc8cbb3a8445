"""The form of texts in which a search compares them: case is ignored."""

from __future__ import annotations

from typing import Final, TypeVar

import polars as pl

from dataset.serialization import to_texts

__all__ = ["fold", "fold_text", "folded_texts"]

_SIGMA: Final = "\N{GREEK SMALL LETTER SIGMA}"
_FINAL_SIGMA: Final = "\N{GREEK SMALL LETTER FINAL SIGMA}"

_Texts = TypeVar("_Texts", pl.Series, pl.Expr)


def fold(texts: _Texts) -> _Texts:
    """Return texts in the form in which they are compared when case is ignored."""
    # The lower case of sigma depends on its position in the word, so a part of a word would not match.
    return texts.str.to_lowercase().str.replace_all(_FINAL_SIGMA, _SIGMA, literal=True)


def fold_text(text: str) -> str:
    """Return one text as `fold` does. Raises UnicodeEncodeError for a lone surrogate."""
    folded: str = fold(pl.Series([text])).item()
    return folded


def folded_texts(column: pl.Series) -> pl.Series:
    """Return the text of each value of a column, folded."""
    return fold(column) if column.dtype == pl.String else to_texts(column).str.to_lowercase()
