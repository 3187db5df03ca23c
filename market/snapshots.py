"""Books as records: a snapshot from which another book can begin where this one stands."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.market import _origins
from tapewire.market.book import BookSet, batch_address
from tapewire.market.layout import ASK, BID, NO_SNAPSHOT
from tapewire.market.records import (
    ACTION_ADD,
    ACTION_CLEAR,
    F_LAST,
    F_SNAPSHOT,
    F_TOB,
    MBO_DTYPE,
    MBO_KERNEL_DTYPE,
    RECORD_LENGTH_WORDS,
    RTYPE_MBO,
    SIDE_ASK,
    SIDE_BID,
    SIDE_NONE,
    UNDEF_PRICE,
)

_SIDES: Final = ((BID, SIDE_BID), (ASK, SIDE_ASK))


class SnapshotBooks(BookSet):
    """Books that can be written out as records."""

    def __init__(self) -> None:
        super().__init__()
        self._origins = self._new_origins()

    def _new_origins(self) -> npt.NDArray[np.int64]:
        return np.zeros((self._market.orders.capacity, _origins.ORIGIN_COLUMNS), np.int64)

    def apply(self, records: npt.NDArray[Any]) -> None:
        """Apply records, shape (n,), dtype ``MBO_DTYPE``, in stream order."""
        address, n, _keep = batch_address(records)
        start = 0
        while start < n:
            status, start = _origins.apply_batch_with_origins(
                self._market.state, address, n, start, self._origins
            )
            if status:
                self._market.resolve(status)
                if len(self._origins) < self._market.orders.capacity:
                    kept = self._origins
                    self._origins = self._new_origins()
                    self._origins[: len(kept)] = kept

    def in_mid_event(self, publisher_id: int, instrument_id: int) -> bool:
        """Whether the last event of a book, or a snapshot, is not closed yet."""
        state = self._market.books.records[self._known(publisher_id, instrument_id)]
        return bool(state["open"] or state["in_snapshot"] != NO_SNAPSHOT)

    def closes_before(self, record: Any) -> bool:
        """Whether a record of a known book begins a new event although the last is not closed.

        Judged as the books themselves do: outside a snapshot by both clocks.
        """
        book = self._known(int(record["publisher_id"]), int(record["instrument_id"]))
        state = self._market.books.records[book]
        if state["in_snapshot"] > NO_SNAPSHOT:
            return not record["flags"] & F_SNAPSHOT
        return all(
            np.int64(record[name].view(np.int64)) != state[name] for name in ("ts_event", "ts_recv")
        )

    def snapshot(self, publisher_id: int, instrument_id: int, ts_recv: int) -> npt.NDArray[Any]:
        """Return a book as the records of one event: R, then its orders in priority order.

        All are flagged F_SNAPSHOT, the last one F_LAST as well; a top-of-book publisher's sides
        are F_TOB adds. Adds have the ``ts_event`` (and sequence number) of the record that gave
        the order its place; R has the book's clock, so that no clock goes back.

        Parameters
        ----------
        ts_recv
            Of all the records, ns.
        """
        book = self._known(publisher_id, instrument_id)
        sides = [self._resting(book, side) for side, _ in _SIDES]
        out = np.zeros(1 + sum(map(len, sides)), MBO_KERNEL_DTYPE)
        for name, value in (
            ("length", RECORD_LENGTH_WORDS), ("rtype", RTYPE_MBO), ("publisher_id", publisher_id),
            ("instrument_id", instrument_id), ("ts_recv", ts_recv), ("flags", F_SNAPSHOT),
            ("action", ACTION_ADD),
        ):  # fmt: skip
            out[name] = value
        clear = out[0]
        clear["action"], clear["side"], clear["price"] = ACTION_CLEAR, SIDE_NONE, UNDEF_PRICE
        clear["ts_event"] = self._market.books.records[book]["clock"]
        at = 1
        for (_, side), rows in zip(_SIDES, sides, strict=True):
            adds = out[at : at + len(rows)]
            adds["side"] = side
            adds["price"] = rows[:, _origins.PRICE]
            adds["size"] = rows[:, _origins.SIZE]
            adds["order_id"] = rows[:, _origins.ORDER_ID]
            adds["ts_event"] = rows[:, _origins.RESTING_TS_EVENT]
            adds["sequence"] = rows[:, _origins.RESTING_SEQUENCE]
            adds["flags"] |= np.where(rows[:, _origins.IS_TOP] != 0, F_TOB, 0).astype(np.uint8)
            at += len(rows)
        out[-1]["flags"] |= F_LAST
        return out.view(MBO_DTYPE)

    def _resting(self, book: int, side: int) -> npt.NDArray[np.int64]:
        orders = int(self._market.sides.records[2 * book + side]["orders"])
        rows = np.zeros((orders, _origins.RESTING_COLUMNS), np.int64)
        _origins.read_resting(self._market.state, book, side, self._origins, rows)
        return rows
