"""A slow, obvious account of what records of a book say of themselves, and of when it is in doubt.

By sets and plain counts, beside a `NaiveBook`: the twin of `tapewire.router._doubts`.
"""

from collections import Counter

from naive.book import F_LAST, F_SNAPSHOT, NaiveBook, Record

ONE_EVENT = {"bad_ts_recv", "missing_last"}


class NaiveDoubts:
    """One book; ``minds`` are the kinds that put it in doubt."""

    def __init__(self, minds: set[str]) -> None:
        self.minds = minds
        self.book = NaiveBook()
        self.counts: Counter[str] = Counter()
        self.doubts: set[str] = set()
        self.times = self.events = 0  # that it came to be in doubt, that left it so
        self.number = 0  # of the current event
        self.noted = -1  # the last event with something that concerns it alone
        self.lost_at = 0  # rebuilds when records were last lost
        self.seen = False

    @property
    def rebuilds(self) -> int:
        return self.book.counts["clears"] + self.book.counts["snapshots"]

    def apply(self, r: Record) -> None:
        if self.book.ends_before(r):
            self.end_without_last()
        closed = self.book.apply(r)
        if r.flags & 4:
            self.lost_at = self.rebuilds
            self.note("maybe_bad_book")
        if r.flags & 8 and not r.flags & F_SNAPSHOT and chr(r.action) != "R":
            self.note("bad_ts_recv")
        if chr(r.action) == "R" and not r.flags & F_SNAPSHOT and self.seen:
            self.note("clear")
        self.seen = True
        if closed:
            self.finish()

    def end_without_last(self) -> None:
        assert self.book.last is not None
        if chr(self.book.last.action) != "R":  # a clear alone lacks nothing
            self.note("missing_last")
        self.finish()

    def end_of_data(self) -> None:
        if self.book.last is not None and not self.book.last.flags & F_LAST:
            self.end_without_last()

    def note(self, kind: str) -> None:
        self.counts[kind] += 1
        if kind not in self.minds:
            return
        self.times += not self.doubts
        self.doubts.add(kind)
        if kind in ONE_EVENT:
            self.noted = self.number

    def finish(self) -> None:
        """The current event is over: what is there no reason to doubt any more?"""
        if not self.book.snapshot_open:
            if self.rebuilds > self.lost_at:
                self.doubts.discard("maybe_bad_book")
            if self.book.sides["B"] and self.book.sides["A"]:
                self.doubts.discard("clear")
        if self.number > self.noted:
            self.doubts -= ONE_EVENT
        self.events += bool(self.doubts)
        self.number += 1
