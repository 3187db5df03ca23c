"""Kernels of positions: how large, at what price they begin and end, what they make."""

from typing import Any

from tapewire.candles.layout import (
    ATR,
    CHRONOLOGICAL,
    END,
    FIXED_QUANTITY,
    NEVER,
    NO_DISTANCE,
    OPTIMISTIC,
    PERCENT,
    RISK,
    STOP,
    STOP_FIRST,
    TARGET,
    WHOLE_BALANCE,
)
from tapewire.compiled.jit import jit, jit_inline

_INFINITY = float("inf")


@jit_inline
def _distance(
    kind: int, value: float, price: float, ranges: Any, at: int, known: int
) -> float:  # fmt: skip
    """How far from a price something is, in ticks: infinity for nothing, NaN: no range yet."""
    if kind == NO_DISTANCE:
        return _INFINITY
    if kind == PERCENT:
        return abs(price) * value
    if kind == ATR:
        return ranges[at + known] * value if len(ranges) else 0.0
    return value


@jit_inline
def _costs(t: Any, price: float, quantity: float) -> float:
    """What one side of a trade costs, in currency."""
    traded = abs(price) * quantity * t.tick_value
    return traded * t.commission_rate + quantity * t.commission_per_unit


@jit
def _size(t: Any, balance: float, price: float, at_risk: float) -> float:
    """Units of a position, 0 or less where there can be none."""
    quantity = 0.0
    if t.sizing == FIXED_QUANTITY:
        quantity = t.quantity
    elif t.sizing == RISK:
        base = at_risk if at_risk > 0.0 else price
        if base > 0.0:
            quantity = balance * t.quantity / (base * t.tick_value)
    elif t.sizing == WHOLE_BALANCE and price > 0.0:
        value = price * t.tick_value
        cost = value * (1.0 + t.commission_rate) + t.commission_per_unit
        quantity = balance / t.max_positions / cost
    if t.whole_units:
        quantity = float(int(quantity)) if quantity < 9e15 else quantity
    return quantity


@jit
def enter(
    t: Any, s: Any, slots: Any, raw: float, direction: int, bar: int, ranges: Any, known: int
) -> None:
    """Open a position at a price in ticks before slippage; or count why there is none.

    ``known`` is the bar of the signal, whose average true ranges are among ``ranges``.
    """
    price = raw + direction * abs(raw) * t.slippage
    if direction < 0 and t.short_apart:
        risk = _distance(t.short_stop_kind, t.short_stop, price, ranges, t.short_stop_at, known)
        reward = _distance(
            t.short_target_kind, t.short_target, price, ranges, t.short_target_at, known
        )
        trail = _distance(t.short_trail_kind, t.short_trail, price, ranges, t.short_trail_at, known)
        hold_bars = t.short_hold_bars
    else:
        risk = _distance(t.stop_kind, t.stop, price, ranges, t.stop_at, known)
        reward = _distance(t.target_kind, t.target, price, ranges, t.target_at, known)
        trail = _distance(t.trail_kind, t.trail, price, ranges, t.trail_at, known)
        hold_bars = t.hold_bars
    sound = risk > 0.0 and reward > 0.0 and trail > 0.0  # not so for NaN
    nearest = min(risk, trail) if sound else 0.0
    at_risk = nearest if nearest < _INFINITY else 0.0
    quantity = _size(t, s.balance, price, at_risk) if sound and s.balance > 0.0 else 0.0
    if not quantity > 0.0:
        s.refused += 1
        return
    one = slots[s.open]
    one.entry_bar = bar
    one.exit_bar = -1
    one.direction = direction
    one.reason = 0
    one.quantity = quantity
    one.entry_px = price
    one.exit_px = 0.0
    one.stop_px = price - direction * nearest
    one.target_px = price + direction * reward
    one.trail = trail
    one.trailed = 1 if trail < risk else 0
    one.last_bar = bar + hold_bars if hold_bars else NEVER
    one.commission = _costs(t, price, quantity)
    one.pnl = 0.0
    s.balance -= one.commission
    s.commission += one.commission
    s.open += 1


@jit_inline
def follow(slots: Any, count: int, high: float, low: float) -> None:
    """Move stops that follow the best price, as a bar ends: they act from the next bar on."""
    for k in range(count):
        one = slots[k]
        level = high - one.trail if one.direction > 0 else low + one.trail
        if one.direction * (level - one.stop_px) > 0.0:
            one.stop_px = level
            one.trailed = 1


@jit
def leave(
    t: Any, s: Any, slots: Any, trades: Any, k: int, raw: float, bar: int, reason: int
) -> None:
    """Close the k-th open position at a price in ticks before slippage."""
    one = slots[k]
    price = raw
    fee = 0.0
    if reason != TARGET and reason != END:
        price = raw - one.direction * abs(raw) * t.slippage
    if reason != END:  # which is a mark, no trade
        fee = _costs(t, price, one.quantity)
    gross = one.direction * (price - one.entry_px) * one.quantity * t.tick_value
    net = gross - fee - one.commission
    one.exit_bar = bar
    one.exit_px = price
    one.reason = reason
    one.commission += fee
    one.pnl = net
    s.balance += gross - fee
    s.commission += fee
    s.held_bars += bar - one.entry_bar
    _count(s, net)
    if s.trades < len(trades):
        trades[s.trades] = slots[k]
    s.trades += 1
    s.open -= 1
    for later in range(k, s.open):
        slots[later] = slots[later + 1]


@jit_inline
def _count(s: Any, net: float) -> None:
    """Count a closed trade by what it made."""
    if net > 0.0:
        s.winners += 1
        s.profit += net
        s.largest_win = max(s.largest_win, net)
        s.streak = max(s.streak, 0) + 1
        s.wins_in_a_row = max(s.wins_in_a_row, s.streak)
    elif net < 0.0:
        s.losers += 1
        s.loss -= net
        s.largest_loss = max(s.largest_loss, -net)
        s.streak = min(s.streak, 0) - 1
        s.losses_in_a_row = max(s.losses_in_a_row, -s.streak)
    else:
        s.streak = 0


@jit_inline
def within(
    policy: int, direction: int, opened: float, high: float, low: float, stop: float, target: float
) -> Any:
    """Where a bar ends a position, in ticks before slippage, and why; reason 0: it does not.

    A short position is a long one in the mirror.
    """
    if direction < 0:
        opened, high, low, stop, target = -opened, -low, -high, -stop, -target
    price, reason = 0.0, 0
    stopped = low <= stop
    reached = high >= target
    if policy != STOP_FIRST and opened >= target and opened > stop:
        price, reason = opened, TARGET
    elif opened <= stop:
        price, reason = opened, STOP
    elif stopped and reached and policy != STOP_FIRST:
        stop_first = policy != OPTIMISTIC
        if policy == CHRONOLOGICAL:
            stop_first = opened - low <= high - opened
        price, reason = (stop, STOP) if stop_first else (target, TARGET)
    elif stopped:
        price, reason = stop, STOP
    elif reached:
        price, reason = max(opened, target), TARGET
    if direction < 0:
        price = -price
    return price, reason
