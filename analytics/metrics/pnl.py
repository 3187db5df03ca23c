"""Profit and loss at the end of the run."""

from tapewire.analytics.metrics.definition import MONEY, Metric
from tapewire.analytics.metrics.inputs import Pnl


class NetPnl(Metric):
    column = "net_pnl"
    label = "Net P&L"
    compact = "Net P&L"
    terse = "P&L"
    format = MONEY
    formula = "gross_pnl - fees, at the last sample"

    @staticmethod
    def compute(pnl: Pnl) -> int:
        return pnl.gross - pnl.fees


class GrossPnl(Metric):
    column = "gross_pnl"
    label = "Gross P&L"
    format = MONEY
    formula = "realized_pnl + unrealized_pnl"

    @staticmethod
    def compute(pnl: Pnl) -> int:
        return pnl.gross


class RealizedPnl(Metric):
    column = "realized_pnl"
    label = "Realised P&L"
    format = MONEY
    formula = "P&L of closed lots before fees"

    @staticmethod
    def compute(pnl: Pnl) -> int:
        return pnl.realized


class UnrealizedPnl(Metric):
    column = "unrealized_pnl"
    label = "Unrealised P&L"
    format = MONEY
    formula = "P&L of open lots at the last mark"

    @staticmethod
    def compute(pnl: Pnl) -> int:
        return pnl.unrealized


class Fees(Metric):
    column = "fees"
    label = "Fees"
    costs = True
    compact = "Fees"
    terse = "fees"
    format = MONEY
    formula = "sum of commissions over fills"

    @staticmethod
    def compute(pnl: Pnl) -> int:
        return pnl.fees
