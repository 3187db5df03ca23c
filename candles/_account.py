"""Accounts of the event-driven engine: open positions, the balance, closed trades."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tapewire.candles import layout
from tapewire.candles.config import BacktestConfig
from tapewire.candles.exits import Distance

if TYPE_CHECKING:
    from tapewire.candles.event_driven import LevelBook


class FillPoint(NamedTuple):
    """Where something happens: a bar, and its price in ticks."""

    bar: int
    price: float


#: The average true range, in ticks, of so many bars, as of an order's signal.
RangeOf = Callable[[int], float]


@dataclass
class EntryOrder:
    """A market order to open a position: what is left of it, and what it has opened so far."""

    direction: int
    rest: float
    atr: RangeOf
    position: dict[str, Any] | None = None


class CandleAccount:
    """One strategy's positions, in order of their entries, and what became of earlier ones.

    ``size`` gives units of a balance and a price in currency, or None: as configured.
    ``volume_share`` is what all orders of a bar together may take of its volume; None: anything.
    What an order does not get waits for the next bar's open.
    """

    def __init__(
        self,
        config: BacktestConfig,
        tick: float,
        book: "LevelBook | None",
        size: Callable[[float, float], float | None],
        volume_share: float | None = None,
    ) -> None:
        self.config = config
        self.balance = config.initial_balance
        self.open: list[dict[str, Any]] = []
        self.closed: list[dict[str, Any]] = []
        self._entering: list[EntryOrder] = []
        self._tick, self._value = tick, tick * config.point_value
        self._book, self._own_size, self._share_of_volume = book, size, volume_share
        self._available = math.inf
        self._refused = self._busy = 0
        self._peak, self._deepest, self._share = config.initial_balance, 0.0, 0.0

    @property
    def direction(self) -> int:
        """Of what is open or being opened: 1, -1, or 0 where nothing is."""
        if self.open:
            return int(self.open[0]["direction"])
        return self._entering[0].direction if self._entering else 0

    def has_room(self, direction: int) -> bool:
        """Whether another position of a direction may be opened."""
        waiting = sum(order.position is None for order in self._entering)
        room = len(self.open) + waiting < self.config.max_positions
        return room and self.direction in (0, direction)

    def begin_bar(self, volume: float) -> None:
        """Take what a bar lets orders have."""
        if self._share_of_volume is not None:
            self._available = self._granted(volume * self._share_of_volume)

    def go_on(self, place: FillPoint, *, cancel: bool) -> None:
        """Fill more of orders that did not get all before, those that leave first.

        ``cancel``: those that enter are taken back instead.
        """
        if cancel:
            self._cancel()
        for position in list(self.open):
            if position["leaving"]:
                self._leave(position, place, position["leaving"])
        for order in list(self._entering):
            self._take(order, place)

    def enter(self, place: FillPoint, direction: int, atr: RangeOf) -> None:
        """Open a position with a market order, or count why there is none."""
        price = self._slipped(place.price, direction)
        quantity = self._quantity(price, direction, atr)
        if not 0 < quantity < math.inf:
            self._refused += 1
            return
        order = EntryOrder(direction, quantity, atr)
        self._entering.append(order)
        self._take(order, place)

    def _take(self, order: EntryOrder, place: FillPoint) -> None:
        """Fill what a bar has of an entry; levels are counted from the average price of all."""
        now = min(order.rest, self._available)
        if now <= 0:
            return
        self._available -= now
        order.rest -= now
        if order.rest <= 0:
            self._entering.remove(order)
        price = self._slipped(place.price, order.direction)
        if self._book is not None:
            price += order.direction * self._book.worse_ticks(now)
        commission = self._costs(price, now)
        self.balance -= commission
        position = order.position
        if position is None:
            exits = self.config.exits(order.direction)
            held = exits.time_exit
            order.position = position = {
                "entry_bar": place.bar, "direction": order.direction, "quantity": 0.0,
                "entry_px": price, "commission": 0.0, "best": None, "leaving": 0,
                "last_bar": layout.NEVER if held is None else place.bar + held,
            }  # fmt: skip
            self.open.append(position)
        whole = position["quantity"] + now
        if position["quantity"]:
            share = now / whole
            price = position["entry_px"] * (1 - share) + price * share
        position |= {
            "entry_px": price, "quantity": whole, "commission": position["commission"] + commission,
        }  # fmt: skip
        self._set_levels(position, order)

    def _set_levels(self, position: dict[str, Any], order: EntryOrder) -> None:
        direction, price = order.direction, position["entry_px"]
        risk, reward, trail = self._levels(price, direction, order.atr)
        best = price if position["best"] is None else position["best"]
        best = max(best, price) if direction > 0 else min(best, price)
        fixed, moving = price - direction * risk, best - direction * trail
        trailed = direction * moving > direction * fixed
        position |= {
            "stop_px": moving if trailed else fixed, "trailed": int(trailed),
            "target_px": price + direction * reward, "trail": trail,
        }  # fmt: skip

    def _levels(self, price: float, direction: int, atr: RangeOf) -> tuple[float, float, float]:
        """Return how far stop, target and following stop are from a price, in ticks."""
        exits = self.config.exits(direction)
        return (
            self._away(exits.stop_loss, price, atr),
            self._away(exits.take_profit, price, atr),
            self._away(exits.trailing_stop, price, atr),
        )

    def _slipped(self, price: float, direction: int) -> float:
        return price + direction * abs(price) * (self.config.slippage_bps / 10_000)

    def _away(self, given: Distance | None, price: float, atr: RangeOf) -> float:
        """Return a level's distance in ticks; infinite: there is none."""
        if given is None:
            return math.inf
        if given.kind == "percent":
            return abs(price) * (given.value / 100)
        return atr(given.period) * given.value if given.kind == "atr" else given.value / self._tick

    def _costs(self, price: float, quantity: float) -> float:
        config = self.config
        traded = abs(price) * quantity * self._value
        return traded * config.commission_rate + quantity * config.commission_per_unit

    def _quantity(self, price: float, direction: int, atr: RangeOf) -> float:
        """Return units of a new position; 0, NaN or infinite: none."""
        config = self.config
        risk, reward, trail = self._levels(price, direction, atr)
        if not (risk > 0 and reward > 0 and trail > 0 and self.balance > 0):
            return 0.0
        own = self._own_size(self.balance, price * self._tick)
        if own is not None:
            quantity = own
        elif config.quantity is not None:
            quantity = config.quantity
        elif config.risk_per_trade is not None:
            nearest = min(risk, trail)
            base = nearest if nearest < math.inf else price
            lost = self.balance * (config.risk_per_trade / 100)
            quantity = lost / (base * self._value) if base > 0 else 0.0
        elif price > 0:
            value = price * self._value
            cost = value * (1 + config.commission_rate) + config.commission_per_unit
            quantity = self.balance / config.max_positions / cost
        else:
            quantity = 0.0
        return self._granted(quantity)

    def _granted(self, quantity: float) -> float:
        whole = self.config.whole_units and math.isfinite(quantity)
        return float(math.floor(quantity)) if whole else quantity

    def leave_all(self, place: FillPoint, reason: int) -> None:
        """Close every position at one price; what was being opened is not any more."""
        self._cancel()
        if reason == layout.END:
            self._available = math.inf
        for position in list(self.open):
            if not position["leaving"] or reason == layout.END:
                self._leave(position, place, reason)

    def _cancel(self) -> None:
        self._refused += sum(order.position is None for order in self._entering)
        self._entering.clear()

    def leave_old(self, place: FillPoint) -> None:
        """Close what has been open for as long as it may be."""
        for position in list(self.open):
            if position["last_bar"] <= place.bar and not position["leaving"]:
                self._leave(position, place, layout.TIME)

    def _leave(self, position: dict[str, Any], place: FillPoint, reason: int) -> None:
        """Close a position as far as the bar's volume goes; what is left of it goes on leaving.

        A target is a limit order: what is left of it stays until the price is there again.
        """
        self._entering = [one for one in self._entering if one.position is not position]
        whole = position["quantity"]
        now = min(whole, self._available)
        if reason != layout.TARGET:
            position["leaving"] = reason
        if now <= 0:
            return
        self._available -= now
        direction, price, fee = position["direction"], place.price, 0.0
        if reason not in (layout.TARGET, layout.END):
            price = self._slipped(price, -direction)
            if self._book is not None:
                price -= direction * self._book.worse_ticks(now)
        if reason != layout.END:
            fee = self._costs(price, now)
        gross = direction * (price - position["entry_px"]) * now * self._value
        paid = position["commission"] * (now / whole)
        self.balance += gross - fee
        self.closed.append(
            position
            | {
                "exit_bar": place.bar, "exit_px": price, "reason": reason, "quantity": now,
                "pnl": gross - fee - paid, "commission": paid + fee,
            }
        )  # fmt: skip
        if now == whole:
            self.open.remove(position)
        else:
            position |= {"quantity": whole - now, "commission": position["commission"] - paid}

    def within(self, bar: int, opened: float, high: float, low: float) -> None:
        """Close what a bar's range ends, oldest first."""
        for position in list(self.open):
            if position["leaving"]:
                continue
            long = position["direction"] > 0
            worst, best = (low, high) if long else (high, low)
            stop, target = position["stop_px"], position["target_px"]
            found = self._first(opened, worst, best, stop, target, 1 if long else -1)
            if found is not None:
                reason, price = found
                if reason == layout.STOP and position["trailed"]:
                    reason = layout.TRAIL
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

    def follow(self, high: float, low: float) -> None:
        """Move stops that follow the best price, as a bar ends."""
        for position in self.open:
            long = position["direction"] > 0
            before, now = position["best"], high if long else low
            best = now if before is None else (max(before, now) if long else min(before, now))
            position["best"] = best
            level = best - position["trail"] if long else best + position["trail"]
            if (level > position["stop_px"]) if long else (level < position["stop_px"]):
                position |= {"stop_px": level, "trailed": 1}

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
            for name in layout.TRADE.names or ():
                row[name] = trade[name]
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
