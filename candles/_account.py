"""Accounts of the event-driven engine: open positions, the balance, closed trades."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tapewire.candles import layout
from tapewire.candles.config import BacktestConfig, Distance

if TYPE_CHECKING:
    from tapewire.candles.event_driven import LevelBook


class FillPoint(NamedTuple):
    """Where something happens: a bar, and its price in ticks."""

    bar: int
    price: float


class CandleAccount:
    """One strategy's positions, in order of their entries, and what became of earlier ones.

    ``size`` gives units of a balance and a price in currency, or None: as configured.
    """

    def __init__(
        self,
        config: BacktestConfig,
        tick: float,
        book: "LevelBook | None",
        size: Callable[[float, float], float | None],
    ) -> None:
        self.config = config
        self.balance = config.initial_balance
        self.open: list[dict[str, Any]] = []
        self.closed: list[dict[str, Any]] = []
        self._tick, self._value = tick, tick * config.point_value
        self._book, self._own_size = book, size
        self._refused = self._busy = 0
        self._peak, self._deepest, self._share = config.initial_balance, 0.0, 0.0

    @property
    def direction(self) -> int:
        """Of what is open: 1, -1, or 0 where nothing is."""
        return int(self.open[0]["direction"]) if self.open else 0

    def has_room(self, direction: int) -> bool:
        """Whether another position of a direction may be opened."""
        room = len(self.open) < self.config.max_positions
        return room and self.direction in (0, direction)

    def enter(self, place: FillPoint, direction: int, atr: float) -> None:
        """Open a position with a market order, or count why there is none."""
        price = place.price + direction * self._slipped(place.price)
        quantity = self._quantity(price, atr)
        if not quantity > 0:
            self._refused += 1
            return
        if self._book is not None:
            price += direction * self._book.worse_ticks(quantity)
        risk = self._away(self.config.stop_loss, price, atr)
        reward = self._away(self.config.take_profit, price, atr)
        commission = self._costs(price, quantity)
        self.balance -= commission
        self.open.append(
            {
                "entry_bar": place.bar, "direction": direction, "quantity": quantity,
                "entry_px": price, "stop_px": price - direction * risk,
                "target_px": price + direction * reward, "commission": commission,
            }
        )  # fmt: skip

    def _slipped(self, price: float) -> float:
        return abs(price) * (self.config.slippage_bps / 10_000)

    def _away(self, given: Distance | None, price: float, atr: float) -> float:
        """Return a level's distance in ticks; infinite: there is none."""
        if given is None:
            return math.inf
        if given.kind == "percent":
            return abs(price) * (given.value / 100)
        return atr * given.value if given.kind == "atr" else given.value / self._tick

    def _costs(self, price: float, quantity: float) -> float:
        config = self.config
        traded = abs(price) * quantity * self._value
        return traded * config.commission_rate + quantity * config.commission_per_unit

    def _quantity(self, price: float, atr: float) -> float:
        """Return units of a new position; 0 or NaN: none."""
        config = self.config
        risk = self._away(config.stop_loss, price, atr)
        if not (risk > 0 and self._away(config.take_profit, price, atr) > 0 and self.balance > 0):
            return 0.0
        own = self._own_size(self.balance, price * self._tick)
        if own is not None:
            quantity = own
        elif config.quantity is not None:
            quantity = config.quantity
        elif config.risk_per_trade is not None:
            base = risk if config.stop_loss is not None else price
            lost = self.balance * (config.risk_per_trade / 100)
            quantity = lost / (base * self._value) if base > 0 else 0.0
        elif price > 0:
            value = price * self._value
            cost = value * (1 + config.commission_rate) + config.commission_per_unit
            quantity = self.balance / config.max_positions / cost
        else:
            quantity = 0.0
        return float(math.floor(quantity)) if config.whole_units else quantity

    def leave_all(self, place: FillPoint, reason: int) -> None:
        """Close every position at one price."""
        for position in list(self.open):
            self._leave(position, place, reason)

    def _leave(self, position: dict[str, Any], place: FillPoint, reason: int) -> None:
        direction, quantity = position["direction"], position["quantity"]
        price, fee = place.price, 0.0
        if reason not in (layout.TARGET, layout.END):
            price -= direction * self._slipped(price)
            if self._book is not None:
                price -= direction * self._book.worse_ticks(quantity)
        if reason != layout.END:
            fee = self._costs(price, quantity)
        gross = direction * (price - position["entry_px"]) * quantity * self._value
        self.balance += gross - fee
        position |= {
            "exit_bar": place.bar, "exit_px": price, "reason": reason,
            "pnl": gross - fee - position["commission"],
            "commission": position["commission"] + fee,
        }  # fmt: skip
        self.open.remove(position)
        self.closed.append(position)

    def within(self, bar: int, opened: float, high: float, low: float) -> None:
        """Close what a bar's range ends, oldest first."""
        for position in list(self.open):
            long = position["direction"] > 0
            worst, best = (low, high) if long else (high, low)
            stop, target = position["stop_px"], position["target_px"]
            found = self._first(opened, worst, best, stop, target, 1 if long else -1)
            if found is not None:
                reason, price = found
                self._leave(position, FillPoint(bar, price), reason)

    def _first(
        self, opened: float, worst: float, best: float, stop: float, target: float, side: int
    ) -> tuple[int, float] | None:
        """Return which level a bar reaches first, and at what price; None: none of them."""
        policy = self.config.within_bar
        stopped, reached = side * worst <= side * stop, side * best >= side * target
        if side * opened <= side * stop:
            return layout.STOP, opened
        if side * opened >= side * target and not (stopped and policy == "stop_first"):
            return layout.TARGET, opened
        if stopped and reached:
            nearer = abs(opened - worst) <= abs(best - opened)
            stopped = policy != "optimistic" and (policy != "chronological" or nearer)
        if stopped:
            return layout.STOP, stop
        return (layout.TARGET, target) if reached else None

    def mark(self, close: float) -> float:
        """Return what the account is worth as a bar ends, and note the largest fall."""
        worth = self.balance
        for one in self.open:
            worth += one["direction"] * (close - one["entry_px"]) * one["quantity"] * self._value
        self._busy += bool(self.open)
        self._peak = max(self._peak, worth)
        fall = self._peak - worth
        self._deepest = max(self._deepest, fall)
        self._share = max(self._share, fall / self._peak)
        return worth

    def records(self) -> tuple[Any, Any]:
        """Return the summary and the closed trades as the vectorised engine's records."""
        trades = np.zeros(len(self.closed), layout.TRADE)
        for row, trade in zip(trades, self.closed, strict=True):
            for name, value in trade.items():
                row[name] = value
        summary = np.zeros(1, layout.SUMMARY)[0]
        won, lost = trades["pnl"] > 0, trades["pnl"] < 0
        pnl = trades["pnl"]
        values = {
            "balance": self.balance, "trades": len(trades), "winners": won.sum(),
            "losers": lost.sum(), "profit": pnl[won].sum(), "loss": -pnl[lost].sum(),
            "largest_win": pnl.max(initial=0.0), "largest_loss": -pnl.min(initial=0.0),
            "wins_in_a_row": _longest(won), "losses_in_a_row": _longest(lost),
            "commission": trades["commission"].sum(),
            "held_bars": (trades["exit_bar"] - trades["entry_bar"]).sum(),
            "busy_bars": self._busy, "peak": self._peak, "max_drawdown": self._deepest,
            "max_drawdown_share": self._share, "refused": self._refused,
        }  # fmt: skip
        for name, value in values.items():
            summary[name] = value
        return summary, trades


def _longest(flags: Any) -> int:
    longest = streak = 0
    for flag in flags.tolist():
        streak = streak + 1 if flag else 0
        longest = max(longest, streak)
    return longest
