"""Slow, obvious limits: what stops an order, what a loss leads to; of one strategy or of all.

Everything is computed anew from what is held and open; money is in 1e-9 currency.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

SECOND = 10**9
ORDER = (
    "max_order_size", "max_position", "max_gross_exposure", "max_net_exposure",
    "max_messages_per_trade", "max_orders_per_second", "max_loss", "max_daily_loss",
    "max_drawdown",
)  # fmt: skip
LOSSES = ("max_loss", "max_daily_loss", "max_drawdown")
HARDNESS = {"deny": 1, "cancel_all": 1, "halt": 2, "flatten": 2}
BEYOND = 2**63 - 1


@dataclass
class NaiveLeg:
    """A strategy in a book."""

    book: int
    multiplier: Fraction
    position: int = 0
    cash: int = 0
    fees: int = 0
    open: dict[int, int] = field(default_factory=lambda: {1: 0, -1: 0})
    pnl: int = 0

    def value(self, mark: int) -> None:
        self.pnl = floor((self.cash + self.position * mark) * self.multiplier) - self.fees

    def worst(self, side: int, more: int = 0) -> int:
        """The position to a side if all of its open orders fill, and more lots with them."""
        return side * self.position + self.open[side] + more

    def worth(self, lots: int, mark: int) -> int:
        return min(floor(abs(lots) * abs(mark) * self.multiplier), BEYOND)


@dataclass
class NaiveLimits:
    """Limits over some legs; ``bounds`` and ``actions`` by key."""

    name: str | None
    legs: list[NaiveLeg]
    bounds: dict[str, int]
    actions: dict[str, str]
    closes: list[int]
    sent: list[int] = field(default_factory=list)
    messages: int = 0
    trades: int = 0
    best: int = 0
    day_pnl: int = 0
    day: int | None = None
    reached: dict[str, tuple[int, int]] = field(default_factory=dict)  # when, at what; as it came

    def action(self, key: str) -> str:
        return self.actions.get(key, "halt" if key in LOSSES else "deny")

    @property
    def pnl(self) -> int:
        return sum(leg.pnl for leg in self.legs)

    def pass_closes(self, now: int) -> None:
        """A new session begins with what the last valuation before found."""
        if "max_daily_loss" not in self.bounds:
            return
        day = sum(close <= now for close in self.closes)
        if day != self.day:
            self.day, self.day_pnl = day, self.pnl
            self.reached.pop("max_daily_loss", None)

    def stopping(self) -> str | None:
        """Of the limits that were reached one of the hardest, of those the first by number."""
        hardest = max((HARDNESS[self.action(key)] for key in self.reached), default=0)
        hard = [key for key in self.reached if HARDNESS[self.action(key)] == hardest]
        return min(hard, key=ORDER.index, default=None)

    @property
    def state(self) -> int:
        key = self.stopping()
        return 0 if key is None else HARDNESS[self.action(key)]

    def measure(self, now: int) -> list[tuple[object, ...]]:
        """Losses that are reached now."""
        found = []
        self.best = max(self.best, self.pnl)
        lost = (-self.pnl, self.day_pnl - self.pnl, self.best - self.pnl)
        for key, amount in zip(LOSSES, lost, strict=True):
            if key in self.bounds and key not in self.reached and amount >= self.bounds[key]:
                found.append(self.trip(key, amount, now))
        return found

    def trip(self, key: str, amount: int, now: int) -> tuple[object, ...]:
        self.reached[key] = (now, amount)
        return (self.name, now, key, self.bounds[key], amount, self.action(key))

    def check(
        self, leg: NaiveLeg, side: int, lots: int, price: int | None, marks: dict[int, int],
        now: int,
    ) -> tuple[str, int, int] | None:  # fmt: skip
        """What stops an order, with the limit and what it would have come to; but for the rate."""
        self.pass_closes(now)
        key = self.stopping()
        if key is not None:
            reduces = leg.position * side < 0 and leg.open[side] + lots <= abs(leg.position)
            if self.state == 2 or not reduces:
                return key, self.bounds[key], self.reached[key][1]
        same = [other for other in self.legs if other.book == leg.book]
        worst = sum(other.worst(side) for other in same) + lots
        for key, amount in (("max_order_size", lots), ("max_position", worst)):
            if key in self.bounds and amount > self.bounds[key]:
                return key, self.bounds[key], amount
        if "max_gross_exposure" in self.bounds or "max_net_exposure" in self.bounds:
            before = after = net = 0
            for other in self.legs:
                more = lots if other is leg else 0
                up, down = other.worst(side, more), other.worst(-side)
                mark = marks.get(other.book, price if other is leg else None)
                if mark is None:
                    if up or down:
                        return "no mark", 0, 0
                    continue
                before += max(other.worth(up - more, mark), other.worth(down, mark))
                after += max(other.worth(up, mark), other.worth(down, mark))
                net += other.worth(up, mark) * (1 if up > 0 else -1)
            if after > max(self.bounds.get("max_gross_exposure", BEYOND), before):
                return "max_gross_exposure", self.bounds["max_gross_exposure"], after
            if net > self.bounds.get("max_net_exposure", BEYOND):
                return "max_net_exposure", self.bounds["max_net_exposure"], net
        ratio = self.bounds.get("max_messages_per_trade")
        if ratio is not None and Fraction(self.messages + 1, max(self.trades, 1)) > ratio:
            each = ceil(Fraction(self.messages + 1, max(self.trades, 1)))
            return "max_messages_per_trade", ratio, each
        return None

    def check_rate(self, now: int) -> tuple[str, int, int] | None:
        rate = self.bounds.get("max_orders_per_second")
        if rate is None:
            return None
        recent = [ts for ts in self.sent if now - ts < SECOND]
        return ("max_orders_per_second", rate, rate + 1) if len(recent) >= rate else None
