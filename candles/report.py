"""The page of a backtest on bars: candles with entries and exits, equity, metrics, trades."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.analytics import formats as f
from tapewire.analytics.candle_charts import candle_charts
from tapewire.analytics.rendering import render_page
from tapewire.analytics.report_tables import TABLE_ROWS_MAX, Table, cell, cut, plain_table, table
from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import Candles
from tapewire.candles.exits import Distance, Exits
from tapewire.candles.layout import REASONS
from tapewire.candles.result import CANDLE_METRICS, BacktestResult, units
from tapewire.candles.timeframes import timeframe_name
from tapewire.compiled.units import MONEY_UNITS, NS_PER_S
from tapewire.errors import ConfigError

_TILES: Final = (
    "total_return", "net_pnl", "fees", "max_drawdown", "max_drawdown_of_capital", "closed_trades",
    "win_rate", "profit_factor", "sharpe_annualised", "sortino_annualised", "calmar", "expectancy",
)  # fmt: skip
_FOOTNOTE: Final = (
    "Times are UTC. Bars say neither the order of their prices nor what else traded: fills are "
    "assumed, as stated. Simulated results say nothing certain about live ones."
)


def render_candle_report(
    result: BacktestResult,
    *,
    rules: Sequence[str] = (),
    versions: Mapping[str, str] | None = None,
    inputs: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the page of a backtest, one HTML file that opens offline.

    Parameters
    ----------
    result
        Of either engine.
    rules
        The strategy in words, a line each.
    versions, inputs
        What it was made with, and of: (name, what it is).
    """
    candles, told = result.candles, result.metadata
    prices = np.stack((candles.open, candles.high, candles.low, candles.close)) * candles.tick_size
    data, charts = candle_charts(
        candles.ts_event, _ends(candles), prices, _marks(result), units(result.equity)
    )
    of = f" on {candles.symbol}" if candles.symbol else ""
    made = ", ".join(f"{name} {version}" for name, version in (versions or {}).items())
    warnings = []
    if told["refused_entries"]:
        count = f.count(told["refused_entries"])
        warnings.append(f"{count} entries were refused: no balance, size, volume or true range.")
    return render_page(
        data,
        brand="Tapewire candles",
        title=f"{result.strategy_name}{of}",
        version=(versions or {}).get("tapewire", ""),
        period=f"{f.time_short(told['first_ts'])} to {f.time_short(told['last_ts'])} UTC, "
        f"{f.count(len(candles))} bars of {_length(candles.interval_ns)}",
        chips=[("engine", str(told.get("engine", "vectorised")).replace("_", "-"))],
        tiles=_tiles(result),
        warnings=warnings,
        facts_beside=[
            {"title": "Assumptions", "facts": _assumptions(result.config, told)},
            {"title": "Data", "facts": [*inputs, *_data(told), ("Versions", made or f.NOTHING)]},
        ],
        parts_first=[{"title": "Rules", "tables": [_rules(rules)]}] if rules else [],
        charts=charts,
        parts=[
            {"title": "Metrics", "tables": [_metrics(result)]},
            {"title": "Trades", "tables": [_by_reason(result), _trades(result)]},
        ],
        footnote=_FOOTNOTE,
    )  # fmt: skip


def _length(interval_ns: int) -> str:
    """Return a bar's length as a timeframe is called, where it is one."""
    try:
        return timeframe_name(interval_ns)
    except ConfigError:
        return f.duration(interval_ns / NS_PER_S)


def _ends(candles: Candles) -> npt.NDArray[np.int64]:
    """Return where bars end, none beyond the next one's beginning."""
    ends = candles.ts_close.copy()
    ends[:-1] = np.minimum(ends[:-1], candles.ts_event[1:])
    return ends


def _marks(result: BacktestResult) -> dict[str, npt.NDArray[Any]]:
    """Return an entry and an exit for each trade, in the middle of their bars."""
    rows, candles = result.trade_records, result.candles
    middle = candles.ts_event + (_ends(candles) - candles.ts_event) // 2
    long = rows["direction"] > 0
    number = np.arange(1, len(rows) + 1)
    bar = np.concatenate((rows["entry_bar"], rows["exit_bar"]))
    price = np.concatenate((rows["entry_px"], rows["exit_px"])) * candles.tick
    reasons = np.array(REASONS, object)[rows["reason"]]
    order = np.argsort(bar, kind="stable")
    columns = {
        "ts_event": middle[bar],
        "last_px": units(price),
        "last_qty": units(np.tile(rows["quantity"], 2)),
        "order_side": np.where(np.concatenate((long, ~long)), "BUY", "SELL"),
        "client_order_id": np.tile(number, 2).astype(str),
        "reason": np.concatenate((np.full(len(rows), "entry", object), reasons)),
        "liquidity_side": np.tile(np.where(long, "LONG", "SHORT").astype(object), 2),
    }
    return {name: column[order] for name, column in columns.items()}


def _tiles(result: BacktestResult) -> list[dict[str, str]]:
    found = []
    for metric in CANDLE_METRICS:
        if metric.column in _TILES:
            value = result.metrics[metric.column]
            colored = metric.column in ("total_return", "net_pnl") and value
            kind = ("up" if value > 0 else "down") if colored and value is not None else ""
            found.append(
                {"name": metric.label, "value": CANDLE_METRICS.text(result.metrics, metric.column),
                 "more": "", "title": metric.formula, "kind": kind}
            )  # fmt: skip
    return sorted(found, key=lambda one: _ORDER[one["name"]])


_ORDER: Final = {
    metric.label: _TILES.index(metric.column)
    for metric in CANDLE_METRICS
    if metric.column in _TILES
}


def _written(value: Any) -> str:
    if isinstance(value, Distance):
        unit = {"percent": " %", "fixed": "", "atr": f" ATR({value.period})"}[value.kind]
        return f"{f.plain(value.value)}{unit}"
    return f.plain(value)


def _assumptions(config: BacktestConfig, told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was assumed: what is set, and what always matters."""
    rows = [
        (name.replace("_", " ").capitalize(), _written(getattr(config, name)))
        for name in asdict(config)
        if getattr(config, name) is not None and name != "short"
    ]
    if config.short is not None:
        rows += [
            (f"Short: {name.replace('_', ' ')}", _written(getattr(config.short, name)))
            for name in asdict(Exits())
            if getattr(config.short, name) is not None
        ]
    for name in ("latency_ns", "spread_ticks", "units_per_level", "volume_share", "timeframe"):
        if name in told:
            rows.append((name.replace("_", " ").capitalize(), f.plain(told[name])))
    return rows


def _data(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    repairs = [
        (name.replace("_", " ").capitalize(), f.count(n)) for name, n in told["data"].items()
    ]
    return [("Tick size", f"{told['tick_size'] / 1e9:g}"), *repairs]


def _rules(rules: Sequence[str]) -> Table:
    return table(["Rule"], [[cell(line.strip(), "text wrap")] for line in rules])


def _metrics(result: BacktestResult) -> Table:
    rows = [
        [cell(metric.label, "text wrap", title=metric.formula),
         cell(CANDLE_METRICS.text(result.metrics, metric.column))]
        for metric in CANDLE_METRICS
    ]  # fmt: skip
    return table(["Metric", "Value"], rows, note="Point at a metric for its formula.")


def _money(value: float) -> str:
    return f.money(round(value * MONEY_UNITS))


def _by_reason(result: BacktestResult) -> Table:
    rows, found = result.trade_records, []
    for code in np.unique(rows["reason"]).tolist():
        mine = rows[rows["reason"] == code]["pnl"]
        found.append((REASONS[code], f"{f.count(len(mine))}, {_money(float(mine.sum()))} net"))
    return plain_table("By what ended them", ("Reason", "Trades and net P&L"), found)


def _trades(result: BacktestResult) -> Table:
    head = [
        "Trade",
        "Entered",
        "Left",
        "Direction",
        "Quantity",
        "Entry",
        "Exit",
        "Reason",
        "Net P&L",
    ]
    shown = result.trades.slice(0, TABLE_ROWS_MAX).to_pylist()
    rows = [
        [
            cell(f.count(k)), cell(f.time_short(one["ts_entry"]), "text"),
            cell(f.time_short(one["ts_exit"]), "text"), cell(one["direction"], "text"),
            cell(f"{one['quantity']:.6g}"), cell(f"{one['entry_price']:.9g}"),
            cell(f"{one['exit_price']:.9g}"), cell(one["reason"], "text"), cell(_money(one["pnl"])),
        ]
        for k, one in enumerate(shown, 1)
    ]  # fmt: skip
    note = cut(len(result.trade_records), "trades.parquet")
    return table(
        head, rows, caption="In the order they closed", text_columns=(1, 2, 3, 7), note=note
    )
