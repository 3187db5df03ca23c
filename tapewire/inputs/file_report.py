"""What a DBN file of MBO records holds: counted over its chunks, and put together."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.capture import CaptureCounts, CapturePass
from tapewire.compiled.units import NS_PER_S
from tapewire.market.records import (
    F_BAD_TS_RECV,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_MBP,
    F_SNAPSHOT,
    F_TOB,
)
from tapewire.replay.dbn import DbnHeader

_TOP_BOOKS: Final = 10
_PAUSES: Final = 3
_CHANNEL_BITS: Final = 8
_FLAG_NAMES: Final = {
    F_LAST: "last",
    F_TOB: "tob",
    F_SNAPSHOT: "snapshot",
    F_MBP: "mbp",
    F_BAD_TS_RECV: "bad_ts_recv",
    F_MAYBE_BAD_BOOK: "maybe_bad_book",
}
#: Counters of the book that say how the file fits together.
_BOOK_COUNTS: Final = (
    "missing_last", "unknown_cancels", "unknown_modifies", "unknown_fills", "duplicate_adds",
    "locked_events", "crossed_events",
)  # fmt: skip


@dataclass
class FileReport:
    """What a DBN MBO file holds. Times are ns since the epoch, UTC.

    Attributes
    ----------
    bad_ts_recv_live : int
        Live records flagged BAD_TS_RECV; a snapshot's are as a matter of course.
    start : str
        How the books begin: ``snapshot``, ``clear`` (a session's start) or ``mid-session``.
    flags : dict of str to int
        Records that carry each flag.
    live_records, live_seconds, records_per_s
        Without the snapshot's records, whose times are older; the rate is by ``ts_recv``.
    peak_records_per_s, peak_second
        Most live records within one second of ``ts_recv``, and when that second begins.
    pauses : list
        The longest between two live records: ``from``, and how long in seconds.
    ts_recv_backward, ts_event_backward : int
        Records whose clock is before the record before them (``ts_event``: live ones only).
    book : dict of str to int
        Counted while the books were built: events, events without F_LAST, unknown ids, …
    flagged : list of dict
        Books of which records said something that a run may mind (``data_source: flags``).
    capture : CaptureCounts or None
        What else was found as they were built; None in a file without records.
    sequence : dict of str to int
        Live records whose sequence number is below the one before, of the same publisher and
        channel: ``restarts`` by more than half of it, ``out_of_order`` by less.
    """

    path: str
    size_bytes: int
    compressed: bool
    dbn_version: int
    dataset: str
    schema: str
    start_ns: int
    end_ns: int
    symbols: list[dict[str, Any]]
    records: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    first_ts_recv: int | None = None
    last_ts_recv: int | None = None
    first_ts_event: int | None = None
    last_ts_event: int | None = None
    live_records: int = 0
    live_seconds: float = 0.0
    records_per_s: float = 0.0
    peak_records_per_s: int = 0
    peak_second: int | None = None
    pauses: list[dict[str, Any]] = field(default_factory=list)
    bad_ts_recv_live: int = 0
    start: str = "empty"
    ts_recv_backward: int = 0
    ts_event_backward: int = 0
    book: dict[str, int] = field(default_factory=dict)
    books: int = 0
    top_books: list[dict[str, Any]] = field(default_factory=list)
    flagged: list[dict[str, Any]] = field(default_factory=list)
    capture: CaptureCounts | None = None
    sequence: dict[str, int] = field(default_factory=dict)


class FileTally:
    """Counts over the chunks of one file."""

    def __init__(self) -> None:
        self._actions = np.zeros(256, np.int64)
        self._flags = np.zeros(256, np.int64)
        self._per_book: Counter[int] = Counter()
        self._capture = CapturePass()
        self._first: np.void | None = None
        self._last: np.void | None = None
        self._live_first_recv = 0
        self._live_last: np.void | None = None
        self._recv_backward = 0
        self._event_backward = 0
        self._sequences: dict[int, int] = {}
        self._out_of_order = self._restarts = 0
        self._second, self._in_second = 0, 0
        self._peak = (0, 0)
        self._pauses: list[tuple[int, int]] = []

    def add(self, records: npt.NDArray[Any]) -> None:
        """Count one chunk, of at least one record."""
        self._capture.feed(records)
        self._actions += np.bincount(records["action"], minlength=256)
        self._flags += np.bincount(records["flags"], minlength=256)
        keys = records["publisher_id"].astype(np.int64) << 32 | records["instrument_id"]
        for key, n in zip(*np.unique(keys, return_counts=True), strict=True):
            self._per_book[int(key)] += int(n)
        self._recv_backward += _steps_back(records["ts_recv"], self._last, "ts_recv")
        live = records[(records["flags"] & F_SNAPSHOT) == 0]
        if live.size:
            self._add_live(live)
        if self._first is None:
            self._first = records[0].copy()
        self._last = records[-1].copy()

    def _add_live(self, live: npt.NDArray[Any]) -> None:
        self._event_backward += _steps_back(live["ts_event"], self._live_last, "ts_event")
        if self._live_last is None:
            self._live_first_recv = int(live["ts_recv"][0])
        self._add_sequences(live)
        clock = live["ts_recv"].astype(np.int64)
        self._add_seconds(clock)
        self._add_pauses(clock)
        self._live_last = live[-1].copy()

    def _add_sequences(self, live: npt.NDArray[Any]) -> None:
        channels = live["publisher_id"].astype(np.int64) << _CHANNEL_BITS | live["channel_id"]
        for channel in np.unique(channels).tolist():
            numbers = live["sequence"][channels == channel].astype(np.int64)
            before = np.concatenate([[self._sequences.get(channel, numbers[0])], numbers[:-1]])
            back = numbers < before
            restarts = back & (numbers < before // 2)
            self._restarts += int(restarts.sum())
            self._out_of_order += int(back.sum() - restarts.sum())
            self._sequences[channel] = int(numbers[-1])

    def _add_seconds(self, clock: npt.NDArray[np.int64]) -> None:
        """Find the busiest second; the last one of a chunk may go on in the next."""
        seconds, counts = np.unique(clock // NS_PER_S, return_counts=True)
        if seconds[0] == self._second:
            counts[0] += self._in_second
        busiest = int(counts.argmax())
        self._peak = max(self._peak, (int(counts[busiest]), int(seconds[busiest])))
        self._second, self._in_second = int(seconds[-1]), int(counts[-1])

    def _add_pauses(self, clock: npt.NDArray[np.int64]) -> None:
        first = clock[0] if self._live_last is None else np.int64(self._live_last["ts_recv"])
        before = np.concatenate([[first], clock[:-1]])
        pauses = clock - before
        for i in np.argsort(pauses)[-_PAUSES:].tolist():
            if pauses[i] > 0:
                self._pauses.append((int(pauses[i]), int(before[i])))
        self._pauses = sorted(self._pauses, reverse=True)[:_PAUSES]

    def report(self, header: DbnHeader) -> FileReport:
        """Put together what was counted, and what the file's header says."""
        report = FileReport(
            path=header.path,
            size_bytes=header.size_bytes,
            compressed=header.compressed,
            dbn_version=header.version,
            dataset=header.dataset,
            schema="mbo",
            start_ns=header.start_ns,
            end_ns=header.end_ns,
            symbols=symbols_of(header.mappings),
        )
        if self._first is None or self._last is None:
            return report
        report.records = int(self._actions.sum())
        report.actions = {chr(a): int(n) for a, n in enumerate(self._actions) if n}
        values = np.arange(256)
        report.flags = {
            name: int(self._flags[values & bit != 0].sum()) for bit, name in _FLAG_NAMES.items()
        }
        live_bad = (values & F_BAD_TS_RECV != 0) & (values & F_SNAPSHOT == 0)
        report.bad_ts_recv_live = int(self._flags[live_bad].sum())
        report.first_ts_recv = int(self._first["ts_recv"])
        report.last_ts_recv = int(self._last["ts_recv"])
        report.first_ts_event = int(self._first["ts_event"])
        report.last_ts_event = int(self._last["ts_event"])
        report.live_records = report.records - report.flags["snapshot"]
        if self._live_last is not None:
            span_ns = max(0, int(self._live_last["ts_recv"]) - self._live_first_recv)
            report.live_seconds = span_ns / NS_PER_S
            report.records_per_s = report.live_records / report.live_seconds if span_ns else 0.0
            report.peak_records_per_s = self._peak[0]
            report.peak_second = self._peak[1] * NS_PER_S
            report.pauses = [{"from": at, "seconds": ns / NS_PER_S} for ns, at in self._pauses]
        if int(self._first["flags"]) & F_SNAPSHOT:
            report.start = "snapshot"
        else:
            report.start = "clear" if chr(self._first["action"]) == "R" else "mid-session"
        report.ts_recv_backward = self._recv_backward
        report.ts_event_backward = self._event_backward
        report.capture = self._capture.finish()
        counts = report.capture.book
        report.book = {"events": counts["event_ends"]} | {k: counts[k] for k in _BOOK_COUNTS}
        report.sequence = {"restarts": self._restarts, "out_of_order": self._out_of_order}
        report.books = len(self._per_book)
        names = {m.instrument_id: m.raw_symbol for m in header.mappings}
        report.top_books = top_books(self._per_book, names)
        report.flagged = [
            {
                "publisher_id": key >> 32,
                "instrument_id": key & 0xFFFFFFFF,
                "symbol": names.get(key & 0xFFFFFFFF, str(key & 0xFFFFFFFF)),
                **said,
            }
            for key, said in self._capture.flagged().items()
        ]
        return report


def symbols_of(mappings: Any) -> list[dict[str, Any]]:
    """Return the symbols of a header as plain values."""
    return [
        {
            "symbol": m.raw_symbol,
            "instrument_id": m.instrument_id,
            "start_ns": m.start_ns,
            "end_ns": m.end_ns,
        }
        for m in mappings
    ]


def top_books(per_book: Counter[int], names: dict[int, str]) -> list[dict[str, Any]]:
    """Return the books with most records, by ``publisher_id << 32 | instrument_id``."""
    return [
        {
            "publisher_id": key >> 32,
            "instrument_id": key & 0xFFFFFFFF,
            "symbol": names.get(key & 0xFFFFFFFF, str(key & 0xFFFFFFFF)),
            "records": n,
        }
        for key, n in sorted(per_book.items(), key=lambda item: (-item[1], item[0]))
    ][:_TOP_BOOKS]


def _steps_back(clock: npt.NDArray[Any], before: np.void | None, name: str) -> int:
    steps = int(np.count_nonzero(clock[1:] < clock[:-1]))
    return steps + (before is not None and bool(clock[0] < before[name]))
