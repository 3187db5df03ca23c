"""Kernels that keep a leg's account."""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.execution.sides import short_after
from tapewire.execution.words import SELL, TERM_GROUP
from tapewire.market.records import UNDEF_PRICE


@jit
def book_fill(account: Any, side: int, price: int, lots: int, fee: int) -> None:
    """Book a fill at average cost; a fill through zero closes one position and opens another.

    The average price is the exact quotient open_cost / position. A partial close takes its share
    of the cost rounded towards minus infinity, and the rest stays with the open lots: realized
    plus open cost is conserved to the last unit.
    """
    signed = side * lots
    before = account.position
    _count_fill(account, signed, price, fee)
    if before == 0 or (before > 0) == (signed > 0):
        account.open_cost += price * signed
        return
    held = abs(before)
    closing = min(lots, held)
    cost = cost_of(account.open_cost, closing, held)
    account.open_cost -= cost
    account.realized += price * closing * (1 if before > 0 else -1) - cost
    if lots > closing:
        account.open_cost = price * (signed + before)


@jit
def book_sides(account: Any, side: int, price: int, lots: int, fee: int, effect: int) -> None:
    """As `book_fill`, of an account with a long and a short side, each at its own average cost.

    `open_cost` is that of the long side, `short_cost`, below 0, that of the short side.
    """
    long_lots = account.position + account.short_lots
    short = short_after(side, lots, effect, long_lots, account.short_lots)
    change = short - account.short_lots
    opens = 0  # lots of its own side
    if side == SELL:
        opens = change
        closing = lots - opens
        cost = cost_of(account.open_cost, closing, long_lots)
        account.open_cost -= cost
        account.short_cost -= price * opens
        account.realized += price * closing - cost
    else:
        closing = -change
        opens = lots - closing
        cost = cost_of(account.short_cost, closing, account.short_lots)
        account.short_cost -= cost
        account.open_cost += price * opens
        account.realized -= price * closing + cost
    account.short_lots = short
    _count_fill(account, side * lots, price, fee)


@jit_inline
def _count_fill(account: Any, signed: int, price: int, fee: int) -> None:
    """What a fill adds to an account however its position is kept; lots signed by side."""
    account.position += signed
    account.cash -= price * signed
    account.fees += fee
    account.volume += abs(signed)
    account.max_position = max(account.max_position, abs(account.position))
    if account.mark == UNDEF_PRICE:
        account.mark = price


@jit_inline
def cost_of(open_cost: int, closing: int, held: int) -> int:
    """The share of a cost that closed lots had, rounded down, without leaving 64 bits."""
    if closing == 0:
        return 0
    whole = open_cost // held
    rest = open_cost - whole * held
    return whole * closing + (rest * closing) // held


@jit_inline
def currency(units: int, numerator: int, denominator: int) -> int:
    """Price units x lots to 1e-9 currency, rounded down.

    The whole multiples of the denominator by themselves: a product of the numerator and the rest,
    below the denominator, stays within 63 bits (see `tapewire.config.accounts`).
    """
    if denominator == 1:
        return units * numerator
    whole = units // denominator
    return whole * numerator + (units - whole * denominator) * numerator // denominator


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
def revalue(account: Any, limits: Any) -> int:
    """Value what the strategy knows at the mark; by how much that changed, in 1e-9 currency.

    What is realised is in currency already, where rates change: see `worths`.
    """
    units = account.known_cash + account.known_position * account.mark - account.base_units
    pnl = currency(units, account.multiplier_num, account.multiplier_den) - account.known_fees
    pnl += account.base_money
    change = pnl - account.known_pnl
    limits.known_pnl += change
    account.known_pnl = pnl
    return change
