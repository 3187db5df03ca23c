"""Closed trades: lots that were opened by one fill and closed by another, first in, first out.

Definition. Within a leg the k-th lot ever opened is closed by the k-th lot ever closed (a
position must return to zero before it can turn, so this *is* FIFO). A fill that flips the
position closes the old one first and opens the new one with its rest. One closing fill is one
closed trade, with the lots it closed. Its P&L is (exit - entry) x direction x lots x multiplier
less both fills' commissions, each in proportion to the lots; all in exact integers, so that the
trades of a flat leg add up to its net P&L (with a fractional multiplier each trade is rounded
down to 1e-9).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import (
    Int64Array,
    multiply,
    scale,
    sum_from,
    to_int64,
    total,
)
from tapewire.analytics.rates import WorthSteps
from tapewire.compiled.units import NS_PER_S


@dataclass
class TradeTotals:
    """What the closed trades of a leg, a strategy or the run add up to.

    Money in 1e-9 currency units, holding time in lots x ns.
    """

    trades: int = 0
    winners: int = 0
    losers: int = 0
    profit: int = 0
    loss: int = 0
    lots: int = 0
    lot_ns: int = 0
    largest_win: int = 0
    largest_loss: int = 0
    #: Most of one leg's trades in a row that won, or lost; one that made nothing ends both.
    wins_in_a_row: int = 0
    losses_in_a_row: int = 0

    def __add__(self, other: "TradeTotals") -> "TradeTotals":
        return TradeTotals(
            self.trades + other.trades,
            self.winners + other.winners,
            self.losers + other.losers,
            self.profit + other.profit,
            self.loss + other.loss,
            self.lots + other.lots,
            self.lot_ns + other.lot_ns,
            max(self.largest_win, other.largest_win),
            max(self.largest_loss, other.largest_loss),
            max(self.wins_in_a_row, other.wins_in_a_row),
            max(self.losses_in_a_row, other.losses_in_a_row),
        )

    @property
    def lot_seconds(self) -> float:
        """Holding time, lots x seconds."""
        return self.lot_ns / NS_PER_S

    @property
    def net(self) -> int:
        """Net P&L of all closed trades, 1e-9 currency."""
        return self.profit - self.loss


@dataclass
class _Lots:
    """Parts of fills in the order their lots were opened (or closed)."""

    size: Int64Array  # lots of this part
    offset: Int64Array  # lots of the same fill before this part
    fill_size: Int64Array
    price: Int64Array
    commission: Int64Array
    ts: Int64Array

    def join(self, other: "_Lots") -> "_Lots":
        return _Lots(
            *(np.concatenate(p) for p in zip(self.columns(), other.columns(), strict=True))
        )

    def columns(self) -> tuple[Int64Array, ...]:
        return (self.size, self.offset, self.fill_size, self.price, self.commission, self.ts)

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "_Lots":
        return _Lots(*(c[which] for c in self.columns()))

    def fee_of(self, at: NDArray[np.intp], begin: Int64Array, lots: Int64Array) -> Int64Array:
        """Return the commission of lots [begin, begin + lots) of part ``at``; shares add up."""
        start = self.offset[at] + begin
        fee, size = self.commission[at], self.fill_size[at]
        share = scale(fee, start + lots, size) - scale(fee, start, size)
        return to_int64(share, "commission share")


class TradeMatcher:
    """Matches one leg's fills, chunk by chunk; keeps only the lots still open."""

    def __init__(
        self, multiplier_num: int, multiplier_den: int, steps: WorthSteps | None = None
    ) -> None:
        self.totals = TradeTotals()
        self._num, self._den = multiplier_num, multiplier_den
        self._steps = steps
        none = np.empty(0, np.int64)
        self._open = _Lots(none, none, none, none, none, none)
        self._direction = none  # of each open part: 1 long, -1 short
        self._streak = 0  # the last trades that won (positive) or lost (negative) in a row
        #: Closing times (ns) and net P&L (1e-9 currency) of each trade, where somebody wants them.
        self.kept: list[tuple[Int64Array, Int64Array]] | None = None

    def add(
        self,
        signed: Int64Array,
        price: Int64Array,
        commission: Int64Array,
        position: Int64Array,
        ts: Int64Array,
    ) -> None:
        """Add fills in order.

        Parameters
        ----------
        signed
            Lots, positive for a buy; shape (n,).
        price
            1e-9 price; shape (n,).
        commission
            1e-9 currency; shape (n,).
        position
            Lots held after each fill; shape (n,).
        ts
            ``ts_event``, ns; shape (n,).
        """
        size = np.abs(signed)
        before = position - signed
        closing = np.where(np.sign(before) == -np.sign(signed), np.minimum(size, abs(before)), 0)
        parts = _Lots(size, np.zeros_like(size), size, price, commission, ts)
        opened = _Lots(size - closing, closing, size, price, commission, ts)
        is_open, is_close = opened.size > 0, closing > 0
        self._open = self._open.join(opened.take(is_open))
        self._direction = np.concatenate((self._direction, np.sign(signed[is_open])))
        closes = parts.take(is_close)
        closes.size = closing[is_close]
        if closes.size.size:
            self._match(closes)

    def _match(self, closes: _Lots) -> None:
        """Pair the oldest open lots with the closed ones; both are stretches on one lot axis."""
        open_end: Int64Array = np.cumsum(self._open.size)
        close_end: Int64Array = np.cumsum(closes.size)
        cuts = np.union1d(open_end[open_end < close_end[-1]], close_end)
        begin: Int64Array = np.concatenate((np.zeros(1, np.int64), cuts[:-1]))
        lots = cuts - begin
        entry: NDArray[np.intp] = np.searchsorted(open_end, begin, side="right")
        leave: NDArray[np.intp] = np.searchsorted(close_end, begin, side="right")
        opened = self._open
        move = multiply(closes.price[leave] - opened.price[entry], self._direction[entry] * lots)
        fees = opened.fee_of(entry, begin - (open_end - opened.size)[entry], lots)
        fees = fees + closes.fee_of(leave, begin - (close_end - closes.size)[leave], lots)
        held = multiply(closes.ts[leave] - opened.ts[entry], lots)
        first = np.flatnonzero(np.r_[True, leave[1:] != leave[:-1]])
        moved = sum_from(move, first)
        if self._steps is not None:  # at the rate of the fill that closed
            num, den = self._steps.at(closes.ts[leave[first]])
            gross = np.asarray(multiply(moved, num) // den)
        else:
            gross = scale(moved, self._num, self._den)
        net = gross - sum_from(fees, first)
        self._count(net)
        if self.kept is not None:
            self.kept.append((closes.ts[leave[first]], net))
        self.totals.lots += int(close_end[-1])
        self.totals.lot_ns += total(held)
        self._drop(int(close_end[-1]), open_end)

    def _count(self, net: NDArray[np.int64]) -> None:
        totals = self.totals
        totals.trades += net.size
        totals.winners += int((net > 0).sum())
        totals.losers += int((net < 0).sum())
        totals.profit += total(net[net > 0])
        totals.loss -= total(net[net < 0])
        totals.largest_win = max(totals.largest_win, int(net.max()))
        totals.largest_loss = max(totals.largest_loss, -int(net.min()))
        self._note_streaks(np.sign(net))

    def _note_streaks(self, sign: NDArray[np.int64]) -> None:
        first = np.flatnonzero(np.r_[True, sign[1:] != sign[:-1]])
        length = np.diff(first, append=sign.size) * sign[first]
        if np.sign(self._streak) == sign[0]:
            length[0] += self._streak
        self._streak = int(length[-1])
        totals = self.totals
        totals.wins_in_a_row = max(totals.wins_in_a_row, int(length.max()))
        totals.losses_in_a_row = max(totals.losses_in_a_row, -int(length.min()))

    def _drop(self, closed: int, open_end: Int64Array) -> None:
        gone = int(np.searchsorted(open_end, closed, side="right"))
        used = closed - (int(open_end[gone - 1]) if gone else 0)
        self._open = self._open.take(slice(gone, None))
        self._direction = self._direction[gone:]
        if used:
            self._open.size = self._open.size.copy()
            self._open.offset = self._open.offset.copy()
            self._open.size[0] -= used
            self._open.offset[0] += used
