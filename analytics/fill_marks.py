"""The fills of one leg as marks of a chart: all of them up to a bound, else their extremes.

Below the price stands what the leg traded itself, summed exactly over equal spans of time.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.curves import bucket_width, downsample_minmax
from tapewire.analytics.exact import Int64Array

#: Fills on one page, over all legs that are drawn; the table holds all of them.
FILLS_DRAWN_MAX: Final = 10_000
#: Spans of time in which a leg's own volume is summed.
VOLUME_BUCKETS: Final = 240
#: Most marks of one time bucket: first, last, lowest and highest of either side.
_MARKS_OF_BUCKET: Final = 8


class FillMarks:
    """Fills of one leg, fed chunk by chunk; memory follows the bound, not the number of fills.

    Parameters
    ----------
    first_ns, last_ns
        What the chart spans. Fills outside count into the first or last bucket.
    most
        Fills that are all kept; of more, each side's first, last, lowest and highest of equal
        time buckets are.
    """

    COLUMNS: Final = ("ts_event", "last_px", "last_qty", "order_side", "client_order_id", "reason",
                      "liquidity_side")  # fmt: skip

    def __init__(self, first_ns: int, last_ns: int, most: int) -> None:
        self.fills = 0
        #: Lots bought and sold by time bucket, int64, shape (2, VOLUME_BUCKETS).
        self.volume = np.zeros((2, VOLUME_BUCKETS), np.int64)
        self.volume_width_ns = bucket_width(first_ns, last_ns, VOLUME_BUCKETS)
        self._span = (first_ns, last_ns)
        self._most = most
        self._chunks: list[dict[str, NDArray[Any]]] = []

    def add(self, fills: Mapping[str, NDArray[Any]]) -> None:
        """Take fills in order of time; times in ns, prices in 1e-9, quantities in lots."""
        chunk = {name: fills[name] for name in self.COLUMNS}
        ts, lots = chunk["ts_event"], chunk["last_qty"]
        sell = (chunk["order_side"] != "BUY").astype(np.int64)
        bucket = (np.clip(ts, *self._span) - self._span[0]) // self.volume_width_ns
        np.add.at(self.volume, (sell, bucket), lots)
        self.fills += ts.size
        self._chunks.append(chunk if self.whole else self._thin(chunk))

    @property
    def whole(self) -> bool:
        """Whether every fill is kept."""
        return self.fills <= self._most

    def marks(self) -> dict[str, NDArray[Any]]:
        """Return the columns of the fills that are kept, in order of time."""
        if not self._chunks:
            return {name: np.empty(0, np.int64) for name in self.COLUMNS}
        every = {
            name: np.concatenate([chunk[name] for chunk in self._chunks]) for name in self.COLUMNS
        }
        self._chunks = [every if self.whole else self._thin(every)]
        return self._chunks[0]

    def _thin(self, fills: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        width = bucket_width(*self._span, max(1, self._most // _MARKS_OF_BUCKET))
        ts: Int64Array = np.clip(fills["ts_event"], *self._span)
        kept = []
        for side in ("BUY", "SELL"):
            (rows,) = np.nonzero(fills["order_side"] == side)
            chosen = downsample_minmax(ts[rows], fills["last_px"][rows], self._span[0], width)
            kept.append(rows[chosen])
        keep = np.sort(np.concatenate(kept))
        return {name: column[keep] for name, column in fills.items()}
