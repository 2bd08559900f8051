"""Curves as SVG: two panels with axes, ticks and a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 860, 300  # of a panel, with its margins; more lines make it higher
_ROW = 17  # of the legend
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 250, 34, 46
_COLOURS = ("#1f6fb4", "#d1495b", "#2e933c", "#8a4fbf", "#c77d0a", "#12908e", "#6b6b6b", "#b0347a")
_MOST_POINTS = 600  # of a line; more are averaged


class Line(NamedTuple):
    """One figure over the steps.

    Attributes:
        name: of the figure.
        validation: drawn thick, with dots.
        points: (step, value), steps rising.
    """

    name: str
    validation: bool
    points: Sequence[tuple[float, float]]


class _Axis(NamedTuple):
    """Maps values to 0..1."""

    low: float
    high: float
    logarithmic: bool

    def share(self, value: float) -> float:
        if self.logarithmic:
            low, high, value = (math.log10(each) for each in (self.low, self.high, value))
        else:
            low, high = self.low, self.high
        return (value - low) / (high - low)


def picture(title: str, lines: Sequence[Line]) -> str:
    """Return an SVG of all lines: losses on a logarithmic axis, the other figures below."""
    last = max(step for line in lines for step, _ in line.points)
    losses = [line for line in lines if "loss" in line.name]
    others = [line for line in lines if "loss" not in line.name]
    panels = [
        (heading, held)
        for heading, held in ((f"{title}: losses", losses), (f"{title}: figures", others))
        if held
    ]
    heights = [max(_HEIGHT, _TOP + _BOTTOM + _ROW * len(held)) for _, held in panels]
    height = sum(heights)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, (heading, held) in enumerate(panels):
        parts.append(f'<g transform="translate(0 {sum(heights[:number])})">')
        parts += _panel(heading, held, last, heights[number], logarithmic=held is losses)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    heading: str, lines: Sequence[Line], last: float, height: int, *, logarithmic: bool
) -> list[str]:
    steps = _Axis(0, max(1.0, last), False)
    values = _value_axis([value for line in lines for _, value in line.points], logarithmic)
    right, bottom = _WIDTH - _RIGHT, height - _BOTTOM

    def x(step: float) -> float:
        return round(_LEFT + (right - _LEFT) * steps.share(step), 1)

    def y(value: float) -> float:
        return round(bottom - (bottom - _TOP) * values.share(value), 1)

    parts = [f'<text x="{_LEFT}" y="20" font-size="14" font-weight="bold">{escape(heading)}</text>']
    for tick in _ticks(values):
        parts.append(
            f'<line x1="{_LEFT}" x2="{right}" y1="{y(tick)}" y2="{y(tick)}" stroke="#dddddd"/>'
            f'<text x="{_LEFT - 8}" y="{y(tick) + 4}" text-anchor="end">{_number(tick)}</text>'
        )
    for tick in _ticks(steps):
        parts.append(
            f'<line x1="{x(tick)}" x2="{x(tick)}" y1="{bottom}" y2="{bottom + 5}" '
            'stroke="#333333"/>'
            f'<text x="{x(tick)}" y="{bottom + 19}" text-anchor="middle">{_number(tick)}</text>'
        )
    scale = ", logarithmic" if values.logarithmic else ""
    parts.append(
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="#333333"/>'
        f'<text x="{(_LEFT + right) / 2}" y="{bottom + 37}" text-anchor="middle">step</text>'
        f'<text transform="translate(16 {(_TOP + bottom) / 2}) rotate(-90)" '
        f'text-anchor="middle">value{scale}</text>'
    )
    colours: dict[str, str] = {}
    for row, line in enumerate(lines):
        colour = colours.setdefault(line.name, _COLOURS[len(colours) % len(_COLOURS)])
        points = [(x(step), y(value)) for step, value in _thinned(line.points)]
        parts.append(_drawn(line, points, colour))
        parts.append(_legend(line, right + 20, _TOP + 8 + _ROW * row, colour))
    return parts


def _drawn(line: Line, points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x},{y}" for x, y in points)
    width, opacity = (2.5, 1.0) if line.validation else (1.2, 0.6)
    drawn = (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}"/>'
    )
    if line.validation or len(points) == 1:
        drawn += "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in points)
    return drawn


def _legend(line: Line, x: float, y: float, colour: str) -> str:
    width, opacity = (2.5, 1.0) if line.validation else (1.2, 0.6)
    split = "validation" if line.validation else "training"
    value = _number(line.points[-1][1])
    return (
        f'<line x1="{x}" x2="{x + 18}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" '
        f'stroke-width="{width}" stroke-opacity="{opacity}"/>'
        f'<text x="{x + 24}" y="{y}">{escape(line.name)}, {split}: {value}</text>'
    )


def _value_axis(values: Sequence[float], logarithmic: bool) -> _Axis:
    low, high = min(values), max(values)
    if low > 0 and logarithmic:
        return _Axis(low / 1.1, high * 1.1, True)
    if low >= 0 and high <= 1:
        return _Axis(0, 1, False)
    room = 0.05 * (high - low) or max(abs(high) * 0.05, 0.5)
    return _Axis(low - room, high + room, False)


def _ticks(axis: _Axis) -> list[float]:
    """Round numbers on an axis, about five."""
    if axis.logarithmic:
        powers = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
        for digits in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
            held = [
                digit * 10.0**power
                for power in powers
                for digit in digits
                if axis.low <= digit * 10.0**power <= axis.high
            ]
            if len(held) >= 3:
                break
        return held[:: max(1, len(held) // 8)]
    rough = (axis.high - axis.low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * each for each in (1, 2, 5, 10) if unit * each >= rough)
    first = math.ceil(axis.low / step - 1e-9)
    last = math.floor(axis.high / step + 1e-9)
    return [step * each for each in range(first, last + 1)]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means of neighbours, so that a long run's picture stays small."""
    size = -(-len(points) // _MOST_POINTS)
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return [
        (sum(step for step, _ in group) / len(group), sum(value for _, value in group) / len(group))
        for group in groups
    ]


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e7 else f"{value:.3g}"
