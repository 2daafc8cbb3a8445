"""Small charts of columns, as the rectangles of an SVG."""

from __future__ import annotations

from typing import Any, NamedTuple

from dataset import ColumnProfile

__all__ = ["HEIGHT", "WIDTH", "Chart", "Rectangle", "draw"]

WIDTH = 240
HEIGHT = 40
_GAP = 1.0


class Rectangle(NamedTuple):
    """A bar of a chart, and its value and count in words."""

    x: float
    width: float
    y: float
    height: float
    title: str


class Chart(NamedTuple):
    """A histogram: its bars, and a sentence for those who cannot see it."""

    bars: tuple[Rectangle, ...]
    label: str


def draw(name: str, profile: ColumnProfile) -> Chart | None:
    """Return the histogram of a column of numbers, dates or times; None for others, and for one without values."""
    if profile.least is None:
        return None
    most = max(1, *(bar.count for bar in profile.bars))
    width = WIDTH / len(profile.bars)
    gap = _GAP if len(profile.bars) > 1 else 0.0
    bars = []
    for position, bar in enumerate(profile.bars):
        height = max(1.0, HEIGHT * bar.count / most) if bar.count else 0.0
        title = f"{_range(bar.low, bar.high)}: {bar.count:,}"
        bars.append(
            Rectangle(
                round(position * width, 2), round(width - gap, 2), round(HEIGHT - height, 2), round(height, 2), title
            )
        )
    peak = max(profile.bars, key=lambda bar: bar.count)
    label = (
        f"Histogram of {name}, from {profile.least} to {profile.greatest}; most values: {_range(peak.low, peak.high)}"
    )
    return Chart(tuple(bars), label)


def _range(low: Any, high: Any) -> str:
    return _short(low) if low == high else f"{_short(low)} to {_short(high)}"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
