"""Charts of a backtest on bars: candles with entries and exits, equity, and how far it fell."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.charts import PageClock, frame
from tapewire.analytics.curves import Line
from tapewire.analytics.exact import Int64Array
from tapewire.analytics.fill_marks import FillMarks
from tapewire.analytics.formats import count
from tapewire.analytics.packing import packed
from tapewire.compiled.units import MONEY_UNITS, PRICE_UNITS

#: Candles on a page; where there are more bars, each stands for several.
CANDLES_DRAWN_MAX: Final = 1_500
#: Entries and exits on a page, of which all are drawn; else the extremes of time buckets.
MARKS_DRAWN_MAX: Final = 4_000


def candle_charts(
    ts: Int64Array, end: Int64Array, prices: Int64Array, marks: Mapping[str, NDArray[Any]],
    equity: Int64Array,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:  # fmt: skip
    """Return what the page's script draws, and titles and notes for its template.

    Parameters
    ----------
    ts, end : int64 (n,)
        Where each bar begins and ends, ns.
    prices : int64 (4, n)
        Open, high, low, close, 1e-9 currency.
    marks
        Columns of `tapewire.analytics.fill_marks.FillMarks`, in order of time: an entry or an exit
        each, with its trade as order and its direction as liquidity; quantities in 1e-9 units.
    equity : int64 (n,)
        As each bar ends, 1e-9 currency.
    """
    clock = PageClock(int(ts[0]), int(end[-1]))
    each = -(-len(ts) // CANDLES_DRAWN_MAX)
    found = FillMarks(int(ts[0]), int(end[-1]), MARKS_DRAWN_MAX)
    found.add(marks)
    fell = np.minimum(equity - np.maximum.accumulate(equity), 0)
    lines = []
    for values in (equity, fell):
        line = Line(int(ts[0]), int(end[-1]))
        line.add(end, values)
        lines.append(line)
    charts = {
        "candles": _candles(clock, ts, end, prices, each) | _marks(clock, found),
        "equity": {"lines": [clock.curve("Equity", lines[0], "--s1", bold=True)]},
        "drawdown": {
            "lines": [clock.curve("Below the high", lines[1], "--s1", fill=True)],
            "zero": True,
        },
    }
    drawn = len(found.marks()["ts_event"])
    note = f"Each candle is {count(each)} bars. " if each > 1 else "Each candle is a bar. "
    note += f"{count(drawn)} of {count(found.fills)} entries and exits drawn"
    note += "; all of them are in trades.parquet." if found.whole else (
        ", the first, last, lowest and highest of each side and time bucket; all of them are in "
        "trades.parquet."
    )  # fmt: skip
    return clock.page(charts), [
        frame("candles", "Candles, entries and exits", "currency", "tall", note),
        frame("equity", "Equity", "currency, after costs", "low", "Every spike is kept."),
        frame("drawdown", "Drawdown", "currency below the high so far", "low"),
    ]


def _candles(
    clock: PageClock, ts: Int64Array, end: Int64Array, prices: Int64Array, each: int
) -> dict[str, Any]:
    """Return candles of so many bars each, and a line of closes that is not drawn."""
    first = np.arange(0, len(ts), each)
    last = np.append(first[1:], len(ts)) - 1
    opened, high, low, close = prices
    columns = {
        "open": opened[first],
        "high": np.maximum.reduceat(high, first),
        "low": np.minimum.reduceat(low, first),
        "close": close[last],
    }
    bars = {name: packed(column, PRICE_UNITS) for name, column in columns.items()}
    begin, until = packed(ts[first] - clock.origin_ns), packed(end[last] - clock.origin_ns)
    closes = (ts[first], columns["close"])
    line = clock.line("Close", closes, "--soft", PRICE_UNITS) | {"quiet": True}
    return {"lines": [line], "bars": {"x": begin, "end": until, **bars}}


def _marks(clock: PageClock, found: FillMarks) -> dict[str, Any]:
    marks = found.marks()
    signed = np.where(marks["order_side"] == "BUY", marks["last_qty"], -marks["last_qty"])
    words = {
        name: list(dict.fromkeys(marks[name].tolist())) for name in ("reason", "liquidity_side")
    }
    coded = {
        name: {"words": known, "codes": [known.index(one) for one in marks[name].tolist()]}
        for name, known in words.items()
    }
    return {
        "fills": {
            "x": packed(marks["ts_event"] - clock.origin_ns),
            "y": packed(marks["last_px"], PRICE_UNITS),
            "lots": [float(f"{lots / MONEY_UNITS:.9g}") for lots in signed.tolist()],
            "orders": [str(name) for name in marks["client_order_id"]],
            "whole": found.whole,
            "reasons": coded["reason"],
            "liquidity": coded["liquidity_side"],
            "called": {"liquidity": "Direction", "order": "Trade", "mark": "Mark"},
        }
    }
