"""Records of the simulation loop: strategy instances, their legs, messages in flight, watches."""

from typing import Final

import numpy as np

from tapewire.compiled.memory import accessor
from tapewire.execution.layout import VENUE_FIRST, VENUE_REST
from tapewire.execution.models.latency.legs import CANCEL, ENTRY, REPLACE
from tapewire.execution.rows import TOUCH_DTYPE
from tapewire.strategies.layout import HOOK_N

# Messages on their way to the exchange, by the latency's legs they take …
ARRIVE_NEW: Final = ENTRY
ARRIVE_CANCEL: Final = CANCEL
ARRIVE_REPLACE: Final = REPLACE
# … and to the strategy.
TELL_ACCEPTED: Final = 4
TELL_FILL: Final = 5
TELL_CLOSED: Final = 6
TELL_REPLACED: Final = 7
TELL_REFUSED: Final = 8  # a cancel or replace came too late, or was denied
TELL_DENIED: Final = 9
TIMER: Final = 10
WIND_UP: Final = 11  # a limit: orders are to be canceled, positions closed
SIGNAL: Final = 12  # a timer that comes after all else of its time, whenever it was set
TELL_CHANGED: Final = 13  # the exchange has changed an order: a stop was triggered
ARRIVE_CANCEL_ALL: Final = 14  # to the exchange, as a cancel of the order that it names, if any
CUT_OFF: Final = 15  # the session is cut

INSTANCE: Final = np.dtype(
    [
        ("hooks", "i8", (HOOK_N,)),  # machine addresses; 0 where the strategy has none
        ("context", "i8"),  # address
        ("state", "i8"),  # address
        ("sights", "i8"),  # address; 0: it has none
        ("mask", "i8"),  # ON_* it is called for, or that move its clock
        ("depth", "i8"),  # levels that it sees
        ("feature_columns", "i8"),  # address of words
        ("feature_n", "i8"),
        ("clock", "i8"),  # its local time so far
        ("local_due", "i8"),  # time of the first message in its list
        ("feed_ns", "i8"),  # feed latency, or VARIES
        ("feed_max_ns", "i8"),
        ("cuts", "i8"),  # address of the times in which its session is cut; 0: none
        ("shown_leg", "i8"),  # whose book its context was last filled in for; NIL: none yet
        ("moves_marks", "i8"),  # whether its models remember what its own taking pushed
        ("inbox_head", "i4"),
        ("inbox_tail", "i4"),
        ("legs", "i4"),
        ("leg_n", "i4"),
        ("started", "i4"),
        ("steps", "i4"),  # messages handled at one and the same local time
        ("denials", "i4"),  # of them, denials
        ("denial_reason", "i4"),  # codes.Reason of the last one
    ]
)

#: One strategy instance on one book: exactly one cache line.
LEG: Final = np.dtype(
    [
        ("arrival_due", "i8"),
        ("instance", "i4"),
        ("book", "i4"),
        ("next_of_book", "i4"),
        ("next_of_instance", "i4"),
        ("arrival_head", "i4"),
        ("arrival_tail", "i4"),
        ("tick_size", "i8"),
        ("notice_floor", "i8"),  # no later word of the exchange comes before this time
        # since a limit was reached
        ("halt_position", "i8"),  # lots it was known to hold at max_loss
        ("closing", "i4"),  # CLOSING_*: of the order of the simulation that closes the position
        ("shared", "i4"),  # 0: alone; else its place among those in one order of time, from 1 on
    ]
)

MESSAGE: Final = np.dtype(
    [
        ("ts", "i8"),
        ("price", "i8"),
        ("quantity", "i8"),  # of a fill: when it happened
        ("lots", "i8"),  # of a fill; reserved by a replace
        ("commission", "i8"),  # of a fill, 1e-9 currency
        ("kind", "i4"),
        ("order", "i4"),
        ("reason", "i4"),
        ("leg", "i4"),
        ("prev", "i4"),  # in a strategy's list; the exchange's are only appended to
        ("next", "i4"),
    ]
)

#: What the loop keeps per book beside the book itself; only books with legs use it.
WATCH: Final = np.dtype(
    [
        # What every record looks at comes first, in one cache line.
        ("legs", "i4"),
        ("subscriptions", "i4"),  # ON_* any of its legs wants
        ("due", "i8"),  # nothing of its legs can be due before this time
        *VENUE_FIRST,
        ("bid", "i8"),
        ("ask", "i8"),
        ("bid_size", "i8"),
        ("ask_size", "i8"),
        ("bid_count", "i8"),
        ("ask_count", "i8"),
        ("seen", "i8"),  # capture time of the last event that the touch and all below are as of
        ("seen_volume", "i8"),  # lots traded by then
        *VENUE_REST,
        ("local_due", "i8"),
        ("sample_due", "i8"),
        ("window_due", "i8"),  # end of the first window that a leg's models count events in
        ("mark", "i8"),
        ("mark_seen", "i8"),  # `seen` when the mark moved
        ("seen_view", "i8"),  # address; 0: nobody wants one
        ("features", "i8"),  # address of a FEATURE_STATE; 0: nobody wants any
        ("trade_price", "i8"),
        ("trade_size", "i8"),
        ("trade_side", "i4"),
        ("unclosed", "i4"),  # legs whose closing order has ended and left something to close
        ("changes", "i4"),  # ON_* of the event being finished
        ("mark_moved", "i4"),
        ("mark_bid", "i8"),  # what longs and shorts are valued at, where that is not the mark
        ("mark_ask", "i8"),
        ("expiry_ns", "i8"),  # exchange time at which its instrument ends; NEVER: not known
        ("settle_price", "i8"),  # what positions are settled at then; UNDEF_PRICE: their mark
        ("rolls", "i8"),  # whether they are closed as the book stands, before that
        # where the run minds what records say of themselves
        ("doubts", "i4"),  # FlagKinds for which the book is in doubt, a bit each
        ("unshown", "i4"),  # whether events were not shown, as it was
        ("doubt_fresh", "i8"),  # whether the event at hand has what concerns an event alone
        ("doubt_rebuilds", "i8"),  # rebuilds of the book when records were last lost
        ("doubt_n", "i8"),  # how often it came to be in doubt
        ("doubt_events", "i8"),  # events that left it so
    ]
)

#: By TradingState: how often a book of a strategy came to it, and what it did not take.
STATE_COUNT: Final = np.dtype([("entered", "i8"), ("refused", "i8")])

ROUTER: Final = np.dtype(
    [
        # what the loop is called with: one address is quicker than arguments
        ("market", "i8"),
        ("execution", "i8"),
        ("records", "i8"),
        ("records_stop", "i8"),
        ("records_at", "i8"),
        ("task", "i8"),
        ("task_book", "i8"),  # the book to go on with
        ("task_ns", "i8"),  # the time that is let pass
        ("start_ns", "i8"),  # of the first record behind the warm-up
        ("no_view", "i8"),  # address of an empty VIEW
        ("session_closes", "i8"),  # address of times, ascending; the last is NEVER
        ("turns", "i8"),  # address of TURN
        ("transitions", "i8"),  # of the trading states of books; 0: there are none
        ("state_counts", "i8"),
        ("session_close_n", "i8"),
        ("instances", "i8"),
        ("legs", "i8"),
        ("messages", "i8"),
        ("watches", "i8"),
        ("accounts", "i8"),
        ("limits", "i8"),
        ("send_times", "i8"),
        ("samples", "i8"),
        ("touches", "i8"),
        ("touch_n", "i8"),
        ("touch_capacity", "i8"),  # below 0: nobody wants them
        ("leg_n", "i8"),
        ("message_free", "i8"),
        ("message_free_n", "i8"),
        ("sample_n", "i8"),
        ("sample_capacity", "i8"),
        ("sample_interval_ns", "i8"),
        ("settled", "i8"),  # fill rows already booked
        ("crossed_policy", "i8"),
        ("clear_cancels", "i8"),  # whether a clear of the book cancels our orders in it
        ("stream_clock", "i8"),  # largest ts_recv so far
        ("feed_max_ns", "i8"),  # largest possible feed latency of any instance
        ("fill_notice", "i8"),  # NOTICE_*
        # where an event was left when a block ran full
        ("phase", "i8"),
        ("cursor", "i8"),
        ("event_book", "i8"),
        ("event_number", "i8"),  # how many events of its book there have been
        ("event_sent_ns", "i8"),  # how long before its capture the venue sent it, as the data say
        ("event_local", "i8"),  # largest ts_recv at the event's end; feed latency not added
        ("resume_next", "i8"),
        ("ended", "i8"),  # the data are over: nothing is sent any more
        ("reopened", "i8"),  # the event ended a halt of its book
        ("shown", "i8"),  # SHOWN_*: what the leg at the cursor was called for before that
        ("shown_trace", "i8"),  # trade that comes next
        # a callback that the loop was left for
        ("outside_instance", "i8"),  # or NIL
        ("outside_hook", "i8"),
        ("outside_order", "i8"),  # order that it was told about, or NIL
        ("fault_instance", "i8"),
        ("room_needed", "i8"),  # rows the step that found no room may make
        # counters
        ("orders_sent", "i8"),
        ("orders_denied", "i8"),
        ("replaces_denied", "i8"),
        ("cancels_denied", "i8"),  # by the session's gateway
        ("requests_without_session", "i8"),  # denied, as the session was cut
        ("requests_on_stale_data", "i8"),  # denied: STALE_DATA
        ("requests_while_held", "i8"),  # denied, as orders were held for another reason
        ("orders_held", "i8"),  # the Reason for which none leaves; 0: they do
        ("messages_held", "i8"),  # that waited at the session's gateway
        ("messages_held_ns_max", "i8"),  # the longest such wait
        ("requests_stale", "i8"),  # cancels and replaces of orders known to be closed
        ("late_responses", "i8"),  # told at a later local time than due
        ("late_responses_ns_max", "i8"),  # the largest such delay
        ("forced_arrivals", "i8"),  # decided on a quiet book before its clock had passed them
        ("clamped_ts_recv", "i8"),
        ("fills_known_before_capture", "i8"),  # of the record that caused them
        ("fills_known_before_capture_ns_max", "i8"),  # the largest such lead
        ("unseen_trade_fills", "i8"),
        ("auction_fills", "i8"),
        ("orders_canceled_by_clear", "i8"),
        ("orders_canceled_by_disconnect", "i8"),
        ("events_without_sending_time", "i8"),  # where a latency model asks for it
        ("loss_halts", "i8"),  # strategy instances that reached their loss limit
        # limits
        ("portfolio", "i8"),  # address of the limits of all together; 0: there are none
        ("trips", "i8"),
        ("trip_n", "i8"),
        ("instance_n", "i8"),
        ("broadcast_n", "i8"),  # messages that limits of all may make at once
        ("mark_price", "i8"),  # MARK_*
        # what records say of themselves
        ("flag_stops", "i8"),  # FlagKinds at which the run stops, a bit each
        ("flag_kinds", "i8"),  # those at which it did
        ("flag_book", "i8"),
    ]
)

# The order that closes a position after a limit: none, on its way, ended and not enough.
CLOSING_NONE: Final = 0
CLOSING_SENT: Final = 1
CLOSING_FAILED: Final = -1

# What the loop is called for.
TASK_RECORDS: Final = 0
TASK_BEGIN_BOOK: Final = 1  # after the warm-up
TASK_END: Final = 2  # of the data
TASK_LET_PASS: Final = 3  # time, without a record

CROSSED_WARN: Final = 0
CROSSED_HALT_FILLS: Final = 1
CROSSED_ABORT: Final = 2

# How far a strategy has been shown an event.
SHOWN_NOTHING: Final = 0
SHOWN_TO_MARKET: Final = 1  # on_market_event was called
SHOWN_TRADES: Final = 2  # so was on_trade, for the trades before `shown_trace`
SHOWN_FULL: Final = 3  # so was on_trades, where too many were kept for it
SHOWN_ALL: Final = 4  # so was on_book

# What positions are valued at.
MARK_MID: Final = 0
MARK_LAST: Final = 1  # the last trade
MARK_SIDE: Final = 2  # what they could be closed at: the bid for longs, the ask for shorts

NOTICE_RESPONSE: Final = 0
NOTICE_FEED: Final = 1

router_at = accessor(ROUTER, in_block=False)
instance_at = accessor(INSTANCE)
leg_at = accessor(LEG)
message_at = accessor(MESSAGE)
watch_at = accessor(WATCH)
close_at = accessor(np.dtype([("ts", "i8")]))
touch_at = accessor(TOUCH_DTYPE)
state_count_at = accessor(STATE_COUNT)

# Status codes of the loop, beyond those of the book (1 to 4).
DRAIN_ROWS: Final = 10
GROW_MESSAGES: Final = 11
GROW_OWN_ORDERS: Final = 12
GROW_TRACES: Final = 13
GROW_CLAIMS: Final = 14
#: Not an error: the next callback is not compiled. `_requests.come_back`, then call again.
CALL_OUTSIDE: Final = 15
#: From here on, as the loop's entry says it: CALLS plus instance times HOOK_N plus the hook.
CALLS: Final = 1024
FAULT_STEPS: Final = 20  # a strategy answers itself for ever at one time
FAULT_CLAIMS: Final = 21  # one order would take more resting orders than the stated limit
FAULT_CROSSED: Final = 22  # crossed book under policy abort
FAULT_FLAGGED: Final = 24  # a record said something at which the run is to stop
FAULT_REQUESTS: Final = 23  # more than REQUESTS_MAX requests in one callback
