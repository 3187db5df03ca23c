"""What a strategy knows and when, on top of the naive exchange: notices, and its loss limit.

The exchange plays by its own clock; the desk hears of fills when word of them arrives, values what
it knows at the middle of the market it was last shown, and at the loss limit withdraws its orders
and closes its position. Without crossed books, and with no two things at one and the same time.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .book import UNDEF_PRICE, Record
from .exchange import NaiveExchange
from .queues import Mine, Row

LIVE = ("PENDING_NEW", "NEW", "PARTIALLY_FILLED")
NEVER = 2**63


@dataclass
class NaiveDesk(NaiveExchange):
    """Times in ns, money in 1e-9 currency; ``notice`` is response or feed."""

    feed_ns: int = 0
    notice: str = "response"
    max_loss: int | None = None
    flatten: bool = False
    finishing: bool = False  # a market event is: what fills now was caused by its records
    captured: int = 0
    records_left: int = 0
    told: int = 0  # latest time at which word of a fill arrives
    early: int = 0
    early_ns_max: int = 0
    #: Word on its way: time, and the fill, or None where an order of the simulation ended unfilled.
    news: list[tuple[int, dict[str, Any] | None]] = field(default_factory=list)
    shown: tuple[Any, Any] = (None, None)
    mark: int | None = None
    known_position: int = 0
    known_cash: int = 0
    known_fees: int = 0
    closing: bool = False
    unclosed: bool = False  # the last closing order has ended and left something to close
    closers: int = 0
    halt: tuple[int, int] | None = None  # when, at what P&L
    halt_position: int | None = None

    # --- word from the exchange -------------------------------------------------------------------

    def fill(
        self, order: Mine, price: int, lots: int, liquidity: str, reason: str, at: int
    ) -> None:
        super().fill(order, price, lots, liquidity, reason, at)
        row: dict[str, Any] = self.fills[-1]
        if self.notice == "feed":
            seen = self.captured + self.feed_ns if self.finishing else 0
            row["ts_known"] = self.told = max(row["ts_known"], seen, self.told)
        elif self.finishing and row["ts_known"] < self.captured:
            self.early += 1
            self.early_ns_max = max(self.early_ns_max, self.captured - row["ts_known"])
        self.news.append((row["ts_known"], row))

    def close(self, order: Mine, status: str, reason: str, at: int) -> None:
        if self.finishing and self.notice == "feed":  # the venue's word on an order of a clear
            self.told = max(at + self.response_ns, self.captured + self.feed_ns, self.told)
        if order.number < 0:
            reason = order.reason
            self.news.append((max(at + self.response_ns, self.told), None))
        elif status == "CANCELED" and self.halt and at >= self.halt[0] + self.entry_ns:
            reason = "LOSS_CANCEL"
        super().close(order, status, reason, at)

    def run(self, records: np.ndarray) -> NaiveExchange:
        self.records_left = len(records)
        return super().run(records)

    # --- the two clocks ---------------------------------------------------------------------------

    def next_news(self) -> int:
        return min((ts for ts, _ in self.news), default=NEVER)

    def arrive_before(self, now: int) -> None:
        while True:
            heard = self.next_news()
            due = self.requests[0][0] if self.requests else NEVER
            if min(heard, due) >= now:
                break
            if due <= heard:
                super().arrive_before(due + 1)
            else:
                self.hear(heard)
        super().arrive_before(now)

    def note(self, event: list[Record], r: Record) -> None:
        super().note(event, r)
        self.captured = max(self.captured, r.ts_recv)
        self.records_left -= 1

    def finish(self, event: list[Record]) -> None:
        self.finishing = True
        super().finish(event)
        self.finishing = False
        local = self.captured + self.feed_ns
        while (ts := self.next_news()) <= local:
            self.hear(ts)
        self.look(local)

    # --- what the strategy knows ------------------------------------------------------------------

    def hear(self, ts: int) -> None:
        """All that is told at one time; only then is something done about it."""
        told = [row for at, row in self.news if at == ts]
        self.news = [(at, row) for at, row in self.news if at != ts]
        wanted = False
        for row in told:
            if row is None:
                self.closing, self.unclosed = False, True
                continue
            signed = row["side"] * row["last_qty"]
            self.known_position += signed
            self.known_cash -= signed * row["last_px"]
            self.known_fees += row["commission"]
            if row["client_order_id"] < 0:
                mine = self.mine[f"flatten{row['client_order_id']}"]
                known = [f for f in self.fills if f["client_order_id"] == mine.number]
                if sum(f["last_qty"] for f in known if f["ts_known"] <= ts) == mine.quantity:
                    self.closing = False
            self.value(ts)
            wanted = wanted or not self.closing
        if self.halt and self.halt_position is None:
            self.halt_position = self.known_position
        if wanted:
            self.close_out(ts)

    def look(self, local: int) -> None:
        best = [prices[0] if prices else None for prices in map(self.book.prices, "BA")]
        moved = tuple(best) != self.shown and None not in best
        self.shown = (best[0], best[1])
        to_take = best[0] if self.known_position > 0 else best[1]
        if moved:
            self.mark = sum(best) // 2
        elif self.unclosed and to_take is not None:
            self.decide(local)
        if moved and (self.position or self.known_position):
            self.value(local)
            if self.halt and self.halt_position is None:
                self.halt_position = self.known_position
            self.decide(local)

    def decide(self, local: int) -> None:
        """Act on what was shown, unless the data has ended before that is known."""
        if self.records_left or local <= self.captured:
            self.close_out(local)

    def value(self, ts: int) -> None:
        assert self.mark is not None, "the test's market has two sides before anything trades"
        units = self.known_cash + self.known_position * self.mark
        multiplier = self.multiplier
        pnl = units * multiplier.numerator // multiplier.denominator - self.known_fees
        if self.max_loss is not None and self.halt is None and pnl <= -self.max_loss:
            self.halt = ts, pnl
            self.stop(ts)

    # --- the loss limit ---------------------------------------------------------------------------

    def stop(self, ts: int) -> None:
        """What would have been sent later is denied, but cancels; what is open is withdrawn."""
        left = []
        for due, row in self.requests:
            if due - self.entry_ns <= ts or row.action == "cancel":
                left.append((due, row))
            elif row.action == "new":
                self.denials.append((due - self.entry_ns, self.mine[row.name], "MAX_LOSS"))
        self.denials.sort(key=lambda denial: denial[0])
        for name, order in self.mine.items():
            if order.ts_sent <= ts and order.status in LIVE:
                left.append((ts + self.entry_ns, Row(ts, "cancel", name)))
        self.requests = sorted(left, key=lambda request: request[0])

    def close_out(self, ts: int) -> None:
        if self.halt is None or not self.flatten or self.closing or not self.known_position:
            return
        self.closing, self.unclosed = True, False
        self.closers += 1
        order = Mine(
            -self.closers, "A" if self.known_position > 0 else "B", "MARKET", "IOC", UNDEF_PRICE,
            abs(self.known_position), ts, reason="LOSS_FLATTEN", sent="MARKET",
        )  # fmt: skip
        name = f"flatten{order.number}"
        self.mine[name] = order
        self.requests.append((ts + self.entry_ns, Row(ts, "new", name)))
        self.requests.sort(key=lambda request: request[0])
