"""A fan: how far running P&L spreads, step by step, with the run's own in it, as a picture."""

import base64
from html import escape
from typing import Final

import numpy as np

from tapewire.analytics import formats as f
from tapewire.analytics.resampling import Floats

_WIDTH: Final = 880
_HEIGHT: Final = 330
_LEFT: Final = 12
_RIGHT: Final = 12
_TOP: Final = 16
_BOTTOM: Final = 36
#: Height between two figures at the side, so that both can be read.
_APART: Final = 34
#: Bands from the outside in: lower and upper quantile.
_BANDS: Final = ((0.05, 0.95), (0.25, 0.75))
_STYLE: Final = (
    "text{font:15px system-ui,sans-serif;fill:#59626e}.zero{stroke:#8a94a1;stroke-dasharray:3 4}"
    ".band{fill:#2563c9;fill-opacity:.18}.middle{fill:none;stroke:#2563c9;stroke-width:2}"
    ".own{fill:none;stroke:#d9660b;stroke-width:2.5}"
    "@media(prefers-color-scheme:dark){text{fill:#a3adb9}.band{fill:#6ea3ff}"
    ".middle{stroke:#6ea3ff}.own{stroke:#ff9f52}}"
)


def fan(paths: Floats, own: Floats | None, ends: tuple[str, str]) -> str:
    """Return a picture as a ``data:`` address.

    Parameters
    ----------
    paths
        Running P&L, currency, shape (draws, points).
    own
        The run's own, shape (points,).
    ends
        What the first and the last point are.
    """
    shares = [q for band in _BANDS for q in band] + [0.5]
    lines = dict(zip(shares, np.quantile(paths, shares, axis=0), strict=True))
    drawn = [*lines.values(), *([] if own is None else [own]), np.zeros(1)]
    low, high = min(float(v.min()) for v in drawn), max(float(v.max()) for v in drawn)
    room = (high - low) or 1.0
    across = (_WIDTH - _LEFT - _RIGHT) / max(1, paths.shape[1] - 1)

    def y(value: float) -> str:
        return f"{_TOP + (high - value) / room * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    def points(values: Floats, *, back: bool = False) -> str:
        every = [f"{_LEFT + k * across:.1f} {y(float(v))}" for k, v in enumerate(values)]
        return " L".join(reversed(every) if back else every)

    parts = [f"<style>{_STYLE}</style>"]
    for below, above in _BANDS:
        outline = f"M{points(lines[above])} L{points(lines[below], back=True)} Z"
        parts.append(f'<path class="band" d="{outline}"/>')
    parts.append(
        f'<line class="zero" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(0)}" y2="{y(0)}"/>'
    )
    parts.append(f'<path class="middle" d="M{points(lines[0.5])}"/>')
    if own is not None:
        parts.append(f'<path class="own" d="M{points(own)}"/>')
    levels = [high, *([low] if low < high else [])]
    if all(abs(float(y(0.0)) - float(y(value))) > _APART for value in levels):
        levels.append(0.0)
    for value in levels:
        at = float(y(value)) + (14 if value == high else -5)
        parts.append(f'<text x="{_LEFT + 4}" y="{at:.1f}">{_money(value)}</text>')
    bottom = _HEIGHT - 8
    parts.append(f'<text x="{_LEFT}" y="{bottom}">{escape(ends[0])}</text>')
    parts.append(
        f'<text x="{_WIDTH - _RIGHT}" y="{bottom}" text-anchor="end">{escape(ends[1])}</text>'
    )
    body = "".join(parts)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">{body}</svg>'
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _money(value: float) -> str:
    return f.money(round(value * 1e9)) if abs(value) < 1e9 else f"{value:.3g}"
