"""The two charts of the report, as inline SVG: curves over a threshold, and paired bars.

Everything that is drawn takes its colours from the page's style sheet, so that a chart is readable
on a light and on a dark page. Coordinates are in user units; the page scales the drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 960.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 96.0, 14.0, 44.0
_LABEL_GAP = 15.0


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line; ``style`` is the class of the style sheet that colours it."""

    name: str
    style: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps values in [low, high] onto [begin, end] of the drawing."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def curves_chart(
    positions: Sequence[float],
    curves: Sequence[Curve],
    *,
    x_label: str,
    steady: tuple[float, float],
    description: str,
) -> str:
    """Draw curves that share their positions on the horizontal axis.

    Parameters
    ----------
    positions
        Increasing, at least two; 0 among them is marked as the default.
    curves
        One value in [0, 1] a position each.
    x_label
        Title of the horizontal axis.
    steady
        Range of positions that is shaded.
    description
        What a screen reader says instead.
    """
    height = 320.0
    values = [value for curve in curves for value in curve.values]
    low = max(0.0, math.floor((min(values) - 0.02) * 10) / 10)
    high = min(1.0, math.ceil((max(values) + 0.005) * 10) / 10)
    x = _Scale(positions[0], positions[-1], _LEFT, _WIDTH - _RIGHT)
    y = _Scale(low, high, height - _BOTTOM, _TOP)
    parts = [_opening(height, description)]
    parts.append(
        f'<rect class="steady" x="{x(steady[0]):.1f}" y="{_TOP:g}" '
        f'width="{x(steady[1]) - x(steady[0]):.1f}" height="{y(low) - _TOP:.1f}"/>'
    )
    steps = max(1, round((high - low) * 10))
    for step in range(steps + 1):
        value = low + (high - low) * step / steps
        parts.append(_rule(_LEFT, y(value), _WIDTH - _RIGHT, y(value)))
        parts.append(_text(_LEFT - 8, y(value) + 4, f"{value:.1f}", "tick end"))
    parts.append(_rule(x(0), _TOP, x(0), y(low), "default"))
    parts.extend(
        _text(x(position), y(low) + 18, _signed(position), "tick middle")
        for position in positions[:: max(1, (len(positions) - 1) // 8)]
    )
    parts.append(
        _text((_LEFT + _WIDTH - _RIGHT) / 2, height - 6, x_label, "axis middle"),
    )
    for curve in curves:
        points = " ".join(
            f"{x(position):.1f},{y(value):.1f}"
            for position, value in zip(positions, curve.values, strict=True)
        )
        parts.append(f'<polyline class="curve {curve.style}" points="{points}"/>')
        parts.extend(
            f'<circle class="dot {curve.style}" cx="{x(position):.1f}" cy="{y(value):.1f}" r="3">'
            f"<title>{escape(curve.name)} {value:.4f} at {_signed(position)}</title></circle>"
            for position, value in zip(positions, curve.values, strict=True)
        )
    ends = [(y(curve.values[-1]) + 4, curve) for curve in curves]
    for place, curve in _spread(ends):
        parts.append(_text(_WIDTH - _RIGHT + 10, place, curve.name, f"name {curve.style}"))
    parts.append("</svg>")
    return "".join(parts)


def _spread(ends: list[tuple[float, Curve]]) -> list[tuple[float, Curve]]:
    """Move names of curves that end side by side apart, downwards."""
    placed: list[tuple[float, Curve]] = []
    for place, curve in sorted(ends, key=lambda end: end[0]):
        least = placed[-1][0] + _LABEL_GAP if placed else place
        placed.append((max(place, least), curve))
    return placed


def bars_chart(
    names: Sequence[str],
    first: Sequence[int],
    second: Sequence[int],
    *,
    first_name: str,
    second_name: str,
    x_label: str,
    description: str,
) -> str:
    """Draw two counts beside each other for each name.

    Parameters
    ----------
    names
        One a pair of bars.
    first, second
        Counts, at least 0.
    first_name, second_name
        What the bars of either kind are.
    x_label
        Title of the horizontal axis.
    description
        What a screen reader says instead.
    """
    height = 260.0
    top = _TOP + 24
    step = _round_step(max(1, *first, *second) / 4)
    highest = step * math.ceil(max(1, *first, *second) / step)
    y = _Scale(0, highest, height - _BOTTOM, top)
    slot = (_WIDTH - _LEFT - 16) / max(1, len(names))
    bar = min(38.0, slot * 0.36)
    parts = [_opening(height, description)]
    for value in range(0, highest + 1, step):
        parts.append(_rule(_LEFT, y(value), _WIDTH - 16, y(value)))
        parts.append(_text(_LEFT - 8, y(value) + 4, f"{value:,}", "tick end"))
    for number, name in enumerate(names):
        middle = _LEFT + slot * (number + 0.5)
        for value, style, left in (
            (first[number], "true", middle - bar - 1),
            (second[number], "predicted", middle + 1),
        ):
            parts.append(
                f'<rect class="bar {style}" x="{left:.1f}" y="{y(value):.1f}" '
                f'width="{bar:.1f}" height="{y(0) - y(value):.1f}" rx="2"/>'
            )
            parts.append(_text(left + bar / 2, y(value) - 4, f"{value:,}", "count middle"))
        parts.append(_text(middle, y(0) + 18, name, "tick middle"))
    parts.append(_text((_LEFT + _WIDTH) / 2, height - 6, x_label, "axis middle"))
    left = _LEFT
    for name, style in ((first_name, "true"), (second_name, "predicted")):
        parts.append(
            f'<rect class="bar {style}" x="{left:g}" y="2" width="12" height="12" rx="2"/>'
        )
        parts.append(_text(left + 18, 12, name, "legend"))
        left += 40 + 7.5 * len(name)
    parts.append("</svg>")
    return "".join(parts)


def _round_step(least: float) -> int:
    """Return the least of 1, 2, 5, 10, 20, 50 … that is not below ``least``."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= least:
                return factor * power
        power *= 10


def _opening(height: float, description: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {height:g}" role="img" '
        f'aria-label="{escape(description, quote=True)}">'
    )


def _rule(x1: float, y1: float, x2: float, y2: float, style: str = "grid") -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _signed(value: float) -> str:
    return "default" if value == 0 else f"{value:+.2f}".replace("-", "−")
