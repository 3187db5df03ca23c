"""Backtests on candles the slow way: plain Python, a bar at a time, one object per position.

Everything that the compiled engine states is done here in the words of its documentation.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

INFINITY = float("inf")


@dataclass
class NaivePosition:
    side: str
    bar: int
    quantity: float
    price: float
    stop: float | None
    target: float | None
    paid: float
    trail: float | None = None
    best: float = 0.0
    bars: int | None = None


@dataclass
class NaiveTrade:
    side: str
    entry_bar: int
    exit_bar: int
    quantity: float
    entry: float
    exit: float
    reason: str
    pnl: float


class NaiveEngine:
    """``config`` is a `BacktestConfig`; bars are (ts, open, high, low, close), prices in ticks."""

    def __init__(self, config: Any, tick: float, interval_ns: int) -> None:
        self.config = config
        self.value = tick * config.point_value
        self.tick = tick
        self.interval_ns = interval_ns
        self.balance = config.initial_balance
        self.open: list[NaivePosition] = []
        self.trades: list[NaiveTrade] = []
        self.equity: list[float] = []
        self.refused = 0

    def run(
        self, bars: list[tuple[int, ...]], signals: list[set[str]], atr: list[float] | None = None
    ) -> "NaiveEngine":
        """``signals``: what is said as each bar ends, of EL, XL, ES, XS."""
        told: set[str] = set()
        told_atr = float("nan")
        for i, (ts, opened, high, low, close) in enumerate(bars):
            before = bars[i - 1][0] + self.interval_ns if i else None
            if before is not None and self.closing_times(before) < self.closing_times(ts):
                self.leave_all(i, opened, "clock")
            if self.config.entry != "close":
                self.leave_old(i, opened)
            self.leave_on(told, i, opened)
            if not self.is_shut(ts):
                self.enter_on(told, i, opened, told_atr)
            for position in list(self.open):
                found = self.ends_within(position, opened, high, low)
                if found is not None:
                    price, reason = found
                    if reason == "stop" and self.is_trailing(position):
                        reason = "trailing"
                    self.leave(position, i, price, reason)
            ends = ts + self.interval_ns
            if self.closing_times(ts) < self.closing_times(ends):
                self.leave_all(i, close, "clock")
            for position in self.open:
                long = position.side == "LONG"
                position.best = max(position.best, high) if long else min(position.best, low)
            told = signals[i]
            told_atr = atr[i] if atr is not None else float("nan")
            if self.config.entry == "close":
                self.leave_old(i, close)
                self.leave_on(told, i, close)
                if not self.is_shut(ends):
                    self.enter_on(told, i, close, told_atr)
                told = set()
            self.equity.append(self.worth(close))
        for position in list(self.open):
            self.leave(position, len(bars) - 1, bars[-1][4], "end")
        return self

    # --- the clock -----------------------------------------------------------------------------

    def local(self, ns: int) -> datetime:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)
        return moment.astimezone(ZoneInfo(self.config.time_zone)).replace(tzinfo=None)

    def closing_times(self, ns: int) -> int:
        """How many closing times there were up to an instant."""
        if self.config.close_at is None:
            return 0
        local = self.local(ns)
        hour, minute = map(int, self.config.close_at.split(":"))
        today = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return local.toordinal() + (local >= today)

    def is_shut(self, ns: int) -> bool:
        if self.config.close_at is None:
            return False
        now = self.local(ns).strftime("%H:%M")
        shut, opens = self.config.close_at, self.config.open_at or "00:00"
        if shut <= opens:
            return shut <= now < opens
        return now >= shut or now < opens

    # --- what follows the price, and time -------------------------------------------------------

    def stop_of(self, position: NaivePosition) -> float | None:
        """The nearer of the stop that stays and the one that follows the best price so far."""
        if position.trail is None:
            return position.stop
        long = position.side == "LONG"
        moving = position.best - position.trail if long else position.best + position.trail
        if position.stop is None:
            return moving
        return max(position.stop, moving) if long else min(position.stop, moving)

    def is_trailing(self, position: NaivePosition) -> bool:
        return position.trail is not None and self.stop_of(position) != position.stop

    def leave_old(self, i: int, price: float) -> None:
        for position in list(self.open):
            if position.bars is not None and i - position.bar >= position.bars:
                self.leave(position, i, price, "time")

    # --- orders --------------------------------------------------------------------------------

    def leave_on(self, told: set[str], i: int, price: float) -> None:
        for position in list(self.open):
            if ("XL" if position.side == "LONG" else "XS") in told:
                self.leave(position, i, price, "signal")

    def leave_all(self, i: int, price: float, reason: str) -> None:
        for position in list(self.open):
            self.leave(position, i, price, reason)

    def enter_on(self, told: set[str], i: int, price: float, atr: float) -> None:
        wants = []
        if "EL" in told and "XL" not in told:
            wants.append("LONG")
        if "ES" in told and "XS" not in told:
            wants.append("SHORT")
        if len(wants) != 1 or len(self.open) >= self.config.max_positions:
            return
        if any(position.side != wants[0] for position in self.open):
            return
        self.enter(wants[0], i, price, atr)

    def distance(self, given: Any, price: float, atr: float) -> float | None:
        if given is None:
            return None
        value = float(given.value)
        if given.kind == "percent":
            return abs(price) * (value / 100)
        return value * atr if given.kind == "atr" else value / self.tick

    def costs(self, price: float, quantity: float) -> float:
        rate, each = self.config.commission_rate, self.config.commission_per_unit
        return abs(price) * self.value * quantity * rate + quantity * each

    def enter(self, side: str, i: int, raw: float, atr: float) -> None:
        slip = abs(raw) * self.config.slippage_bps / 10_000
        price = raw + slip if side == "LONG" else raw - slip
        exits = self.config
        if side == "SHORT" and self.config.short is not None:
            exits = self.config.short
        risk = self.distance(exits.stop_loss, price, atr)
        reward = self.distance(exits.take_profit, price, atr)
        trail = self.distance(exits.trailing_stop, price, atr)
        if any(one is not None and not one > 0 for one in (risk, reward, trail)):
            self.refused += 1
            return
        nearest = min([one for one in (risk, trail) if one is not None], default=None)
        quantity = self.size(price, nearest) if self.balance > 0 else 0.0
        if quantity <= 0:
            self.refused += 1
            return
        sign = 1 if side == "LONG" else -1
        paid = self.costs(price, quantity)
        self.balance -= paid
        self.open.append(NaivePosition(
            side, i, quantity, price,
            None if risk is None else price - sign * risk,
            None if reward is None else price + sign * reward,
            paid, trail, price, exits.time_exit,
        ))  # fmt: skip

    def size(self, price: float, risk: float | None) -> float:
        config = self.config
        if config.risk_per_trade is not None:
            base = price if risk is None else risk
            lost = base * self.value
            quantity = self.balance * config.risk_per_trade / 100 / lost if lost > 0 else 0.0
        elif config.quantity is not None:
            quantity = config.quantity
        elif price > 0:
            share = self.balance / config.max_positions
            one = price * self.value
            quantity = share / (one + one * config.commission_rate + config.commission_per_unit)
        else:
            quantity = 0.0
        return float(int(quantity)) if config.whole_units else quantity

    def leave(self, position: NaivePosition, i: int, raw: float, reason: str) -> None:
        sign = 1 if position.side == "LONG" else -1
        price = raw
        if reason not in ("target", "end"):
            price -= sign * abs(raw) * self.config.slippage_bps / 10_000
        paid = 0.0 if reason == "end" else self.costs(price, position.quantity)
        made = sign * (price - position.price) * position.quantity * self.value
        self.balance += made - paid
        self.open.remove(position)
        self.trades.append(NaiveTrade(
            position.side, position.bar, i, position.quantity, position.price, price, reason,
            made - paid - position.paid,
        ))  # fmt: skip

    def ends_within(
        self, position: NaivePosition, opened: float, high: float, low: float
    ) -> tuple[float, str] | None:
        """The price and why, of a bar that the position is open in from its open on."""
        long = position.side == "LONG"
        worst, best = (low, high) if long else (high, low)
        stop = self.stop_of(position)

        def beyond(price: float, level: float | None, *, down: bool) -> bool:
            if level is None:
                return False
            return price <= level if down == long else price >= level

        gap_stop = beyond(opened, stop, down=True)
        gap_target = beyond(opened, position.target, down=False)
        hit_stop = beyond(worst, stop, down=True)
        hit_target = beyond(best, position.target, down=False)
        policy = self.config.within_bar
        if gap_stop:
            return opened, "stop"
        if gap_target and not (policy == "stop_first" and hit_stop):
            return opened, "target"
        if hit_stop and hit_target:
            stop_first = policy != "optimistic"
            if policy == "chronological":
                stop_first = abs(opened - worst) <= abs(best - opened)
            return (stop, "stop") if stop_first else (position.target, "target")
        if hit_stop:
            return stop, "stop"
        return (position.target, "target") if hit_target else None

    def worth(self, close: float) -> float:
        worth = self.balance
        for position in self.open:
            sign = 1 if position.side == "LONG" else -1
            worth += sign * (close - position.price) * position.quantity * self.value
        return worth
