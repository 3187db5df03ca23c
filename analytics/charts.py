"""Chart data of the report: few points, as plain JSON for the page's own script.

Colours are names of the page's CSS variables, so that light, dark and print share one set.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.analysis import Analysis, LegPicture
from tapewire.analytics.curves import Curve, Line, Numbers
from tapewire.analytics.formats import count
from tapewire.analytics.series import SeriesPicture
from tapewire.compiled.units import MONEY_UNITS, PRICE_UNITS

_COLORS: Final = tuple(f"--s{i}" for i in range(1, 9))
_MONEY: Final = ",.2f"
_SAMPLED: Final = (
    "Drawn from at most {points} points a line; every spike is kept (first, last, lowest and "
    "highest value of each time bucket). All samples are in equity.parquet."
)
_POINTS_MAX: Final = 2400
_ANY: Final = ",.6~g"


def chart_data(analysis: Analysis) -> dict[str, Any]:
    """Return what the page's script draws: equity, drawdown, position and price with fills."""
    curves = list(analysis.strategies.items())
    drawn = [(name, curve) for name, curve in curves if curve.line is not None]
    several = len(curves) > 1
    equity, drawdown = [], []
    if several or not drawn:
        equity.append(_curve("Total", analysis.total, "--s0", bold=True))
        drawdown.append(_drawdown("Total", analysis.total, "--s0", fill=True))
    for color, (name, curve) in zip(_COLORS, drawn, strict=False):
        equity.append(_curve(name, curve, color, bold=not several))
        drawdown.append(_drawdown(name, curve, color, fill=not several))
    pictures = analysis.pictures
    legs = [
        _line(_leg_name(p), p.position, _COLORS[i % len(_COLORS)], 1, ",")
        for i, p in enumerate(pictures[: len(_COLORS)])
    ]
    left_out = len(curves) - len(drawn)
    more = f" {left_out} more strategies are in the tables only." if left_out else ""
    note = _SAMPLED.format(points=count(_POINTS_MAX)) + more
    span = [_ms(np.array([analysis.first_ns]))[0], _ms(np.array([analysis.last_ns]))[0]]
    if span[0] == span[1]:
        span = [span[0] - 1000, span[1] + 1000]
    charts = {
        "equity": {"traces": equity, "format": ",", "rangemode": "normal", "note": note},
        "drawdown": {"traces": drawdown, "format": ",", "rangemode": "tozero"},
        "position": {"traces": legs, "format": ",", "rangemode": "tozero"},
    }
    if pictures:
        charts["price"] = {"choices": [_price(p) for p in pictures]}
    for i, series in enumerate(analysis.series.drawn):
        line = _line(series.name, series.line, _COLORS[i % len(_COLORS)], 1, _ANY)
        charts[f"series-{i}"] = {"traces": [line], "format": _ANY, "rangemode": "normal"}
    return {"range": span, "charts": charts}


def chart_frames(data: dict[str, Any], analysis: Analysis) -> list[dict[str, Any]]:
    """Return titles, notes and sizes of the charts in ``data``, for the page's template."""
    charts = data["charts"]
    frames = [
        {"id": "equity", "title": "Net P&L", "unit": "currency, after fees", "size": "tall",
         "note": charts["equity"]["note"], "choices": []},
        {"id": "drawdown", "title": "Drawdown", "unit": "currency below the high so far",
         "size": "low", "note": "", "choices": []},
        {"id": "position", "title": "Position", "unit": "lots", "size": "low",
         "note": _left_out(analysis), "choices": []},
    ]  # fmt: skip
    if "price" in charts:
        choices = [choice["name"] for choice in charts["price"]["choices"]]
        frames.append({"id": "price", "title": "Price and fills", "choices": choices,
                       "size": "tall", "note": ""})  # fmt: skip
    pictures, left_out = analysis.series.drawn, analysis.series.left_out
    for i, series in enumerate(pictures):
        note = _series_note(series, left_out if i + 1 == len(pictures) else 0)
        unit = f"recorded by {series.strategy_id} on {series.symbol}"
        frames.append({"id": f"series-{i}", "title": series.name, "unit": unit, "choices": [],
                       "size": "low", "note": note})  # fmt: skip
    return frames


def _series_note(series: SeriesPicture, left_out: int) -> str:
    """Say how much of a series is drawn and, below the last one, how many are not at all."""
    points = len(series.line.points()[0])
    said = [f"{count(points)} of {count(series.values)} values drawn; every spike is kept."]
    if series.undrawn:
        said.append(f"{count(series.undrawn)} are no finite numbers.")
    if left_out:
        said.append(f"{count(left_out)} more series are in series.parquet only.")
    return " ".join(said)


def equity_chart(
    lines: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> dict[str, Any]:
    """Return what the page's script draws of several runs' P&L: times (ns) and P&L (1e-9) each."""
    traces = []
    for color, (name, (ts, pnl)) in zip(_COLORS, lines.items(), strict=False):
        line = {"name": name, "x": _ms(ts), "y": _numbers(pnl, MONEY_UNITS), "color": color}
        traces.append({**line, "format": _MONEY, "bold": True})
    all_ns = np.concatenate([ts for ts, _ in lines.values()])
    span = _ms(np.array([all_ns.min(), all_ns.max()])) if all_ns.size else [0.0, 0.0]
    if span[0] == span[1]:
        span = [span[0] - 1000, span[1] + 1000]
    chart = {"traces": traces, "format": ",", "rangemode": "normal"}
    return {"range": span, "charts": {"equity": chart}}


def _left_out(analysis: Analysis) -> str:
    legs = sum(1 for row in analysis.rows if row["scope"] == "leg")
    drawn = min(len(analysis.pictures), len(_COLORS))
    return f"{drawn} of {legs} strategy and instrument pairs drawn." if legs > drawn else ""


def _leg_name(picture: LegPicture) -> str:
    return f"{picture.strategy_id} · {picture.symbol}"


def _ms(ts: NDArray[np.int64]) -> list[float]:
    """Return milliseconds since the epoch, exact to a microsecond, as the page's clock wants."""
    return [int(t) // 1000 / 1000 for t in ts]


def _numbers(values: Numbers, unit: int) -> list[float] | list[int]:
    if values.dtype == np.float64:
        return [float(v) / unit for v in values]
    return [int(v) for v in values] if unit == 1 else [int(v) / unit for v in values]


def _line(name: str, line: Line, color: str, unit: int, shown: str) -> dict[str, Any]:
    ts, values = line.points()
    return {"name": name, "x": _ms(ts), "y": _numbers(values, unit), "color": color,
            "format": shown}  # fmt: skip


def _curve(name: str, curve: Curve, color: str, *, bold: bool) -> dict[str, Any]:
    assert curve.line is not None, "a drawn curve keeps its line"
    return {**_line(name, curve.line, color, MONEY_UNITS, _MONEY), "bold": bold}


def _drawdown(name: str, curve: Curve, color: str, *, fill: bool) -> dict[str, Any]:
    assert curve.drawdown_line is not None, "a drawn curve keeps its drawdown"
    return {**_line(name, curve.drawdown_line, color, MONEY_UNITS, _MONEY), "fill": fill}


def _price(picture: LegPicture) -> dict[str, Any]:
    shown = ",.10~f"
    mark = _line("Price", picture.mark, "--s8", PRICE_UNITS, shown)
    buys = _line("Buys", picture.buys, "--buy", PRICE_UNITS, shown)
    sells = _line("Sells", picture.sells, "--sell", PRICE_UNITS, shown)
    drawn = len(buys["x"]) + len(sells["x"])
    note = f"{count(drawn)} of {count(picture.fills)} fills drawn"
    if drawn < picture.fills:
        note += "; the first, last, lowest and highest of each side and time bucket"
    return {
        "name": _leg_name(picture),
        "traces": [
            mark,
            {**buys, "marker": True, "up": True, "orders": picture.buys.names()},
            {**sells, "marker": True, "up": False, "orders": picture.sells.names()},
        ],
        "strategy": picture.strategy_id,
        "symbol": picture.symbol,
        "format": shown,
        "rangemode": "normal",
        "note": note
        + ". Price is the sampled mark. All fills are in fills.parquet. Click on one for the "
        "command that tells its order's story.",
    }
