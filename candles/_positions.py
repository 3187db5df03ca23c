"""Kernels of positions: how large, at what price they begin and end, what they make."""

from typing import Any

from tapewire.candles.layout import (
    ATR,
    CHRONOLOGICAL,
    END,
    FIXED_QUANTITY,
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
def _distance(kind: int, value: float, price: float, atr: float) -> float:
    """How far a stop or target is from a price, in ticks; NaN where there is no range yet."""
    if kind == PERCENT:
        return abs(price) * value
    if kind == ATR:
        return atr * value
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
def enter(t: Any, s: Any, slots: Any, raw: float, direction: int, bar: int, atr: float) -> None:
    """Open a position at a price in ticks before slippage; or count why there is none."""
    price = raw + direction * abs(raw) * t.slippage
    risk, reward = 0.0, 0.0
    known = True
    if t.stop_kind != NO_DISTANCE:
        risk = _distance(t.stop_kind, t.stop, price, atr)
        known = risk > 0.0  # not so for NaN
    if t.target_kind != NO_DISTANCE:
        reward = _distance(t.target_kind, t.target, price, atr)
        known = known and reward > 0.0
    quantity = _size(t, s.balance, price, risk) if known and s.balance > 0.0 else 0.0
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
    one.stop_px = price - direction * risk if t.stop_kind != NO_DISTANCE else -direction * _INFINITY
    one.target_px = (
        price + direction * reward if t.target_kind != NO_DISTANCE else direction * _INFINITY
    )
    one.commission = _costs(t, price, quantity)
    one.pnl = 0.0
    s.balance -= one.commission
    s.commission += one.commission
    s.open += 1


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
