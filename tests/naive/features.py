"""Slow, obvious features: every number from the list of all events, anew each time."""

import itertools
import math
import re
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from naive.book import F_LAST, NaiveBook, rows

NS_PER_S = 10**9
NS_PER_DAY = 86_400 * NS_PER_S
LENGTHS = {"ms": 10**6, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3_600 * NS_PER_S}
ALIASES = {
    "volatility": "volatility_5m",
    "book_imbalance": "imbalance_5",
    "trade_flow": "trade_flow_1m",
}
Levels = list[tuple[int, int]]


class Event(NamedTuple):
    """A book after one of its events: (price, lots) best first, and its trades (lots, side)."""

    time: int
    bids: Levels
    asks: Levels
    trades: list[tuple[int, int]]

    @property
    def mid2(self) -> int | None:
        return self.bids[0][0] + self.asks[0][0] if self.bids and self.asks else None

    @property
    def touch(self) -> tuple[Levels, Levels]:
        return self.bids[:1], self.asks[:1]


@dataclass
class NaiveFeatures:
    """Features of one book; its events are appended as they end."""

    close_ns: int = NS_PER_DAY
    events: list[Event] = field(default_factory=list)

    def value(self, name: str, now: int) -> float:
        name = ALIASES.get(name, name)
        now = max(now, self.events[-1].time) if self.events else now
        if name == "time_of_day":
            return (now % NS_PER_DAY) / NS_PER_S
        if name == "time_to_close":
            return ((self.close_ns - now) % NS_PER_DAY) / NS_PER_S
        found = re.fullmatch(r"(\w+?)_(\d+)(ms|s|m|h)", name)
        if found:
            length = int(found[2]) * LENGTHS[found[3]]
            if found[1] == "volatility":
                return self.volatility(length, now)
            return self.windowed(found[1], length, now)
        return self.instant(name)

    def instant(self, name: str) -> float:
        if not self.events:
            return math.nan
        _, bids, asks, _ = self.events[-1]
        if name.startswith("imbalance_"):
            levels = int(name.removeprefix("imbalance_"))
            bid_lots = sum(size for _, size in bids[:levels])
            ask_lots = sum(size for _, size in asks[:levels])
            total = bid_lots + ask_lots
            return (bid_lots - ask_lots) / total if total else math.nan
        if not bids or not asks:
            return math.nan
        (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
        return {
            "mid": (bid + ask) / (2 * 10**9),
            "spread": (ask - bid) / 10**9,
            "microprice": (bid + (ask - bid) * (bid_size / (bid_size + ask_size))) / 10**9,
        }[name]

    def mid_as_of(self, events: list[Event]) -> int | None:
        """Twice the mid as last known."""
        return next((e.mid2 for e in reversed(events) if e.mid2 is not None), None)

    def windowed(self, name: str, length: int, now: int) -> float:
        part = length // 1_000
        begin = (now - length) // part * part
        before = [e for e in self.events if e.time < begin]
        if not before:
            return math.nan
        inside = self.events[len(before) :]
        pairs = list(zip([before[-1], *inside], inside, strict=False))
        seconds = (now - begin) / NS_PER_S
        if name == "returns":
            old, new = self.mid_as_of(before), self.mid_as_of(self.events)
            return math.nan if old is None or old <= 0 else float(new - old) / old
        if name == "trade_flow":
            return float(sum(lots * side for e in inside for lots, side in e.trades))
        if name == "arrival_rate":
            return len(inside) / seconds
        if name == "trade_rate":
            return sum(len(e.trades) for e in inside) / seconds
        if name == "order_flow_imbalance":
            return float(sum(order_flow(a, b) for a, b in pairs))
        if name == "queue_depletion_bid":
            return sum(depletion(a.bids, b.bids, 1) for a, b in pairs) / seconds
        if name == "queue_depletion_ask":
            return sum(depletion(a.asks, b.asks, -1) for a, b in pairs) / seconds
        raise KeyError(name)

    def volatility(self, length: int, now: int) -> float:
        step = length // 60
        first = (now - length) // step
        # The mid as each step that had an event ended, or stands now.
        closes: dict[int, int] = {}
        mid = None
        for e in self.events:
            mid = mid if e.mid2 is None else e.mid2
            if mid is not None:
                closes[e.time // step] = mid
        steps = sorted(closes)
        if not any(k < first for k in steps):
            return math.nan
        total = 0.0
        for old, new in reversed(list(itertools.pairwise(steps))):
            if new >= first:
                total += square(closes[old], closes[new])
        return math.sqrt(total)


def square(old: int, new: int) -> float:
    if old == new and new > 0:
        return 0.0
    if old <= 0 or new <= 0:
        return math.nan
    change = math.log(new / old)
    return change * change


def order_flow(a: Event, b: Event) -> int:
    """The paper's e_n, with its indicators."""
    total = 0
    if a.bids and b.bids:
        (p0, q0), (p1, q1) = a.bids[0], b.bids[0]
        total += (p1 >= p0) * q1 - (p1 <= p0) * q0
    if a.asks and b.asks:
        (p0, q0), (p1, q1) = a.asks[0], b.asks[0]
        total += -(p1 <= p0) * q1 + (p1 >= p0) * q0
    return total


def depletion(old: Levels, new: Levels, sign: int) -> int:
    """Lots that left a best queue; ``sign`` is 1 where higher prices are better."""
    if not old:
        return 0
    if not new or sign * new[0][0] < sign * old[0][0]:
        return old[0][1]
    return max(0, old[0][1] - new[0][1]) if new[0][0] == old[0][0] else 0


def events_of(records: np.ndarray, depth: int = 10) -> list[tuple[tuple[int, int], int, Event]]:
    """(book, records of the stream before its end, event) of every event, in their order.

    An event's time is the largest ``ts_recv`` that the stream has shown as it ends.
    """
    books: dict[tuple[int, int], NaiveBook] = {}
    trades: dict[tuple[int, int], list[tuple[int, int]]] = {}
    out = []
    clock = 0

    def end(key: tuple[int, int], at: int) -> None:
        bids, asks = (
            [(price, lots) for price, lots, _ in books[key].levels(side, depth)] for side in "BA"
        )
        out.append((key, at, Event(clock, bids, asks, trades.pop(key, []))))

    for i, r in enumerate(rows(records)):
        key = r.publisher_id, r.instrument_id
        book = books.setdefault(key, NaiveBook())
        if book.ends_before(r):
            end(key, i)
        clock = max(clock, r.ts_recv)
        if chr(r.action) == "T":
            side = {"B": 1, "A": -1}.get(chr(r.side), 0)
            trades.setdefault(key, []).append((r.size, side))
        book.apply(r)
        if r.flags & F_LAST:
            end(key, i + 1)
    return out
