"""What rails count, the slow way: every sum anew from all fills, in fractions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor


@dataclass(frozen=True)
class NaiveFill:
    """A fill; side 1 or -1, price and fee in 1e-9."""

    order: str
    execution: str
    symbol: str
    side: int
    price: int
    lots: int
    fee: int


@dataclass
class NaiveAccount:
    """All fills that were ever told, second words and undone ones among them."""

    multipliers: dict[str, Fraction]
    told: list[NaiveFill]
    undone: set[tuple[str, str]]

    def fills(self, symbol: str) -> list[NaiveFill]:
        found: list[NaiveFill] = []
        for one in self.told:
            key = (one.order, one.execution)
            if (
                one.symbol == symbol
                and key not in self.undone
                and key not in [(other.order, other.execution) for other in found]
            ):
                found.append(one)
        return found

    def lots(self, symbol: str) -> int:
        return sum(one.side * one.lots for one in self.fills(symbol))

    def pnl(self, marks: dict[str, int]) -> int:
        """1e-9 currency; of each instrument rounded down."""
        total = 0
        for symbol, multiplier in self.multipliers.items():
            worth = Fraction(0)
            for one in self.fills(symbol):
                worth += one.side * one.lots * (marks[symbol] - one.price) * multiplier
            total += floor(worth) - sum(one.fee for one in self.fills(symbol))
        return total


@dataclass(frozen=True)
class NaiveOpen:
    """An order as it is open: what may still fill of it."""

    symbol: str
    side: int
    lots: int


def worst_position(held: int, side: int, orders: Sequence[NaiveOpen], symbol: str) -> int:
    """The largest position to a side over every subset of an instrument's open orders."""
    own = [one for one in orders if one.symbol == symbol]
    worst = side * held
    for chosen in range(1 << len(own)):
        after = held + sum(one.side * one.lots for k, one in enumerate(own) if chosen >> k & 1)
        worst = max(worst, side * after)
    return worst


def exposures(
    held: dict[str, int], orders: Sequence[NaiveOpen], marks: dict[str, Fraction], side: int
) -> tuple[int, int]:
    """Gross, and net to a side: the worst that open orders can make of what is held."""
    gross = net = 0
    for symbol, mark in marks.items():
        up = worst_position(held.get(symbol, 0), 1, orders, symbol)
        down = worst_position(held.get(symbol, 0), -1, orders, symbol)
        gross += floor(max(up, down) * mark)
        net += floor((up if side == 1 else down) * mark)
    return gross, net
