"""Where a stream is cut at a moment: a snapshot of the books, then what follows."""

import numpy as np

from tapewire.market.records import F_LAST, MBO_DTYPE
from tapewire.market.snapshots import SnapshotBooks

_NOTHING = np.zeros(0, MBO_DTYPE)


class StartCut:
    """Turns a stream into one that begins at a moment with the books as they stood.

    A book that is in mid-event at the cut is written as it stands when that event ends: half an
    event can't be said by a snapshot.

    Parameters
    ----------
    until_ns
        Records whose clock (the largest ``ts_recv`` so far) is before this build the books.

    Attributes
    ----------
    snapshot_records, held
        Records added, and records that went into the books alone.
    """

    def __init__(self, until_ns: int) -> None:
        self.until_ns = until_ns
        self.snapshot_records = 0
        self.held = 0
        self._books = SnapshotBooks()
        self._clock_ns = -(2**63)
        self._is_cut = False
        self._open: set[int] = set()  # books in mid-event, as publisher_id << 32 | instrument_id

    def pass_on(self, records: np.ndarray) -> np.ndarray:
        """Return what comes of the next records, shape (n,), dtype ``MBO_DTYPE``."""
        if self._is_cut:
            return self._close_events(records) if self._open else records
        clocks = np.maximum.accumulate(records["ts_recv"].view(np.int64).copy())
        at = int(np.searchsorted(np.maximum(clocks, self._clock_ns), self.until_ns))
        self._clock_ns = max(self._clock_ns, int(clocks[-1]))
        self._hold(records[:at])
        if at == len(records):
            return _NOTHING
        self._is_cut = True
        parts = []
        for publisher_id, instrument_id in self._books.keys():  # noqa: SIM118
            if self._books.in_mid_event(publisher_id, instrument_id):
                self._open.add(publisher_id << 32 | instrument_id)
            else:
                parts.append(self._snapshot(publisher_id, instrument_id, self.until_ns))
        rest = self._close_events(records[at:]) if self._open else records[at:]
        return np.concatenate([*parts, rest])

    def rest(self, ts_recv: int) -> np.ndarray:
        """Return the snapshots of books whose event the end of the data has closed."""
        parts = [self._snapshot(key >> 32, key & 0xFFFFFFFF, ts_recv) for key in sorted(self._open)]
        self._open.clear()
        return np.concatenate([_NOTHING, *parts])

    def _close_events(self, records: np.ndarray) -> np.ndarray:
        """Hold back the rest of open events, and put each book's snapshot in where its event ends.

        Record by record, but only of books that are in mid-event.
        """
        keys = records["publisher_id"].astype(np.int64) << 32 | records["instrument_id"]
        parts = []
        done = 0
        for at in np.flatnonzero(np.isin(keys, list(self._open))):
            key = int(keys[at])
            if key not in self._open:
                continue
            parts.append(records[done:at])
            done = int(at)
            ts_recv = int(records[at]["ts_recv"])
            closed = self._books.closes_before(records[at])
            if not closed:
                self._hold(records[at : at + 1])
                done += 1
                closed = bool(records[at]["flags"] & F_LAST)
            if closed:
                self._open.remove(key)
                parts.append(self._snapshot(key >> 32, key & 0xFFFFFFFF, ts_recv))
        return np.concatenate([*parts, records[done:]])

    def _hold(self, records: np.ndarray) -> None:
        self._books.apply(records)
        self.held += len(records)

    def _snapshot(self, publisher_id: int, instrument_id: int, ts_recv: int) -> np.ndarray:
        records = self._books.snapshot(publisher_id, instrument_id, ts_recv)
        self.snapshot_records += len(records)
        return records
