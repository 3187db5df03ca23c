"""A stored strategy traded again, as a page draws it: its bars, its equity, its trades.

A page asks for a stretch with so many points as it zooms. No price is averaged: bars that are drawn
as one have the open of the first, the close of the last, and the extremes of all of them.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.zooming import POINTS_MAX, reduced
from tapewire.candles.declared import DeclaredBars, run_declared
from tapewire.candles.result import BacktestResult
from tapewire.errors import ConfigError
from tapewire.factory.asked import FactorySettings
from tapewire.factory.datasets import read_again, require_same_bars
from tapewire.factory.keeping import stored_strategy
from tapewire.factory.opening import opened_store
from tapewire.factory.searching import SEARCH
from tapewire.factory.trying import TEST, closed_part

if TYPE_CHECKING:
    from tapewire.store import ResultRecord, Store

CHARTS: Final = ("candles", "equity")
#: A drawn bar counts as so many points, a trade as two.
_OF_BAR: Final = 4
#: The share of a chart's points that are marks of trades.
_OF_TRADES: Final = 0.2
_POINTS_MIN: Final = 50
#: Results that are kept between two zooms.
_KEPT: Final = 4
#: Up to this a return is the same one.
_SAME: Final = 1e-9


@dataclass(frozen=True)
class TradedAgain:
    """A result of a store, made again.

    Attributes
    ----------
    result : BacktestResult
    dataset : str
    assumptions : tuple of str
        That it was traded with.
    agrees : bool
        Whether trades and return are those that the store has.
    """

    result: BacktestResult
    dataset: str
    assumptions: tuple[str, ...]
    agrees: bool


def strategy_chart(
    store: str,
    which: int | str,
    result_id: int,
    chart: str,
    *,
    first_ns: int | None = None,
    last_ns: int | None = None,
    points_max: int = POINTS_MAX,
    assumptions: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what is drawn of a stretch of a stored result.

    Parameters
    ----------
    store
        Its address.
    which
        The strategy: id, name or first letters of its hash.
    result_id
        One of its results, of kind ``search`` or ``test``.
    chart
        ``candles``, with trades, or ``equity``.
    first_ns, last_ns
        The stretch, ns since the epoch; None: from the first bar to the last.
    points_max
        50 to 10,000; a bar is four, a trade two.
    assumptions
        ``key=value`` of the backtest; none: those of the result's search.

    Returns
    -------
    dict
        ``first_ns`` … ``whole_last_ns``, ``rows``, ``lines``, ``fills``, ``fills_total`` as of a
        run's chart, times as text; ``candles`` with ``ts_ns``, ``step_ns``, ``open``, ``high``,
        ``low``, ``close``; ``trades``, those that are drawn; ``dataset``, ``timeframe_ns``,
        ``assumptions``, ``agrees``.

    Raises
    ------
    ConfigError
        If a number is out of its bounds, there is no such chart, or the result is of bars that are
        closed to searches.
    InputError, StoreError
        As reading the bars and the store.
    """
    if chart not in CHARTS:
        raise ConfigError(f"chart: expected one of {', '.join(CHARTS)}, found {chart!r}")
    if not _POINTS_MIN <= points_max <= POINTS_MAX:
        raise ConfigError(
            f"points_max: expected {_POINTS_MIN} to {POINTS_MAX:,}, found {points_max:,}"
        )
    traded = _traded(store, which, result_id, tuple(assumptions))
    candles = traded.result.candles
    whole = int(candles.ts_event[0]), int(candles.ts_close[-1])
    first = whole[0] if first_ns is None else first_ns
    last = whole[1] if last_ns is None else last_ns
    if first > last:
        raise ConfigError(f"first_ns: expected one up to last_ns, {last}, found {first}")
    drawn = (_of_bars if chart == "candles" else _of_equity)(traded.result, first, last, points_max)
    return {
        "first_ns": str(first), "last_ns": str(last), "whole_first_ns": str(whole[0]),
        "whole_last_ns": str(whole[1]), **drawn, "dataset": traded.dataset,
        "symbol": candles.symbol, "timeframe_ns": str(candles.interval_ns),
        "assumptions": list(traded.assumptions), "agrees": traded.agrees,
    }  # fmt: skip


@functools.lru_cache(_KEPT)
def _traded(
    store: str, which: int | str, result_id: int, assumptions: tuple[str, ...]
) -> TradedAgain:
    with opened_store(store) as opened:
        record = opened.strategy(which)
        found = next((one for one in record.results if one.id == result_id), None)
        if found is None:
            raise ConfigError(
                f"result_id: expected a result of {record.name}, found none of number {result_id}"
            )
        if found.kind not in (SEARCH, TEST):
            raise ConfigError(
                f"result_id: expected one of kind {SEARCH} or {TEST}, found one of {found.kind}: "
                "what is closed to searches is not looked at again"
            )
        dataset = opened.dataset(found.dataset_id)
        bars = read_again(dataset.description)
        require_same_bars(bars, dataset.description, dataset.digest, dataset.name)
        settings = _settings(opened, found)
        if settings is not None:
            candles = bars.search_candles(settings.holdout_share)
            assumed = assumptions or settings.assumptions
        else:
            closed = closed_part(opened, bars)
            candles = bars.candles if closed is None else closed.search
            assumed = assumptions
    strategy = stored_strategy(record.name, record.source_code, record.format)
    config = FactorySettings(assumptions=assumed).config()
    frames = DeclaredBars.of(candles, [strategy], bars.clock)
    result = run_declared(strategy, frames, config)
    total = (result.final_balance - config.initial_balance) / config.initial_balance
    known = found.total_return
    agrees = (
        found.total_trades == int(result.summary["trades"])
        and known is not None
        and math.isclose(total, known, rel_tol=_SAME, abs_tol=_SAME)
    )
    return TradedAgain(result, dataset.name, assumed, agrees)


def _settings(store: "Store", found: "ResultRecord") -> FactorySettings | None:
    """Return what the result's search was asked for; None: it is of none."""
    if found.kind != SEARCH or found.generation_id is None:
        return None
    return FactorySettings.of_json(store.generation(found.generation_id).settings)


def _of_equity(result: BacktestResult, first: int, last: int, points_max: int) -> dict[str, Any]:
    ends = result.candles.ts_close
    keep = reduced(ends, result.equity, first, last, points_max)
    line = {
        "name": "equity", "ts_ns": _texts(ends[keep]), "values": result.equity[keep].tolist(),
    }  # fmt: skip
    rows = int(np.count_nonzero((ends >= first) & (ends <= last)))
    return {"rows": rows, "lines": [line], "fills": [], "fills_total": 0}


def _of_bars(result: BacktestResult, first: int, last: int, points_max: int) -> dict[str, Any]:
    candles = result.candles
    begin = int(np.searchsorted(candles.ts_close, first, "right"))
    stop = int(np.searchsorted(candles.ts_event, last, "right"))
    marks = int(points_max * _OF_TRADES) // 2
    most = max(1, (points_max - 2 * marks) // _OF_BAR)
    count = max(1, -(-(stop - begin) // most))
    starts = np.arange(begin, stop, count)
    shown: dict[str, list[float]] = {name: [] for name in ("open", "high", "low", "close")}
    if starts.size:
        lasts = np.r_[starts[1:], stop] - 1
        shown = {
            name: candles.price(ticks).tolist()
            for name, ticks in (
                ("open", candles.open[starts]),
                ("high", np.maximum.reduceat(candles.high[:stop], starts)),
                ("low", np.minimum.reduceat(candles.low[:stop], starts)),
                ("close", candles.close[lasts]),
            )
        }
    trades, total = _trades(result, begin, stop, marks)
    return {
        "rows": stop - begin,
        "candles": {
            "ts_ns": _texts(candles.ts_event[starts]), "step_ns": str(count * candles.interval_ns),
            **shown,
        },
        "lines": [], "trades": trades, "trades_total": total, "fills_total": 2 * total,
        "fills": [fill for one in trades for fill in _fills(one)],
    }  # fmt: skip


def _trades(
    result: BacktestResult, begin: int, stop: int, most: int
) -> tuple[list[dict[str, Any]], int]:
    """Return trades that were open in some of the bars, those that made or lost most, in order."""
    records = result.trade_records
    mine = np.flatnonzero((records["exit_bar"] >= begin) & (records["entry_bar"] < stop))
    kept = mine
    if mine.size > most:
        largest = np.argsort(-np.abs(records["pnl"][mine]), kind="stable")[:most]
        kept = np.sort(mine[largest])
    rows = result.trades.take(kept).to_pylist()
    return [
        {
            "entry_ns": str(row["ts_entry"]), "exit_ns": str(row["ts_exit"]),
            "direction": row["direction"].lower(), "quantity": row["quantity"],
            "entry_price": row["entry_price"], "exit_price": row["exit_price"],
            "pnl": row["pnl"], "reason": row["reason"],
        }
        for row in rows
    ], int(mine.size)  # fmt: skip


def _fills(trade: dict[str, Any]) -> list[dict[str, Any]]:
    """Return where a trade begins and ends, as marks; sold: below 0."""
    sign = 1 if trade["direction"] == "long" else -1
    return [
        {"ts_ns": trade["entry_ns"], "price": trade["entry_price"], "lots": sign, "ends": False},
        {"ts_ns": trade["exit_ns"], "price": trade["exit_price"], "lots": -sign, "ends": True},
    ]


def _texts(times: NDArray[np.int64]) -> list[str]:
    """Return times as a page takes them, whose numbers do not hold them."""
    return [str(one) for one in times.tolist()]
