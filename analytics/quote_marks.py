"""Where a leg's own orders rested, for its chart: every one of them, or, beyond a bound, none.

A part of the orders would look like a strategy that quoted less than it did, so there is no part.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.exact import Int64Array

#: Resting orders on one page, over all legs that are drawn; the table holds all of them.
QUOTES_DRAWN_MAX: Final = 6_000


class QuoteMarks:
    """Resting orders of one leg, fed chunk by chunk; memory follows the bound.

    Parameters
    ----------
    last_ns
        Where orders that were open at the end are drawn to.
    most
        Orders that are kept; of more, none is.
    """

    COLUMNS: Final = (
        "order_side",
        "price",
        "queue_ahead",
        "ts_arrived",
        "ts_replaced",
        "ts_closed",
    )

    def __init__(self, last_ns: int, most: int) -> None:
        self.orders = 0
        self._last_ns = last_ns
        self._most = most
        self._chunks: list[dict[str, NDArray[Any]]] = []

    def add(self, orders: Mapping[str, NDArray[Any]]) -> None:
        """Take orders in any order; prices in 1e-9, times in ns, a missing one is negative."""
        rested = orders["queue_ahead"] >= 0
        self.orders += int(np.count_nonzero(rested))
        if not self.whole:
            self._chunks.clear()
            return
        self._chunks.append({name: orders[name][rested] for name in self.COLUMNS})

    @property
    def whole(self) -> bool:
        """Whether every resting order is kept."""
        return self.orders <= self._most

    def spans(self) -> tuple[Int64Array, Int64Array, Int64Array, NDArray[np.bool_]]:
        """Return starts and ends (ns), prices (1e-9) and whether each buys, ascending by start.

        Of a replaced order it is the last price, from when it was replaced.
        """
        if not self._chunks:
            none = np.empty(0, np.int64)
            return none, none, none, np.empty(0, np.bool_)
        every = {name: np.concatenate([c[name] for c in self._chunks]) for name in self.COLUMNS}
        start = np.maximum(every["ts_arrived"], every["ts_replaced"])
        end = np.where(every["ts_closed"] < 0, self._last_ns, every["ts_closed"])
        order = np.argsort(start, kind="stable")
        buys = every["order_side"] == "BUY"
        return start[order], np.maximum(start, end)[order], every["price"][order], buys[order]
