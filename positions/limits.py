"""Kernels of the limits: what stops an order before it leaves, what losses come to.

The same for a strategy and for all of a run together (the portfolio). Checked in the order of
`codes.Limit`: what the state lets through, order size, position, exposures, messages, rate.
"""

from typing import Any, Final

from tapewire.compiled.exact import multiply_divide
from tapewire.compiled.jit import jit, jit_inline
from tapewire.compiled.units import NS_PER_S
from tapewire.execution.layout import NEVER
from tapewire.execution.words import ACTIVE, HALTED, NO_REASON, REDUCING
from tapewire.positions.codes import (
    DAILY_LOSS,
    DRAWDOWN,
    FLATTEN,
    GROSS_EXPOSURE,
    HALT,
    LIMIT_N,
    LOSS,
    MESSAGES_PER_TRADE,
    NET_EXPOSURE,
    NO_LIMIT,
    ORDER_RATE,
    ORDER_SIZE,
    POSITION,
    REASONS,
)
from tapewire.positions.layout import send_time_at

#: Above any limit in 1e-9 currency: what does not fit is as good as this.
BEYOND: Final = 2**63 - 1


@jit_inline
def stopped(limits: Any, reason: int, limit: int, found: int) -> int:
    """Note the limit that stops an order, and what it would have come to; returns the reason."""
    limits.limit_value = limit
    limits.limit_found = found
    return reason


@jit_inline
def stopped_by(limits: Any, limit: int, found: int) -> int:
    """As `stopped`, by one of the limits."""
    return stopped(limits, REASONS[limit], limits.bounds[limit], found)


# --- before an order leaves -----------------------------------------------------------------------


@jit_inline
def state_at(limits: Any, now_ns: int) -> int:
    """The RiskState at a local time."""
    if now_ns >= limits.halted_ns:
        return HALTED
    return REDUCING if now_ns >= limits.reducing_ns else ACTIVE


@jit_inline
def check_state(
    limits: Any, account: Any, side: int, more_lots: int, is_exit: bool, now_ns: int
) -> int:
    """Whether the state lets an order through; a reason code.

    While REDUCING an order must be against the known position, and all open lots of its side
    together no more than that, so that no race of fills takes it through zero. An exit of a
    bracket can't be more than its entry.
    """
    if limits.reached == 0:
        return NO_REASON
    state = state_at(limits, now_ns)
    if state == ACTIVE:
        return NO_REASON
    if state == REDUCING:
        held = -side * account.known_position
        open_lots = account.open_buy_lots if side > 0 else account.open_sell_lots
        if is_exit or (held > 0 and open_lots + more_lots <= held):
            return NO_REASON
    return stopped_by(limits, limits.stopping, limits.reached_at[limits.stopping])


@jit_inline
def worst_lots(account: Any, side: int, more_lots: int) -> int:
    """The known position to a side if all open orders of that side fill, and more lots with them.

    It cannot be passed by a race.
    """
    if side > 0:
        return account.known_position + account.open_buy_lots + more_lots
    return -account.known_position + account.open_sell_lots + more_lots


@jit_inline
def check_lots(limits: Any, size_lots: int, more_lots: int, worst: int) -> int:
    """Whether size and position are within limits; a reason code.

    ``more_lots`` is what the order adds to the open lots of its side (the whole order for a new
    one, the increase for a replace), ``worst`` what the position could come to.
    """
    if limits.bounds[ORDER_SIZE] >= 0 and size_lots > limits.bounds[ORDER_SIZE]:
        return stopped_by(limits, ORDER_SIZE, size_lots)
    if limits.bounds[POSITION] >= 0 and more_lots > 0 and worst > limits.bounds[POSITION]:
        return stopped_by(limits, POSITION, worst)
    return NO_REASON


@jit_inline
def limits_exposure(limits: Any) -> bool:
    """Whether an exposure is limited."""
    return limits.bounds[GROSS_EXPOSURE] >= 0 or limits.bounds[NET_EXPOSURE] >= 0


@jit
def check_exposure(limits: Any, gross_before: int, gross: int, net: int) -> int:
    """Whether exposures in 1e-9 currency are within limits; a reason code.

    An order that adds nothing to the gross exposure passes, however large the market made it.
    ``net`` is to the side of the order.
    """
    limit = limits.bounds[GROSS_EXPOSURE]
    if limit >= 0 and gross > limit and gross > gross_before:
        return stopped_by(limits, GROSS_EXPOSURE, gross)
    if limits.bounds[NET_EXPOSURE] >= 0 and net > limits.bounds[NET_EXPOSURE]:
        return stopped_by(limits, NET_EXPOSURE, net)
    return NO_REASON


@jit_inline
def check_messages(limits: Any) -> int:
    """Whether one more message keeps to the ratio; a reason code. No trade counts as one."""
    ratio = limits.bounds[MESSAGES_PER_TRADE]
    if ratio >= 0:
        trades = max(limits.trades, 1)
        if limits.messages + 1 > ratio * trades:
            return stopped_by(limits, MESSAGES_PER_TRADE, -(-(limits.messages + 1) // trades))
    return NO_REASON


@jit_inline
def check_rate(limits: Any, send_times: int, now_ns: int) -> int:
    """Whether the rate lets an order leave; a reason code.

    The window slides: of any ``max_orders_per_second`` + 1 orders, the last leaves a second or
    more after the first.
    """
    rate = limits.bounds[ORDER_RATE]
    if rate < 0:
        return NO_REASON
    if rate == 0:
        return stopped_by(limits, ORDER_RATE, 1)
    oldest = send_time_at(send_times, limits.window_offset + limits.window_next)
    if oldest.ts > 0 and now_ns - oldest.ts < NS_PER_S:
        return stopped_by(limits, ORDER_RATE, rate + 1)
    return NO_REASON


@jit_inline
def pass_rate(limits: Any, send_times: int, now_ns: int) -> None:
    """Count an order or replace that leaves."""
    rate = limits.bounds[ORDER_RATE]
    if rate > 0:
        send_time_at(send_times, limits.window_offset + limits.window_next).ts = now_ns
        limits.window_next = (limits.window_next + 1) % rate


@jit
def exposure_of(lots: int, price: int, numerator: int, denominator: int) -> int:
    """What lots are worth at a price, by the contract's multiplier, whatever their signs.

    1e-9 currency, rounded down; `BEYOND` where that does not fit. The multiplier's denominator is
    at most 10^9.
    """
    lots = abs(lots)
    price = abs(price)
    if lots == 0 or price == 0:
        return 0
    if lots > BEYOND // price:
        return BEYOND
    units = lots * price
    if numerator == 1 and denominator == 1:
        return units
    if units // denominator + 1 > BEYOND // numerator:
        return BEYOND
    return multiply_divide(units, numerator, denominator)


@jit_inline
def add_exposure(a: int, b: int) -> int:
    """The sum of two exposures, `BEYOND` where it does not fit."""
    return BEYOND if a > BEYOND - b else a + b


# --- what is measured -----------------------------------------------------------------------------


@jit_inline
def lost(limits: Any, limit: int) -> int:
    """What a limit on losses is held against, 1e-9 currency.

    Of the whole run, since the last session closed, or since the best P&L so far.
    """
    if limit == LOSS:
        return -limits.known_pnl
    return (limits.day_pnl if limit == DAILY_LOSS else limits.peak_pnl) - limits.known_pnl


@jit_inline
def is_to_measure(limits: Any) -> bool:
    """Whether the P&L is where a limit may be reached, or the best so far."""
    return limits.known_pnl <= limits.floor_pnl or limits.known_pnl > limits.peak_pnl


@jit
def set_floor(limits: Any) -> None:
    """Find anew at what P&L the first of the limits on losses is reached."""
    floor = -NEVER
    for limit in (LOSS, DAILY_LOSS, DRAWDOWN):
        if limits.watched >> limit & 1:
            floor = max(floor, lost(limits, limit) + limits.known_pnl - limits.bounds[limit])
    limits.floor_pnl = floor


@jit
def reach(limits: Any, limit: int, found: int, now_ns: int) -> None:
    """Latch a limit that was reached, and the state that follows."""
    action = limits.actions[limit]
    limits.watched &= ~(1 << limit)
    limits.reached |= 1 << limit
    limits.reached_at[limit] = found
    state = state_of(action)
    if state > limits.state or (state == limits.state and limit < limits.stopping):
        limits.state = state
        limits.stopping = limit
    if state == HALTED:
        limits.halted_ns = min(limits.halted_ns, now_ns)
    limits.reducing_ns = min(limits.reducing_ns, now_ns)
    limits.flatten |= action == FLATTEN


@jit_inline
def state_of(action: int) -> int:
    """The RiskState that follows from an action."""
    return HALTED if action >= HALT else REDUCING


@jit
def begin_session(limits: Any, day_end_ns: int) -> None:
    """A session has closed: a daily loss counts from here, and one that was reached is over."""
    limits.day_end_ns = day_end_ns
    limits.day_pnl = limits.known_pnl
    _end_daily_loss(limits)
    set_floor(limits)


@jit
def _end_daily_loss(limits: Any) -> None:
    """Go on without a daily loss that was reached, as the other limits say."""
    if limits.reached >> DAILY_LOSS & 1 == 0:
        return
    limits.reached &= ~(1 << DAILY_LOSS)
    limits.watched |= 1 << DAILY_LOSS
    limits.state = ACTIVE
    limits.stopping = NO_LIMIT
    limits.flatten = 0
    for limit in range(LIMIT_N):
        if limits.reached >> limit & 1:
            state = state_of(limits.actions[limit])
            if state > limits.state:
                limits.state = state
                limits.stopping = limit
            limits.flatten |= limits.actions[limit] == FLATTEN
    if limits.state < HALTED:
        limits.halted_ns = NEVER
    if limits.state < REDUCING:
        limits.reducing_ns = NEVER
