"""Kernels of claims: the lots of real orders that a strategy has taken already.

What it took stays taken until the market replenishes it, so the same lots never fill twice.
"""

from typing import Any, Final

from tapewire.compiled.jit import jit
from tapewire.execution.layout import NEVER
from tapewire.market.layout import NIL, claim_at, order_at

#: Resting orders one arriving order may take from, and so the rows and claims it may need.
STEP_ROWS: Final = 4096


@jit
def find_claim(market: Any, order: Any, owner: int) -> int:
    """Index of an owner's claim on a real order, or NIL. There may be one per strategy."""
    index = order.claims
    while index != NIL:
        claimed = claim_at(market.claims, index)
        if claimed.owner == owner:
            return index
        index = claimed.next
    return NIL


@jit
def claim(market: Any, order: Any, index: int, owner: int, lots: int) -> int:
    """Claim more lots; ``index`` is the owner's claim so far, or NIL. Returns its claim."""
    if index == NIL:
        index = market.claim_free
        claimed = claim_at(market.claims, index)
        market.claim_free = claimed.next
        market.claim_free_n -= 1
        claimed.owner = owner
        claimed.lots = 0
        claimed.next = order.claims
        order.claims = index
    claim_at(market.claims, index).lots += lots
    return index


@jit
def claimed_lots(market: Any, index: int) -> int:
    """Lots of a claim; none of NIL."""
    return 0 if index == NIL else claim_at(market.claims, index).lots


@jit
def claim_before(
    market: Any, execution: Any, head: int, owner: int, wanted: int, touched: int, stamp: int
) -> Any:
    """As `claim_queue`, of the orders before a stamp alone; (lots claimed, orders touched)."""
    taken = 0
    at = head
    while at != NIL and taken < wanted:
        order = order_at(market.orders, at)
        if order.stamp > stamp:
            break
        claimed = find_claim(market, order, owner)
        free = order.size - claimed_lots(market, claimed)
        if free > 0:
            touched += 1
            if touched > STEP_ROWS:
                execution.claim_shortage = 1
                break
            lots = min(free, wanted - taken)
            claim(market, order, claimed, owner, lots)
            taken += lots
        at = order.next
    return taken, touched


@jit
def claim_queue(
    market: Any, execution: Any, head: int, owner: int, wanted: int, touched: int, stamp: int
) -> Any:
    """Claim up to ``wanted`` free lots of a level's orders, from ``head`` on in queue order.

    ``touched`` orders were taken from before. Returns (lots claimed, those of them from orders
    with an earlier stamp than ``stamp``, orders touched); beyond STEP_ROWS orders
    ``claim_shortage`` is set.
    """
    taken = 0
    earlier = 0
    at = head
    while at != NIL and taken < wanted:
        order = order_at(market.orders, at)
        claimed = find_claim(market, order, owner)
        free = order.size - claimed_lots(market, claimed)
        if free > 0:
            touched += 1
            if touched > STEP_ROWS:
                execution.claim_shortage = 1
                break
            lots = min(free, wanted - taken)
            claim(market, order, claimed, owner, lots)
            taken += lots
            if order.stamp < stamp:
                earlier += lots
        at = order.next
    return taken, earlier, touched


@jit
def free_in_queue(market: Any, head: int, owner: int, wanted: int) -> int:
    """Free lots of a level's orders, from ``head`` on; it is not looked beyond ``wanted``."""
    return free_before(market, head, owner, wanted, NEVER)


@jit
def free_before(market: Any, head: int, owner: int, wanted: int, stamp: int) -> int:
    """As `free_in_queue`, of the orders before a stamp alone."""
    free = 0
    at = head
    while at != NIL and free < wanted:
        order = order_at(market.orders, at)
        if order.stamp > stamp:
            break
        free += max(0, order.size - claimed_lots(market, find_claim(market, order, owner)))
        at = order.next
    return min(free, wanted)
