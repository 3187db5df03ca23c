"""Small generated markets and order logs: few prices, so that orders cross, queue and refill."""

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from naive.book import NaiveBook, rows
from naive.queues import Row
from stories import INSTRUMENT, LAST, PUBLISHER, SNAPSHOT, START_NS, Line, Log
from tapewire.execution.codes import Liquidity, OrderStatus, OrderType, TimeInForce
from tapewire.market.records import MBO_DTYPE, UNDEF_PRICE

WORDS = {
    "status": OrderStatus,
    "order_type": OrderType,
    "time_in_force": TimeInForce,
    "liquidity": Liquidity,
}
UNIT = 10**9


@dataclass
class Market:
    """A small venue that keeps to the rules: price and time priority, icebergs, snapshots."""

    draw: random.Random
    book: NaiveBook = field(default_factory=NaiveBook)
    clock: int = START_NS
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    next_id: int = 1
    recv: int = START_NS

    def emit(self, *lines: Line, old: bool = False) -> None:
        self.recv = max(self.recv, self.clock + self.draw.choice((0, 0, 300, 1_500)))
        for k, line in enumerate(lines):
            last = LAST if k == len(lines) - 1 else 0
            row = (
                14, 160, PUBLISHER, INSTRUMENT, START_NS - 10**12 if old else self.clock,
                line.order_id, line.price, line.size, line.flags | last, 0, ord(line.action),
                ord(line.side), self.recv, 0, len(self.rows),
            )  # fmt: skip
            self.rows.append(row)
            self.book.apply(next(rows(np.array([row], MBO_DTYPE))))

    def step(self, crossing: bool) -> None:
        self.clock += self.draw.choice((0, 0, 1, 700, 1_000, 2_500, 9_000))
        kinds = [self.add] * 6 + [self.cancel] * 3 + [self.modify] * 3 + [self.trade] * 5
        kinds += [self.snapshot, self.hidden] + ([self.add_anywhere, self.auction] * crossing)
        if self.draw.random() < 0.01:
            kinds = [self.clear]
        self.draw.choice(kinds)()

    def price(self, side: str) -> int:
        """Any price that does not cross the other side."""
        other = self.book.prices("A" if side == "B" else "B")
        for _ in range(20):
            price = self.draw.randint(-2, 3) * UNIT
            if not other or (price < other[0] if side == "B" else price > other[0]):
                return price
        return (other[0] - UNIT) if side == "B" else other[0] + UNIT

    def new(self, side: str, price: int, size: int) -> Line:
        self.next_id += 1
        return Line("A", side, self.next_id, price, size)

    def add(self) -> None:
        side = self.draw.choice("BA")
        self.emit(self.new(side, self.price(side), self.draw.randint(1, 6)))

    def add_anywhere(self) -> None:
        self.emit(self.new(self.draw.choice("BA"), self.draw.randint(-2, 3) * UNIT, 2))

    def some(self) -> Any:
        return self.draw.choice(list(self.book.orders.values())) if self.book.orders else None

    def cancel(self) -> None:
        order = self.some()
        if order is not None:
            size = self.draw.choice((order.size, order.size, 1))
            self.emit(Line("C", order.side, order.order_id, order.price, size))

    def modify(self) -> None:
        order = self.some()
        if order is not None:
            price = self.draw.choice((order.price, order.price, self.price(order.side)))
            self.emit(Line("M", order.side, order.order_id, price, self.draw.randint(1, 7)))

    def trade(self) -> None:
        """An aggressor, perhaps a modified resting order, walks the book and may rest."""
        side = self.draw.choice("BA")
        resting = "A" if side == "B" else "B"
        queue = [
            o for price in self.book.prices(resting)[: self.draw.randint(1, 3)]
            for o in self.book.sides[resting][price]
        ]  # fmt: skip
        if not queue:
            return
        wanted = self.draw.randint(1, 14)
        fills: dict[int, int] = {}
        pulled, after, lots = [], [], []
        for order in queue:
            if wanted == 0:
                break
            fate = self.draw.random()
            if fate < 0.08:  # self-match prevention
                pulled.append(Line("C", resting, order.order_id, order.price, order.size))
                continue
            taken = min(wanted, order.size)
            if fate > 0.9:  # an iceberg gives more than it shows
                taken = min(wanted, order.size + self.draw.randint(0, 4))
            fills[order.order_id] = taken
            wanted -= taken
            lots.append(Line("F", resting, order.order_id, order.price, taken))
            left = order.size - taken
            if left < 0 or (left == 0 and fate > 0.8):
                left = self.draw.randint(1, 4)
            if left:
                after.append(Line("M", resting, order.order_id, order.price, left))
            else:
                after.append(Line("C", resting, order.order_id, order.price, order.size))
        if not fills:
            return
        own = [o for p in self.book.prices(side) for o in self.book.sides[side][p]]
        aggressor = self.draw.choice(own) if own and self.draw.random() < 0.3 else None
        name = self.draw.choice((0, aggressor.order_id)) if aggressor else 0
        total = sum(fills.values())
        lines = [Line("T", self.draw.choice((side, side, "N")) if name else side, name,
                      lots[-1].price, total)]  # fmt: skip
        if aggressor is not None:
            lines.append(Line("F", side, aggressor.order_id, lots[-1].price, total))
        lines += lots
        if self.draw.random() < 0.1:
            lines.append(Line("F", resting, 999_999, lots[-1].price, 2))
        lines += pulled + after
        if aggressor is not None:
            lines.append(Line("C", side, aggressor.order_id, aggressor.price, aggressor.size))
        elif self.draw.random() < 0.3:
            gone = {line.order_id for line in after + pulled if line.action == "C"}
            left_prices = [o.price for o in queue if o.order_id not in gone]
            everything = [
                p for p in self.book.prices(resting)
                if any(o.order_id not in gone for o in self.book.sides[resting][p])
            ]  # fmt: skip
            price = lots[-1].price
            free = not everything or (
                price < everything[0] if side == "B" else price > everything[0]
            )
            if free and price not in left_prices:
                lines.append(self.new(side, price, self.draw.randint(1, 5)))
        if self.draw.random() < 0.15:  # implied: nobody has a side
            lines = [line._replace(side="N") if line.action in "TF" else line for line in lines]
        self.emit(*lines)

    def hidden(self) -> None:
        """A trade with no resting order that anybody knows of."""
        price = self.draw.randint(-2, 3) * UNIT
        self.emit(Line("T", self.draw.choice("BAN"), 0, price, self.draw.randint(1, 4)))

    def clear(self) -> None:
        lines = [Line("R", "N", 0, UNDEF_PRICE, 0)]
        if self.draw.random() < 0.5:
            lines.append(self.new("B", -UNIT, 2))
        self.emit(*lines)

    def auction(self) -> None:
        """A crossed book clears at one price, as much as can."""
        bids, asks = self.book.prices("B"), self.book.prices("A")
        if not bids or not asks or bids[0] < asks[0]:
            return
        price = self.draw.randint(asks[0] // UNIT, bids[0] // UNIT) * UNIT
        queues = {
            "B": [o for p in bids if p >= price for o in self.book.sides["B"][p]],
            "A": [o for p in asks if p <= price for o in self.book.sides["A"][p]],
        }
        total = min(sum(o.size for o in queue) for queue in queues.values())
        lines = [Line("T", "N", 0, price, total)]
        after = []
        for side, queue in queues.items():
            left = total
            for order in queue:
                lots = min(left, order.size)
                if lots:
                    left -= lots
                    lines.append(Line("F", "N", order.order_id, price, lots))
                    action, size = ("C", lots) if lots == order.size else ("M", order.size - lots)
                    after.append(Line(action, side, order.order_id, order.price, size))
        self.emit(*lines, *after)

    def snapshot(self) -> None:
        """The book as it is, with some orders gone and others new, after a gap in the feed."""
        if self.draw.random() < 0.6 or not self.book.orders:
            return
        lines = [Line("R", "N", 0, UNDEF_PRICE, 0)] if self.draw.random() < 0.5 else []
        for side in "BA":
            for price in self.book.prices(side):
                for order in self.book.sides[side][price]:
                    if self.draw.random() < 0.85:
                        size = max(1, order.size - self.draw.choice((0, 0, 1)))
                        lines.append(Line("A", side, order.order_id, price, size))
                    if self.draw.random() < 0.1:
                        lines.append(self.new(side, price, 3))
        if not lines or lines[-1].action != "A":
            return
        self.emit(*(line._replace(flags=SNAPSHOT) for line in lines), old=True)

    def records(self) -> np.ndarray:
        return np.array(self.rows, MBO_DTYPE)


def generated_log(draw: random.Random, n: int, span: int, prices: Callable[[], int]) -> list[Row]:
    """News, cancels and replaces, many of them close together."""
    out: list[Row] = []
    names: list[str] = []
    at = START_NS
    for k in range(n):
        at += draw.choice((0, 1_000, 3_000, int(2 * span / n)))
        fate = draw.random()
        if not names or fate < 0.55:
            names.append(f"o{k}")
            market = draw.random() < 0.2
            out.append(
                Row(at, "new", names[-1], draw.choice("BA"), None if market else prices(),
                    draw.choice((1, 2, 3, 5, 9, 20)), draw.choice(("GTC", "GTC", "GTC", "IOC")))
            )  # fmt: skip
        elif fate < 0.75:
            out.append(Row(at, "cancel", draw.choice(names[-5:])))
        else:
            out.append(
                Row(at, "replace", draw.choice(names[-5:]), "", prices(), draw.randint(1, 12))
            )
    return out


def with_terms(
    draw: random.Random, log: list[Row], prices: Callable[[], int], *, protected: bool
) -> list[Row]:
    """The log again, with terms of all kinds, some of which don't go together.

    Whether an order without a price can be replaced depends on what its strategy was told by then:
    such replaces are left out.
    """
    out: list[Row] = []
    priced: dict[str, bool] = {}
    for row in log:
        if row.action != "new":
            if row.action == "cancel" or priced[row.name]:
                out.append(row)
            continue
        changes: dict[str, Any] = {}
        fate = draw.random()
        if fate < 0.25:
            changes["trigger"] = prices()
        elif fate < 0.35 and row.price is None:
            changes["to_limit"] = True
        elif fate < 0.55:
            changes["post"] = draw.choice(("reject", "reprice"))
        elif fate < 0.75:
            changes["least"] = draw.randint(1, 4)
        if draw.random() < 0.25:
            changes["display"] = draw.randint(1, 1 + row.quantity)
        changes["tif"] = draw.choice((row.tif, row.tif, "FOK", "DAY", "GTD"))
        if changes["tif"] == "GTD" or draw.random() < 0.03:
            changes["expire"] = row.ts + draw.choice((2_000, 9_000, 40_000, 200_000))
        row = dataclasses.replace(row, **changes)
        if row.kind == "MARKET":
            row = dataclasses.replace(row, tif="IOC", expire=None, post="", display=0)
        priced[row.name] = row.price is not None or (row.kind == "STOP" and not protected)
        out.append(row)
    return out


def hanging_log(draw: random.Random, log: list[Row], prices: Callable[[], int]) -> list[Row]:
    """The log again, in which orders hang on one another, on the position and on the market."""
    out: list[Row] = []
    for row in log:
        fate = draw.random()
        if row.action != "new":
            mass = row.action == "cancel" and fate < 0.1
            together = [r.name for r in out if r.name.rstrip(".") == row.name]
            row = dataclasses.replace(row, name=draw.choice(together))
            out.append(dataclasses.replace(row, action="mass_cancel") if mass else row)
            continue
        other = {"B": "A", "A": "B"}[row.side]
        if fate < 0.2:
            for k in range(draw.choice((2, 2, 3))):
                lots = draw.choice((row.quantity, row.quantity, draw.randint(1, 9)))
                side = draw.choice((row.side, other))
                name = f"{row.name}{'.' * k}"
                out.append(Row(row.ts, "new", name, side, prices(), lots, group=row.name))
        elif fate < 0.45:
            out.append(row)
            for k, kind in enumerate(
                draw.choice(("limit stop", "limit limit", "stop limit")).split()
            ):
                exit_row = Row(row.ts, "new", f"{row.name}{'.' * (k + 1)}", other, prices(),
                               row.quantity, parent=row.name)  # fmt: skip
                if kind == "stop":
                    price = draw.choice((None, exit_row.price))
                    exit_row = dataclasses.replace(exit_row, price=price, trigger=prices())
                out.append(exit_row)
        elif fate < 0.6:
            out.append(dataclasses.replace(row, reduce=True))
        elif fate < 0.75:
            row = dataclasses.replace(row, peg=draw.choice(("touch", "mid", "opposite")), tif="GTC")
            out.append(dataclasses.replace(row, offset=draw.randint(-2, 2)))
        else:
            trigger = prices() if draw.random() < 0.2 else None
            out.append(dataclasses.replace(row, trigger=trigger))
        if out[-1].price is not None and out[-1].tif == "GTC" and draw.random() < 0.3:
            out[-1] = dataclasses.replace(out[-1], display=draw.randint(1, out[-1].quantity))
    return out


class Steady(Market):
    """A market without gaps in its feed, which now and then is later than a response."""

    def emit(self, *lines: Line, old: bool = False) -> None:
        if self.draw.random() < 0.05:
            self.recv = max(self.recv, self.clock + 7_500)
        super().emit(*lines, old=old)

    def snapshot(self) -> None:
        pass


# --- as files and as rows -------------------------------------------------------------------------


def write(log: list[Row], folder: Path) -> Path:
    out = Log()
    for row in log:
        at = Decimal(row.ts - START_NS) / 1000
        price = None if row.price is None else Decimal(row.price) / UNIT
        if row.action == "new":
            side = {"B": "BUY", "A": "SELL"}[row.side]
            out.new(at, row.name, side, row.quantity, price, row.tif, **_terms(row))
        elif row.action == "cancel":
            out.cancel(at, row.name)
        elif row.action == "mass_cancel":
            out.mass_cancel(at, row.name)
        else:
            assert price is not None
            out.replace(at, row.name, row.quantity, price)
    return out.write(folder / "log.csv")


def _terms(row: Row) -> dict[str, Any]:
    """The terms of a row, as columns of a log."""
    said: dict[str, Any] = {"to_limit": True} if row.to_limit else {}
    if row.trigger is not None:
        said["trigger_price"] = Decimal(row.trigger) / UNIT
    if row.expire is not None:
        said["expire_ns"] = row.expire
    if row.least:
        said["min_quantity"] = row.least
    if row.display:
        said["display_quantity"] = row.display
    if row.reduce:
        said["reduce_only"] = "true"
    if row.peg:
        said |= {"peg": row.peg, "peg_offset_ticks": row.offset}
    if row.group:
        said["group"] = row.group
    if row.parent:
        said["parent"] = row.parent
    if row.post:
        said["post_only"] = row.post
    return said


def readable(table: np.ndarray, names: list[str], reasons: type) -> list[dict[str, Any]]:
    words = {**WORDS, "reason": reasons}
    return [
        {n: words[n](row[n]).name if n in words else int(row[n]) for n in names} for row in table
    ]
