"""Records of simulated orders and what the exchange side knows about them."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor
from tapewire.execution.models.impact.decay import PARTS
from tapewire.execution.rows import EVENT_DTYPE, FILL_DTYPE, ORDER_CORE_DTYPE, ORDER_EXTRA_DTYPE
from tapewire.execution.rows import NEVER as NEVER
from tapewire.execution.standing_layout import STANDING as STANDING
from tapewire.execution.standing_layout import STANDING_MAX as STANDING_MAX
from tapewire.execution.standing_layout import standing_at as standing_at

ALWAYS: Final = -(2**63)

#: One simulated order, in five cache lines: as the exchange has it, as its strategy knows it, for
#: the report, its terms, which most orders have none of, and what it hangs on. Strategies are shown
#: the ``known_`` fields, which change when a response has reached them.
OWN_ORDER: Final = np.dtype(
    [
        ("price", "i8"),  # UNDEF_PRICE for a market order
        ("quantity", "i8"),
        ("filled", "i8"),
        ("stamp", "i8"),  # priority among the book's orders; 0 until it rests
        ("leg", "i4"),
        ("side", "i4"),  # codes.Side
        ("order_type", "i4"),  # what it acts as; see `sent_type`
        ("time_in_force", "i4"),
        ("status", "i4"),
        ("reason", "i4"),
        ("prev", "i4"),  # in the leg's resting orders, or its stops, of this side, best first
        ("next", "i4"),  # also the free list
        # the strategy's side
        ("client_order_id", "i8"),
        ("tag", "i8"),  # what a strategy that names its orders itself calls it
        ("known_price", "i8"),
        ("known_quantity", "i8"),
        ("known_filled", "i8"),
        ("known_status", "i4"),
        ("requests", "i4"),  # cancels and replaces on their way
        ("messages", "i4"),  # messages in flight that name this order
        ("generation", "i4"),  # counts the reuses of this record, so that old handles go stale
        ("open_prev", "i4"),  # in the strategy's open orders, oldest first
        ("open_next", "i4"),
        ("sends", "i4"),  # requests sent about it so far
        ("tells", "i4"),  # responses sent about it so far
        # for the report
        ("queue_ahead", "i8"),  # lots ahead when it joined the queue; -1 until it rests
        ("ts_sent", "i8"),
        ("ts_arrived", "i8"),
        ("settled", "i4"),  # lots filled as far as the event log has told
        ("replaces", "i4"),
        ("ts_replaced", "i8"),
        ("orders_ahead", "i8"),  # in its queue, as its strategy knows, if it asks; -1: not yet
        ("lots_ahead", "i8"),
        # its terms
        ("trigger_price", "i8"),  # of a stop; UNDEF_PRICE: it is none
        ("ts_triggered", "i8"),  # 0: not yet
        ("expire_ns", "i8"),  # exchange time; NEVER: it doesn't
        ("peg_offset", "i8"),  # 1e-9, from what it is pegged to
        ("terms", "i4"),  # codes.Term
        ("sent_type", "i4"),  # the order type as it was sent
        ("min_quantity", "i4"),  # lots it takes on arrival, or none; 0: any
        ("display_quantity", "i4"),  # lots it shows; 0: all
        ("shown", "i4"),  # lots of it that show now
        ("group", "i4"),  # of orders that hang together; 0: none
        ("link", "i4"),  # next order of its group, in a ring, or NIL
        ("link_prev", "i4"),
        # what it hangs on: see `groups`, `pegging`
        ("peg_limit", "i8"),  # worst price of a pegged order; UNDEF_PRICE: any
        ("parent_id", "i8"),  # client_order_id of its entry; 0: it is no exit
        ("parent", "i4"),  # the entry whose exit it is, or NIL
        ("lots", "i4"),  # of an exit: those it may fill now
        ("uncut", "i4"),  # quantity before the exchange took lots off; 0: it did not
        ("cut_reason", "i4"),
        ("hanging", "i4"),  # bits of `groups`
        ("next_changed", "i4"),  # in the list of changed orders
        ("peg", "i4"),  # codes.Peg
        ("word_quantity", "i4"),  # lots that the strategy has been sent word of last
        # its place, where that is guessed: see `estimates`
        ("front", "i8"),  # ahead of it, 2^-30 lots; -1: not known
        ("level_lots", "u4"),  # that its level had when it was last seen
        ("level_traded", "u4"),  # at its price since then
    ]
)

#: One strategy instance as the exchange knows it in one book: exactly one cache line.
PARTY: Final = np.dtype(
    [
        ("book", "i4"),
        ("owner", "i4"),  # whose claims are respected; in a run the leg of its house
        ("buys", "i4"),  # first resting order, best price first
        ("sells", "i4"),
        ("resting", "i4"),  # orders that rest or wait
        ("waiting", "i4"),  # first market order that waits for the reopening; its prev is the last
        ("models", "i4"),  # position of its models' record
        ("publisher_id", "i4"),
        ("instrument_id", "i8"),
        ("key", "i8"),  # of all random draws that concern it
        ("multiplier_num", "i8"),
        ("multiplier_den", "i8"),
    ]
)

#: What a party's venue asks of its orders, and those of them that have terms: what is rarely looked
#: at. By party, exactly one cache line.
RULES: Final = np.dtype(
    [
        ("expire_due", "i8"),  # first expiry of its orders; may be too early, never too late
        ("tick_size", "i8"),  # 1e-9; 0 where unknown
        ("protection", "i8"),  # 1e-9, of market and stop orders; -1: they have none
        ("band", "i8"),  # 1e-9, how far past the last trade a limit may reach; -1: any
        ("lot", "i4"),  # quantities are multiples of it
        ("min_lots", "i4"),  # the least quantity
        ("stop_buys", "i4"),  # first stop that waits for its trigger, lowest trigger first
        ("stop_sells", "i4"),  # highest trigger first
        ("stops", "i4"),  # how many
        ("pegs", "i4"),  # how many of its resting orders are pegged
        ("groups", "i4"),  # groups made so far
        ("reduces", "i2"),  # REDUCES, HEDGES
        ("self_trade", "i2"),  # codes.SelfTrade: whether its orders meet simulated ones
    ]
)

REDUCES: Final = 1  # any of its orders were reduce-only
HEDGES: Final = 2  # it holds a long and a short side

#: What models are told of a party in its book.
TALLY: Final = np.dtype(
    [
        ("traded", "i8"),  # lots it has filled
        ("position", "i8"),  # lots it holds
        ("house", "i8"),  # the leg in whose queues its orders stand
        # the windows that events of its book are counted in; 0: its models don't ask, HEARS_FEED,
        # HEARS_SENDING: they ask how late the book's last event was captured
        ("window_ns", "i8"),
        ("feed_lag_ns", "i8"),
        ("window_start", "i8"),
        ("window_first", "i8"),  # events of the book before the window
        ("window_before", "i8"),  # events in the window before that
        # what its own taking has pushed the price by, 1e-9, up if above 0, where it is remembered
        ("pushed_ns", "i8"),  # when the parts below were what they are
        ("push_lasting", "i8"),
        ("push_parts", "i8", (PARTS,)),  # that decay, each by its own half-life
        # what its last order took in one moment
        ("sweep_ns", "i8"),
        ("sweep_side", "i8"),
        ("sweep_lots", "i8"),
        ("sweep_shift", "i8"),  # for all of them
        ("sweep_base", "i8"),  # pushed by then
        ("beyond", "i8"),  # price units from an order's price on that volume is beyond it
        ("algorithm", "i8"),  # place of the venue's in `instruments.MATCH_ALGORITHMS`, or 0
        # lots of its short side, if it has two: the long side has so many more than its position
        ("short", "i8"),
        ("known_short", "i8"),  # as far as the strategy was told
        # where its currency's rate changes
        ("worths", "i8"),  # address of WORTH, what a price point is worth; 0: it never changes
        ("worth_n", "i8"),  # steps of those that its multiplier tells of
    ]
)

#: What a price point is worth by lot from a time on; the last one begins never.
WORTH: Final = np.dtype([("ts", "i8"), ("num", "i8"), ("den", "i8")])

#: What execution keeps per book. These fields are part of whatever record the simulation has for a
#: book, so that what every record of the stream looks at can share one cache line; kernels call
#: that record ``venue``.
VENUE_FIRST: Final = [
    ("wake", "i8"),  # no event that ends before this capture time needs a closer look for it
    ("own_bid", "i8"),  # best resting simulated bid, or ALWAYS; may be too high, never too low
    ("own_ask", "i8"),  # best resting simulated ask, or NEVER; may be too low, never too high
]
VENUE_REST: Final = [
    ("resting", "i4"),  # simulated orders resting in this book
    ("gapless", "i4"),  # whether the book is neither locked nor crossed
    ("traces", "i4"),  # of the current event, or NIL
    ("traces_tail", "i4"),
    # Smallest stamp of any resting simulated order that may be at own_bid, own_ask or better.
    ("own_bid_stamp", "i8"),
    ("own_ask_stamp", "i8"),
    ("volume", "i8"),  # lots traded
    ("unseen", "i4"),  # trace of the last T's volume that no F has explained so far, or NIL
    ("in_auction", "i4"),  # whether the last T was an auction's
    ("shut", "i4"),  # SHUT_*, why nothing trades, or did not since an event found the book open
    ("transition", "i4"),  # change of state in force, or NIL: the book has none
    ("stop_buy", "i8"),  # lowest trigger of a buy stop that waits, or NEVER
    ("stop_sell", "i8"),  # highest trigger of a sell stop that waits, or ALWAYS
    ("stops", "i4"),  # stops that wait
    ("pegs", "i4"),  # pegged orders that rest
    ("estimates", "i8"),  # whether places of simulated orders in it may be guessed
]

# Of a venue's ``shut``.
SHUT_NOW: Final = 1  # its state lets nothing trade
SHUT_SINCE: Final = 2  # some state did not since an event last found the book open
SHUT_DOUBT: Final = 4  # the run does not trust the book as it stands
SHUT_STATES: Final = SHUT_NOW | SHUT_SINCE

#: Something in the current event of a book that may concern resting simulated orders.
TRACE: Final = np.dtype(
    [
        ("kind", "i4"),  # TRACE_*
        ("side", "i4"),  # of the resting volume, of the incoming order, or the trade's; NIL: both
        ("price", "i8"),  # of the trade; of an incoming order its limit
        ("lots", "i8"),  # of an incoming order those free for the leg at hand, or NIL
        ("stamp", "i8"),  # priority of the filled order; -1 where it is unknown
        ("joined", "i8"),  # priority that the next order to join would have had then
        ("order_id", "i8"),
        ("order", "i4"),  # index of the incoming order
        ("claim", "i4"),  # the leg's claim on it, or NIL
        ("next", "i4"),
        ("pad", "i4"),
    ]
)
TRACE_FILL: Final = 1  # volume of a resting order
TRACE_INCOMING: Final = 2  # an order came in across a simulated one
TRACE_TRADE: Final = 3  # a T, for strategies that watch trades
TRACE_UNSEEN: Final = 4  # volume no resting order is known for
TRACE_AUCTION: Final = 5  # volume the venue cleared at one price
TRACE_AUCTION_FILL: Final = 6  # part of it, of an order at that price
TRACE_CLEAR: Final = 7  # the book was cleared; lots: its snapshots so far
TRACE_TRIGGER: Final = 8  # a trade that reached a stop's trigger

# What volume without a resting order does to ours at the prices it passes or meets.
UNSEEN_IGNORED: Final = 0
UNSEEN_THROUGH: Final = 1  # at a worse price it is theirs
UNSEEN_SHARED: Final = 2  # at their own price or a worse one they have a share of it
UNSEEN_FILLS: Final = 3  # at their own price or a worse one it is theirs

EXECUTION: Final = np.dtype(
    [
        ("own_orders", "i8"),
        ("parties", "i8"),
        ("rules", "i8"),  # by party
        ("traces", "i8"),
        ("fills", "i8"),
        ("orders", "i8"),  # rows of closed orders
        ("order_extras", "i8"),  # what few of them have beside
        ("own_free", "i8"),
        ("own_free_n", "i8"),
        ("trace_free", "i8"),
        ("trace_free_n", "i8"),
        ("fill_n", "i8"),
        ("fill_capacity", "i8"),
        ("order_n", "i8"),
        ("order_extra_n", "i8"),  # no more than there are orders
        ("order_capacity", "i8"),
        ("models", "i8"),
        ("tallies", "i8"),  # by party
        ("market", "i8"),  # address of the market's record
        ("met", "i8"),  # what meetings of simulated orders have done, to be told
        ("met_n", "i8"),
        ("impact", "i8"),  # 1e-9: what impact added to the price that is about to be reported
        ("claim_shortage", "i8"),  # set when a match ran out of claims
        ("market_waits", "i8"),  # whether a market order waits for a halt to end
        ("fills_unseen", "i8"),  # UNSEEN_*: what trades without a resting order do
        ("standing", "i8"),  # a queue, for models that want to know of it
        ("standing_n", "i8"),
        ("event_log", "i8"),  # whether every change of an order makes a row
        ("events", "i8"),
        ("event_n", "i8"),
        ("event_capacity", "i8"),
        ("contingent", "i8"),  # whether any order was reduce-only, pegged or in a group
        ("changed", "i8"),  # first order that the exchange has changed by itself, or NIL
        ("changed_last", "i8"),
        ("changed_ns", "i8"),  # when
    ]
)

own_at = accessor(OWN_ORDER)
party_at = accessor(PARTY)
rules_at = accessor(RULES)
tally_at = accessor(TALLY)
worth_at = accessor(WORTH)
trace_at = accessor(TRACE)
fill_row_at = accessor(FILL_DTYPE)
order_row_at = accessor(ORDER_CORE_DTYPE)
order_extra_at = accessor(ORDER_EXTRA_DTYPE)
event_row_at = accessor(EVENT_DTYPE)
execution_at = accessor(EXECUTION)
