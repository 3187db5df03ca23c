"""Limits by number, what they do when they are reached, and the reason that each gives.

The constants beside the enumerations are for kernels.
"""

from enum import IntEnum
from typing import Final

from tapewire.execution.codes import Reason


class Limit(IntEnum):
    """A limit of a strategy, or of all of a run together; the order in which they are checked."""

    MAX_ORDER_SIZE = 0  # lots
    MAX_POSITION = 1  # lots
    MAX_GROSS_EXPOSURE = 2  # 1e-9 currency
    MAX_NET_EXPOSURE = 3  # 1e-9 currency
    MAX_MESSAGES_PER_TRADE = 4
    MAX_ORDERS_PER_SECOND = 5
    MAX_LOSS = 6  # 1e-9 currency
    MAX_DAILY_LOSS = 7  # 1e-9 currency
    MAX_DRAWDOWN = 8  # 1e-9 currency

    @property
    def key(self) -> str:
        """Its key in a configuration."""
        return self.name.lower()

    @property
    def is_money(self) -> bool:
        """Whether it is in 1e-9 currency."""
        return self in MONEY_LIMITS


class LimitAction(IntEnum):
    """What follows when a limit is reached, the harder the later."""

    DENY = 0
    CANCEL_ALL = 1
    HALT = 2
    FLATTEN = 3


LIMIT_N: Final = len(Limit)
#: What is measured after the fact; the others are checked before an order leaves.
LOSS_LIMITS: Final = (Limit.MAX_LOSS, Limit.MAX_DAILY_LOSS, Limit.MAX_DRAWDOWN)
MONEY_LIMITS: Final = (*LOSS_LIMITS, Limit.MAX_GROSS_EXPOSURE, Limit.MAX_NET_EXPOSURE)

ORDER_SIZE: Final = int(Limit.MAX_ORDER_SIZE)
POSITION: Final = int(Limit.MAX_POSITION)
GROSS_EXPOSURE: Final = int(Limit.MAX_GROSS_EXPOSURE)
NET_EXPOSURE: Final = int(Limit.MAX_NET_EXPOSURE)
MESSAGES_PER_TRADE: Final = int(Limit.MAX_MESSAGES_PER_TRADE)
ORDER_RATE: Final = int(Limit.MAX_ORDERS_PER_SECOND)
LOSS: Final = int(Limit.MAX_LOSS)
DAILY_LOSS: Final = int(Limit.MAX_DAILY_LOSS)
DRAWDOWN: Final = int(Limit.MAX_DRAWDOWN)
NO_LIMIT: Final = -1

DENY: Final = int(LimitAction.DENY)
CANCEL_ALL: Final = int(LimitAction.CANCEL_ALL)
HALT: Final = int(LimitAction.HALT)
FLATTEN: Final = int(LimitAction.FLATTEN)

_REASONS: Final = {
    Limit.MAX_ORDER_SIZE: Reason.MAX_ORDER_SIZE,
    Limit.MAX_POSITION: Reason.MAX_POSITION,
    Limit.MAX_GROSS_EXPOSURE: Reason.MAX_GROSS_EXPOSURE,
    Limit.MAX_NET_EXPOSURE: Reason.MAX_NET_EXPOSURE,
    Limit.MAX_MESSAGES_PER_TRADE: Reason.MAX_MESSAGES_PER_TRADE,
    Limit.MAX_ORDERS_PER_SECOND: Reason.MAX_ORDER_RATE,
    Limit.MAX_LOSS: Reason.MAX_LOSS,
    Limit.MAX_DAILY_LOSS: Reason.MAX_DAILY_LOSS,
    Limit.MAX_DRAWDOWN: Reason.MAX_DRAWDOWN,
}
#: The reason of an order that a strategy's own limit stops, by limit.
REASONS: Final = tuple(int(_REASONS[limit]) for limit in Limit)
#: The same where it is one of all strategies together.
PORTFOLIO_REASONS: Final = tuple(
    int(Reason[f"PORTFOLIO_{_REASONS[limit].name.removeprefix('MAX_')}"]) for limit in Limit
)
