"""What orders cost: mids when they were sent, arrived and ended, and their prices against those.

Mids are remembered by how often they moved, fills until their order ends: memory holds the fills of
orders that are open and the last moves of each book's mid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import (
    Int64Array,
    IntArray,
    add,
    multiply,
    sum_from,
    to_int64,
    total,
)
from tapewire.analytics.markouts import NO_PRICE, by_book
from tapewire.execution.codes import ACCOUNT_ID, SETTLEMENT_ID, SHORT_SETTLEMENT_ID
from tapewire.execution.rows import ORDER_DTYPE
from tapewire.market.records import UNDEF_PRICE

#: Moves of the mid, from an order's sending to its end, that it may stand through and have costs.
MOVES_MAX: Final = 131_072

#: Rows of orders with what they cost; money in 1e-9 price x lots, before the multiplier.
COST_DTYPE: Final = np.dtype(
    [
        *ORDER_DTYPE.descr,
        ("mid_sent", "i8"),  # 1e-9, rounded down; NO_PRICE: not known
        ("mid_arrived", "i8"),
        ("mid_closed", "i8"),
        ("slippage", "i8"),  # NO_PRICE: not known, or nothing was filled
        ("shortfall", "i8"),  # without commissions; NO_PRICE: not known
        ("commission", "i8"),  # 1e-9 currency, of all its fills
    ]
)
#: What ``orders.parquet`` has of them.
COST_COLUMNS: Final = ("mid_sent", "mid_arrived", "mid_closed", "slippage", "shortfall")
_SETTLED: Final = (SETTLEMENT_ID, SHORT_SETTLEMENT_ID)
_ORDER_WORDS: Final = ORDER_DTYPE.itemsize // 8
_FILL_FIELDS: Final = ("leg", "client_order_id", "side", "last_px", "last_qty", "commission")


@dataclass
class OrderCosts:
    """What orders cost together; money in 1e-9 currency, quantities in lots."""

    COLUMNS: ClassVar = (
        "order_side", "quantity", "filled_qty", "mid_sent", "mid_closed", "slippage", "shortfall",
    )  # fmt: skip

    slipped_lots: int = 0  # filled, of orders whose slippage is known
    slippage: int = 0
    orders: int = 0  # whose shortfall is known
    shortfall: int = 0
    opportunity: Fraction = Fraction(0)  # part of the shortfall: of lots that were not filled
    paper: Fraction = Fraction(0)  # what their lots were worth at the mid when they were sent

    def add(
        self, orders: Mapping[str, NDArray[Any]], multiplier_num: int, multiplier_den: int
    ) -> None:
        """Take orders of one instrument; those whose costs are not known count for nothing."""
        slipped = orders["slippage"] != NO_PRICE
        self.slipped_lots += total(orders["filled_qty"][slipped])
        self.slippage += total(orders["slippage"][slipped])
        known = orders["shortfall"] != NO_PRICE
        mine = {name: orders[name][known] for name in self.COLUMNS}
        self.orders += int(known.sum())
        self.shortfall += total(mine["shortfall"])
        unfilled = mine["quantity"] - mine["filled_qty"]
        unfilled = np.where(mine["order_side"] == "BUY", unfilled, -unfilled)
        missed = total(multiply(mine["mid_closed"] - mine["mid_sent"], unfilled))
        self.opportunity += Fraction(missed * multiplier_num, multiplier_den)
        worth = total(np.abs(multiply(mine["mid_sent"], mine["quantity"])))
        self.paper += Fraction(worth * multiplier_num, multiplier_den)

    def __add__(self, other: "OrderCosts") -> "OrderCosts":
        return OrderCosts(
            self.slipped_lots + other.slipped_lots,
            self.slippage + other.slippage,
            self.orders + other.orders,
            self.shortfall + other.shortfall,
            self.opportunity + other.opportunity,
            self.paper + other.paper,
        )


class _Mids:
    """The last moves of one book's mid."""

    def __init__(self) -> None:
        self._ts = np.empty(4 * MOVES_MAX, np.int64)
        self._mid = np.empty(4 * MOVES_MAX, np.int64)
        self._n = 0
        self._dropped = 0

    def add(self, touches: NDArray[Any]) -> None:
        """Take ``TOUCH_DTYPE`` rows; those without a mid, or with the same, are no moves of it."""
        touches = touches[(touches["bid"] != UNDEF_PRICE) & (touches["ask"] != UNDEF_PRICE)]
        bid, ask = touches["bid"], touches["ask"]
        # Halves first: the sum of two prices may be more than 64 bits hold.
        mid = (bid >> 1) + (ask >> 1) + (bid & ask & 1)
        before = self._mid[self._n - 1] if self._n else NO_PRICE
        moved = np.diff(mid, prepend=before) != 0
        n = self._n + int(moved.sum())
        if n > len(self._ts):
            room = np.empty(n, np.int64)
            self._ts, self._mid = np.r_[self._ts, room], np.r_[self._mid, room]
        self._ts[self._n : n] = touches["ts_event"][moved]
        self._mid[self._n : n] = mid[moved]
        self._n = n

    def forget(self) -> None:
        """Let go of moves that no later order can ask for, now and then."""
        kept = 2 * MOVES_MAX
        if self._n <= 2 * kept:
            return
        for values in (self._ts, self._mid):
            values[:kept] = values[self._n - kept : self._n].copy()
        self._dropped += self._n - kept
        self._n = kept

    def moves_until(self, ts: Int64Array, *, with_equal: bool) -> Int64Array:
        """Return how many moves there were, of the whole run, before each time or at it."""
        known = self._ts[: self._n]
        at = known.searchsorted(ts, "right" if with_equal else "left")
        return np.asarray(at + self._dropped)

    def after(self, moves: Int64Array) -> Int64Array:
        """Return the mid after so many moves; NO_PRICE before the first, or where it is gone."""
        at = moves - self._dropped - 1
        known = at >= 0
        if not self._n:
            return np.full(len(moves), NO_PRICE, np.int64)
        return np.where(known, self._mid[np.maximum(at, 0)], NO_PRICE)

    @property
    def moves(self) -> int:
        """Moves so far."""
        return self._n + self._dropped


class Arrivals:
    """Turns rows of orders, fills and moves of best prices into rows of `COST_DTYPE`.

    An order's mids are the last ones, by exchange time, at its sending and at its arrival, and
    the last before its end; of an order that is open when the data end, the last of all. Rows are
    the same however the stream is cut into batches, as long as each batch has all fills and moves
    up to the end of its orders.
    """

    def __init__(self) -> None:
        self._mids: dict[int, _Mids] = {}
        self._fills = np.zeros((0, len(_FILL_FIELDS)), np.int64)  # of orders that are open

    def add(self, fills: NDArray[Any], orders: NDArray[Any], touches: NDArray[Any]) -> NDArray[Any]:
        """Take rows, in the order they happened; return those of the orders with their costs.

        Parameters
        ----------
        fills, orders, touches
            ``FILL_DTYPE``, ``ORDER_DTYPE`` and ``TOUCH_DTYPE``, of shape (n,), n >= 0.
        """
        for book, at in by_book(touches["book"]):
            if book not in self._mids:
                self._mids[book] = _Mids()
            self._mids[book].add(touches[at])
        if fills.size:
            more = np.stack([fills[name] for name in _FILL_FIELDS], axis=1)
            self._fills = np.concatenate([self._fills, more])
        rows = _widened(orders)
        if orders.size:
            for book, at in by_book(orders["publisher_id"] << 32 | orders["instrument_id"]):
                self._price(rows, at, self._mids.get(book))
            self._charge(rows)
        for mids in self._mids.values():
            mids.forget()
        return rows

    @staticmethod
    def _price(rows: NDArray[Any], at: NDArray[np.intp] | slice, mids: _Mids | None) -> None:
        """Fill in the mids of one book's orders."""
        if mids is None:
            return
        orders = rows[at]
        open_ = orders["ts_closed"] == 0
        ended = mids.moves_until(orders["ts_closed"], with_equal=False)
        ended = np.where(open_, mids.moves, ended)
        # One that never arrived, and ended before the data did, did not leave.
        sent = (orders["ts_arrived"] != 0) | open_
        sent &= ~np.isin(orders["client_order_id"], _SETTLED)  # nobody decided that
        sent &= orders["client_order_id"] > ACCOUNT_ID  # somebody else did
        for name in ("sent", "arrived"):
            moves = mids.moves_until(orders[f"ts_{name}"], with_equal=True)
            known = sent & (orders[f"ts_{name}"] != 0) & (ended - moves < MOVES_MAX)
            rows[f"mid_{name}"][at] = np.where(known, mids.after(moves), NO_PRICE)
        rows["mid_closed"][at] = np.where(sent, mids.after(ended), NO_PRICE)

    def _charge(self, rows: NDArray[Any]) -> None:
        """Fill in what the orders cost, by their fills, which are no longer needed then."""
        number = _key(rows["leg"], rows["client_order_id"])
        by_number = np.argsort(number, kind="stable")
        mine = _key(self._fills[:, 0], self._fills[:, 1])
        at = np.minimum(np.searchsorted(number[by_number], mine), len(rows) - 1)
        order = by_number[at]
        ended = number[order] == mine
        fills, order = self._fills[ended], order[ended]
        self._fills = self._fills[~ended]
        together = np.argsort(order, kind="stable")
        fills, order = fills[together], order[together]
        _, _, side, price, lots, fee = fills.T

        def paid(mid: Int64Array) -> IntArray:
            return _summed(multiply(add(price, -mid[order]), side * lots), order, len(rows))

        known, (mid,) = _known(rows, "mid_arrived")
        known &= rows["filled_qty"] > 0
        rows["slippage"] = _or_none(known, paid(mid), "slippage of an order")
        known, (mid, last) = _known(rows, "mid_sent", "mid_closed")
        unfilled = rows["side"] * (rows["quantity"] - rows["filled_qty"])
        costs = add(paid(mid), multiply(add(last, -mid), unfilled))
        rows["shortfall"] = _or_none(known, costs, "shortfall of an order")
        rows["commission"] = to_int64(_summed(fee, order, len(rows)), "commissions of an order")


def _known(rows: NDArray[Any], *names: str) -> tuple[NDArray[np.bool_], list[Int64Array]]:
    """Return where all of some prices are known, and the prices, 0 where one is not."""
    known = np.logical_and.reduce([rows[name] != NO_PRICE for name in names])
    return known, [np.where(known, rows[name], 0) for name in names]


def _or_none(known: NDArray[np.bool_], values: IntArray, what: str) -> Int64Array:
    """Return the values that are known, `NO_PRICE` in the place of the others."""
    return np.where(known, to_int64(np.where(known, values, 0), what), NO_PRICE)


def _summed(values: IntArray, order: NDArray[np.intp], n: int) -> IntArray:
    """Return the sums of values by ``order``, which is ascending, for each of n."""
    out = np.zeros(n, values.dtype)
    if len(values):
        starts = np.flatnonzero(np.r_[True, order[1:] != order[:-1]])
        sums = sum_from(values, starts)
        out = out.astype(sums.dtype)
        out[order[starts]] = sums
    return out


def _key(leg: Int64Array, number: Int64Array) -> Int64Array:
    """Return what tells orders of a run apart: legs are far from 2^21, numbers from 2^40.

    Those of an account begin at -2^41, so that all numbers together take 2^42.
    """
    return np.asarray((leg << 42) + number)


def _widened(orders: NDArray[Any]) -> NDArray[Any]:
    """Return rows of `COST_DTYPE`, nothing known yet. Word by word: records copy by field."""
    words = np.full((len(orders), COST_DTYPE.itemsize // 8), NO_PRICE, np.int64)
    plain = np.ascontiguousarray(orders).view(np.int64).reshape(len(orders), _ORDER_WORDS)
    words[:, :_ORDER_WORDS] = plain
    return words.view(COST_DTYPE)[:, 0]
