"""Closed trades: how many, how good, how long. What one is, see `tapewire.analytics.trades`."""

from typing import Final

from tapewire.analytics.metrics.definition import (
    COUNT,
    CURRENCY,
    RATIO,
    SECONDS,
    SHARE,
    Metric,
    ratio,
)
from tapewire.analytics.trades import TradeTotals
from tapewire.compiled.units import MONEY_UNITS

_NO_TRADE: Final = "no closed trade"


class ClosedTrades(Metric):
    column = "closed_trades"
    label = "Closed trades"
    format = COUNT
    formula = (
        "fills that closed lots, each matched first in, first out with the fills that opened them"
    )

    @staticmethod
    def compute(trades: TradeTotals) -> int:
        return trades.trades


class WinningTrades(Metric):
    column = "winning_trades"
    label = "Winning trades"
    format = COUNT
    formula = "closed trades with a net P&L above zero"

    @staticmethod
    def compute(trades: TradeTotals) -> int:
        return trades.winners


class LosingTrades(Metric):
    column = "losing_trades"
    label = "Losing trades"
    format = COUNT
    formula = "closed trades with a net P&L below zero"

    @staticmethod
    def compute(trades: TradeTotals) -> int:
        return trades.losers


class WinRate(Metric):
    column = "win_rate"
    label = "Win rate"
    compact = "Win rate"
    format = SHARE
    formula = "winning_trades / closed_trades"
    null = _NO_TRADE

    @staticmethod
    def compute(trades: TradeTotals) -> float | None:
        return ratio(trades.winners, trades.trades)


class ProfitFactor(Metric):
    column = "profit_factor"
    label = "Profit factor"
    compact = "P. factor"
    format = RATIO
    formula = "sum of net profits / sum of net losses, over closed trades"
    null = "no losing trade"

    @staticmethod
    def compute(trades: TradeTotals) -> float | None:
        return ratio(trades.profit, trades.loss)


class AverageTradePnl(Metric):
    column = "avg_trade_pnl"
    label = "Average trade"
    format = CURRENCY
    formula = "mean net P&L of a closed trade"
    null = _NO_TRADE

    @staticmethod
    def compute(trades: TradeTotals) -> float | None:
        return ratio(trades.net, trades.trades * MONEY_UNITS)


class AverageTradeDuration(Metric):
    column = "avg_trade_duration_s"
    label = "Average holding time"
    compact = "Holding"
    format = SECONDS
    formula = "mean time a closed lot was held, by exchange time"
    null = _NO_TRADE

    @staticmethod
    def compute(trades: TradeTotals) -> float | None:
        return ratio(trades.lot_seconds, trades.lots)
