"""Whether the blocks have room for what a step of the loop may make of them."""

from typing import Any

from tapewire.compiled.jit import jit
from tapewire.execution.claims import STEP_ROWS
from tapewire.router._layout import DRAIN_ROWS, GROW_CLAIMS, GROW_MESSAGES, GROW_OWN_ORDERS
from tapewire.strategies.layout import REQUESTS_MAX


@jit
def room_for(market: Any, execution: Any, router: Any, rows: int, callbacks: int) -> int:
    """Whether every block has room for that many rows and callbacks at once; a status.

    Each callback may make REQUESTS_MAX orders, and each of them a row and messages of its own.
    """
    orders = callbacks * REQUESTS_MAX
    rows = max(rows, orders)
    router.room_needed = rows
    if (
        execution.fill_capacity - execution.fill_n < rows
        or execution.order_capacity - execution.order_n < rows
    ):
        return DRAIN_ROWS
    # Per row one event, per order one, and what an arrival itself makes.
    if execution.event_log != 0 and execution.event_capacity - execution.event_n < 2 * rows + 2:
        return DRAIN_ROWS
    if execution.own_free_n < orders:
        return GROW_OWN_ORDERS
    if router.message_free_n < rows + 2 * orders + router.broadcast_n:
        return GROW_MESSAGES
    if market.claim_free_n < rows:
        return GROW_CLAIMS
    return 0


@jit
def step_room(market: Any, execution: Any, router: Any) -> int:
    """Room for one arrival or one callback; a status."""
    return room_for(market, execution, router, STEP_ROWS, 1)
