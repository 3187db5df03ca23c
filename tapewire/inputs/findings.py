"""What is odd about a capture, how bad that is, and what it means for a run."""

from dataclasses import dataclass
from typing import Final, Literal

from tapewire.compiled.units import NS_PER_S
from tapewire.inputs.file_report import FileReport

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing found in a file.

    Attributes
    ----------
    level : str
        ``error``: records are missing, doubled or out of order, so that the books are not the
        venue's; ``warning``: a run's results need a second look; ``note``: worth knowing.
    name : str
    count : int
        Of records, or of what the text says.
    first_record : int or None
        Number of the first one in the file.
    text : str
        What was found.
    meaning : str
        For a run.
    """

    level: Level
    name: str
    count: int
    first_record: int | None
    text: str
    meaning: str


#: Findings that are a count: level, name, what was found, what it means.
_COUNTED: Final[tuple[tuple[Level, str, str, str], ...]] = (
    ("error", "ts_recv_backward", "records have a ts_recv before the record before them",
     "a run clamps its clock to the largest so far; sort the file, or fetch it again"),
    ("error", "undefined_ts_recv", "records have no ts_recv",
     "nobody knows when they arrived; a run takes the time of the record before"),
    ("error", "maybe_bad_book", "records are flagged MAYBE_BAD_BOOK: the capture lost some before",
     "queue places and fills after them are guesses until the next snapshot or clear"),
    ("error", "duplicate_adds", "adds are of an order id that rests already",
     "the later one counts, at the back of its queue; the file may hold records twice"),
    ("error", "excess_cancels", "cancels are for more lots than the order had",
     "sizes ahead in the queue are wrong; records are missing"),
    ("warning", "fills_jumped", "fills passed over orders that stood before theirs and stayed",
     "the venue is not first in, first out there (see queue models), or records are missing"),
    ("warning", "crossed_trading", "events after a book's first trade left it crossed",
     "what happens to fills then is simulation.book_policy's to say"),
    ("warning", "ts_event_after_ts_recv", "records have a ts_event after their ts_recv",
     "the clocks of venue and capture disagree: latencies measured from them are too short"),
    ("warning", "unfinished_events", "books are in the middle of an event as the file ends",
     "the file is cut there; what the event would have brought is not known"),
    ("warning", "out_of_order", "live records have a sequence number below the one before",
     "the channel's records are not in the venue's order"),
    ("note", "restarts", "times a channel's sequence numbers began again",
     "a restart of the feed, or a session's beginning; nothing to do"),
    ("note", "missing_last", "events ended without F_LAST",
     "a run ends them where both clocks move on, and counts that"),
    ("note", "bad_ts_recv_live", "live records are flagged BAD_TS_RECV",
     "their arrival is an estimate; feed latencies from them are, too"),
    ("note", "unknown_fills", "fills are of an order that is in no queue",
     "implied or hidden volume: simulation's policy for trades without a resting order applies"),
    ("note", "excess_fills", "fills are for more lots than the order showed",
     "icebergs that trade hidden lots at once; their queues are longer than they look"),
    ("note", "fills_auction", "fills belong to trades without a side",
     "an auction at one price: orders better than it fill, those at it by queue"),
    ("note", "crossed_before_trading", "events before a book's first trade left it crossed",
     "a pre-open: nothing trades, and simulated orders wait"),
    ("note", "locked_events", "events left a book locked",
     "bid and ask at one price; fills then are simulation's policy"),
    ("note", "negative_prices", "records have a price below zero",
     "ordinary for spreads and some commodities"),
    ("note", "clears", "records clear a book (R)",
     "the venue's orders are gone then; simulated ones stay, unless the session says otherwise"),
)  # fmt: skip

_STARTS: Final = {
    "snapshot": "a snapshot: the books are whole from the first live record on",
    "clear": "a clear, the start of a session: the books are whole from the first record on",
    "mid-session": "no snapshot, in mid-session: orders that rested before are not known",
    "empty": "nothing: there are no records",
}


def findings_of(report: FileReport) -> list[Finding]:
    """Return what is odd about a file, worst first."""
    if report.capture is None:
        return [Finding("error", "empty", 0, None, "there are no records", "nothing to run over")]
    counts = _counts(report)
    first = report.capture.first
    found = [
        Finding(level, name, counts[name], first.get(name), text, meaning)
        for level, name, text, meaning in _COUNTED
        if counts[name]
    ]
    found += _unknown_ids(report)
    if report.start == "mid-session":
        found.append(
            Finding("note", "mid_session", 1, 0, "the file begins in mid-session",
                    "queues are short and the touch may be wrong until old orders are gone")
        )  # fmt: skip
    order = ("error", "warning", "note")
    return sorted(found, key=lambda finding: order.index(finding.level))


def _counts(report: FileReport) -> dict[str, int]:
    capture = report.capture
    assert capture is not None
    book, gaps = capture.book, capture.gaps
    return {
        **book, **capture.clocks, **capture.sizes, **gaps, **report.sequence,
        "fills_jumped": capture.fills["jumped"],
        "fills_auction": capture.fills["auction"],
        "crossed_trading": gaps["crossed_events"] - gaps["crossed_before_trading"],
        "bad_ts_recv_live": report.bad_ts_recv_live,
        "negative_prices": capture.negative_prices,
    }  # fmt: skip


def _unknown_ids(report: FileReport) -> list[Finding]:
    """C and M of unknown orders are a matter of course where the start is not known."""
    assert report.capture is not None
    level: Level = "note" if report.start == "mid-session" else "error"
    meaning = (
        "they rested before the file begins"
        if level == "note"
        else "the books began whole, so that records are missing"
    )
    return [
        Finding(level, name, n, report.capture.first.get(name), text, meaning)
        for name, text in (
            ("unknown_cancels", "cancels are of an order nobody had heard of"),
            ("unknown_modifies", "modifies are of an order nobody had heard of"),
        )
        if (n := report.capture.book[name])
    ]


def start_meaning(report: FileReport) -> str:
    """Return how the books begin, and what that means, in words."""
    return _STARTS[report.start]


def crossed_words(report: FileReport) -> str:
    """Return for how long books were locked or crossed, in words; empty: never."""
    if report.capture is None:
        return ""
    gaps = report.capture.gaps
    words = [
        f"{gaps[f'{what}_events']:,} events left a book {what}, "
        f"{gaps[f'{what}_ns'] / NS_PER_S:,.1f} s in all"
        for what in ("locked", "crossed")
        if gaps[f"{what}_events"]
    ]
    return "; ".join(words)
