"""Small charts of columns, as the rectangles of an SVG."""

from __future__ import annotations

from typing import Any, NamedTuple

from dataset import ColumnProfile

__all__ = ["Chart", "Rectangle", "draw", "short"]

_WIDTH = 240
_HEIGHT = 40
_MOMENT = len("2026-01-31T12:00")


class Rectangle(NamedTuple):
    """A bar of a chart, and its value and count in words."""

    x: float
    width: float
    y: float
    height: float
    title: str
    low: Any
    high: Any


class Chart(NamedTuple):
    """A histogram: its bars, and a sentence for those who cannot see it."""

    bars: tuple[Rectangle, ...]
    label: str


def draw(name: str, profile: ColumnProfile) -> Chart | None:
    """Return the histogram of a column of numbers, dates or times; None for others, and for one without values."""
    if profile.least is None:
        return None
    most = max(1, *(bar.count for bar in profile.bars))
    width = _WIDTH / len(profile.bars)
    bars = []
    for position, bar in enumerate(profile.bars):
        height = max(1.0, _HEIGHT * bar.count / most) if bar.count else 0.0
        title = f"{_range(bar.low, bar.high)}: {bar.count:,}"
        x, top = round(position * width, 2), round(_HEIGHT - height, 2)
        bars.append(Rectangle(x, round(width, 2), top, round(height, 2), title, bar.low, bar.high))
    peak = max(profile.bars, key=lambda bar: bar.count)
    label = (
        f"Histogram of {name}, from {profile.least} to {profile.greatest}; most values: {_range(peak.low, peak.high)}"
    )
    return Chart(tuple(bars), label)


def _range(low: Any, high: Any) -> str:
    return short(low) if low == high else f"{short(low)} to {short(high)}"


def short(value: Any) -> str:
    """Return a number, a date or a time as a chart has room for it; times without their seconds."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)[:_MOMENT].replace("T", " ")
