"""The words of an order's life, as the small integers kernels use and the names people read."""

from enum import IntEnum, IntFlag
from typing import Final


class Side(IntEnum):
    """Order side; the value is the sign of a fill's effect on the position."""

    BUY = 1
    SELL = -1


class OrderType(IntEnum):
    """What the order asks of the book on arrival."""

    MARKET = 1
    LIMIT = 2
    STOP = 3  # a market order once the market trades at its trigger
    STOP_LIMIT = 4  # a limit order then
    MARKET_TO_LIMIT = 5  # takes the best price only; what is left rests there


class TimeInForce(IntEnum):
    """How long an unfilled remainder lives."""

    GTC = 1
    IOC = 2
    FOK = 3  # all of it at once, or nothing
    DAY = 4  # until the session closes
    GTD = 5  # until a time of its own


class Term(IntFlag):
    """What an order asks for beside price, quantity and time in force."""

    POST_ONLY = 1  # never take: it is rejected if it would
    REPRICE = 2  # never take: it goes one tick behind the other side's best price if it would
    EXPIRES = 4  # it has an expire_ns
    MINIMUM = 8  # it has a min_quantity
    DISPLAY = 16  # it has a display_quantity
    STOP = 32  # it has a trigger_price
    REDUCE_ONLY = 64
    PEG = 128
    GROUP = 256


class Peg(IntEnum):
    """What a pegged order's price follows."""

    TOUCH = 1  # the best price of its own side
    MID = 2
    OPPOSITE = 3  # the best price of the other side


class OrderStatus(IntEnum):
    """Where an order is in its life."""

    PENDING_NEW = 1
    NEW = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    CANCELED = 5
    REJECTED = 6
    DENIED = 7
    EXPIRED = 8


class RiskState(IntEnum):
    """What a strategy's limits let it send."""

    ACTIVE = 0  # anything that they allow
    REDUCING = 1  # what makes a position smaller, and cancels
    HALTED = 2  # cancels


class Reason(IntEnum):
    """Why an order was denied, rejected, canceled or expired; NONE where nothing needs saying."""

    NONE = 0
    MAX_POSITION = 1  # DENIED: could take the position past risk_limits.max_position
    MAX_ORDER_SIZE = 2  # DENIED: quantity above risk_limits.max_order_size
    MAX_LOSS = 3  # DENIED: the loss limit was hit earlier in the run (latched)
    MAX_ORDER_RATE = 4  # DENIED: more than risk_limits.max_orders_per_second
    INVALID_QUANTITY = 5  # DENIED: zero, negative or beyond 2^31-1
    INVALID_PRICE = 6  # DENIED: undefined, or not a multiple of the tick size
    UNKNOWN_ORDER = 7  # a cancel or replace of an order that is no longer open
    NO_LIQUIDITY = 8  # EXPIRED: nothing (left) to take for a market or IOC order
    USER_CANCEL = 9  # CANCELED on request
    END_OF_DATA = 10  # the data ended first
    MARKET_HALTED = 11  # EXPIRED, as it is not one that waits, or REJECTED: the book was halted
    BOOK_CLEARED = 12  # CANCELED by the venue, which cleared its book
    LOSS_CANCEL = 13  # CANCELED by the simulation: a limit was reached
    LOSS_FLATTEN = 14  # the simulation's own market order, closing a position after a limit
    SETTLEMENT = 43  # the venue's own: what was held as the instrument expired was settled
    HAS_EXPIRED = 44  # DENIED: its instrument has, or the run has rolled out of it
    ROLL = 45  # the simulation's own market order, closing a position as the run rolls out of it
    DAY_END = 70  # CANCELED, or the simulation's own: its day ended, and days are apart
    MARKET_CLOSED = 40  # REJECTED or refused: the venue takes none in its state
    NO_CANCEL = 41  # refused: nothing is canceled or changed shortly before the opening
    SELF_TRADE = 42  # CANCELED: it would have traded with an order of its own house
    INVALID_TERMS = 15  # DENIED: its terms don't go together
    POST_ONLY = 16  # REJECTED: it would have taken
    MIN_QUANTITY = 17  # EXPIRED: fewer lots to take than it takes at least
    TRIGGER_PASSED = 18  # REJECTED: the market has traded at its trigger already
    PRICE_BAND = 19  # REJECTED or refused: its limit reaches too far past the last trade
    SESSION_CLOSE = 20  # EXPIRED: its day is over
    GOOD_TILL_DATE = 21  # EXPIRED: its time is over
    REDUCE_ONLY = 22  # REJECTED, CANCELED or changed: nothing, or not as much, to reduce
    OTHER_FILLED = 23  # CANCELED or changed: another order of its group has filled
    ENTRY_ENDED = 24  # CANCELED: the entry whose exit it is has ended
    ENTRY_DENIED = 25  # DENIED: so was the entry whose exit it is
    NO_REFERENCE = 26  # REJECTED: there is no price that it could be pegged to
    MASS_CANCEL = 27  # CANCELED on request, with all of the strategy in the book
    MAX_MESSAGE_RATE = 50  # DENIED or refused: the session's gateway takes no more in a second
    NO_SESSION = 51  # DENIED or refused: the session is cut
    STALE_DATA = 34  # DENIED or refused: live data are late, cut off, or have a gap
    RAILS = 35  # DENIED or refused by the rails before a real broker; or their own order
    BROKER = 36  # REJECTED, CANCELED, EXPIRED, changed or refused: the broker says so
    HELD = 37  # DENIED or refused: the session was paused, or killed, by its user
    WITHDRAWN = 38  # CANCELED by the simulation: the session was killed by its user
    DISCONNECTED = 52  # CANCELED by the venue: the session was cut
    MAX_DAILY_LOSS = 28  # DENIED: that limit was hit earlier in the session
    MAX_DRAWDOWN = 29  # DENIED: that limit was hit earlier in the run
    MAX_GROSS_EXPOSURE = 30  # DENIED: could take the exposure past it
    MAX_NET_EXPOSURE = 31  # DENIED: could take the exposure past it
    MAX_MESSAGES_PER_TRADE = 32  # DENIED: too many messages for what was traded
    NO_MARK = 33  # DENIED: an exposure is limited, and there is no price yet to tell it by
    PORTFOLIO_ORDER_SIZE = 53  # from here on: as MAX_…, by portfolio_limits
    PORTFOLIO_POSITION = 54
    PORTFOLIO_GROSS_EXPOSURE = 55
    PORTFOLIO_NET_EXPOSURE = 56
    PORTFOLIO_MESSAGES_PER_TRADE = 57
    PORTFOLIO_ORDER_RATE = 58
    PORTFOLIO_LOSS = 59
    PORTFOLIO_DAILY_LOSS = 60
    PORTFOLIO_DRAWDOWN = 61


#: Why an order or replace is stopped before it leaves, to be told at once.
DENIALS: Final = frozenset(
    {
        Reason.MAX_POSITION,
        Reason.MAX_ORDER_SIZE,
        Reason.MAX_LOSS,
        Reason.MAX_ORDER_RATE,
        Reason.MAX_MESSAGE_RATE,
        Reason.NO_SESSION,
        Reason.STALE_DATA,
        Reason.RAILS,
        Reason.HELD,
        Reason.MAX_DAILY_LOSS,
        Reason.MAX_DRAWDOWN,
        Reason.MAX_GROSS_EXPOSURE,
        Reason.MAX_NET_EXPOSURE,
        Reason.MAX_MESSAGES_PER_TRADE,
        Reason.NO_MARK,
        Reason.HAS_EXPIRED,
        *(reason for reason in Reason if reason.name.startswith("PORTFOLIO_")),
        Reason.INVALID_QUANTITY,
        Reason.INVALID_PRICE,
        Reason.INVALID_TERMS,
        Reason.ENTRY_DENIED,
    }
)


class SelfTrade(IntEnum):
    """What an order does that meets a simulated order of the strategies it shares a book with."""

    ALONE = 0  # it meets none: it shares no book, and prevents nothing
    OTHERS = 1  # it trades with those of other strategies
    CANCEL_NEWEST = 2  # it is canceled; so it is with those of its own strategy, as below
    CANCEL_OLDEST = 3  # the other is canceled
    CANCEL_BOTH = 4
    DECREMENT = 5  # both lose the lots that would have traded


#: The `client_order_id` of each of the simulation's own orders, beside those that close a position
#: after a limit, which begin at -1: what settles a position, and what closes one as the run rolls
#: out of a contract. Where an account hedges, the short side has an order of its own.
SETTLEMENT_ID: Final = -(1 << 40)
ROLL_ID: Final = SETTLEMENT_ID - 1
SHORT_SETTLEMENT_ID: Final = SETTLEMENT_ID - 2
SHORT_ROLL_ID: Final = SETTLEMENT_ID - 3
#: Of what closes a position at the end of a day that is played apart: of the first such day, and
#: one less with each day that follows. There are fewer days than ids between the two.
DAY_END_ID: Final = -(1 << 39)
SHORT_DAY_END_ID: Final = DAY_END_ID - (1 << 38)
#: Of orders and fills that an account has and no strategy sent: of the first one, and one less with
#: each that follows.
ACCOUNT_ID: Final = 2 * SETTLEMENT_ID

_OWN_NAMES: Final = {
    SETTLEMENT_ID: "settlement",
    ROLL_ID: "roll",
    SHORT_SETTLEMENT_ID: "settlement-short",
    SHORT_ROLL_ID: "roll-short",
}


def own_order_name(client_order_id: int) -> str:
    """Return what an order of the simulation's own is called, whose id is below 0."""
    if client_order_id > DAY_END_ID:
        return f"flatten-{-client_order_id}"
    if client_order_id > SHORT_DAY_END_ID:
        return f"day-end-{DAY_END_ID - client_order_id + 1}"
    if client_order_id > SETTLEMENT_ID:
        return f"day-end-{SHORT_DAY_END_ID - client_order_id + 1}-short"
    if client_order_id <= ACCOUNT_ID:
        return f"account-{ACCOUNT_ID - client_order_id + 1}"
    return _OWN_NAMES[client_order_id]


class PositionEffect(IntEnum):
    """What a fill does to a position that has a long and a short side (FIX tag 77)."""

    NONE = 0  # the account nets: there is one position, long or short
    OPEN = 1  # it adds to its own side
    CLOSE = 2  # it takes from the other side; what that does not have is added to its own


class Liquidity(IntEnum):
    """Whether a fill took or gave liquidity."""

    MAKER = 0
    TAKER = 1


class FillReason(IntEnum):
    """Why a fill happened."""

    QUEUE = 1  # volume traded against orders behind ours at our price
    TRADE_THROUGH = 2  # volume traded at prices worse than ours
    CROSSED = 3  # an incoming order's price crossed ours
    TAKEN = 4  # our order took resting orders on arrival, or as a halt ended
    AUCTION = 5  # the venue cleared at one price, ours or a worse one
    UNSEEN_TRADE = 6  # a trade with no resting order in the data, at a price worse than ours
    COMPANY = 20  # a simulated order of another strategy, in a book that both share
    SETTLEMENT = 21  # the instrument expired: no trade, and without a fee
    DAY_END = 30  # the day ended, and days are apart: at the last best price of the other side
    BROKER = 31  # a real one: its broker says so


class OrderEvent(IntEnum):
    """What happened to an order, as its log tells it."""

    SENT = 1  # the strategy sent it
    CANCEL_SENT = 2
    REPLACE_SENT = 3
    ACCEPTED = 4  # it reached the exchange
    REPLACED = 5
    PARTIALLY_FILLED = 6
    FILLED = 7
    CANCELED = 8
    EXPIRED = 9
    DENIED = 10  # it was stopped before it left
    REFUSED = 11  # a cancel or replace was stopped before it left, or came too late
    REJECTED = 12  # the exchange did not take it
    CHANGED = 13  # the exchange has changed it: it was triggered, or its price moved
