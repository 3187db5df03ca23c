"""Closed trades: how many, how good, how long. What one is, see `tapewire.analytics.trades`."""

from typing import Final

from tapewire.analytics.metrics.definition import (
    COUNT,
    CURRENCY,
    MONEY,
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
    costs = True
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


class AverageWin(Metric):
    column = "avg_win"
    label = "Average win"
    format = CURRENCY
    formula = "mean net P&L of a winning trade"
    null = "no winning trade"

    @staticmethod
    def compute(trades: TradeTotals) -> float | None:
        return ratio(trades.profit, trades.winners * MONEY_UNITS)


class AverageLoss(Metric):
    column = "avg_loss"
    label = "Average loss"
    costs = True
    format = CURRENCY
    formula = "mean net loss of a losing trade, a positive number"
    null = "no losing trade"

    @staticmethod
    def compute(trades: TradeTotals) -> float | None:
        return ratio(trades.loss, trades.losers * MONEY_UNITS)


class LargestWin(Metric):
    column = "largest_win"
    label = "Largest win"
    format = MONEY
    formula = "largest net P&L of a closed trade; 0 where none won"

    @staticmethod
    def compute(trades: TradeTotals) -> int:
        return trades.largest_win


class LargestLoss(Metric):
    column = "largest_loss"
    label = "Largest loss"
    costs = True
    format = MONEY
    formula = "largest net loss of a closed trade, a positive number; 0 where none lost"

    @staticmethod
    def compute(trades: TradeTotals) -> int:
        return trades.largest_loss


class Expectancy(Metric):
    column = "expectancy"
    label = "Expectancy, in average losses"
    format = RATIO
    formula = "avg_trade_pnl / avg_loss: what a trade makes on average per unit put at risk"
    source = 'V. K. Tharp, "Trade Your Way to Financial Freedom" (1998), with avg_loss as risk'
    null = "no losing trade"

    @staticmethod
    def compute(trades: TradeTotals) -> float | None:
        return ratio(trades.net * trades.losers, trades.trades * trades.loss)


class WinsInARow(Metric):
    column = "max_consecutive_wins"
    label = "Most wins in a row"
    format = COUNT
    formula = "most closed trades of one leg in a row that won; the largest of the legs'"

    @staticmethod
    def compute(trades: TradeTotals) -> int:
        return trades.wins_in_a_row


class LossesInARow(Metric):
    column = "max_consecutive_losses"
    label = "Most losses in a row"
    costs = True
    format = COUNT
    formula = "most closed trades of one leg in a row that lost; the largest of the legs'"

    @staticmethod
    def compute(trades: TradeTotals) -> int:
        return trades.losses_in_a_row


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
