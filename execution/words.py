"""The words of `codes` as kernels use them: one constant each, here and nowhere else."""

from typing import Final

from tapewire.compiled.jit import word
from tapewire.execution.codes import (
    FillReason,
    Liquidity,
    OrderEvent,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)

BUY: Final = word(Side.BUY)
SELL: Final = word(Side.SELL)

MARKET: Final = word(OrderType.MARKET)
LIMIT: Final = word(OrderType.LIMIT)

GTC: Final = word(TimeInForce.GTC)
IOC: Final = word(TimeInForce.IOC)

PENDING_NEW: Final = word(OrderStatus.PENDING_NEW)
NEW: Final = word(OrderStatus.NEW)
PARTIALLY_FILLED: Final = word(OrderStatus.PARTIALLY_FILLED)
FILLED: Final = word(OrderStatus.FILLED)
CANCELED: Final = word(OrderStatus.CANCELED)
DENIED: Final = word(OrderStatus.DENIED)
EXPIRED: Final = word(OrderStatus.EXPIRED)

NO_REASON: Final = word(Reason.NONE)
MAX_POSITION: Final = word(Reason.MAX_POSITION)
MAX_ORDER_SIZE: Final = word(Reason.MAX_ORDER_SIZE)
MAX_LOSS: Final = word(Reason.MAX_LOSS)
MAX_ORDER_RATE: Final = word(Reason.MAX_ORDER_RATE)
INVALID_QUANTITY: Final = word(Reason.INVALID_QUANTITY)
INVALID_PRICE: Final = word(Reason.INVALID_PRICE)
UNKNOWN_ORDER: Final = word(Reason.UNKNOWN_ORDER)
NO_LIQUIDITY: Final = word(Reason.NO_LIQUIDITY)
USER_CANCEL: Final = word(Reason.USER_CANCEL)
END_OF_DATA: Final = word(Reason.END_OF_DATA)
MARKET_HALTED: Final = word(Reason.MARKET_HALTED)
BOOK_CLEARED: Final = word(Reason.BOOK_CLEARED)
LOSS_CANCEL: Final = word(Reason.LOSS_CANCEL)
LOSS_FLATTEN: Final = word(Reason.LOSS_FLATTEN)

MAKER: Final = word(Liquidity.MAKER)
TAKER: Final = word(Liquidity.TAKER)

BY_QUEUE: Final = word(FillReason.QUEUE)
BY_TRADE_THROUGH: Final = word(FillReason.TRADE_THROUGH)
BY_CROSSING: Final = word(FillReason.CROSSED)
BY_TAKING: Final = word(FillReason.TAKEN)
BY_AUCTION: Final = word(FillReason.AUCTION)
BY_UNSEEN_TRADE: Final = word(FillReason.UNSEEN_TRADE)

# Events of the log; the word is the log's, where a status has the same name.
LOG_SENT: Final = word(OrderEvent.SENT)
LOG_CANCEL_SENT: Final = word(OrderEvent.CANCEL_SENT)
LOG_REPLACE_SENT: Final = word(OrderEvent.REPLACE_SENT)
LOG_ACCEPTED: Final = word(OrderEvent.ACCEPTED)
LOG_REPLACED: Final = word(OrderEvent.REPLACED)
LOG_PARTIALLY_FILLED: Final = word(OrderEvent.PARTIALLY_FILLED)
LOG_FILLED: Final = word(OrderEvent.FILLED)
LOG_CANCELED: Final = word(OrderEvent.CANCELED)
LOG_EXPIRED: Final = word(OrderEvent.EXPIRED)
LOG_DENIED: Final = word(OrderEvent.DENIED)
LOG_REFUSED: Final = word(OrderEvent.REFUSED)
