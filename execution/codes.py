"""The words of an order's life, as the small integers kernels use and the names people read."""

from enum import IntEnum


class Side(IntEnum):
    """Order side; the value is the sign of a fill's effect on the position."""

    BUY = 1
    SELL = -1


class OrderType(IntEnum):
    """What the order asks of the book on arrival."""

    MARKET = 1
    LIMIT = 2


class TimeInForce(IntEnum):
    """How long an unfilled remainder lives."""

    GTC = 1
    IOC = 2


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
    MARKET_HALTED = 11  # EXPIRED: the book was halted, and the order is not one that waits
    BOOK_CLEARED = 12  # CANCELED by the venue, which cleared its book
    LOSS_CANCEL = 13  # CANCELED by the simulation: the loss limit was reached
    LOSS_FLATTEN = 14  # the simulation's own market order, closing a position after the loss limit


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
