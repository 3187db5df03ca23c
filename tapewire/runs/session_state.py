"""What is to be seen of a session while it goes: books, own orders, accounts, fills, warnings."""

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tapewire.market.times import time_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tapewire.router import Look
    from tapewire.runs.hooks import FeedStanding, RunProgress
    from tapewire.runs.standing import Standing

Json = dict[str, Any]
#: Bytes of a state as JSON.
STATE_BYTES_MAX: Final = 64 << 10
#: Levels of each side of a book, and what of the rest is shown at most.
LEVELS: Final = 10
BOOKS_MAX: Final = 8
_LINES_MAX: Final = 20
_ORDERS_MAX: Final = 100
_WARNINGS_MAX: Final = 20
_LETTERS_MAX: Final = 300
_NS_PER_MS: Final = 1_000_000


def state_of(progress: "RunProgress", look: "Look", holds: "Mapping[str, str]", phase: str) -> Json:
    """Return what is to be seen between two batches.

    Parameters
    ----------
    progress
        Of the last batch.
    look
        Into its simulation.
    holds
        Who holds new orders → why.
    phase
        ``trading``, ``ending`` or ``killed``.

    Returns
    -------
    dict
        For JSON: prices as text, exactly; money in currency; times as text in UTC.
    """
    standing = progress.standing()
    warnings = [_short(text) for text in standing.warnings[-_WARNINGS_MAX:]]
    return {
        "phase": phase, "time": time_text(progress.now_ns), "events": progress.events,
        "events_total": progress.events_total, "elapsed_s": round(progress.elapsed_s, 1),
        "pnl": round(standing.pnl, 9),
        "positions_open": standing.positions_open, "fills_total": standing.fills,
        "counts": standing.counts,
        "holds": {who: _short(why) for who, why in holds.items()},
        "feed": None if progress.feed is None else _feed(progress.feed()),
        "lines": _lines(standing), "lines_total": len(standing),
        "books": _books(standing, look), "orders": _orders(standing),
        "orders_total": len(standing.orders),
        "fills": [
            {
                "time": time_text(one.ts_event), "strategy": one.strategy_id,
                "symbol": one.symbol, "order": one.client_order_id, "price": _price(one.price),
                "lots": one.lots, "liquidity": one.liquidity,
            }
            for one in standing.recent
        ],
        "warnings": warnings, "warnings_total": len(standing.warnings),
    }  # fmt: skip


def state_text(state: Json) -> str:
    """Return a state as JSON that is not too long: of one that is, books and orders go by half.

    Names of people's own may be long; what is left out is counted by its totals.
    """
    while True:
        text = json.dumps(state, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if len(text.encode()) <= STATE_BYTES_MAX:
            return text
        lists = ("orders", "fills", "lines", "warnings", "books")
        longest = max(lists, key=lambda name: len(json.dumps(state[name])))
        state = {**state, longest: state[longest][: len(state[longest]) // 2]}


def _feed(feed: "FeedStanding") -> Json:
    return {
        "state": feed.state, "held": feed.held, "lag_ms": feed.lag_ns / _NS_PER_MS,
        "lag_ms_max": feed.lag_ns_max / _NS_PER_MS,
        "order_ms": feed.order_ns and [ns / _NS_PER_MS for ns in feed.order_ns],
    }  # fmt: skip


def _lines(standing: "Standing") -> list[Json]:
    return [
        {
            "strategy": line.strategy_id, "symbol": line.symbol,
            "publisher_id": line.publisher_id, "instrument_id": line.instrument_id,
            "position": line.position, "mark": _price(line.mark), "pnl": round(line.pnl, 9),
            "fees": round(line.fees, 9), "fills": line.fills, "volume": line.volume,
        }
        for line in standing.lines(_LINES_MAX)
    ]  # fmt: skip


def _books(standing: "Standing", look: "Look") -> list[Json]:
    """Return the books that are traded most, in the order of their first appearance."""
    symbols = {
        (line.publisher_id, line.instrument_id): line.symbol for line in standing.lines(_LINES_MAX)
    }
    return [
        {
            "symbol": symbols[key], "publisher_id": key[0], "instrument_id": key[1],
            "bids": _side(bids), "asks": _side(asks),
        }
        for key in [one for one in look.books() if one in symbols][:BOOKS_MAX]
        for bids, asks in [look.levels(*key, LEVELS)]
    ]  # fmt: skip


def _side(columns: Any) -> list[list[Any]]:
    """Return levels as (price, lots, orders), the best first."""
    prices, sizes, counts = columns
    return [
        [_price(int(price)), int(size), int(count)]
        for price, size, count in zip(prices, sizes, counts, strict=True)
    ]


def _orders(standing: "Standing") -> list[Json]:
    return [
        {
            "strategy": one.strategy_id, "symbol": one.symbol, "publisher_id": one.publisher_id,
            "instrument_id": one.instrument_id, "order": one.client_order_id, "side": one.side,
            "type": one.order_type, "price": _price(one.price), "lots": one.leaves,
            "filled": one.filled, "lots_ahead": one.ahead, "orders_ahead": one.orders_ahead,
        }
        for one in standing.orders[:_ORDERS_MAX]
    ]  # fmt: skip


def _price(price: int | None) -> str | None:
    return None if price is None else f"{Decimal(price).scaleb(-9).normalize():f}"


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS_MAX else f"{text[: _LETTERS_MAX - 1]}…"
