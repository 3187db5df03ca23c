"""Records of other schemas, made of MBO records the slow way: whole books, Python integers.

The rules are those that Databento's own files show; see `tapewire.derive.Deriver`.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .book import F_LAST, F_SNAPSHOT, UNDEF_PRICE, NaiveBook, NaiveBooks, Record, rows

RTYPES = {
    "mbp-10": 10, "mbp-1": 1, "tbbo": 1, "trades": 0, "bbo-1s": 195, "bbo-1m": 196,
    "ohlcv-1s": 32, "ohlcv-1m": 33, "ohlcv-1h": 34, "ohlcv-1d": 35,
}  # fmt: skip
SECONDS = {"1s": 1, "1m": 60, "1h": 3_600, "1d": 86_400}
NOTHING = (UNDEF_PRICE, 0, 0)
UNDEF_TIME = 2**64 - 1
Key = tuple[int, int]
Levels = tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]


@dataclass
class Said:
    """What was said of one book, and the open event's last record that may change it."""

    levels: Levels
    event: Record | None = None
    known: bool = False
    trade: Record | None = None


@dataclass
class NaiveDeriver:
    """Gives rows as plain tuples, in the order of the schema's fields."""

    schema: str
    sided: bool
    books: NaiveBooks = field(default_factory=NaiveBooks)
    said: dict[Key, Said] = field(default_factory=dict)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    #: Of the interval at hand: what each book has to say at its end.
    waiting: dict[Key, Any] = field(default_factory=dict)
    clock: int = 0
    due: int = 0

    @property
    def depth(self) -> int:
        return 10 if self.schema == "mbp-10" else 1

    @property
    def interval(self) -> int:
        return SECONDS[self.schema[-2:]] * 10**9

    def apply(self, records: np.ndarray) -> "NaiveDeriver":
        for r in rows(records):
            signed = r.ts_recv - 2**64 if r.ts_recv >= 2**63 else r.ts_recv
            if self.schema.startswith("ohlcv"):
                if r.action == ord("T") and r.price != UNDEF_PRICE:
                    self.clock = max(self.clock, signed)
                    if self.clock >= self.due:
                        self.flush()
                    self.waiting.setdefault((r.publisher_id, r.instrument_id), []).append(r)
                    self.due = (self.clock // self.interval + 1) * self.interval
                elif r.action == ord("T"):
                    self.clock = max(self.clock, signed)
                    if self.clock >= self.due:
                        self.flush()
            elif self.schema == "trades":
                if r.action == ord("T"):
                    self.rows.append(self.row(r, chr(r.side), 0, r.flags))
            else:
                self.step(r, signed)
        return self

    def step(self, r: Record, clock: int) -> None:
        key = r.publisher_id, r.instrument_id
        book = self.books.books.setdefault(key, NaiveBook(self.books.counts))
        said = self.said.setdefault(key, Said(([NOTHING] * self.depth, [NOTHING] * self.depth)))
        if book.ends_before(r):
            # The twin closes it while it applies the record; nothing changes in between.
            self.event_ends(key, book, said, 0)
        self.clock = max(self.clock, clock)
        if self.schema.startswith("bbo") and self.clock > self.due:
            self.flush()
        book.apply(r)
        if chr(r.action) in "ACMR":
            said.event = r
        elif r.action == ord("T"):
            said.trade = r
            self.show(key, r, chr(r.side), 0, r.flags, trade=True)
        if r.flags & F_LAST:
            self.event_ends(key, book, said, r.flags)

    def event_ends(self, key: Key, book: NaiveBook, said: Said, flags: int) -> None:
        now = tuple(
            [(p, min(lots, 2**32 - 1), n) for p, lots, n in book.levels(side, self.depth)]
            for side in "BA"
        )
        now = tuple(levels + [NOTHING] * (self.depth - len(levels)) for levels in now)
        changed = [
            [k for k in range(self.depth) if now[s][k] != said.levels[s][k]] for s in range(2)
        ]
        said.levels = now
        first, said.known = not said.known, True
        r, said.event = said.event, None
        if r is None or not (changed[0] or changed[1] or first or flags & F_SNAPSHOT):
            return
        side = "N"
        if self.sided and not flags & F_SNAPSHOT and bool(changed[0]) != bool(changed[1]):
            side = "B" if changed[0] else "A"
        depth = min(changed[0] + changed[1], default=0)
        self.show(key, r, side, depth, r.flags | (flags & F_LAST), trade=False)

    def show(self, key: Key, r: Record, side: str, depth: int, flags: int, *, trade: bool) -> None:
        if self.schema.startswith("bbo"):
            self.waiting[key] = (r.sequence, flags)
            self.due = -(-self.clock // self.interval) * self.interval
        elif trade or self.schema != "tbbo":
            self.rows.append(self.row(r, side, depth, flags) + self.flat(key))

    def row(self, r: Record, side: str, depth: int, flags: int) -> tuple[Any, ...]:
        words = {"mbp-10": 92, "trades": 12}.get(self.schema, 20)
        return (
            words, RTYPES[self.schema], r.publisher_id, r.instrument_id, r.ts_event, r.price,
            r.size, bytes([r.action]), side.encode(), flags, depth, r.ts_recv, r.ts_in_delta,
            r.sequence,
        )  # fmt: skip

    def flat(self, key: Key) -> tuple[int, ...]:
        bids, asks = self.said[key].levels
        return tuple(
            x for b, a in zip(bids, asks, strict=True) for x in (b[0], a[0], b[1], a[1], b[2], a[2])
        )

    def flush(self) -> None:
        """The interval ends: what waits is written, in the order in which it began to wait."""
        rtype = RTYPES[self.schema]
        for key, what in self.waiting.items():
            if self.schema.startswith("ohlcv"):
                prices = [r.price for r in what]
                bar = prices[0], max(prices), min(prices), prices[-1], sum(r.size for r in what)
                self.rows.append((14, rtype, *key, self.due - self.interval, *bar))
                continue
            sequence, flags = what
            trade = self.said[key].trade
            last = (
                (trade.ts_event, trade.price, trade.size) if trade else (UNDEF_TIME, *NOTHING[:2])
            )
            side = bytes([trade.side]) if trade else b"N"
            head = 20, rtype, *key, *last, 0, side, flags, 0, self.due, b"", sequence
            self.rows.append((*head, *self.flat(key)))
        self.waiting.clear()
