"""The words of `codes` as kernels use them: one constant each, here and nowhere else."""

from typing import Final

from tapewire.execution.codes import (
    DENIALS,
    FillReason,
    Liquidity,
    OrderEvent,
    OrderStatus,
    OrderType,
    Peg,
    PositionEffect,
    Reason,
    RiskState,
    SelfTrade,
    Side,
    Term,
    TimeInForce,
)

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)

MARKET: Final = int(OrderType.MARKET)
LIMIT: Final = int(OrderType.LIMIT)
STOP: Final = int(OrderType.STOP)
STOP_LIMIT: Final = int(OrderType.STOP_LIMIT)
MARKET_TO_LIMIT: Final = int(OrderType.MARKET_TO_LIMIT)

GTC: Final = int(TimeInForce.GTC)
IOC: Final = int(TimeInForce.IOC)
FOK: Final = int(TimeInForce.FOK)
DAY: Final = int(TimeInForce.DAY)
GTD: Final = int(TimeInForce.GTD)

TERM_POST_ONLY: Final = int(Term.POST_ONLY)
TERM_REPRICE: Final = int(Term.REPRICE)
TERM_EXPIRES: Final = int(Term.EXPIRES)
TERM_MINIMUM: Final = int(Term.MINIMUM)
TERM_DISPLAY: Final = int(Term.DISPLAY)
TERM_STOP: Final = int(Term.STOP)
TERM_REDUCE_ONLY: Final = int(Term.REDUCE_ONLY)
TERM_PEG: Final = int(Term.PEG)
TERM_GROUP: Final = int(Term.GROUP)

NO_EFFECT: Final = int(PositionEffect.NONE)
OPENS: Final = int(PositionEffect.OPEN)
CLOSES: Final = int(PositionEffect.CLOSE)

PEG_TOUCH: Final = int(Peg.TOUCH)
PEG_MID: Final = int(Peg.MID)
PEG_OPPOSITE: Final = int(Peg.OPPOSITE)

PENDING_NEW: Final = int(OrderStatus.PENDING_NEW)
NEW: Final = int(OrderStatus.NEW)
PARTIALLY_FILLED: Final = int(OrderStatus.PARTIALLY_FILLED)
FILLED: Final = int(OrderStatus.FILLED)
CANCELED: Final = int(OrderStatus.CANCELED)
REJECTED: Final = int(OrderStatus.REJECTED)
DENIED: Final = int(OrderStatus.DENIED)
EXPIRED: Final = int(OrderStatus.EXPIRED)

NO_REASON: Final = int(Reason.NONE)
MAX_POSITION: Final = int(Reason.MAX_POSITION)
MAX_ORDER_SIZE: Final = int(Reason.MAX_ORDER_SIZE)
MAX_LOSS: Final = int(Reason.MAX_LOSS)
MAX_ORDER_RATE: Final = int(Reason.MAX_ORDER_RATE)
MAX_MESSAGE_RATE: Final = int(Reason.MAX_MESSAGE_RATE)
NO_SESSION: Final = int(Reason.NO_SESSION)
STALE_DATA: Final = int(Reason.STALE_DATA)
RAILS: Final = int(Reason.RAILS)
BROKER: Final = int(Reason.BROKER)
DISCONNECTED: Final = int(Reason.DISCONNECTED)
INVALID_QUANTITY: Final = int(Reason.INVALID_QUANTITY)
INVALID_PRICE: Final = int(Reason.INVALID_PRICE)
UNKNOWN_ORDER: Final = int(Reason.UNKNOWN_ORDER)
NO_LIQUIDITY: Final = int(Reason.NO_LIQUIDITY)
USER_CANCEL: Final = int(Reason.USER_CANCEL)
END_OF_DATA: Final = int(Reason.END_OF_DATA)
MARKET_HALTED: Final = int(Reason.MARKET_HALTED)
BOOK_CLEARED: Final = int(Reason.BOOK_CLEARED)
LOSS_CANCEL: Final = int(Reason.LOSS_CANCEL)
WITHDRAWN: Final = int(Reason.WITHDRAWN)
LOSS_FLATTEN: Final = int(Reason.LOSS_FLATTEN)
SETTLEMENT: Final = int(Reason.SETTLEMENT)
ROLL: Final = int(Reason.ROLL)
MARKET_CLOSED: Final = int(Reason.MARKET_CLOSED)
NO_CANCEL: Final = int(Reason.NO_CANCEL)
SELF_TRADE: Final = int(Reason.SELF_TRADE)
INVALID_TERMS: Final = int(Reason.INVALID_TERMS)
POST_ONLY: Final = int(Reason.POST_ONLY)
MIN_QUANTITY: Final = int(Reason.MIN_QUANTITY)
TRIGGER_PASSED: Final = int(Reason.TRIGGER_PASSED)
PRICE_BAND: Final = int(Reason.PRICE_BAND)
SESSION_CLOSE: Final = int(Reason.SESSION_CLOSE)
GOOD_TILL_DATE: Final = int(Reason.GOOD_TILL_DATE)
REDUCE_ONLY: Final = int(Reason.REDUCE_ONLY)
OTHER_FILLED: Final = int(Reason.OTHER_FILLED)
ENTRY_ENDED: Final = int(Reason.ENTRY_ENDED)
ENTRY_DENIED: Final = int(Reason.ENTRY_DENIED)
NO_REFERENCE: Final = int(Reason.NO_REFERENCE)
MASS_CANCEL: Final = int(Reason.MASS_CANCEL)
NO_MARK: Final = int(Reason.NO_MARK)
HAS_EXPIRED: Final = int(Reason.HAS_EXPIRED)
DAY_END: Final = int(Reason.DAY_END)

ACTIVE: Final = int(RiskState.ACTIVE)
REDUCING: Final = int(RiskState.REDUCING)
HALTED: Final = int(RiskState.HALTED)

#: A bit for each reason of `codes.DENIALS`.
DENIAL_BITS: Final = sum(1 << int(reason) for reason in DENIALS)

MEETS_OTHERS: Final = int(SelfTrade.OTHERS)
CANCEL_NEWEST: Final = int(SelfTrade.CANCEL_NEWEST)
CANCEL_OLDEST: Final = int(SelfTrade.CANCEL_OLDEST)
CANCEL_BOTH: Final = int(SelfTrade.CANCEL_BOTH)

MAKER: Final = int(Liquidity.MAKER)
TAKER: Final = int(Liquidity.TAKER)

BY_QUEUE: Final = int(FillReason.QUEUE)
BY_TRADE_THROUGH: Final = int(FillReason.TRADE_THROUGH)
BY_CROSSING: Final = int(FillReason.CROSSED)
BY_TAKING: Final = int(FillReason.TAKEN)
BY_AUCTION: Final = int(FillReason.AUCTION)
BY_UNSEEN_TRADE: Final = int(FillReason.UNSEEN_TRADE)
BY_COMPANY: Final = int(FillReason.COMPANY)
BY_SETTLEMENT: Final = int(FillReason.SETTLEMENT)
BY_DAY_END: Final = int(FillReason.DAY_END)
BY_BROKER: Final = int(FillReason.BROKER)

# Events of the log; the word is the log's, where a status has the same name.
LOG_SENT: Final = int(OrderEvent.SENT)
LOG_CANCEL_SENT: Final = int(OrderEvent.CANCEL_SENT)
LOG_REPLACE_SENT: Final = int(OrderEvent.REPLACE_SENT)
LOG_ACCEPTED: Final = int(OrderEvent.ACCEPTED)
LOG_REPLACED: Final = int(OrderEvent.REPLACED)
LOG_PARTIALLY_FILLED: Final = int(OrderEvent.PARTIALLY_FILLED)
LOG_FILLED: Final = int(OrderEvent.FILLED)
LOG_CANCELED: Final = int(OrderEvent.CANCELED)
LOG_EXPIRED: Final = int(OrderEvent.EXPIRED)
LOG_DENIED: Final = int(OrderEvent.DENIED)
LOG_REFUSED: Final = int(OrderEvent.REFUSED)
LOG_REJECTED: Final = int(OrderEvent.REJECTED)
LOG_CHANGED: Final = int(OrderEvent.CHANGED)
