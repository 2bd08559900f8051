"""Charts as SVG, without a plotting package: bars with intervals, and lines over ordered steps.

Values are shares or differences of shares; a chart says its figures in text too (`<title>` of each
mark), so that it can be read without seeing colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#6b6b6b", "#f0e442")
"""Told apart by colour-blind readers (Okabe and Ito 2008)."""
_HEIGHT, _TOP, _BOTTOM, _LEFT, _RIGHT = 260, 64, 64, 56, 24
_STEPS = 5


class Mark(NamedTuple):
    """One value with its interval; shares, 0..1 (or differences, -1..1)."""

    value: float
    low: float
    high: float
    num: int = 0


Series = Mapping[str, Sequence[Mark | None]]
"""Name of a series to one mark a label; None where there is no value."""


def bars(title: str, labels: Sequence[str], series: Series) -> str:
    """Return a chart of grouped bars with intervals.

    Raises:
        ValueError: a series has not one mark for each label.
    """
    chart = _Chart(title, labels, series, least_step=max(48.0, 18.0 * len(series) + 20))
    width = (chart.step - 16) / max(1, len(series))
    for number, (name, marks) in enumerate(series.items()):
        for place, mark in enumerate(marks):
            if mark is None:
                continue
            left = chart.left_of(place) + 8 + number * width
            y, zero = chart.y(mark.value), chart.y(0.0)
            chart.add(
                f'<rect x="{left:.1f}" y="{min(y, zero):.1f}" width="{width - 3:.1f}" '
                f'height="{max(1.0, abs(zero - y)):.1f}" fill="{_colour(number)}">'
                f"<title>{escape(_told(name, labels[place], mark))}</title></rect>"
            )
            chart.interval(left + (width - 3) / 2, mark)
    return chart.text()


def lines(title: str, labels: Sequence[str], series: Series) -> str:
    """Return a chart of lines over ordered labels (ages); a missing value breaks the line.

    Raises:
        ValueError: a series has not one mark for each label.
    """
    chart = _Chart(title, labels, series, least_step=80.0)
    for number, (name, marks) in enumerate(series.items()):
        colour = _colour(number)
        before: tuple[float, float] | None = None
        for place, mark in enumerate(marks):
            if mark is None:
                before = None
                continue
            # A little apart, so that intervals of two series can be told from each other.
            x = chart.left_of(place) + chart.step / 2 + (number - (len(series) - 1) / 2) * 5
            y = chart.y(mark.value)
            if before is not None:
                chart.add(
                    f'<line x1="{before[0]:.1f}" y1="{before[1]:.1f}" x2="{x:.1f}" y2="{y:.1f}" '
                    f'stroke="{colour}" stroke-width="2"/>'
                )
            chart.interval(x, mark, colour)
            chart.add(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">'
                f"<title>{escape(_told(name, labels[place], mark))}</title></circle>"
            )
            before = (x, y)
    return chart.text()


class _Chart:
    """Axes, legend and what was drawn on them."""

    def __init__(
        self, title: str, labels: Sequence[str], series: Series, least_step: float
    ) -> None:
        if any(len(marks) != len(labels) for marks in series.values()):
            raise ValueError("Every series needs one mark, or None, for each label.")
        self._title, self._labels, self._series = title, labels, series
        longest = max((len(label) for label in labels), default=0)
        self.step = max(least_step, 6.5 * longest + 10, 480 / max(1, len(labels)))
        legend = sum(map(_legend_width, series))
        self._width = _LEFT + max(self.step * max(1, len(labels)), legend) + _RIGHT
        # Below zero only where something is: differences.
        lows = [m.low for marks in series.values() for m in marks if m is not None]
        highs = [m.high for marks in series.values() for m in marks if m is not None]
        self._low = -1.0 if min(lows, default=0.0) < 0 else 0.0
        self._high = max(1.0, max(highs, default=0.0))
        self._parts: list[str] = []

    def add(self, part: str) -> None:
        """Draw one thing over what was drawn before."""
        self._parts.append(part)

    def left_of(self, place: int) -> float:
        """Return where the room of a label begins."""
        return _LEFT + place * self.step

    def y(self, value: float) -> float:
        """Return where a value lies."""
        return _TOP + (self._high - value) / (self._high - self._low) * _HEIGHT

    def interval(self, x: float, mark: Mark, colour: str = "#222222") -> None:
        """Draw an interval with its caps."""
        low, high = self.y(mark.low), self.y(mark.high)
        self.add(
            f'<path d="M{x:.1f} {low:.1f}V{high:.1f}M{x - 3:.1f} {low:.1f}h6'
            f'M{x - 3:.1f} {high:.1f}h6" stroke="{colour}" fill="none"/>'
        )

    def text(self) -> str:
        """Return the whole picture."""
        width, height = self._width, _TOP + _HEIGHT + _BOTTOM
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
            f'width="{width:.0f}" height="{height}" role="img" font-family="sans-serif" '
            f'font-size="12" fill="#222222">',
            f"<title>{escape(self._title)}</title>",
            f'<rect width="{width:.0f}" height="{height}" fill="#ffffff"/>',
            f'<text x="{_LEFT}" y="20" font-size="15">{escape(self._title)}</text>',
        ]
        for number in range(_STEPS + 1):
            value = self._low + (self._high - self._low) * number / _STEPS
            y = self.y(value)
            parts.append(
                f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{width - _RIGHT:.1f}" y2="{y:.1f}" '
                f'stroke="{"#222222" if abs(value) < 1e-9 else "#dddddd"}"/>'
                f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{100 * value:.0f}</text>'
            )
        for place, label in enumerate(self._labels):
            x = self.left_of(place) + self.step / 2
            parts.append(
                f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 20}" text-anchor="middle">'
                f"{escape(label)}</text>"
            )
        x = float(_LEFT)
        for number, name in enumerate(self._series):
            parts.append(
                f'<rect x="{x:.1f}" y="32" width="12" height="12" fill="{_colour(number)}"/>'
                f'<text x="{x + 17:.1f}" y="43">{escape(name)}</text>'
            )
            x += _legend_width(name)
        return "\n".join([*parts, *self._parts, "</svg>\n"])


def _legend_width(name: str) -> float:
    return 34 + 7 * len(name)


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _told(name: str, label: str, mark: Mark) -> str:
    questions = f", {mark.num} questions" if mark.num else ""
    return (
        f"{name}, {label}: {100 * mark.value:.1f} % "
        f"({100 * mark.low:.1f} to {100 * mark.high:.1f}{questions})"
    )
