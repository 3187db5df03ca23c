"""Parallel coordinates: a line for each trial through what varies, coloured by what came of it."""

import base64
from collections.abc import Sequence
from html import escape
from typing import Any, Final

_WIDTH: Final = 960
_HEIGHT: Final = 340
_LEFT: Final = 60
_TOP: Final = 34
_LINES_MAX: Final = 1_500
_STYLE: Final = (
    "text{font:14px system-ui,sans-serif;fill:#59626e;paint-order:stroke;stroke:#fff;"
    "stroke-width:4px;stroke-linejoin:round}.axis{stroke:#8a94a1}"
    "path{fill:none;stroke-width:1.2;stroke-opacity:.55}.best{stroke-width:3;stroke-opacity:1}"
    "@media(prefers-color-scheme:dark){text{fill:#a3adb9;stroke:#171b20}}"
)


def parallel_coordinates(
    columns: Sequence[tuple[str, Sequence[Any]]], scores: Sequence[float]
) -> str:
    """Return a picture as a ``data:`` address: an axis for each column, a line for each row.

    Parameters
    ----------
    columns
        Names and values: numbers by size, anything else in the order in which it is first there.
    scores
        How good each row is; the best is drawn last and thick. Rows beyond the best 1,500 are left
        out.
    """
    order = sorted(range(len(scores)), key=lambda k: scores[k])[-_LINES_MAX:]
    low, high = min(scores), max(scores)
    step = (_WIDTH - 2 * _LEFT) / max(1, len(columns) - 1)
    places = [_places(values) for _, values in columns]
    parts = [f"<style>{_STYLE}</style>"]
    for k in order:
        share = (scores[k] - low) / (high - low) if high > low else 1.0
        points = " ".join(
            f"{'M' if i == 0 else 'L'}{_LEFT + i * step:.1f} {_y(place[k]):.1f}"
            for i, (place, _) in enumerate(places)
        )
        best = ' class="best"' if k == order[-1] else ""
        parts.append(f'<path{best} stroke="{_color(share)}" d="{points}"/>')
    for i, ((name, _), (_, ends)) in enumerate(zip(columns, places, strict=True)):
        x = _LEFT + i * step
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{_y(1)}" y2="{_y(0)}"/>')
        parts.append(_text(x, _TOP - 16, name))
        parts += [_text(x + 4, _y(at) + 4, label, "start") for at, label in ends]
    body = "".join(parts)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">{body}</svg>'
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _places(values: Sequence[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """Return the height of each value, from 0 to 1, and labels at heights."""
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if numbers and min(values) < max(values):
        low, high = min(values), max(values)
        return [(v - low) / (high - low) for v in values], [(0.0, f"{low:g}"), (1.0, f"{high:g}")]
    known = list(dict.fromkeys(map(str, values)))
    last = max(1, len(known) - 1)
    at = {text: k / last for k, text in enumerate(known)}
    shown = known if len(known) <= 12 else [known[0], known[-1]]
    return [at[str(v)] for v in values], [(at[text], text) for text in shown]


def _y(share: float) -> float:
    return _TOP + (1 - share) * (_HEIGHT - 2 * _TOP)


def _color(share: float) -> str:
    """From orange (worst) over grey to blue (best)."""
    worst, middle, best = (217, 102, 11), (150, 155, 165), (37, 99, 201)
    first, last = (worst, middle) if share < 0.5 else (middle, best)
    part = share * 2 if share < 0.5 else share * 2 - 1
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(first, last, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    short = text if len(text) <= 24 else text[:23] + "…"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(short)}</text>'
