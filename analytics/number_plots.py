"""Plots of numbers over numbers, lines and dots, as pictures for a page: no script draws them."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 680
_HEIGHT: Final = 340
_LEFT: Final = 64
_RIGHT: Final = 16
_TOP: Final = 34
_BOTTOM: Final = 46
#: Ticks of an axis, about.
_TICKS: Final = 6
#: Dots of a plot; of more, every second, third, … is drawn, the first and the last among them.
DOTS_MAX: Final = 3_000
#: Width of a letter of the legend, about.
_LETTER: Final = 8.0
_COLORS: Final = ("a", "b", "c")
_STYLE: Final = (
    "text{font:14px system-ui,sans-serif;fill:#59626e}.grid{stroke:#8a94a1;stroke-opacity:.25}"
    ".zero{stroke:#8a94a1}.same{stroke:#8a94a1;stroke-dasharray:4 4}path{fill:none;stroke-width:2}"
    "path.a{stroke:#2563c9}path.b{stroke:#d9660b}path.c{stroke:#2a8c55}"
    "circle.a{fill:#2563c9}circle.b{fill:#d9660b}circle.c{fill:#2a8c55}circle{fill-opacity:.6}"
    "@media(prefers-color-scheme:dark){text{fill:#a3adb9}path.a{stroke:#6ea3ff}"
    "path.b{stroke:#ff9f52}path.c{stroke:#5cc98b}circle.a{fill:#6ea3ff}circle.b{fill:#ff9f52}"
    "circle.c{fill:#5cc98b}}"
)


@dataclass(frozen=True)
class PlotSeries:
    """Points of one colour.

    Attributes
    ----------
    name : str
        For the legend.
    x, y : sequence of float
        Of one length; a point with NaN, None or an infinite value is not drawn, and breaks a line.
    dots : bool
        Dots; else a line through the points in their order.
    """

    name: str
    x: Sequence[float | None]
    y: Sequence[float | None]
    dots: bool = False

    def points(self) -> list[tuple[float, float] | None]:
        """Return what can be drawn; None where there is nothing."""
        return [
            (float(x), float(y)) if x is not None and y is not None and math.isfinite(x)
            and math.isfinite(y) else None
            for x, y in zip(self.x, self.y, strict=True)
        ]  # fmt: skip


def number_plot(
    series: Sequence[PlotSeries], across: str, up: str, *, alike: bool = False
) -> str | None:
    """Return a plot as a ``data:`` address; None where there is no point to draw.

    Parameters
    ----------
    series
        At most three.
    across, up
        What the axes are.
    alike
        Both axes measure one thing: they have one range, and a line where both are equal.
    """
    if len(series) > len(_COLORS):
        raise ValueError(f"series: expected at most {len(_COLORS)}, found {len(series)}")
    drawn = [one.points() for one in series]
    there = [point for points in drawn for point in points if point is not None]
    if not there:
        return None
    x_range, y_range = (_room([point[k] for point in there]) for k in (0, 1))
    if alike:
        x_range = y_range = (min(x_range[0], y_range[0]), max(x_range[1], y_range[1]))
    frame = _Frame(x_range, y_range)
    parts = [f"<style>{_STYLE}</style>", *frame.axes(across, up)]
    if alike:
        low, high = x_range
        parts.append(frame.line("same", (low, low), (high, high)))
    for color, one, points in zip(_COLORS, series, drawn, strict=False):
        parts += frame.dots(color, points) if one.dots else frame.path(color, points)
    if len(series) > 1:
        parts += _legend([one.name for one in series])
    body = "".join(parts)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">{body}</svg>'
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def tick_values(low: float, high: float) -> list[float]:
    """Return round numbers from one to another: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def _room(values: Sequence[float]) -> tuple[float, float]:
    """Return a range that holds all values and is no point."""
    low, high = min(values), max(values)
    spare = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return low - spare, high + spare


class _Frame:
    """Where numbers are on the picture."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self._x, self._y = x_range, y_range

    def _across(self, x: float) -> float:
        low, high = self._x
        return _LEFT + (x - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def _up(self, y: float) -> float:
        low, high = self._y
        return _TOP + (high - y) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def line(self, kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
        (x1, y1), (x2, y2) = ((self._across(x), self._up(y)) for x, y in (start, end))
        return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'

    def axes(self, across: str, up: str) -> list[str]:
        parts = []
        for x in tick_values(*self._x):
            parts.append(self.line("zero" if x == 0 else "grid", (x, self._y[0]), (x, self._y[1])))
            parts.append(_text(self._across(x), _HEIGHT - _BOTTOM + 18, f"{x:.6g}", "middle"))
        for y in tick_values(*self._y):
            parts.append(self.line("zero" if y == 0 else "grid", (self._x[0], y), (self._x[1], y)))
            parts.append(_text(_LEFT - 6, self._up(y) + 5, f"{y:.6g}", "end"))
        parts.append(_text(_WIDTH - _RIGHT, _HEIGHT - 8, across, "end"))
        parts.append(_text(4, 16, up, "start"))
        return parts

    def path(self, color: str, points: Sequence[tuple[float, float] | None]) -> list[str]:
        parts, begun = [], False
        for point in points:
            if point is not None:
                x, y = self._across(point[0]), self._up(point[1])
                parts.append(f"{'L' if begun else 'M'}{x:.1f} {y:.1f}")
            begun = point is not None
        lonely = self.dots(color, points) if len(parts) == 1 else []
        return [f'<path class="{color}" d="{" ".join(parts)}"/>', *lonely]

    def dots(self, color: str, points: Sequence[tuple[float, float] | None]) -> list[str]:
        there = [point for point in points if point is not None]
        stride = -(-len(there) // DOTS_MAX)
        shown = there[:: stride or 1]
        if there and shown[-1] != there[-1]:
            shown.append(there[-1])
        return [
            f'<circle class="{color}" cx="{self._across(x):.1f}" cy="{self._up(y):.1f}" r="3.5"/>'
            for x, y in shown
        ]


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], float(_WIDTH - _RIGHT)
    for color, name in reversed(list(zip(_COLORS, names, strict=False))):
        x -= _LETTER * len(name)
        parts.append(_text(x, 16, name, "start"))
        x -= 12
        parts.append(f'<circle class="{color}" cx="{x:.1f}" cy="11" r="5"/>')
        x -= 22
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> str:
    shown = escape(text.replace("-", "\N{MINUS SIGN}") if text[:1] == "-" else text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown}</text>'
