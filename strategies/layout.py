"""What a strategy is called for, what it is shown and where it leaves its requests."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor

#: Requests a strategy may make in one callback.
REQUESTS_MAX: Final = 64

# What a strategy can be called for.
ON_EVENT: Final = 1  # every event of its books
ON_BOOK: Final = 2  # price or size at the best bid or ask changed
ON_PRICE: Final = 4  # best bid or ask price changed
ON_TRADE: Final = 8  # every trade
# What it can see, and so what moves its clock.
ON_DEPTH: Final = 16  # one of the best levels that it sees changed
ON_VIEW: Final = 32  # there was a trade: the session, and the trades that are kept
ON_QUEUE: Final = 64  # its orders may have moved in their queues
#: Not of an event: it is called where ON_DEPTH changed.
CALLED_FOR_DEPTH: Final = 128
#: As ON_QUEUE, of features: any event may change them.
ON_FEATURES: Final = 256

# Hooks, as positions in a strategy's list of them.
HOOK_START: Final = 0
HOOK_EVENT: Final = 1
HOOK_BOOK: Final = 2
HOOK_TRADE: Final = 3
HOOK_TIMER: Final = 4
HOOK_ORDER: Final = 5
HOOK_FILL: Final = 6
HOOK_STOP: Final = 7
HOOK_TRADES: Final = 8  # the trades since the last call: those that are kept would become too many
HOOK_SESSION: Final = 9  # the session closes
HOOK_N: Final = 10

#: In the place of a hook's address: what is called is not compiled, the loop is left for it.
OUTSIDE: Final = 1

# Requests, as a strategy leaves them in its context.
REQUEST_NEW: Final = 1
REQUEST_CANCEL: Final = 2
REQUEST_REPLACE: Final = 3
REQUEST_TIMER: Final = 4
#: As a timer, but what it brings comes after all else that is told at its time.
REQUEST_SIGNAL: Final = 5
#: Of all of its orders in the book of the one that it names.
REQUEST_CANCEL_ALL: Final = 6
#: The id of the timer by which the close of a session is told.
SESSION_TIMER: Final = -1

#: What a strategy is shown, and where it leaves its requests. One record per instance.
CONTEXT: Final = np.dtype(
    [
        ("now_ns", "i8"),  # local time of the strategy
        ("position", "i8"),  # lots in this book's instrument, as far as it was told
        ("pnl", "i8"),  # 1e-9 currency over all its instruments, at the last mark, net of fees
        ("halted", "i8"),  # a limit was reached: orders will be denied
        ("ended", "i8"),  # this book's instrument has ended for the run: orders will be denied
        ("risk_state", "i8"),  # RiskState: what its limits let it send
        ("tick_size", "i8"),  # 1e-9; 0 where unknown
        ("best_bid", "i8"),  # price in 1e-9; UNDEF_PRICE where there is none
        ("best_bid_size", "i8"),  # lots
        ("best_bid_count", "i8"),  # orders
        ("best_ask", "i8"),
        ("best_ask_size", "i8"),
        ("best_ask_count", "i8"),
        ("trade_price", "i8"),  # of the last trade
        ("trade_size", "i8"),
        ("trade_side", "i8"),  # side of its aggressor: 1 buy, -1 sell, 0 unknown
        ("session_volume", "i8"),  # lots traded so far
        ("publisher_id", "i8"),
        ("instrument_id", "i8"),
        ("update_order", "i8"),  # order the callback is about: on_order_update, on_fill
        ("update_status", "i8"),  # codes.OrderStatus, as far as it was told
        ("update_reason", "i8"),  # codes.Reason
        ("update_id", "i8"),  # its client_order_id; negative: an order of the simulation's own
        ("update_side", "i8"),
        ("update_price", "i8"),  # what it was told of the order so far
        ("update_trigger", "i8"),  # a stop's new trigger, if a replace has moved it
        ("update_quantity", "i8"),
        ("update_filled", "i8"),
        ("update_requests", "i8"),  # cancels and replaces that are unanswered
        ("fill_price", "i8"),
        ("fill_quantity", "i8"),
        ("fill_commission", "i8"),  # 1e-9 currency
        ("timer_ns", "i8"),  # when the timer at hand was due
        ("timer_id", "i8"),  # what it was set with
        ("leg", "i8"),
        ("sights", "i8"),  # address of a SIGHT for each of its books; 0: it has none
        ("sight_n", "i8"),
        ("seen_view", "i8"),  # address of the VIEW of the book at hand, or of an empty one
        ("depth", "i8"),  # levels of the book that it sees per side, as SEEN_LEVEL
        ("features", "i8"),  # address of the book's FEATURE_STATE; 0: it wants none
        ("feature_columns", "i8"),  # address of words: the columns of those that it wants
        ("feature_n", "i8"),
        ("market_ns", "i8"),  # capture time up to which it may know the market
        ("trading_state", "i8"),  # TradingState of the book at hand, as far as it was captured
        ("book_ready", "i8"),  # whether the run trusts that book as it stands
        ("bids", "i8"),  # addresses of the levels
        ("asks", "i8"),
        ("last_client_order_id", "i8"),
        ("execution", "i8"),  # address of the execution state, for the order functions
        ("open_head", "i8"),  # oldest open order
        ("open_tail", "i8"),
        ("request_n", "i8"),
        ("requests", "i8", (REQUESTS_MAX, 4)),  # kind, order index, price or time, quantity
    ]
)

#: By the address of an instance's own context, which lies anywhere within its block.
context_at = accessor(CONTEXT, in_block=False)

#: A trade as a strategy sees it.
TRADE: Final = np.dtype(
    [
        ("ts_recv", "i8"),  # capture time of its event, ns
        ("ts_event", "i8"),  # its time at the exchange
        ("price", "i8"),  # 1e-9
        ("size", "i8"),  # lots
        ("side", "i8"),  # of its aggressor: 1 buy, -1 sell, 0 unknown
    ]
)

#: A level of a book as a strategy sees it; ``size`` 0: there is none.
SEEN_LEVEL: Final = np.dtype([("price", "i8"), ("size", "i8"), ("count", "i8")])

#: What strategies see of a book beyond its touch, as of the last event that was shown. One record
#: per book, only where some strategy wants it.
VIEW: Final = np.dtype(
    [
        ("depth", "i8"),  # levels kept per side
        ("bids", "i8"),  # address of that many SEEN_LEVEL, best first
        ("asks", "i8"),
        ("changed_level", "i8"),  # the best one that the event changed; `depth`: none
        ("trades", "i8"),  # address of a ring of TRADE
        ("trade_capacity", "i8"),  # a power of two; 0: none are kept
        ("trade_n", "i8"),  # trades so far: the next one's place, modulo the capacity
        # the session, from its first trade on; prices in 1e-9, UNDEF_PRICE before it
        ("open", "i8"),
        ("high", "i8"),
        ("low", "i8"),
        ("last", "i8"),
        ("volume", "i8"),  # lots
        ("turnover", "i8"),  # sum of (price - open) * lots
        ("close_ns", "i8"),  # when it closes: trades captured from then on are the next one's
    ]
)

#: One book of a strategy that has several, or that is not compiled, as far as it may see it now.
SIGHT: Final = np.dtype(
    [
        ("leg", "i8"),
        ("publisher_id", "i8"),
        ("instrument_id", "i8"),
        ("tick_size", "i8"),
        ("position", "i8"),
        ("best_bid", "i8"),
        ("best_bid_size", "i8"),
        ("best_bid_count", "i8"),
        ("best_ask", "i8"),
        ("best_ask_size", "i8"),
        ("best_ask_count", "i8"),
        ("trade_price", "i8"),
        ("trade_size", "i8"),
        ("trade_side", "i8"),
        ("session_volume", "i8"),
        ("seen_view", "i8"),  # address of the book's VIEW; 0: not wanted
        ("trades_shown", "i8"),  # how many of the view's trades its on_trades has had
        ("trading_state", "i8"),
        ("book_ready", "i8"),
        ("ended", "i8"),
    ]
)

trade_at = accessor(TRADE)
seen_level_at = accessor(SEEN_LEVEL)
view_at = accessor(VIEW)
sight_at = accessor(SIGHT)
