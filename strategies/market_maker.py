"""A market maker: one bid and one ask at the touch, re-quoted when it moves."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tapewire.compiled.jit import jit, jit_entry
from tapewire.compiled.parameters import ParameterSpec
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.context import (
    BUY,
    GTC,
    SELL,
    cancel,
    has_request,
    is_open,
    order_price,
    replace,
    submit_limit,
    was_denied,
)
from tapewire.strategies.definition import StrategyDefinition
from tapewire.strategies.wants import Wants

NO_ORDER = -1

STATE = np.dtype(
    [("bid", "i8"), ("ask", "i8"), ("quantity", "i8"), ("max_inventory", "i8")], align=True
)


@jit
def quote_side(ctx: Any, side: int, handle: int, touch: int, lots: int) -> int:
    """Keep one order of ``lots`` at the touch; returns its handle."""
    if not is_open(ctx, handle):
        if lots > 0 and ctx.halted == 0 and ctx.ended == 0:
            return submit_limit(ctx, side, touch, lots, GTC)
        return NO_ORDER
    if has_request(ctx, handle):
        return handle
    if lots <= 0:
        cancel(ctx, handle)
    elif order_price(ctx, handle) != touch:
        replace(ctx, handle, touch, lots)
    return handle


@jit_entry
def quote(ctx: Any, state: Any) -> None:
    """Quote both sides within the inventory limit; not while the book is locked or crossed."""
    if ctx.best_bid == UNDEF_PRICE or ctx.best_ask == UNDEF_PRICE or ctx.best_bid >= ctx.best_ask:
        return
    buy_lots = min(state.quantity, state.max_inventory - ctx.position)
    sell_lots = min(state.quantity, state.max_inventory + ctx.position)
    state.bid = quote_side(ctx, BUY, state.bid, ctx.best_bid, buy_lots)
    state.ask = quote_side(ctx, SELL, state.ask, ctx.best_ask, sell_lots)


def on_start(ctx: Any, state: Any) -> None:
    """No orders yet."""
    state.bid = NO_ORDER
    state.ask = NO_ORDER


def on_book(ctx: Any, state: Any) -> None:
    """The touch moved."""
    quote(ctx, state)


def on_order_update(ctx: Any, state: Any) -> None:
    """An order was accepted, moved, closed or refused; a denial waits for the next event."""
    if not was_denied(ctx):
        quote(ctx, state)


def on_fill(ctx: Any, state: Any) -> None:
    """Inventory changed."""
    quote(ctx, state)


def prepare(parameters: Mapping[str, Any], state: Any) -> None:
    """Write the parameters into the state record."""
    state["quantity"] = parameters["quantity"]
    state["max_inventory"] = parameters["max_inventory"]


MARKET_MAKER = StrategyDefinition(
    name="market_maker",
    doc="One bid and one ask at the touch, re-quoted when it moves, inventory-limited.",
    parameters={
        "quantity": ParameterSpec(int, "lots per quote", 1, 1),
        "max_inventory": ParameterSpec(int, "largest position either way, in lots", 10, 1),
    },
    state=STATE,
    prepare=prepare,
    on_start=on_start,
    on_book=on_book,
    on_order_update=on_order_update,
    on_fill=on_fill,
    wants=Wants(book="price"),
)
