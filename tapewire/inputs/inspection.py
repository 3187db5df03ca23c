"""``tapewire data inspect``: what is in a market data file."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tapewire.compiled.units import NS_PER_S
from tapewire.errors import InputError
from tapewire.inputs.telling import Steps, iso
from tapewire.market import BookLimitError, BookSet
from tapewire.market.records import (
    F_BAD_TS_RECV,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_MBP,
    F_SNAPSHOT,
    F_TOB,
    MBO_DTYPE,
)
from tapewire.processes.signals import interruptible
from tapewire.replay.dbn import DbnFile, DbnHeader, inspect

_CHUNK_RECORDS: Final = 65_536
_TOP_BOOKS: Final = 10
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
    start : str
        How the books begin: ``snapshot``, ``clear`` (a session's start) or ``mid-session``.
    flags : dict of str to int
        Records that carry each flag.
    live_records, live_seconds, records_per_s
        Without the snapshot's records, whose times are older; the rate is by ``ts_recv``.
    ts_recv_backward, ts_event_backward : int
        Records whose clock is before the record before them (``ts_event``: live ones only).
    book : dict of str to int
        Counted while the books were built: events, events without F_LAST, unknown ids, …
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
    start: str = "empty"
    ts_recv_backward: int = 0
    ts_event_backward: int = 0
    book: dict[str, int] = field(default_factory=dict)
    books: int = 0
    top_books: list[dict[str, Any]] = field(default_factory=list)


class _Tally:
    """Counts over the chunks of one file."""

    def __init__(self) -> None:
        self.actions = np.zeros(256, np.int64)
        self.flags = np.zeros(256, np.int64)
        self.per_book: Counter[int] = Counter()
        self.books = BookSet()
        self.first: np.void | None = None
        self.last: np.void | None = None
        self.live_first_recv = 0
        self.live_last: np.void | None = None
        self.recv_backward = 0
        self.event_backward = 0

    def add(self, records: np.ndarray) -> None:
        """Count one chunk, of at least one record."""
        self.books.apply(records)
        self.actions += np.bincount(records["action"], minlength=256)
        self.flags += np.bincount(records["flags"], minlength=256)
        keys = records["publisher_id"].astype(np.int64) << 32 | records["instrument_id"]
        for key, n in zip(*np.unique(keys, return_counts=True), strict=True):
            self.per_book[int(key)] += int(n)
        self.recv_backward += _steps_back(records["ts_recv"], self.last, "ts_recv")
        live = records[(records["flags"] & F_SNAPSHOT) == 0]
        if live.size:
            self.event_backward += _steps_back(live["ts_event"], self.live_last, "ts_event")
            if self.live_last is None:
                self.live_first_recv = int(live["ts_recv"][0])
            self.live_last = live[-1].copy()
        if self.first is None:
            self.first = records[0].copy()
        self.last = records[-1].copy()


@contextmanager
def book_limits(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let a file that passes a limit of the books be its own fault, not ours."""
    try:
        yield
    except BookLimitError as error:
        raise InputError(f"{path}: has {error}: the file is corrupt or not of a market") from None


def _steps_back(clock: np.ndarray, before: np.void | None, name: str) -> int:
    steps = int(np.count_nonzero(clock[1:] < clock[:-1]))
    return steps + (before is not None and bool(clock[0] < before[name]))


def inspect_file(
    path: str | os.PathLike[str], *, as_json: bool = False, console: Console | None = None
) -> FileReport:
    """Read a whole DBN MBO file and report what it holds.

    Parameters
    ----------
    path
        A ``.dbn`` or ``.dbn.zst`` file of schema ``mbo``, DBN version 1, 2 or 3.
    as_json
        Print one JSON object with `FileReport`'s keys in place of tables.
    console
        Where to print; without one, nothing is printed.

    Raises
    ------
    InputError
        If the file can't be read, is no such file, is truncated or corrupt, or passes a limit of
        the books.
    InterruptedRunError
        If the user stopped it.
    """
    header = inspect(os.fspath(path))
    tally = _Tally()
    chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
    with (
        interruptible(),
        book_limits(path),
        DbnFile(header.path) as file,
        Steps("reading", header.records) as steps,
    ):
        while n := file.read_into(chunk):
            records = chunk[:n]
            file.require_mbo(records)
            tally.add(records)
            steps(file.records_read)
    report = _report(header, tally)
    if console is not None:
        if as_json:
            console.out(json.dumps(asdict(report), indent=2), highlight=False)
        else:
            _print_report(report, console)
    return report


def _report(header: DbnHeader, tally: _Tally) -> FileReport:
    report = FileReport(
        path=header.path,
        size_bytes=header.size_bytes,
        compressed=header.compressed,
        dbn_version=header.version,
        dataset=header.dataset,
        schema="mbo",
        start_ns=header.start_ns,
        end_ns=header.end_ns,
        symbols=[
            {
                "symbol": m.raw_symbol,
                "instrument_id": m.instrument_id,
                "start_ns": m.start_ns,
                "end_ns": m.end_ns,
            }
            for m in header.mappings
        ],
    )
    if tally.first is None or tally.last is None:
        return report
    report.records = int(tally.actions.sum())
    report.actions = {chr(a): int(n) for a, n in enumerate(tally.actions) if n}
    values = np.arange(256)
    report.flags = {
        name: int(tally.flags[values & bit != 0].sum()) for bit, name in _FLAG_NAMES.items()
    }
    report.first_ts_recv = int(tally.first["ts_recv"])
    report.last_ts_recv = int(tally.last["ts_recv"])
    report.first_ts_event = int(tally.first["ts_event"])
    report.last_ts_event = int(tally.last["ts_event"])
    report.live_records = report.records - report.flags["snapshot"]
    if tally.live_last is not None:
        span_ns = max(0, int(tally.live_last["ts_recv"]) - tally.live_first_recv)
        report.live_seconds = span_ns / NS_PER_S
        report.records_per_s = report.live_records / report.live_seconds if span_ns else 0.0
    if int(tally.first["flags"]) & F_SNAPSHOT:
        report.start = "snapshot"
    else:
        report.start = "clear" if chr(tally.first["action"]) == "R" else "mid-session"
    report.ts_recv_backward = tally.recv_backward
    report.ts_event_backward = tally.event_backward
    counts = tally.books.counts
    report.book = {"events": counts["event_ends"]} | {k: counts[k] for k in _BOOK_COUNTS}
    report.books = len(tally.per_book)
    names = {m.instrument_id: m.raw_symbol for m in header.mappings}
    report.top_books = [
        {
            "publisher_id": key >> 32,
            "instrument_id": key & 0xFFFFFFFF,
            "symbol": names.get(key & 0xFFFFFFFF, str(key & 0xFFFFFFFF)),
            "records": n,
        }
        for key, n in sorted(tally.per_book.items(), key=lambda item: (-item[1], item[0]))
    ][:_TOP_BOOKS]
    return report


def _print_report(report: FileReport, console: Console) -> None:
    def shares(counts: dict[str, int]) -> str:
        return "  ".join(
            f"{name} {n:,} ({n / report.records:.1%})" for name, n in counts.items() if n
        )

    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    packed = "zstd" if report.compressed else "uncompressed"
    symbols = ", ".join(dict.fromkeys(s["symbol"] for s in report.symbols[:12]))
    symbols = symbols or "none: instruments go by their numbers (instrument_id)"
    more = len(report.symbols) - 12
    rows = [
        ("file", f"{report.path} ({report.size_bytes:,} bytes, {packed})"),
        ("format", f"DBN version {report.dbn_version}, {report.dataset}, {report.schema}"),
        ("made for", f"{iso(report.start_ns or None)} to {iso(report.end_ns or None)}"),
        ("symbols", symbols + (f" and {more:,} more mappings" if more > 0 else "")),
        ("records", f"{report.records:,}, of them {report.live_records:,} live"),
    ]
    if report.records:
        clocks = (
            f"ts_recv steps back {report.ts_recv_backward:,} times, "
            f"ts_event {report.ts_event_backward:,} times"
        )
        problems = {k: v for k, v in report.book.items() if v and k != "events"}
        rows += [
            ("actions", shares(report.actions)),
            ("flags", shares(report.flags)),
            ("ts_recv", f"{iso(report.first_ts_recv)} to {iso(report.last_ts_recv)}"),
            ("ts_event", f"{iso(report.first_ts_event)} to {iso(report.last_ts_event)}"),
            (
                "rate",
                f"{report.records_per_s:,.1f} live records/s over {report.live_seconds:,.1f} s",
            ),
            ("start", report.start),
            ("events", f"{report.book['events']:,}"),
            ("clocks", clocks),
            ("book", ", ".join(f"{k} {v:,}" for k, v in problems.items()) or "nothing unusual"),
        ]
    for name, value in rows:
        facts.add_row(Text(name, "bold"), Text(value))
    console.print(facts)
    if report.top_books:
        books = Table(title=f"largest of {report.books:,} books", title_justify="left")
        for name in ("publisher", "instrument", "symbol", "records"):
            books.add_column(name, justify="left" if name == "symbol" else "right")
        for b in report.top_books:
            books.add_row(
                str(b["publisher_id"]),
                str(b["instrument_id"]),
                Text(b["symbol"]),
                f"{b['records']:,}",
            )
        console.print(books)
