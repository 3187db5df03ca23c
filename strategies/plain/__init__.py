"""Strategies in plain Python: the class they derive from, and what they are handed."""

from tapewire.compiled.numbers import to_price
from tapewire.strategies.plain._kernels import load_kernels
from tapewire.strategies.plain.context import BUY, SELL, Context, Timer
from tapewire.strategies.plain.market import Level, Market, Session, Trade
from tapewire.strategies.plain.orders import Fill, Order
from tapewire.strategies.plain.strategy import Strategy, parameter
from tapewire.strategies.plain.values import to_decimal

__all__ = [
    "BUY", "SELL", "Context", "Fill", "Level", "Market", "Order", "Session", "Strategy", "Timer",
    "Trade", "load_kernels", "parameter", "to_decimal", "to_price",
]  # fmt: skip
