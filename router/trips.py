"""Limits that were reached: whose, when, at what, and what follows, in numbers and words."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np

from tapewire.positions.codes import Limit, LimitAction
from tapewire.router._memory import Memory
from tapewire.router._roster import Roster

#: What limits of all strategies together go by, where a strategy's go by its name.
PORTFOLIO: Final = "the portfolio"

_FOLLOWS: Final = {
    LimitAction.DENY: "may only reduce positions from then on",
    LimitAction.CANCEL_ALL: "may only reduce positions from then on, its open orders canceled",
    LimitAction.HALT: "was halted",
    LimitAction.FLATTEN: "was halted",
}
#: What was found, in words; money or a number.
_FOUND: Final = {
    Limit.MAX_ORDER_SIZE: "an order of {} lots",
    Limit.MAX_POSITION: "an order that could have taken it to {} lots",
    Limit.MAX_GROSS_EXPOSURE: "an order that could have taken it to {}",
    Limit.MAX_NET_EXPOSURE: "an order that could have taken it to {}",
    Limit.MAX_MESSAGES_PER_TRADE: "a message that would have made it {}",
    Limit.MAX_ORDERS_PER_SECOND: "an order that would have made it {}",
    Limit.MAX_LOSS: "a P&L of {}",
    Limit.MAX_DAILY_LOSS: "a loss of {} since the session began",
    Limit.MAX_DRAWDOWN: "a P&L of {} below its best",
}


@dataclass(frozen=True)
class LimitTrip:
    """A limit that was reached and had something follow; an order that is denied alone is none.

    Attributes
    ----------
    strategy_id : str or None
        Whose limit; None: one of ``portfolio_limits``.
    ts_ns : int
        Local time of the strategy that it was found at, ns since the epoch.
    limit : Limit
    bound, found : int
        The limit and what it was reached at: lots, orders in a second, messages for a trade, or
        1e-9 currency (a loss is positive).
    action : LimitAction
    """

    strategy_id: str | None
    ts_ns: int
    limit: Limit
    bound: int
    found: int
    action: LimitAction

    def headline(self) -> str:
        """Who reached what, when and at what, and what follows."""
        found = -self.found if self.limit is Limit.MAX_LOSS else self.found
        session = " for the session" if self.limit is Limit.MAX_DAILY_LOSS else ""
        return (
            f"{self.strategy_id or PORTFOLIO} reached {self.limit.key} {self._say(self.bound)} at "
            f"{_moment_text(self.ts_ns)} UTC with {_FOUND[self.limit].format(self._say(found))} "
            f"and {_FOLLOWS[self.action]}{session}"
        )

    def sentence(self) -> str:
        """The headline, and the action by its name."""
        return f"{self.headline()} (on_{self.limit.key}: {self.action.name.lower()})"

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON; money as exact decimal text, other limits as numbers."""
        say: Any = (lambda units: str(money(units))) if self.limit.is_money else int
        return {
            "strategy_id": self.strategy_id,
            "ts": f"{np.datetime64(self.ts_ns, 'ns')}Z",
            "ts_ns": self.ts_ns,
            "limit": self.limit.key,
            "bound": say(self.bound),
            "found": say(self.found),
            "action": self.action.name.lower(),
        }

    def _say(self, value: int) -> str:
        return f"{money(value) if self.limit.is_money else value:,}"


def limit_trips(memory: Memory, roster: Roster) -> list[LimitTrip]:
    """Limits that were reached so far, in the order in which the loop came to them."""
    return [
        LimitTrip(
            roster.spec_of(row["instance"]).strategy_id if row["instance"] >= 0 else None,
            int(row["ts"]), Limit(row["limit"]), int(row["bound"]), int(row["found"]),
            LimitAction(row["action"]),
        )
        for row in memory.trips.records[: int(memory.router["trip_n"])]
    ]  # fmt: skip


def _moment_text(ts_ns: int) -> str:
    """A time as it is said in a sentence."""
    return f"{np.datetime64(ts_ns, 'ns')}".replace("T", " ")


def money(units: int) -> Decimal:
    """1e-9 currency as a decimal with two places, more only where they say something."""
    exact = Decimal(units).scaleb(-9)
    cents = exact.quantize(Decimal("0.01"))
    return cents if cents == exact else exact.normalize()
