"""Kernels that keep a leg's account and enforce its limits."""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.compiled.units import NS_PER_S
from tapewire.execution.words import (
    MAX_LOSS,
    MAX_ORDER_RATE,
    MAX_ORDER_SIZE,
    MAX_POSITION,
    NO_REASON,
    TERM_GROUP,
)
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.layout import send_time_at


@jit
def book_fill(account: Any, side: int, price: int, lots: int, fee: int) -> None:
    """Book a fill at average cost; a fill through zero closes one position and opens another.

    The average price is the exact quotient open_cost / position. A partial close takes its share
    of the cost rounded towards minus infinity, and the rest stays with the open lots: realized
    plus open cost is conserved to the last unit.
    """
    signed = side * lots
    before = account.position
    account.position = before + signed
    account.cash -= price * signed
    account.fees += fee
    account.volume += lots
    account.max_position = max(account.max_position, abs(account.position))
    if account.mark == UNDEF_PRICE:
        account.mark = price
    if before == 0 or (before > 0) == (signed > 0):
        account.open_cost += price * signed
        return
    held = abs(before)
    closing = min(lots, held)
    # open_cost * closing / held without leaving 64 bits
    whole = account.open_cost // held
    rest = account.open_cost - whole * held
    cost = whole * closing + (rest * closing) // held
    account.open_cost -= cost
    account.realized += price * closing * (1 if before > 0 else -1) - cost
    if lots > closing:
        account.open_cost = price * (signed + before)


@jit_inline
def currency(units: int, numerator: int, denominator: int) -> int:
    """Price units x lots to 1e-9 currency."""
    return units * numerator // denominator


@jit_inline
def reserve(account: Any, side: int, lots: int) -> None:
    """Count lots of an order that may still fill, or no more if negative."""
    if side > 0:
        account.open_buy_lots += lots
    else:
        account.open_sell_lots += lots


@jit_inline
def is_uncounted(own: Any) -> bool:
    """Whether an order can't enlarge a position: an exit, which has no more lots than its entry."""
    return own.terms & TERM_GROUP != 0 and own.parent_id != 0


@jit_inline
def count(account: Any, own: Any, lots: int) -> None:
    """As `reserve`, of an order that may be uncounted."""
    if not is_uncounted(own):
        reserve(account, own.side, lots)


@jit
def learn_fill(account: Any, side: int, price: int, lots: int, fee: int) -> None:
    """Book a fill in what the strategy knows."""
    account.known_position += side * lots
    account.known_cash -= price * side * lots
    account.known_fees += fee
    reserve(account, side, -lots)


@jit
def revalue(account: Any, limits: Any) -> None:
    """Value what the strategy knows at the mark, and latch the loss limit."""
    units = account.known_cash + account.known_position * account.mark
    pnl = currency(units, account.multiplier_num, account.multiplier_den) - account.known_fees
    limits.known_pnl += pnl - account.known_pnl
    account.known_pnl = pnl
    if limits.halted == 0 and limits.max_loss >= 0 and limits.known_pnl <= -limits.max_loss:
        limits.halted = 1


@jit
def check_order(
    limits: Any, account: Any, send_times: int, side: int, more_lots: int, size_lots: int,
    now_ns: int,
) -> int:  # fmt: skip
    """Pre-trade check; a reason code, NO_REASON when the order may leave.

    The numbers of what stops it are in the limits. Rates are in a window that slides: of any
    ``max_orders_per_second`` + 1 orders, the last leaves a second or more after the first.

    ``more_lots`` is what the order adds to the open lots of its side (the whole order for a new
    one, the increase for a replace), ``size_lots`` its size. The position limit counts the known
    position and every open order of the side as if filled: it cannot be passed by a race.
    """
    if limits.halted != 0:
        return stopped(limits, MAX_LOSS, limits.max_loss, -limits.halt_pnl)
    if limits.max_order_size >= 0 and size_lots > limits.max_order_size:
        return stopped(limits, MAX_ORDER_SIZE, limits.max_order_size, size_lots)
    if limits.max_position >= 0 and more_lots > 0:
        if side > 0:
            worst = account.known_position + account.open_buy_lots + more_lots
        else:
            worst = -account.known_position + account.open_sell_lots + more_lots
        if worst > limits.max_position:
            return stopped(limits, MAX_POSITION, limits.max_position, worst)
    if limits.max_orders_per_second >= 0:
        rate = limits.max_orders_per_second
        if rate == 0:
            return stopped(limits, MAX_ORDER_RATE, rate, 1)
        oldest = send_time_at(send_times, limits.window_offset + limits.window_next)
        if oldest.ts > 0 and now_ns - oldest.ts < NS_PER_S:
            return stopped(limits, MAX_ORDER_RATE, rate, rate + 1)
        oldest.ts = now_ns
        limits.window_next = (limits.window_next + 1) % limits.max_orders_per_second
    return NO_REASON


@jit_inline
def stopped(limits: Any, reason: int, limit: int, found: int) -> int:
    """Note the limit that stops an order, and what it would have come to; returns the reason."""
    limits.limit_value = limit
    limits.limit_found = found
    return reason
