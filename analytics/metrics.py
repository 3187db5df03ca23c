"""Headline metrics: per leg, per strategy and in total, each with formula and unit.

`METRICS` is the whole list: it gives ``metrics.parquet`` its columns, the report its tooltips and
this room its documentation. A metric that has no value (no closed trade, a single session) is
null, never NaN or infinite.

Sources: Sharpe ratio, W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994),
differential return against zero, in currency because a backtest of futures has no stated capital.
The others are book-keeping identities or counts; their formula is their definition.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tapewire.analytics.curves import Curve, Day, Spread
from tapewire.analytics.exact import decimal_text
from tapewire.analytics.ledger import NEVER_SENT
from tapewire.analytics.schemas import MONEY_UNIT, Column
from tapewire.analytics.trades import TradeTotals
from tapewire.compiled.units import MONEY_UNITS, NS_PER_S
from tapewire.execution.codes import OrderStatus

#: Sessions per year used to annualise; exchanges trade about 252 days a year.
SESSIONS_PER_YEAR: Final = 252
#: A UTC day whose samples span less is part of its neighbour, not a session of its own.
SESSION_SPAN_NS_MIN: Final = 3_600 * NS_PER_S

_NO_TRADE: Final = "no closed trade"


def _metric(name: str, type_: str, unit: str, formula: str, null: str = "") -> Column:
    return Column(name, type_, unit, formula, null)


METRICS: Final = (
    _metric("net_pnl", "int64", MONEY_UNIT, "gross_pnl - fees, at the last sample"),
    _metric("gross_pnl", "int64", MONEY_UNIT, "realized_pnl + unrealized_pnl"),
    _metric("realized_pnl", "int64", MONEY_UNIT, "P&L of closed lots before fees"),
    _metric("unrealized_pnl", "int64", MONEY_UNIT, "P&L of open lots at the last mark"),
    _metric("fees", "int64", MONEY_UNIT, "sum of commissions over fills"),
    _metric("max_drawdown", "int64", MONEY_UNIT, "largest fall of sampled net P&L from its high"),
    _metric("max_drawdown_peak_ts", "time", "ns UTC", "the high it fell from", "no drawdown"),
    _metric("max_drawdown_ts", "time", "ns UTC", "the low it fell to", "no drawdown"),
    _metric("orders", "int64", "count", "orders the strategy asked for, denied ones included"),
    _metric("orders_denied", "int64", "count", "orders stopped by a pre-trade risk check"),
    _metric("orders_filled", "int64", "count", "orders that ended FILLED"),
    _metric("fills", "int64", "count", "fills; one order may have several"),
    _metric(
        "fill_ratio", "float64", "ratio",
        "filled lots / ordered lots, over orders that were not denied", "nothing was sent",
    ),
    _metric("volume", "int64", "lots", "sum of fill quantities, bought and sold"),
    _metric("maker_volume", "int64", "lots", "part of volume that gave liquidity"),
    _metric("taker_volume", "int64", "lots", "part of volume that took liquidity"),
    _metric("maker_ratio", "float64", "ratio", "maker_volume / volume", "no fill"),
    _metric(
        "max_position", "int64", "lots",
        "largest absolute position after a fill; over several legs the largest of theirs",
    ),
    _metric(
        "closed_trades", "int64", "count",
        "fills that closed lots, each matched first in, first out with the fills that opened them",
    ),
    _metric("winning_trades", "int64", "count", "closed trades with a net P&L above zero"),
    _metric("losing_trades", "int64", "count", "closed trades with a net P&L below zero"),
    _metric("win_rate", "float64", "ratio", "winning_trades / closed_trades", _NO_TRADE),
    _metric(
        "profit_factor", "float64", "ratio",
        "sum of net profits / sum of net losses, over closed trades", "no losing trade",
    ),
    _metric("avg_trade_pnl", "float64", "currency", "mean net P&L of a closed trade", _NO_TRADE),
    _metric(
        "avg_trade_duration_s", "float64", "s",
        "mean time a closed lot was held, by exchange time", _NO_TRADE,
    ),
    _metric("sessions", "int64", "count", "UTC days whose samples span at least an hour"),
    _metric(
        "sharpe_annualised", "float64", "ratio",
        f"mean / standard deviation (n - 1) of net P&L by session x sqrt({SESSIONS_PER_YEAR}); "
        "a session is a UTC day with at least an hour of samples, risk-free rate 0",
        "needs at least 2 sessions whose P&L differs",
    ),
    _metric("samples", "int64", "count", "points of the P&L curve"),
    _metric("sample_pnl_mean", "float64", "currency", "mean P&L change per sample", "no sample"),
    _metric(
        "sample_pnl_deviation", "float64", "currency",
        "standard deviation (n - 1) of P&L change per sample; not annualised",
        "fewer than 2 samples",
    ),
)  # fmt: skip

SCOPE: Final = (
    Column("scope", "string", "", "total, strategy or leg"),
    Column("strategy_id", "string", "", "name of the strategy", "scope total"),
    Column("leg", "int32", "index", "key into the manifest's legs", "scope is not leg"),
    Column("publisher_id", "uint16", "", "Databento publisher", "scope is not leg"),
    Column("instrument_id", "uint32", "", "instrument", "scope is not leg"),
    Column("symbol", "string", "", "raw symbol", "scope is not leg"),
)
METRIC_TABLE: Final = (*SCOPE, *METRICS)


@dataclass
class Tally:
    """What the metrics of one leg are computed from; tallies of several legs add up.

    Money in 1e-9 currency units, quantities in lots.
    """

    realized: int = 0
    unrealized: int = 0
    fees: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    ordered: int = 0
    filled: int = 0
    fills: int = 0
    maker_volume: int = 0
    taker_volume: int = 0
    max_position: int = 0
    trades: TradeTotals = field(default_factory=TradeTotals)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.realized + other.realized,
            self.unrealized + other.unrealized,
            self.fees + other.fees,
            self.statuses + other.statuses,
            self.ordered + other.ordered,
            self.filled + other.filled,
            self.fills + other.fills,
            self.maker_volume + other.maker_volume,
            self.taker_volume + other.taker_volume,
            max(self.max_position, other.max_position),
            self.trades + other.trades,
        )


def session_results(days: Mapping[int, Day]) -> list[int]:
    """Return the net P&L of each session, 1e-9 currency, in order of time.

    A session is a UTC day whose samples span at least `SESSION_SPAN_NS_MIN`. A shorter day is a
    sliver (a file that begins seconds before midnight), no session of its own: its P&L counts
    with the next session, or with the last one if none follows.
    """
    ordered = [days[number] for number in sorted(days)]
    ends = [d.pnl for d in ordered if d.last_ns - d.first_ns >= SESSION_SPAN_NS_MIN]
    if ends:
        ends[-1] = ordered[-1].pnl
    return [b - a for a, b in zip([0, *ends], ends, strict=False)]


def sharpe_by_session(results: Sequence[int]) -> float | None:
    """Return the annualised Sharpe ratio of net P&L by session.

    mean / standard deviation (n - 1) of the sessions' P&L, times sqrt(`SESSIONS_PER_YEAR`);
    risk-free rate 0, P&L in currency (Sharpe 1994). It does not depend on how often the P&L was
    sampled within a session.

    Parameters
    ----------
    results
        Net P&L of each session, see `session_results`.

    Returns
    -------
    float or None
        None for fewer than two sessions, or when every session made the same.
    """
    if len(results) < 2 or min(results) == max(results):
        return None
    mean = sum(results) / len(results)
    variance = sum((r - mean) ** 2 for r in results) / (len(results) - 1)
    return float(mean / variance**0.5 * SESSIONS_PER_YEAR**0.5)


def compute(tally: Tally, curve: Curve) -> dict[str, Any]:
    """Return every metric of `METRICS` by name; None where there is no value."""
    trades = tally.trades
    volume = tally.maker_volume + tally.taker_volume
    changes: Spread = curve.changes
    gross = tally.realized + tally.unrealized
    sessions = session_results(curve.days)
    return {
        "net_pnl": gross - tally.fees,
        "gross_pnl": gross,
        "realized_pnl": tally.realized,
        "unrealized_pnl": tally.unrealized,
        "fees": tally.fees,
        "max_drawdown": curve.max_drawdown,
        "max_drawdown_peak_ts": curve.drawdown_peak_ns,
        "max_drawdown_ts": curve.drawdown_ns,
        "orders": tally.statuses.total(),
        "orders_denied": sum(tally.statuses[OrderStatus(s).name] for s in NEVER_SENT),
        "orders_filled": tally.statuses[OrderStatus.FILLED.name],
        "fills": tally.fills,
        "fill_ratio": _ratio(tally.filled, tally.ordered),
        "volume": volume,
        "maker_volume": tally.maker_volume,
        "taker_volume": tally.taker_volume,
        "maker_ratio": _ratio(tally.maker_volume, volume),
        "max_position": tally.max_position,
        "closed_trades": trades.trades,
        "winning_trades": trades.winners,
        "losing_trades": trades.losers,
        "win_rate": _ratio(trades.winners, trades.trades),
        "profit_factor": _ratio(trades.profit, trades.loss),
        "avg_trade_pnl": _ratio(trades.net, trades.trades * MONEY_UNITS),
        "avg_trade_duration_s": _ratio(trades.lot_seconds, trades.lots),
        "sessions": len(sessions),
        "sharpe_annualised": sharpe_by_session(sessions),
        "samples": changes.count,
        "sample_pnl_mean": changes.mean if changes.count else None,
        "sample_pnl_deviation": changes.deviation,
    }


def add_up(tallies: Iterable[Tally]) -> Tally:
    """Return the tally of several legs together."""
    return sum(tallies, Tally())


def headline(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a metrics row as JSON-ready values, money as exact decimal text in currency."""
    money = {c.name for c in METRICS if c.unit == MONEY_UNIT}
    times = {c.name for c in METRICS if c.type == "time"}
    return {
        name: decimal_text(value) if name in money else value
        for name, value in row.items()
        if name in {c.name for c in METRICS} and name not in times
    }


def metric_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the rows of ``metrics.parquet`` as columns."""
    return {c.name: [row[c.name] for row in rows] for c in METRIC_TABLE}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
