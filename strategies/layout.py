"""What a strategy is called for, what it is shown and where it leaves its requests."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor

#: Requests a strategy may make in one callback.
REQUESTS_MAX: Final = 16

# What a strategy can be called for.
ON_EVENT: Final = 1  # every event of its books
ON_BOOK: Final = 2  # price or size at the best bid or ask changed
ON_PRICE: Final = 4  # best bid or ask price changed
ON_TRADE: Final = 8  # every trade

# Hooks, as positions in a strategy's list of them.
HOOK_START: Final = 0
HOOK_EVENT: Final = 1
HOOK_BOOK: Final = 2
HOOK_TRADE: Final = 3
HOOK_TIMER: Final = 4
HOOK_ORDER: Final = 5
HOOK_FILL: Final = 6
HOOK_STOP: Final = 7
HOOK_N: Final = 8

#: In the place of a hook's address: what is called is not compiled, the loop is left for it.
OUTSIDE: Final = 1

# Requests, as a strategy leaves them in its context.
REQUEST_NEW: Final = 1
REQUEST_CANCEL: Final = 2
REQUEST_REPLACE: Final = 3
REQUEST_TIMER: Final = 4

#: What a strategy is shown, and where it leaves its requests. One record per instance.
CONTEXT: Final = np.dtype(
    [
        ("now_ns", "i8"),  # local time of the strategy
        ("position", "i8"),  # lots in this book's instrument, as far as it was told
        ("pnl", "i8"),  # 1e-9 currency over all its instruments, at the last mark, net of fees
        ("halted", "i8"),  # the loss limit was hit: orders will be denied
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
        ("fill_price", "i8"),
        ("fill_quantity", "i8"),
        ("leg", "i8"),
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
