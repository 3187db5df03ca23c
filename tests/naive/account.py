"""A slow, obvious account: fractions for what is averaged, Python's integers for the rest."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor


@dataclass
class NaiveHedge:
    """Two accounts, one that is long or nothing and one that is short or nothing."""

    long: "NaiveAccount" = field(default_factory=lambda: NaiveAccount())
    short: "NaiveAccount" = field(default_factory=lambda: NaiveAccount())

    def fill(self, side: int, price: int, lots: int, fee: int, closes: bool) -> None:
        own, other = (self.long, self.short) if side > 0 else (self.short, self.long)
        closing = min(lots, abs(other.position)) if closes else 0
        if closing:
            other.fill(side, price, closing, 0)
        if lots > closing:
            own.fill(side, price, lots - closing, 0)
        own.fees += fee

    def total(self, name: str) -> int:
        """A figure of both together."""
        return getattr(self.long, name) + getattr(self.short, name)


@dataclass
class NaiveAccount:
    """Position, cash and profit at average cost.

    ``open_cost`` is what the open lots cost. A partial close takes the average times the lots,
    rounded towards minus infinity; the rest stays with the open lots.
    """

    position: int = 0
    cash: int = 0
    open_cost: int = 0
    realized: int = 0
    fees: int = 0
    volume: int = 0
    max_position: int = 0

    def fill(self, side: int, price: int, lots: int, fee: int) -> None:
        self.cash -= side * price * lots
        self.fees += fee
        self.volume += lots
        closing = min(lots, abs(self.position)) if self.position * side < 0 else 0
        if closing:
            average = Fraction(self.open_cost, abs(self.position))
            cost = floor(average * closing)
            direction = 1 if self.position > 0 else -1
            self.open_cost -= cost
            self.realized += direction * price * closing - cost
            self.position += side * closing
        opening = lots - closing
        self.open_cost += side * price * opening
        self.position += side * opening
        self.max_position = max(self.max_position, abs(self.position))
