"""An order's story in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.compiled.units import PRICE_UNITS

if TYPE_CHECKING:
    from tapewire.runs.explain import Cause, OrderStory
    from tapewire.runs.queue_story import Left, Placing
    from tapewire.runs.what_if import WhatIf

_NS_PER_US: Final = 1_000
_WHY: Final = {
    "QUEUE": "volume behind it in the queue traded, which would have met it first",
    "TRADE_THROUGH": "volume traded at a worse price, which would have met it first",
    "CROSSED": "an order came in across it",
    "TAKEN": "it took what rested there",
    "AUCTION": "the venue cleared at one price",
    "UNSEEN_TRADE": "a trade at a worse price that no resting order is known for",
    "SETTLEMENT": "its instrument expired, and what was held was settled",
    "DAY_END": "its day ended, and days are apart",
}


def story_text(story: "OrderStory") -> str:
    """Tell a story, a line per step of it."""
    return "\n".join(_lines(story))


def _lines(story: "OrderStory") -> Iterator[str]:
    order = story.order
    at = "" if order["price"] is None else f" at {_price(order['price'])}"
    yield (
        f"order {order['client_order_id']} of {order['strategy_id']}: {order['order_side']} "
        f"{order['quantity']} {order['symbol']} {order['order_type']}{at} "
        f"{order['time_in_force']}, {order['status']}{_reason(order)}, "
        f"{order['filled_qty']} filled"
    )
    yield f"sent      {_time(order['ts_sent'])}"
    if order["ts_arrived"] is None:
        yield "it never reached the exchange"
        return
    delay = _us(order["ts_arrived"] - order["ts_sent"])
    for placing in story.placings:
        since = f", {delay} µs after it was sent" if placing.what == "arrived" else ""
        yield f"{placing.what:<9} {_time(placing.ts)}{since}{_change(placing)}"
        yield from _book(order, placing)
    for fill, cause in zip(story.fills, story.causes, strict=True):
        yield from _fill(fill, cause)
    if order["ts_closed"] is not None and order["status"] != "FILLED":
        yield f"ended     {_time(order['ts_closed'])}: {order['status']}{_reason(order)}"
    if story.what_if:
        yield "sent again alone, to arrive when it did:"
        for what_if in story.what_if:
            yield f"  {what_if.model}: {_outcome(story, what_if)}"
    for remark in story.remarks:
        yield f"note: {remark}"


def _change(placing: "Placing") -> str:
    if placing.what == "arrived" or placing.price is None:
        return ""
    return f": {placing.quantity} at {_price(placing.price)}"


def _book(order: dict[str, Any], placing: "Placing") -> Iterator[str]:
    yield f"  the book: bid {_levels(placing.bids)}"
    yield f"            ask {_levels(placing.asks)}"
    if placing.price is None or (order["queue_ahead"] is None and not placing.lots_ahead):
        return
    ahead = _count(placing.orders_ahead, placing.lots_ahead)
    yield f"  ahead of it at {_price(placing.price)}: {ahead}"
    gone: list[tuple[str, Left]] = [
        ("filled", placing.filled),
        ("canceled", placing.canceled),
        ("moved away", placing.moved),
    ]
    for word, left in gone:
        if left.lots:
            yield f"    {word}: {_count(left.orders, left.lots)}"
    if placing.cleared:
        yield "    then the book was cleared or taken from a snapshot: no more is followed"
    elif placing.still_ahead.lots:
        left = placing.still_ahead
        yield f"    still ahead in the end: {_count(left.orders, left.lots)}"


def _fill(fill: dict[str, Any], cause: "Cause | None") -> Iterator[str]:
    why = _WHY.get(fill["reason"], fill["reason"])
    yield (
        f"filled    {_time(fill['ts_event'])}: {fill['last_qty']} at {_price(fill['last_px'])}, "
        f"{fill['liquidity_side']}: {why}"
    )
    if cause is not None:
        what = "the trade of" if cause.what == "trade" else "an order for"
        side = {"B": ", of a buyer", "A": ", of a seller"}.get(cause.side, "")
        yield (
            f"  by {what} {cause.lots} at {_price(cause.price)}{side}: ts_event "
            f"{cause.ts_event}, sequence {cause.sequence}"
        )
    if fill["ts_known"] is not None:
        known = _us(fill["ts_known"] - fill["ts_event"])
        yield f"  known to the strategy {known} µs later"


def _outcome(story: "OrderStory", what_if: "WhatIf") -> str:
    if not what_if.fills:
        text = "no fill"
    else:
        first, last = what_if.fills[0], what_if.fills[-1]
        text = f"{what_if.filled} filled, from {_time(first[0])}"
        if last[0] != first[0]:
            text += f" to {_time(last[0])}"
        worth = sum(price * lots for _, price, lots, _ in what_if.fills)
        text += f", average {_price(round(worth / what_if.filled))}"
    return f"{text}, {'as in the run' if story.is_as(what_if) else 'other than in the run'}"


def _reason(order: dict[str, Any]) -> str:
    return "" if order["reason"] == "NONE" else f" ({order['reason']})"


def _count(orders: int, lots: int) -> str:
    return f"{orders:,} order{'' if orders == 1 else 's'}, {lots:,} lot{'' if lots == 1 else 's'}"


def _levels(levels: list[tuple[int, int, int]]) -> str:
    if not levels:
        return "none"
    return "  ".join(f"{_price(price)} × {lots:,} ({count})" for price, lots, count in levels)


def _price(price: int) -> str:
    whole, part = divmod(abs(price), PRICE_UNITS)
    text = f"{'-' if price < 0 else ''}{whole}"
    digits = f"{part:09d}".rstrip("0")
    return f"{text}.{digits.ljust(2, '0')}" if digits else text


def _time(ns: int) -> str:
    return f"{np.datetime64(ns, 'ns')}Z"


def _us(ns: int) -> str:
    return f"{ns / _NS_PER_US:,.1f}"
