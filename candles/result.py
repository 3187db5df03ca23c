"""What a backtest on candles came to: its trades, its equity, its metrics."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.analytics.curves import Curve
from tapewire.analytics.metrics import Inputs
from tapewire.analytics.metrics.capital import (
    AnnualisedReturn,
    Cagr,
    MaxDrawdownOfPeak,
    MaxDrawdownShare,
    TotalReturn,
)
from tapewire.analytics.metrics.closed_trades import (
    AverageLoss,
    AverageTradePnl,
    AverageWin,
    ClosedTrades,
    Expectancy,
    LargestLoss,
    LargestWin,
    LosingTrades,
    LossesInARow,
    ProfitFactor,
    WinningTrades,
    WinRate,
    WinsInARow,
)
from tapewire.analytics.metrics.drawdown import MaxDrawdown
from tapewire.analytics.metrics.inputs import Capital, Pnl, Sessions
from tapewire.analytics.metrics.pnl import Fees, NetPnl
from tapewire.analytics.metrics.registry import Registry
from tapewire.analytics.metrics.returns import (
    Calmar,
    ExpectedShortfall,
    ProbabilisticSharpe,
    SharpeAnnualised,
    SortinoAnnualised,
    ValueAtRisk,
)
from tapewire.analytics.trades import TradeTotals
from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import Candles
from tapewire.candles.layout import REASONS
from tapewire.compiled.units import MONEY_UNITS
from tapewire.errors import SimulationError

if TYPE_CHECKING:
    import pyarrow as pa

#: The metrics of a backtest on candles, those of runs that need neither orders nor queues.
CANDLE_METRICS: Final = Registry(
    (
        TotalReturn, AnnualisedReturn, Cagr, SharpeAnnualised, SortinoAnnualised, Calmar,
        ProbabilisticSharpe, ValueAtRisk, ExpectedShortfall, MaxDrawdown, MaxDrawdownShare,
        MaxDrawdownOfPeak, NetPnl, Fees, ClosedTrades, WinningTrades, LosingTrades, WinRate,
        ProfitFactor, AverageTradePnl, AverageWin, AverageLoss, LargestWin, LargestLoss,
        Expectancy, WinsInARow, LossesInARow,
    )
)  # fmt: skip
#: Money is kept exactly in int64 of 1e-9.
_MONEY_MAX: Final = 9.0e9


class BacktestResult:
    """The result of one backtest.

    Attributes
    ----------
    strategy_name : str
    candles : Candles
        What it traded on.
    config : BacktestConfig
    summary : record
        Sums over trades, see ``SUMMARY`` in `tapewire.candles.layout`; money in currency.
    trade_records : record array
        Trades in the order they closed, prices in ticks, see ``TRADE`` there.
    equity : float64 (n,)
        Currency as each bar ends: the balance and what is open, valued at the close.
    daily : float64 (d,)
        The same as each session ends.
    """

    def __init__(
        self,
        strategy_name: str,
        candles: Candles,
        config: BacktestConfig,
        summary: Any,
        trade_records: npt.NDArray[Any],
        equity: npt.NDArray[np.float64],
        daily: npt.NDArray[np.float64],
        metadata: Mapping[str, Any],
    ) -> None:
        self.strategy_name = strategy_name
        self.candles = candles
        self.config = config
        self.summary = summary
        self.trade_records = trade_records
        self.equity = equity
        self.daily = daily
        self._metadata = metadata

    def told(self, more: Mapping[str, Any]) -> "BacktestResult":
        """Return the same result with more metadata."""
        return BacktestResult(
            self.strategy_name, self.candles, self.config, self.summary, self.trade_records,
            self.equity, self.daily, {**self._metadata, **more},
        )  # fmt: skip

    @property
    def final_balance(self) -> float:
        """Currency at the end, what is still open valued at the last close."""
        return float(self.summary["balance"])

    @cached_property
    def metrics(self) -> dict[str, int | float | None]:
        """Every metric by its name, as `tapewire.analytics.metrics` defines it.

        Money is in whole 1e-9 of the currency; None: there is no value.

        Raises
        ------
        SimulationError
            If the balance is beyond 9e9.
        """
        return CANDLE_METRICS.compute(self._inputs())

    def _inputs(self) -> Inputs:
        if not np.abs(self.equity).max(initial=0.0) < _MONEY_MAX:
            raise SimulationError(
                f"{self.strategy_name}: expected a balance below {_MONEY_MAX:g}, found "
                f"{np.abs(self.equity).max():g}; metrics need a smaller initial_balance"
            )
        s = self.summary
        begin = units(self.config.initial_balance)
        curve = Curve(capital=begin)
        curve.add(self.candles.ts_close, np.diff(units(self.equity) - begin, prepend=0))
        curve.finish()
        totals = TradeTotals(
            trades=int(s["trades"]), winners=int(s["winners"]), losers=int(s["losers"]),
            profit=units(s["profit"]), loss=units(s["loss"]),
            largest_win=units(s["largest_win"]), largest_loss=units(s["largest_loss"]),
            wins_in_a_row=int(s["wins_in_a_row"]), losses_in_a_row=int(s["losses_in_a_row"]),
        )  # fmt: skip
        fees = units(s["commission"])
        net = units(s["balance"]) - begin
        inputs = Inputs(
            trades=totals, pnl=Pnl(realized=net + fees, fees=fees), equity=curve,
            capital=Capital(begin),
        )  # fmt: skip
        # Bars know their sessions (see `session_ends`); a curve would have none of bars of a day.
        inputs.sessions = Sessions(np.diff(units(self.daily), prepend=begin).tolist())
        return inputs

    @cached_property
    def trades(self) -> "pa.Table":
        """One row a trade, in the order they closed: times in ns UTC, prices in currency."""
        import pyarrow as pa

        rows, candles = self.trade_records, self.candles
        entered, left = rows["entry_bar"], rows["exit_bar"]
        stops, targets = (
            pa.array(candles.price(rows[name]), mask=~np.isfinite(rows[name]))
            for name in ("stop_px", "target_px")
        )
        return pa.table(
            {
                "entry_bar": entered,
                "exit_bar": left,
                "ts_entry": candles.ts_event[entered],
                "ts_exit": candles.ts_event[left],
                "direction": np.where(rows["direction"] > 0, "LONG", "SHORT").astype(object),
                "quantity": rows["quantity"],
                "entry_price": candles.price(rows["entry_px"]),
                "exit_price": candles.price(rows["exit_px"]),
                "stop_price": stops,
                "target_price": targets,
                "reason": np.array(REASONS, object)[rows["reason"]],
                "commission": rows["commission"],
                "pnl": rows["pnl"],
            }
        )

    @cached_property
    def equity_curve(self) -> "pa.Table":
        """One row a bar: when it ends, and the equity then, in currency."""
        import pyarrow as pa

        return pa.table({"ts": self.candles.ts_close, "equity": self.equity})

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What was run: symbol, bars, their time, assumptions, repairs of the data."""
        candles = self.candles
        return {
            "symbol": candles.symbol,
            "bars": len(candles),
            "first_ts": int(candles.ts_event[0]),
            "last_ts": int(candles.ts_close[-1]),
            "interval_ns": candles.interval_ns,
            "tick_size": candles.tick_size,
            "data": dict(candles.counts),
            "refused_entries": int(self.summary["refused"]),
            "config": asdict(self.config),
            **self._metadata,
        }


def units(money: Any) -> Any:
    """Return currency as whole 1e-9 of it."""
    found = np.rint(np.asarray(money, np.float64) * MONEY_UNITS).astype(np.int64)
    return found if found.ndim else int(found)
