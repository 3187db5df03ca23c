"""Fills of legs matched to closed trades, whatever kind of account they are of.

An account that nets has one position in a leg; one that hedges has a long and a short side, whose
trades are closed each by itself.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import Int64Array, groups
from tapewire.analytics.rates import WorthSteps
from tapewire.analytics.sides import LONG, Parts, Sides
from tapewire.analytics.trades import TradeMatcher, TradeTotals
from tapewire.execution.codes import PositionEffect

#: Columns of fills that are needed beside ``signed``, the lots with a sale's negative.
MATCHED_COLUMNS: Final = (
    "last_px", "last_qty", "commission", "position", "position_effect", "ts_event"
)  # fmt: skip
_NETS: Final = PositionEffect.NONE.name
_CLOSES: Final = PositionEffect.CLOSE.name


class LegTrades:
    """Closed trades of one leg.

    Parameters
    ----------
    multiplier_num, multiplier_den
        What a price point of a lot is worth.
    steps
        The same over time, where it changes.
    keep
        Keep each trade's time and net P&L.
    """

    def __init__(
        self, multiplier_num: int, multiplier_den: int, steps: WorthSteps | None = None,
        *, keep: bool = False,
    ) -> None:  # fmt: skip
        self._make = multiplier_num, multiplier_den, steps
        self._keep = keep
        self._matchers = [self._matcher()]
        self._sides = Sides()

    def _matcher(self) -> TradeMatcher:
        found = TradeMatcher(*self._make)
        if self._keep:
            found.kept = []
        return found

    def add(self, fills: Mapping[str, NDArray[Any]]) -> Parts | None:
        """Take columns of fills, in order; return them by side, where the account hedges."""
        if fills["position_effect"][0] == _NETS:
            self._matchers[LONG].add(
                fills["signed"], fills["last_px"], fills["commission"], fills["position"],
                fills["ts_event"],
            )  # fmt: skip
            return None
        parts = self._sides.split(fills["signed"], fills["position_effect"] == _CLOSES)
        fees = parts.commissions(fills["commission"], fills["last_qty"])
        if len(self._matchers) == 1:
            self._matchers.append(self._matcher())
        for side, at in groups(parts.side):
            which = parts.fill[at]
            self._matchers[side].add(
                parts.signed[at], fills["last_px"][which], fees[at], parts.after[at],
                fills["ts_event"][which],
            )  # fmt: skip
        return parts

    @property
    def totals(self) -> TradeTotals:
        """What they add up to."""
        longs, *shorts = (matcher.totals for matcher in self._matchers)
        return longs + shorts[0] if shorts else longs

    @property
    def kept(self) -> tuple[Int64Array, Int64Array]:
        """When each was closed (ns) and its net P&L (1e-9 currency), side by side."""
        kept = [one for matcher in self._matchers for one in matcher.kept or ()]
        none = np.empty(0, np.int64)
        return (
            np.concatenate([none, *(ts for ts, _ in kept)]),
            np.concatenate([none, *(net for _, net in kept)]),
        )
