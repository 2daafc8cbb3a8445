"""Expressions of columns by their exact names."""

from __future__ import annotations

import polars as pl
import polars.selectors as cs

__all__ = ["column_expr"]


def column_expr(name: str) -> pl.Expr:
    """Return the expression of a column; `pl.col` reads `*` and `^…$` as patterns."""
    return cs.by_name(name).as_expr()
