"""Charts over time: few points each, as plain JSON for the page's own script.

Colours are names of the page's CSS variables, so that light, dark and print share one set. Times
are nanoseconds after ``origin_ms``, a midnight in UTC.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.analysis import Analysis, LegPicture
from tapewire.analytics.bands import AROUND, Band
from tapewire.analytics.curves import Curve, Line, Numbers
from tapewire.analytics.exact import Int64Array
from tapewire.analytics.formats import count
from tapewire.analytics.packing import changes_only, packed
from tapewire.analytics.series import SeriesPicture
from tapewire.compiled.units import MONEY_UNITS, NS_PER_DAY, NS_PER_S, PRICE_UNITS

_COLORS: Final = tuple(f"--s{i}" for i in range(1, 9))
_SAMPLED: Final = (
    "Drawn from at most {points:,} points a line; every spike is kept (first, last, lowest and "
    "highest value of each time bucket). All samples are in equity.parquet."
)
_EXPLAINED: Final = "Click a fill for the command that tells its order's story."


class PageClock:
    """Times as the page has them: from the midnight (UTC) before the first."""

    def __init__(self, first_ns: int, last_ns: int) -> None:
        self.origin_ns = first_ns // NS_PER_DAY * NS_PER_DAY
        # A chart of one instant is two seconds wide.
        room = NS_PER_S if first_ns == last_ns else 0
        self.span = [first_ns - room - self.origin_ns, last_ns + room - self.origin_ns]

    def page(self, charts: Mapping[str, Any]) -> dict[str, Any]:
        """Return charts by name as the page's script takes them."""
        return {"origin_ms": self.origin_ns // 1_000_000, "range": self.span, "charts": charts}

    def line(
        self, name: str, points: tuple[Int64Array, Numbers], color: str, unit: int, **look: Any
    ) -> dict[str, Any]:
        """Return a stepped line of times (ns) and values in so many of a unit."""
        ts, values = changes_only(*points)
        return {"name": name, "x": packed(ts - self.origin_ns), "y": packed(values, unit),
                "color": color, **look}  # fmt: skip

    def curve(self, name: str, line: Line | None, color: str, **look: Any) -> dict[str, Any]:
        """Return a line of money."""
        assert line is not None, "a drawn curve keeps its lines"
        return self.line(name, line.points(), color, MONEY_UNITS, digits=2, **look)


def chart_data(analysis: Analysis) -> dict[str, Any]:
    """Return what the page's script draws: equity, drawdown, position and price with fills."""
    clock = PageClock(analysis.first_ns, analysis.last_ns)
    curves: list[tuple[str, Curve, str, bool]] = []
    drawn = [(name, curve) for name, curve in analysis.strategies.items() if curve.line is not None]
    several = len(analysis.strategies) > 1
    if several or not drawn:
        curves.append(("Total", analysis.total, "--s0", True))
    for color, (name, curve) in zip(_COLORS, drawn, strict=False):
        curves.append((name, curve, color, not several))
    pictures = analysis.pictures
    charts: dict[str, Any] = {
        "equity": {"lines": [clock.curve(n, c.line, k, bold=b) for n, c, k, b in curves]},
        "drawdown": {
            "lines": [clock.curve(n, c.drawdown_line, k, fill=b) for n, c, k, b in curves],
            "zero": True,
        },
        "position": {
            "lines": [
                clock.line(_leg_name(p), p.position.points(), color, 1)
                for color, p in zip(_COLORS, pictures, strict=False)
            ],
            "zero": True,
        },
    }
    if pictures:
        places = {book: k for k, book in enumerate(analysis.bands)}
        charts["price"] = {
            "choices": [
                _price(clock, p, analysis.bands.get(p.book)) | {"band": places.get(p.book)}
                for p in pictures
            ],
            "bands": [_band(clock, band) for band in analysis.bands.values()],
        }
    for i, series in enumerate(analysis.series.drawn):
        line = clock.line(series.name, series.line.points(), _COLORS[i % len(_COLORS)], 1)
        charts[f"series-{i}"] = {"lines": [line]}
    return clock.page(charts)


def chart_frames(data: dict[str, Any], analysis: Analysis) -> list[dict[str, Any]]:
    """Return titles, notes and sizes of the charts in ``data``, for the page's template."""
    left_out = sum(curve.line is None for curve in analysis.strategies.values())
    more = f" {left_out} more strategies are in the tables only." if left_out else ""
    sampled = _SAMPLED.format(points=analysis.points_max)
    frames = [
        frame("equity", "Net P&L", "currency, after fees", "tall", sampled + more),
        frame("drawdown", "Drawdown", "currency below the high so far", "low"),
        frame("position", "Position", "lots", "low", _left_out(analysis)),
    ]
    if "price" in data["charts"]:
        choices = [choice["name"] for choice in data["charts"]["price"]["choices"]]
        frames.append(frame("price", "Price and fills", "", "tall", choices=choices))
    pictures, undrawn = analysis.series.drawn, analysis.series.left_out
    for i, series in enumerate(pictures):
        note = _series_note(series, undrawn if i + 1 == len(pictures) else 0)
        unit = f"recorded by {series.strategy_id} on {series.symbol}"
        frames.append(frame(f"series-{i}", series.name, unit, "low", note))
    return frames


def frame(
    name: str, title: str, unit: str, size: str, note: str = "", choices: list[str] | None = None
) -> dict[str, Any]:
    """Return what the page's template shows around a chart."""
    return {"id": name, "title": title, "unit": unit, "size": size, "note": note,
            "choices": choices or []}  # fmt: skip


def equity_chart(lines: Mapping[str, tuple[Int64Array, Int64Array]]) -> dict[str, Any]:
    """Return what the page's script draws of several runs' P&L: times (ns) and P&L (1e-9) each."""
    every_ns = np.concatenate([np.empty(0, np.int64), *(ts for ts, _ in lines.values())])
    span = (int(every_ns.min()), int(every_ns.max())) if every_ns.size else (0, 0)
    clock = PageClock(*span)
    drawn = [
        clock.line(name, points, color, MONEY_UNITS, digits=2, bold=True)
        for color, (name, points) in zip(_COLORS, lines.items(), strict=False)
    ]
    return clock.page({"equity": {"lines": drawn}})


def equity_frame() -> dict[str, Any]:
    """Return title, note and size of the chart of `equity_chart`."""
    return frame("equity", "Net P&L", "currency, after fees", "tall", "Every spike is kept.")


def market_chart(
    lines: Mapping[str, tuple[Int64Array, Int64Array]],
    dots: Mapping[str, tuple[Int64Array, Int64Array]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a chart of prices over time, as stepped lines and as dots, and its frame.

    Parameters
    ----------
    lines, dots
        Times (ns, ascending, each once) and prices (1e-9), shape (n,), by name.
    """
    given = {**lines, **dots}
    every_ns = np.concatenate([ts for ts, _ in given.values()])
    span = (int(every_ns.min()), int(every_ns.max())) if every_ns.size else (0, 0)
    clock = PageClock(*span)
    drawn = []
    for color, (name, (ts, prices)) in zip(_COLORS, given.items(), strict=False):
        if name in lines:
            drawn.append(clock.line(name, (ts, prices), color, PRICE_UNITS))
        else:
            x, y = packed(ts - clock.origin_ns), packed(prices, PRICE_UNITS)
            drawn.append({"name": name, "x": x, "y": y, "color": color, "dots": True})
    return clock.page({"market": {"lines": drawn}}), frame("market", "Touch and trades", "", "tall")


def curve_chart(
    title: str,
    unit: str,
    axis: str,
    x: NDArray[np.float64],
    curves: Mapping[str, NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a chart of curves over one positive number on a logarithmic axis, and its frame.

    Parameters
    ----------
    title, unit, axis
        What is drawn, in what, and over what.
    x
        Ascending positive numbers, shape (n,).
    curves
        Values, shape (n,), by name; with a standard error of each, they are dots with bars.
    """
    lines = []
    for color, (name, given) in zip(_COLORS, curves.items(), strict=False):
        values, errors = given if isinstance(given, tuple) else (given, None)
        dots = {} if errors is None else {"dots": True, "errors": errors.tolist()}
        line = {"name": name, "x": packed(x), "y": packed(values), "color": color}
        lines.append(line | dots)
    chart = {"kind": "log", "axis": axis, "lines": lines, "zero": True}
    data = {"origin_ms": 0, "range": [0, 0], "charts": {"curve": chart}}
    return data, frame("curve", title, unit, "tall", f"{axis}, on a logarithmic axis.")


def _series_note(series: SeriesPicture, left_out: int) -> str:
    """Say how much of a series is drawn and, below the last one, how many are not at all."""
    points = len(series.line.points()[0])
    said = [f"{count(points)} of {count(series.values)} values drawn; every spike is kept."]
    if series.undrawn:
        said.append(f"{count(series.undrawn)} are no finite numbers.")
    if left_out:
        said.append(f"{count(left_out)} more series are in series.parquet only.")
    return " ".join(said)


def _left_out(analysis: Analysis) -> str:
    legs = sum(1 for row in analysis.rows if row["scope"] == "leg")
    drawn = min(len(analysis.pictures), len(_COLORS))
    return f"{drawn} of {legs} strategy and instrument pairs drawn." if legs > drawn else ""


def _leg_name(picture: LegPicture) -> str:
    return f"{picture.strategy_id} · {picture.symbol}"


def _band(clock: PageClock, band: Band) -> dict[str, Any]:
    return {
        "x": packed(band.ts - clock.origin_ns),
        "bid": packed(band.bid, PRICE_UNITS),
        "ask": packed(band.ask, PRICE_UNITS),
        "kinds": band.kinds,
        "width": band.width_ns,
        "volume": {
            "start": band.volume_start_ns - clock.origin_ns,
            "width": band.volume_width_ns,
            "lots": band.volume.tolist(),
        },
    }


def _band_note(band: Band) -> str:
    """Say how exact a band is where."""
    which = "each fill" if band.every == 1 else f"one fill in {count(band.every)}"
    return (
        f". Best prices are exact for {AROUND} moves before and after {which}, else the lowest bid "
        f"and the highest ask of each {band.width_ns / NS_PER_S:,.3g} s; the scale leaves out the "
        "furthest 2 % of them. Market volume has a scale of its own"
    )


def _price(clock: PageClock, picture: LegPicture, band: Band | None) -> dict[str, Any]:
    fills, marks = picture.fills, picture.fills.marks()
    drawn, buy = marks["ts_event"].size, marks["order_side"] == "BUY"
    signed = np.where(buy, marks["last_qty"], -marks["last_qty"])
    start, end, price, buys = picture.quotes.spans()
    note = f"{count(drawn)} of {count(fills.fills)} fills drawn"
    if not fills.whole:
        note += "; the first, last, lowest and highest of each side and time bucket"
    if picture.quotes.orders:
        note += f". {count(start.size)} of {count(picture.quotes.orders)} resting orders drawn"
    if band is not None:
        note += _band_note(band)
    return {
        "name": _leg_name(picture),
        "lines": [clock.line("Price", picture.mark.points(), "--s8", PRICE_UNITS)],
        "fills": {
            "x": packed(marks["ts_event"] - clock.origin_ns),
            "y": packed(marks["last_px"], PRICE_UNITS),
            "lots": signed.tolist(),
            "orders": [str(name) for name in marks["client_order_id"]],
            "whole": fills.whole,
            "reasons": _coded(marks["reason"]),
            "liquidity": _coded(marks["liquidity_side"]),
        },
        "quotes": {
            "x": packed(start - clock.origin_ns),
            "length": packed(end - start),
            "y": packed(price, PRICE_UNITS),
            "buys": buys.astype(int).tolist(),
        },
        "volume": {
            "start": clock.span[0],
            "width": fills.volume_width_ns,
            "buys": fills.volume[0].tolist(),
            "sells": fills.volume[1].tolist(),
        },
        "strategy": picture.strategy_id,
        "symbol": picture.symbol,
        "note": f"{note}. Price is the sampled mark. "
        f"All fills are in fills.parquet, all orders in orders.parquet. {_EXPLAINED}",
    }


def _coded(words: Numbers) -> dict[str, Any]:
    """Return words as the few that there are, and each one's place among them."""
    known = list(dict.fromkeys(words.tolist()))
    place = {word: k for k, word in enumerate(known)}
    return {"words": known, "codes": [place[word] for word in words.tolist()]}
