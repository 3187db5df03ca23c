"""Orders that never left: how many of each strategy were denied, and why, in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.ledger import Leg
from tapewire.compiled.units import PRICE_UNITS
from tapewire.execution.codes import OrderStatus, Reason
from tapewire.positions.codes import PORTFOLIO_REASONS, REASONS, Limit

#: Lines about denials, one per strategy and reason; further ones are counted in one more line.
DENIALS_TOLD_MAX: Final = 20

#: Limits by the reasons that they give; those come with numbers, what an order would have come to.
_OWN: Final = {Reason(reason): Limit(k) for k, reason in enumerate(REASONS)}
_PORTFOLIO: Final = {Reason(reason): Limit(k) for k, reason in enumerate(PORTFOLIO_REASONS)}
LIMITED: Final = (*_OWN, *_PORTFOLIO, Reason.MAX_MESSAGE_RATE)

_LIMIT: Final = {
    Limit.MAX_ORDER_SIZE: "above {key} {limit}: up to {found}",
    Limit.MAX_POSITION: "could pass {key} {limit}: up to {found}",
    Limit.MAX_GROSS_EXPOSURE: "could pass {key} {limit}: up to {found}",
    Limit.MAX_NET_EXPOSURE: "could pass {key} {limit}: up to {found}",
    Limit.MAX_MESSAGES_PER_TRADE: "more than {key} {limit}: up to {found}",
    Limit.MAX_ORDERS_PER_SECOND: "more than {key} {limit}",
    Limit.MAX_LOSS: "{key} {limit} had been reached: {found} lost",
    Limit.MAX_DAILY_LOSS: "{key} {limit} had been reached: {found} lost since the session began",
    Limit.MAX_DRAWDOWN: "{key} {limit} had been reached: {found} below the best P&L",
}
_WHY: Final = {
    Reason.MAX_MESSAGE_RATE: "more than execution.gateway.max_messages_per_second {limit}",
    Reason.NO_SESSION: "the session was cut, see execution.gateway.disconnects",
    Reason.STALE_DATA: "the market data were late, cut off, or had a gap",
    Reason.HELD: "the session was paused or killed",
    Reason.RAILS: "the rails before the broker did not let it through",
    Reason.INVALID_QUANTITY: "below min_quantity, above 2147483647, or no multiple of lot_size",
    Reason.INVALID_PRICE: "no valid price",
    Reason.HAS_EXPIRED: "the instrument had expired, or the run had rolled out of it",
    Reason.NO_MARK: "an exposure is limited, and there was no price yet to tell it by",
    Reason.INVALID_TERMS: "what was asked for does not go together, see docs/orders.md",
    Reason.ENTRY_DENIED: "so was the entry whose exits they are",
}


@dataclass
class _Denied:
    """Orders of one leg that were denied for one reason, and the numbers of the furthest off."""

    n: int = 0
    limit: int = 0
    found: int = 0

    def add(self, n: int, limit: int, found: int) -> None:
        if self.n == 0 or found > self.found:
            self.limit, self.found = limit, found
        self.n += n


class Denials:
    """Counts denied orders by leg and reason."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], _Denied] = {}

    def add(self, orders: NDArray[np.void]) -> None:
        """Count the denied ones of some ``ORDER_DTYPE`` rows."""
        denied = orders[orders["status"] == OrderStatus.DENIED]
        if not denied.size:
            return
        keys = denied[["leg", "reason"]]
        for key in np.unique(keys):
            rows = denied[keys == key]
            worst = rows[np.argmax(rows["limit_found"])]
            one = self._found.setdefault((int(key["leg"]), int(key["reason"])), _Denied())
            one.add(rows.size, int(worst["limit_value"]), int(worst["limit_found"]))

    def warnings(self, legs: Iterable[Leg]) -> list[str]:
        """Return one sentence per strategy and reason, by name; the first `DENIALS_TOLD_MAX`."""
        leg_of = {leg.leg: leg for leg in legs}
        by_strategy: dict[tuple[str, int], _Denied] = {}
        ticks: dict[tuple[str, int], set[int]] = {}
        for (leg, reason), denied in self._found.items():
            key = leg_of[leg].strategy_id, reason
            by_strategy.setdefault(key, _Denied()).add(denied.n, denied.limit, denied.found)
            ticks.setdefault(key, set()).add(leg_of[leg].tick_size)
        said = [
            f"{strategy}: {one.n:,} {'order' if one.n == 1 else 'orders'} denied: "
            f"{Reason(reason).name} ({_why(reason, one, ticks[strategy, reason])})"
            for (strategy, reason), one in sorted(by_strategy.items(), key=lambda item: item[0])
        ]
        if len(said) > DENIALS_TOLD_MAX:
            more = len(said) - DENIALS_TOLD_MAX
            said[DENIALS_TOLD_MAX:] = [
                f"{more:,} more lines like it: see status DENIED in orders.parquet"
            ]
        return said


def _why(reason: int, denied: _Denied, ticks: set[int]) -> str:
    if reason == Reason.INVALID_PRICE and ticks != {0}:
        told = sorted(ticks - {0})
        sizes = ", ".join(_decimal(tick) for tick in told[:3]) + (", …" if len(told) > 3 else "")
        return f"not a multiple of tick_size {sizes}"
    for section, limits in (("risk_limits", _OWN), ("portfolio_limits", _PORTFOLIO)):
        limit = limits.get(Reason(reason))
        if limit is not None:
            say = _decimal if limit.is_money else str
            return _LIMIT[limit].format(
                key=f"{section}.{limit.key}", limit=say(denied.limit), found=say(denied.found)
            )
    return _WHY[Reason(reason)].format(limit=denied.limit)


def _decimal(units: int) -> str:
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units), PRICE_UNITS)
    return f"{sign}{whole}.{rest:09d}".rstrip("0").rstrip(".")
