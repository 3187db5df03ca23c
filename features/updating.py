"""Kernels that keep what features are made of, event by event."""

from typing import Any

from tapewire.compiled.jit import jit, jit_inline
from tapewire.features._windows import enter_parts
from tapewire.features.layout import (
    ASK_DEPLETION,
    BID_DEPLETION,
    EVENTS,
    FLOW,
    MID,
    ORDER_FLOW,
    TRADES,
    WANTS_QUEUES,
    depth_at,
    features_at,
)
from tapewire.market.layout import ASK, BID, level_at, rung_at, side_at
from tapewire.market.records import UNDEF_PRICE


@jit_inline
def note_feature_trade(features: int, lots: int, side: int) -> None:
    """Tell of a T record: the side (BID, ASK, NIL) is its aggressor's.

    It counts from the end of its event on: nobody knows a part of an event.
    """
    state = features_at(features, 0)
    state.new_trades += 1
    if side == BID:
        state.new_flow += lots
    elif side == ASK:
        state.new_flow -= lots


@jit
def update_features(features: int, market: Any, book: int, now_ns: int) -> bool:
    """Take over an event that is complete, at its time; whether a best price or size changed.

    Times must not go back.
    """
    state = features_at(features, 0)
    enter_parts(state, now_ns)
    bid = UNDEF_PRICE
    bid_size = 0
    ask = UNDEF_PRICE
    ask_size = 0
    bids = side_at(market.sides, 2 * book + BID)
    asks = side_at(market.sides, 2 * book + ASK)
    if bids.n > 0:
        rung = rung_at(market.rungs, bids.offset + bids.n - 1)
        bid = rung.key
        bid_size = level_at(market.levels, rung.level).size
    if asks.n > 0:
        rung = rung_at(market.rungs, asks.offset + asks.n - 1)
        ask = -rung.key
        ask_size = level_at(market.levels, rung.level).size
    changed = (
        bid != state.bid or ask != state.ask
        or bid_size != state.bid_size or ask_size != state.ask_size
    )  # fmt: skip
    if changed:
        if state.wants & WANTS_QUEUES:
            _compare_queues(state, bid, bid_size, ask, ask_size)
        state.bid = bid
        state.ask = ask
        state.bid_size = bid_size
        state.ask_size = ask_size
        if bid != UNDEF_PRICE and ask != UNDEF_PRICE:
            state.kept[MID] = bid + ask
    if state.new_trades != 0:
        state.kept[TRADES] += state.new_trades
        state.kept[FLOW] += state.new_flow
        state.new_trades = 0
        state.new_flow = 0
    state.kept[EVENTS] += 1
    state.clock = now_ns
    if state.depth_n != 0:
        _sum_levels(market, state, bids, BID)
        _sum_levels(market, state, asks, ASK)
    return changed


@jit_inline
def _compare_queues(state: Any, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
    """Add what happened to the best queues; nothing is said of a side that is or was empty."""
    if state.bid != UNDEF_PRICE:
        if bid == UNDEF_PRICE:
            state.kept[BID_DEPLETION] += state.bid_size
        else:
            state.kept[ORDER_FLOW] += _growth(bid - state.bid, bid_size, state.bid_size)
            state.kept[BID_DEPLETION] += _loss(bid - state.bid, bid_size, state.bid_size)
    if state.ask != UNDEF_PRICE:
        if ask == UNDEF_PRICE:
            state.kept[ASK_DEPLETION] += state.ask_size
        else:
            state.kept[ORDER_FLOW] -= _growth(state.ask - ask, ask_size, state.ask_size)
            state.kept[ASK_DEPLETION] += _loss(state.ask - ask, ask_size, state.ask_size)


@jit_inline
def _growth(better: int, size: int, size_before: int) -> int:
    """Lots a best queue grew by: a better one by all it has, a worse one by all that was lost.

    ``better`` has the sign of how the price changed for the side.
    """
    if better > 0:
        return size
    if better < 0:
        return -size_before
    return size - size_before


@jit_inline
def _loss(better: int, size: int, size_before: int) -> int:
    """Lots that left a best queue: all of it where the price is worse now."""
    if better > 0:
        return 0
    if better < 0:
        return size_before
    return max(size_before - size, 0)


@jit_inline
def _sum_levels(market: Any, state: Any, ladder: Any, side: int) -> None:
    """Sum the lots of a side's best levels; depths come by ascending number of levels."""
    total = 0
    at = ladder.offset + ladder.n - 1
    left = ladder.n
    done = 0
    for k in range(state.depth_n):
        depth = depth_at(state.depths, k)
        more = min(depth.levels - done, left)
        for _ in range(more):
            total += level_at(market.levels, rung_at(market.rungs, at).level).size
            at -= 1
        left -= more
        done = depth.levels
        if side == BID:
            depth.bid_lots = total
        else:
            depth.ask_lots = total
