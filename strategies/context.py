"""What a compiled strategy can do: functions over its context record.

A strategy is a set of plain functions ``on_…(ctx, state)``; Tapewire compiles them. ``ctx`` is a
``CONTEXT`` record (its fields are listed in ``strategies/layout.py``), ``state`` a record of the
strategy's own. Prices are int64 in 1e-9, quantities in lots, times in ns.

An order is named by the handle that ``submit_limit`` and ``submit_market`` return. A handle stays
valid until its order is closed and the strategy has been told; after that ``is_open`` is False.
"""

from typing import Any, Final

import numpy as np

from tapewire.compiled.jit import jit, jit_entry
from tapewire.execution.codes import Side, TimeInForce
from tapewire.execution.knowledge import is_known_open, known_leaves
from tapewire.execution.layout import execution_at, own_at
from tapewire.execution.orders import handle_of, open_order
from tapewire.execution.words import DENIAL_BITS, LIMIT, MARKET
from tapewire.features.evaluating import evaluate_feature
from tapewire.features.layout import word_at
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.layout import (
    REQUEST_CANCEL,
    REQUEST_NEW,
    REQUEST_REPLACE,
    REQUEST_SIGNAL,
    REQUEST_TIMER,
    REQUESTS_MAX,
    seen_level_at,
    sight_at,
    view_at,
)

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)
GTC: Final = int(TimeInForce.GTC)
IOC: Final = int(TimeInForce.IOC)
FOK: Final = int(TimeInForce.FOK)
DAY: Final = int(TimeInForce.DAY)
GTD: Final = int(TimeInForce.GTD)
_INDEX_MASK: Final = 0xFFFFFFFF


@jit
def request(ctx: Any, kind: int, order: int, price: int, quantity: int) -> None:
    """Leave a request; one too many is counted only, and ends the run."""
    k = ctx.request_n
    ctx.request_n += 1
    if k < REQUESTS_MAX:
        ctx.requests[k, 0] = kind
        ctx.requests[k, 1] = order
        ctx.requests[k, 2] = price
        ctx.requests[k, 3] = quantity


@jit
def submit_order(
    ctx: Any, side: int, order_type: int, price: int, quantity: int, time_in_force: int
) -> int:
    """Open an order and ask for it to be sent; returns its handle."""
    execution = execution_at(ctx.execution, 0)
    if ctx.request_n >= REQUESTS_MAX or execution.own_free == NIL:
        ctx.request_n = REQUESTS_MAX + 1
        return NIL
    ctx.last_client_order_id += 1
    number = ctx.last_client_order_id
    index = open_order(
        execution, ctx, ctx.leg, ctx.now_ns, number, side, order_type, price, quantity,
        time_in_force,
    )  # fmt: skip
    request(ctx, REQUEST_NEW, index, price, quantity)
    return handle_of(own_at(execution.own_orders, index), index)


@jit_entry
def submit_limit(ctx: Any, side: int, price: int, quantity: int, time_in_force: int) -> int:
    """Send a limit order; returns its handle."""
    return submit_order(ctx, side, LIMIT, price, quantity, time_in_force)


@jit_entry
def submit_market(ctx: Any, side: int, quantity: int) -> int:
    """Send a market order; returns its handle."""
    return submit_order(ctx, side, MARKET, UNDEF_PRICE, quantity, IOC)


@jit_entry
def cancel(ctx: Any, handle: int) -> None:
    """Ask for an order to be canceled; ignored (and counted) if it is known to be closed."""
    request(ctx, REQUEST_CANCEL, handle, 0, 0)


@jit_entry
def replace(ctx: Any, handle: int, price: int, quantity: int) -> None:
    """Ask for a new price and total quantity; ignored (and counted) if known to be closed."""
    request(ctx, REQUEST_REPLACE, handle, price, quantity)


@jit_entry
def set_timer(ctx: Any, ts_ns: int, timer_id: int = 0) -> None:
    """Have ``on_timer`` called at a local time (at once if that is past), of the book at hand.

    ``ctx.timer_id`` is then as given: 0 or more.
    """
    request(ctx, REQUEST_TIMER, ctx.leg, ts_ns, timer_id)


@jit_entry
def set_signal(ctx: Any, ts_ns: int, leg: int) -> None:
    """As `set_timer`, about a leg: it comes after all else that the strategy is told at its time.

    So what it does then hangs on its time alone, and not on when it was set.
    """
    request(ctx, REQUEST_SIGNAL, NIL, ts_ns, leg)


@jit_entry
def is_open(ctx: Any, handle: int) -> bool:
    """Whether the order may still be filled, as far as the strategy was told."""
    if handle == NIL:
        return False
    execution = execution_at(ctx.execution, 0)
    own = own_at(execution.own_orders, handle & _INDEX_MASK)
    return own.generation == handle >> 32 and is_known_open(own)


@jit_entry
def order_side(ctx: Any, handle: int) -> int:
    """BUY or SELL, of an open order."""
    execution = execution_at(ctx.execution, 0)
    return int(own_at(execution.own_orders, handle & _INDEX_MASK).side)


@jit_entry
def order_price(ctx: Any, handle: int) -> int:
    """Price of an open order, as far as the strategy was told."""
    execution = execution_at(ctx.execution, 0)
    return own_at(execution.own_orders, handle & _INDEX_MASK).known_price


@jit_entry
def order_leaves(ctx: Any, handle: int) -> int:
    """Lots of an open order still to be filled, as far as the strategy was told."""
    execution = execution_at(ctx.execution, 0)
    own = own_at(execution.own_orders, handle & _INDEX_MASK)
    return known_leaves(own)


@jit_entry
def order_status(ctx: Any, handle: int) -> int:
    """codes.OrderStatus of an open order, as far as the strategy was told."""
    execution = execution_at(ctx.execution, 0)
    return own_at(execution.own_orders, handle & _INDEX_MASK).known_status


@jit_entry
def has_request(ctx: Any, handle: int) -> bool:
    """Whether a cancel or replace of an open order is unanswered."""
    execution = execution_at(ctx.execution, 0)
    return own_at(execution.own_orders, handle & _INDEX_MASK).requests > 0


@jit_entry
def orders_ahead(ctx: Any, handle: int) -> int:
    """Orders ahead of an open order in its queue, -1 if unknown; for those with `queue_places`."""
    execution = execution_at(ctx.execution, 0)
    return own_at(execution.own_orders, handle & _INDEX_MASK).orders_ahead


@jit_entry
def lots_ahead(ctx: Any, handle: int) -> int:
    """Lots ahead of an open order in its queue, -1 if unknown; for those with `queue_places`."""
    execution = execution_at(ctx.execution, 0)
    return own_at(execution.own_orders, handle & _INDEX_MASK).lots_ahead


@jit_entry
def sight(ctx: Any, k: int) -> Any:
    """A SIGHT: the k-th book of a strategy that wants its books together, as it may see it now.

    There are ``ctx.sight_n``, in the order in which the books came.
    """
    return sight_at(ctx.sights, k)


@jit_entry
def view(ctx: Any) -> Any:
    """The VIEW of the book at hand, its trades and session; empty if it wants neither.

    Levels are seen by `level_price` and `level_size`.
    """
    return view_at(ctx.seen_view, 0)


@jit_entry
def feature(ctx: Any, k: int) -> float:
    """The k-th of the strategy's `Wants.features`, of the book at hand; NaN where unknown."""
    if k < 0 or k >= ctx.feature_n:
        return np.nan
    column = word_at(ctx.feature_columns, k).value
    return evaluate_feature(ctx.features, column, ctx.market_ns)


@jit_entry
def level_price(ctx: Any, side: int, k: int) -> int:
    """Price of the k-th best level, of bids for BUY, of asks for SELL; UNDEF_PRICE if not seen."""
    if k < 0 or k >= ctx.depth:
        return UNDEF_PRICE
    return seen_level_at(ctx.bids if side == BUY else ctx.asks, k).price


@jit_entry
def level_size(ctx: Any, side: int, k: int) -> int:
    """Lots at the k-th best level, of bids for BUY, of asks for SELL; 0 if not seen."""
    if k < 0 or k >= ctx.depth:
        return 0
    return seen_level_at(ctx.bids if side == BUY else ctx.asks, k).size


@jit_entry
def was_denied(ctx: Any) -> bool:
    """Whether this order update tells of an order or replace that was denied before it left.

    A denial is the answer to what the strategy has just asked for, told at the same local time:
    the market is what it was. Wait for its next event, whoever asks again at once is denied again.
    """
    return (DENIAL_BITS >> ctx.update_reason) & 1 != 0


@jit_entry
def first_open(ctx: Any) -> int:
    """Handle of the oldest open order, or -1."""
    return _handle(ctx, ctx.open_head)


@jit_entry
def next_open(ctx: Any, handle: int) -> int:
    """Handle of the open order after this one, or -1."""
    execution = execution_at(ctx.execution, 0)
    return _handle(ctx, own_at(execution.own_orders, handle & _INDEX_MASK).open_next)


@jit
def _handle(ctx: Any, index: int) -> int:
    """What names the order in a record, NIL for none."""
    if index == NIL:
        return NIL
    execution = execution_at(ctx.execution, 0)
    return handle_of(own_at(execution.own_orders, index), index)
