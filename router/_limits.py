"""Limits in the loop: orders are held against them, losses measured, what is reached latched.

The portfolio is all strategies of the run together, as the loop comes to them: what each of them
knows. It is there only where it has limits of its own; strategies then hang on one another.
"""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.layout import NEVER
from tapewire.execution.words import ACTIVE, LOSS_CANCEL, NO_MARK, NO_REASON
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.accounting import revalue
from tapewire.positions.codes import (
    DAILY_LOSS,
    DENY,
    DRAWDOWN,
    LIMIT_N,
    LOSS,
    PORTFOLIO_REASONS,
    POSITION,
    REASONS,
)
from tapewire.positions.layout import account_at, limits_at, trip_at
from tapewire.positions.limits import (
    add_exposure,
    check_exposure,
    check_lots,
    check_messages,
    check_rate,
    check_state,
    exposure_of,
    is_to_measure,
    limits_exposure,
    lost,
    pass_rate,
    reach,
    set_floor,
    state_at,
    stopped,
    worst_lots,
)
from tapewire.positions.worths import move_worth
from tapewire.router._layout import WIND_UP, instance_at, leg_at, message_at, watch_at
from tapewire.router._loss import act_on_limits, note_positions
from tapewire.router._messages import tell_strategy
from tapewire.router._turns import pass_turns

# --- before an order leaves -----------------------------------------------------------------------


@jit
def check_order(
    router: Any, leg_index: int, side: int, price: int, more_lots: int, size_lots: int,
    is_exit: bool, now_ns: int,
) -> int:  # fmt: skip
    """Whether limits let an order or replace leave, and count it if so; a reason code.

    The numbers of what stops it are in the strategy's limits. ``more_lots`` is what it adds to the
    open lots of its side, ``price`` what it is valued at while its book has no mark.
    """
    limits = limits_at(router.limits, leg_at(router.legs, leg_index).instance)
    reason = _check(
        router, limits, leg_index, side, price, more_lots, size_lots, is_exit, False, now_ns
    )
    if reason != NO_REASON:
        return reason
    if router.portfolio != 0:
        reason = _check_of_all(
            router, leg_index, side, price, more_lots, size_lots, is_exit, now_ns
        )
        if reason != NO_REASON:
            return reason
    pass_rate(limits, router.send_times, now_ns)
    count_message(router, limits)
    return NO_REASON


@jit
def _check_of_all(
    router: Any, leg_index: int, side: int, price: int, more_lots: int, size_lots: int,
    is_exit: bool, now_ns: int,
) -> int:  # fmt: skip
    """As `check_order`, by the limits of all strategies together."""
    limits = limits_at(router.limits, leg_at(router.legs, leg_index).instance)
    house = limits_at(router.portfolio, 0)
    reason = _check(
        router, house, leg_index, side, price, more_lots, size_lots, is_exit, True, now_ns
    )
    if reason == NO_REASON:
        pass_rate(house, router.send_times, now_ns)
        return reason
    stopped(limits, reason, house.limit_value, house.limit_found)
    for limit in range(LIMIT_N):
        if REASONS[limit] == reason:
            return PORTFOLIO_REASONS[limit]
    return reason


@jit_inline
def _check(
    router: Any, limits: Any, leg_index: int, side: int, price: int, more_lots: int,
    size_lots: int, is_exit: bool, of_all: bool, now_ns: int,
) -> int:  # fmt: skip
    """As `check_order`, by the limits of a strategy or of all."""
    account = account_at(router.accounts, leg_index)
    if now_ns >= limits.day_end_ns:
        pass_turns(router, limits, now_ns)
    if account.worths != 0:
        move_worth(account, now_ns)  # its book may be newer than the last change
    reason = check_state(limits, account, side, more_lots, is_exit, now_ns)
    if reason != NO_REASON:
        return reason
    worst = worst_lots(account, side, more_lots)
    if of_all and limits.bounds[POSITION] >= 0:
        worst = _worst_of_all(router, leg_index, side, more_lots)
    reason = check_lots(limits, size_lots, more_lots, worst)
    if reason == NO_REASON and limits_exposure(limits):
        reason = _check_exposure(router, limits, leg_index, side, price, more_lots, of_all)
    if reason == NO_REASON:
        reason = check_messages(limits)
    return check_rate(limits, router.send_times, now_ns) if reason == NO_REASON else reason


@jit
def _worst_of_all(router: Any, leg_index: int, side: int, more_lots: int) -> int:
    """As `worst_lots`, of all strategies in the book of a leg."""
    at = watch_at(router.watches, leg_at(router.legs, leg_index).book).legs
    worst = more_lots
    while at != NIL:
        worst += worst_lots(account_at(router.accounts, at), side, 0)
        at = leg_at(router.legs, at).next_of_book
    return worst


@jit
def _check_exposure(
    router: Any, limits: Any, leg_index: int, side: int, price: int, more_lots: int, of_all: bool
) -> int:
    """Whether exposures stay within limits if the order fills, and all that are open; a reason.

    Gross: of each leg the larger of what its open buys and its open sells can make of it, at the
    mark, added up. Net: all that one side's orders can make of all legs, to that side.
    """
    before = gross = up = down = 0
    instance_index = leg_at(router.legs, leg_index).instance
    at = 0 if of_all else instance_at(router.instances, instance_index).legs
    while at != NIL:
        leg = leg_at(router.legs, at)
        account = account_at(router.accounts, at)
        mark = watch_at(router.watches, leg.book).mark
        if mark == UNDEF_PRICE and at == leg_index:
            mark = price
        more = more_lots if at == leg_index else 0
        to_side = worst_lots(account, side, 0)
        other = worst_lots(account, -side, 0)
        if mark == UNDEF_PRICE:
            if to_side + more != 0 or other != 0:
                return stopped(limits, NO_MARK, 0, 0)
        else:
            numerator, denominator = account.multiplier_num, account.multiplier_den
            furthest = max(abs(to_side), abs(other))
            before = add_exposure(before, exposure_of(furthest, mark, numerator, denominator))
            furthest = max(abs(to_side + more), abs(other))
            gross = add_exposure(gross, exposure_of(furthest, mark, numerator, denominator))
            worth = exposure_of(to_side + more, mark, numerator, denominator)
            if to_side + more > 0:
                up = add_exposure(up, worth)
            else:
                down = add_exposure(down, worth)
        if of_all:
            at = at + 1 if at + 1 < router.leg_n else NIL
        else:
            at = leg.next_of_instance
    return check_exposure(limits, before, gross, up - down)


@jit_inline
def count_message(router: Any, limits: Any) -> None:
    """Count an order, replace or cancel that leaves."""
    limits.messages += 1
    if router.portfolio != 0:
        limits_at(router.portfolio, 0).messages += 1


@jit_inline
def count_trade(router: Any, limits: Any) -> None:
    """Count a fill that a strategy is told of."""
    limits.trades += 1
    if router.portfolio != 0:
        limits_at(router.portfolio, 0).trades += 1


@jit
def after_denial(execution: Any, router: Any, leg_index: int, reason: int, now_ns: int) -> None:
    """An order was denied: what follows, where its limit asks for more; there is room for it."""
    instance_index = leg_at(router.legs, leg_index).instance
    limits = limits_at(router.limits, instance_index)
    for limit in range(LIMIT_N):
        if reason == REASONS[limit] and limits.watched >> limit & 1:
            _trip(execution, router, limits, instance_index, limit, limits.limit_found, now_ns)
            act_on_limits(execution, router, leg_index, now_ns)
        elif reason == PORTFOLIO_REASONS[limit]:
            house = limits_at(router.portfolio, 0)
            if house.watched >> limit & 1:
                _trip(execution, router, house, NIL, limit, house.limit_found, now_ns)


# --- what is measured -----------------------------------------------------------------------------


@jit
def revalue_leg(execution: Any, router: Any, leg_index: int, now_ns: int) -> bool:
    """Value what a leg is known to hold at its mark, and hold losses against their limits.

    Whether a limit that was reached has something left to do. There is room for one message to
    each strategy.
    """
    instance_index = leg_at(router.legs, leg_index).instance
    limits = limits_at(router.limits, instance_index)
    if now_ns >= limits.day_end_ns:
        pass_turns(router, limits, now_ns)
    if router.portfolio != 0 and now_ns >= limits_at(router.portfolio, 0).day_end_ns:
        pass_turns(router, limits_at(router.portfolio, 0), now_ns)
    change = revalue(account_at(router.accounts, leg_index), limits)
    if is_to_measure(limits):
        _measure(execution, router, limits, instance_index, now_ns)
    closes = limits.withdraw | limits.flatten
    if router.portfolio != 0:
        house = limits_at(router.portfolio, 0)
        house.known_pnl += change
        if is_to_measure(house):
            _measure(execution, router, house, NIL, now_ns)
        closes |= house.flatten
    return closes != 0


@jit
def _measure(execution: Any, router: Any, limits: Any, instance_index: int, now_ns: int) -> None:
    """Latch the limits on losses that are reached."""
    if limits.peak_pnl < NEVER:
        limits.peak_pnl = max(limits.peak_pnl, limits.known_pnl)
    for limit in (LOSS, DAILY_LOSS, DRAWDOWN):
        if limits.watched >> limit & 1:
            found = lost(limits, limit)
            if found >= limits.bounds[limit]:
                _trip(execution, router, limits, instance_index, limit, found, now_ns)
    set_floor(limits)


@jit
def _trip(
    execution: Any, router: Any, limits: Any, instance_index: int, limit: int, found: int,
    now_ns: int,
) -> None:  # fmt: skip
    """A limit is reached, of a strategy or (NIL) of all: write it down, and have it act."""
    reach(limits, limit, found, now_ns)
    trip = trip_at(router.trips, router.trip_n)  # there is room for each limit once a session
    router.trip_n += 1
    trip.ts = now_ns
    trip.instance = instance_index
    trip.limit = limit
    trip.action = limits.actions[limit]
    trip.state = limits.state
    trip.bound = limits.bounds[limit]
    trip.found = found
    if instance_index == NIL:
        if trip.action != DENY:
            _call_all(execution, router, trip.action, now_ns)
        return
    instance = instance_at(router.instances, instance_index)
    if now_ns > instance.clock:  # what it knows by now can't be forgotten by an earlier message
        instance.clock = now_ns
        instance.steps = 0
    if trip.action != DENY:
        limits.withdraw = LOSS_CANCEL
    if limit == LOSS:
        limits.halt_ns = now_ns
        limits.halt_pnl = limits.known_pnl
        router.loss_halts += 1
        note_positions(router, instance)


@jit
def _call_all(execution: Any, router: Any, action: int, now_ns: int) -> None:
    """Have every strategy's orders canceled, each in its own time; there is room for it."""
    for index in range(router.instance_n):
        instance = instance_at(router.instances, index)
        told = tell_strategy(router, execution, index, max(now_ns, instance.clock), WIND_UP, NIL)
        message_at(router.messages, told).quantity = action


@jit_inline
def risk_state(router: Any, limits: Any, now_ns: int) -> int:
    """The RiskState of a strategy at a local time: its own, or that of all if it is harder."""
    if limits.reached == 0 and router.portfolio == 0:
        return ACTIVE
    return _harder_state(router, limits, now_ns)


@jit
def _harder_state(router: Any, limits: Any, now_ns: int) -> int:
    """As `risk_state`, where a limit was reached or there are some of all."""
    if now_ns >= limits.day_end_ns:
        pass_turns(router, limits, now_ns)
    state = state_at(limits, now_ns)
    if router.portfolio != 0:
        house = limits_at(router.portfolio, 0)
        if now_ns >= house.day_end_ns:
            pass_turns(router, house, now_ns)
        state = max(state, state_at(house, now_ns))
    return state
