"""The compiled execution equals its naive twin, on generated markets and on a real one.

The markets keep to a few small prices, so that orders cross, queue, race and refill all the time.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from naive.book import NaiveBook, rows
from naive.dbn import read_mbo
from naive.desk import NaiveDesk
from naive.exchange import NaiveExchange, Row
from stories import (
    INSTRUMENT,
    LAST,
    OTHER_INSTRUMENT,
    OTHER_SYMBOL,
    PUBLISHER,
    SNAPSHOT,
    START_NS,
    SYMBOL,
    TOB,
    Line,
    Log,
    configure,
    run,
)
from tapewire.execution.codes import (
    FillReason,
    Liquidity,
    OrderStatus,
    OrderType,
    Reason,
    TimeInForce,
)
from tapewire.market.records import MBO_DTYPE, UNDEF_PRICE
from tapewire.router import RiskLimits

WORDS = {
    "status": OrderStatus,
    "order_type": OrderType,
    "time_in_force": TimeInForce,
    "liquidity": Liquidity,
}
UNIT = 10**9


# --- comparing ------------------------------------------------------------------------------------


def readable(table: np.ndarray, names: list[str], reasons: type) -> list[dict[str, Any]]:
    words = {**WORDS, "reason": reasons}
    return [
        {n: words[n](row[n]).name if n in words else int(row[n]) for n in names} for row in table
    ]


def compare(
    records: np.ndarray, log: list[Row], folder: Path, *, batch: int = 0, may_be_late: bool = False,
    entry_us: float = 5, response_us: float = 5, halts: bool = True,
    policies: tuple[bool, bool, bool] = (True, True, True), **model: Any,
) -> NaiveExchange:  # fmt: skip
    """Play both and compare every column that means something."""
    waits, unseen, clears = policies
    twin = NaiveExchange(
        log, int(entry_us * 1000), int(response_us * 1000), halts=halts,
        market_waits=waits, fills_unseen=unseen, clear_cancels=clears,
        fee=model.get("fee", 0), impact_ppm=model.get("impact_ppm", 0),
        multiplier=Fraction(model.get("multiplier", 1)), tick=model.get("tick_units", 0),
    ).run(records)  # fmt: skip
    tick = model.pop("tick_units", 0)
    config = configure(
        write(log, folder), entry_us=entry_us, response_us=response_us,
        policy="halt_fills" if halts else "warn", tick=Decimal(tick) / UNIT,
        market_order_in_halt="wait" if waits else "expire",
        unseen_trades="fill_through" if unseen else "ignore",
        book_clear="cancel" if clears else "keep", **model,
    )  # fmt: skip
    simulation, tables = run(config, records, batch)
    fills = readable(tables.fills, list(twin.fills[0]) if twin.fills else ["last_px"], FillReason)
    orders = readable(tables.orders, list(twin.orders[0]) if twin.orders else ["status"], Reason)
    if simulation.counts["late_responses"]:
        # The feed was further behind than the response took: it is known later, never earlier.
        assert may_be_late
        assert all(a["ts_known"] >= b["ts_known"] for a, b in zip(fills, twin.fills, strict=False))
        fills = [{**a, "ts_known": 0} for a in fills]
        twin.fills = [{**a, "ts_known": 0} for a in twin.fills]
    assert fills == twin.fills
    assert [o for o in orders if o["status"] != "DENIED"] == [
        o for o in twin.orders if o["status"] != "DENIED"
    ]
    assert [o for o in orders if o["status"] == "DENIED"] == [
        o for o in twin.orders if o["status"] == "DENIED"
    ]
    return twin


def write(log: list[Row], folder: Path) -> Path:
    out = Log()
    for row in log:
        at = Decimal(row.ts - START_NS) / 1000
        price = None if row.price is None else Decimal(row.price) / UNIT
        if row.action == "new":
            out.new(at, row.name, {"B": "BUY", "A": "SELL"}[row.side], row.quantity, price, row.tif)
        elif row.action == "cancel":
            out.cancel(at, row.name)
        else:
            assert price is not None
            out.replace(at, row.name, row.quantity, price)
    return out.write(folder / "log.csv")


# --- generated markets ----------------------------------------------------------------------------


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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(5, 250), st.booleans(), st.sampled_from([0, 1, 7]), st.booleans())
@settings(max_examples=250)
def test_generated_markets(
    folder: Path, seed: int, events: int, crossing: bool, batch: int, halts: bool
) -> None:
    draw = random.Random(seed)
    market = Market(draw)
    market.add()
    for _ in range(events):
        market.step(crossing)
    log = generated_log(
        draw, draw.randint(1, 60), market.clock - START_NS, lambda: draw.randint(-2, 3) * UNIT
    )
    records = market.records()
    if draw.random() < 0.3:  # a capture that starts in mid-session
        records = records[draw.randrange(1 + len(records) // 2) :]
    compare(
        records, log, folder, batch=batch, halts=halts,
        policies=(draw.random() < 0.7, draw.random() < 0.7, draw.random() < 0.7),
        fee=draw.choice((0, 700_000_000)), impact_ppm=draw.choice((0, 3_000_000_000)),
        multiplier=draw.choice((1, 50, Fraction(1, 8))),
        # An order that only a snapshot shows is met at the time before the gap.
        may_be_late=True,
    )  # fmt: skip


@given(seeds, st.integers(5, 120))
@settings(max_examples=60)
def test_generated_quotes_of_a_top_of_book_publisher(folder: Path, seed: int, events: int) -> None:
    draw = random.Random(seed)
    market = Market(draw)
    bid = 0
    market.emit(Line("A", "B", 0, bid, 3, TOB))
    market.emit(Line("A", "A", 0, bid + UNIT, 3, TOB))
    for _ in range(events):
        market.clock += draw.choice((0, 700, 2_500, 9_000))
        fate = draw.random()
        if fate < 0.15:
            market.emit(Line("T", draw.choice("BA"), 0, bid, 2))
        elif fate < 0.2:
            market.emit(Line("A", draw.choice("BA"), 0, UNDEF_PRICE, 0, TOB))
        elif fate < 0.5:  # both sides move
            bid += draw.choice((-1, 1)) * UNIT
            market.emit(
                Line("A", "B", 0, bid, draw.randint(1, 6), TOB),
                Line("A", "A", 0, bid + UNIT, draw.randint(1, 6), TOB),
            )
        else:
            side = draw.choice("BA")
            market.emit(
                Line("A", side, 0, bid + (UNIT if side == "A" else 0), draw.randint(1, 6), TOB)
            )
    log = generated_log(
        draw, draw.randint(1, 40), market.clock - START_NS, lambda: draw.randint(-2, 3) * UNIT
    )
    compare(market.records(), log, folder, halts=draw.random() < 0.5)


@given(seeds)
@settings(max_examples=25)
def test_orders_that_are_denied_touch_nothing(folder: Path, seed: int) -> None:
    """A tick of half a unit, prices on and off it, quantities beyond any."""
    draw = random.Random(seed)
    market = Market(draw)
    for _ in range(60):
        market.step(False)
    log = generated_log(draw, 50, market.clock - START_NS, lambda: draw.randint(-8, 12) * UNIT // 4)
    log = [
        row if draw.random() < 0.8 or row.action == "cancel"
        else Row(row.ts, row.action, row.name, row.side, row.price,
                 draw.choice((2**31, 2**40)), row.tif)
        for row in log
    ]  # fmt: skip
    market.rows or market.add()
    twin = compare(market.records(), log, folder, tick_units=UNIT // 2, may_be_late=True)
    assert twin.orders


def test_another_instrument_beside_a_log_changes_nothing(folder: Path) -> None:
    draw = random.Random(11)
    market, other = Market(draw), Market(draw)
    for _ in range(150):
        market.step(False)
        other.step(False)
    beside = other.records()
    beside["instrument_id"] = OTHER_INSTRUMENT
    both = np.concatenate([market.records(), beside])
    both = both[np.argsort(both["ts_recv"], kind="stable")]
    records = market.records()
    both = both[both["ts_recv"] <= records["ts_recv"][-1]]
    log = generated_log(draw, 60, market.clock - START_NS, lambda: draw.randint(-2, 3) * UNIT)
    config = configure(write(log, folder))
    (alone, rows_alone), (company, _) = (run(config, r) for r in (records, both))
    assert rows_alone.fills.size
    assert alone.digests() == company.digests()
    assert tuple(config.instruments.symbols) == (SYMBOL, OTHER_SYMBOL)


# --- a real market --------------------------------------------------------------------------------


def test_a_log_of_hundreds_of_orders_in_a_real_market(
    folder: Path, data_file: Callable[[str], Path]
) -> None:
    """ESH4 on 25 December 2023, pre-open and the first half hour, orders near the touch."""
    records = read_mbo(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))[:48_000].copy()
    records["instrument_id"] = INSTRUMENT
    draw = random.Random(4)
    trades = records[records["action"] == ord("T")]
    log: list[Row] = []
    for k in range(400):
        at = trades[draw.randrange(len(trades) - 20)]
        when = int(at["ts_event"]) + draw.randint(-2_000_000, 2_000_000)
        name, side = f"o{k}", draw.choice("BA")
        price = int(at["price"]) + draw.randint(-4, 4) * 250_000_000
        log.append(
            Row(when, "new", name, side, draw.choice((price, price, price, None)),
                draw.choice((1, 2, 5, 30)), draw.choice(("GTC", "GTC", "IOC")))
        )  # fmt: skip
        fate = draw.random()
        later = when + draw.choice((100_000, 5_000_000, 60 * UNIT))
        if fate < 0.3:
            log.append(Row(later, "cancel", name))
        elif fate < 0.6:
            moved = price + draw.randint(-2, 2) * 250_000_000
            log.append(Row(later, "replace", name, "", moved, draw.randint(1, 6)))
    for halts in (True, False):
        twin = compare(
            records, log, folder, entry_us=100, response_us=20_000, halts=halts,
            tick_units=250_000_000, multiplier=50, fee=850_000_000, impact_ppm=100_000,
        )  # fmt: skip
        found = {f["reason"] for f in twin.fills}
        assert found == {"QUEUE", "TRADE_THROUGH", "CROSSED", "TAKEN"}
        assert {"FILLED", "CANCELED", "EXPIRED", "NEW"} <= {o["status"] for o in twin.orders}


# --- what a strategy knows, and its loss limit ----------------------------------------------------


class Steady(Market):
    """A market without gaps in its feed, which now and then is later than a response."""

    def emit(self, *lines: Line, old: bool = False) -> None:
        if self.draw.random() < 0.05:
            self.recv = max(self.recv, self.clock + 7_500)
        super().emit(*lines, old=old)

    def snapshot(self) -> None:
        pass


def compare_desks(
    folder: Path, seed: int, events: int, notice: str, policy: str | None, batch: int
) -> NaiveDesk | None:
    """Play both; None if something was told late, which the desk does not know how to do.

    No two things happen at one time: the log sends at odd ns, and latencies are odd, too.
    """
    draw = random.Random(seed)
    market = Steady(draw)
    for side, price in (("B", -1), ("A", 2)):
        market.emit(market.new(side, price * UNIT, 5))
    for _ in range(events):
        market.step(False)
    log = generated_log(
        draw, draw.randint(20, 80), market.clock - START_NS, lambda: draw.randint(-2, 3) * UNIT
    )
    records = market.records()
    end = int(records["ts_recv"].max())
    log = log[:1] + [row for row in log[1:] if row.ts + 37 <= end]
    log = [replace(row, ts=row.ts + 2_000_037) for row in log]
    records["ts_event"][2:] += 2_000_000
    records["ts_recv"][2:] += 2_000_000
    loss, multiplier, fee = draw.randint(1, 30) * UNIT, draw.choice((1, Fraction(1, 8), 3)), 10**7
    feed_us = draw.choice((0, 2))
    twin = NaiveDesk(
        log, 5_011, 5_013, fee=fee, multiplier=Fraction(multiplier), feed_ns=feed_us * 1000,
        notice=notice, max_loss=None if policy is None else loss, flatten=policy == "flatten",
    ).run(records)  # fmt: skip
    limits = RiskLimits() if policy is None else RiskLimits(max_loss=loss, on_max_loss=policy)
    config = configure(
        write(log, folder), entry_us="5.011", response_us="5.013", fee=fee,
        feed_us=feed_us, multiplier=multiplier, limits=limits, fill_notice=notice, event_log=True,
    )  # fmt: skip
    simulation, tables = run(config, records, batch)
    if simulation.counts["late_responses"]:
        return None
    names = list(twin.fills[0]) if twin.fills else ["last_px"]
    assert readable(tables.fills, names, FillReason) == twin.fills
    names = list(twin.orders[0]) if twin.orders else ["status"]
    orders = readable(tables.orders, names, Reason)
    for denied in (True, False):
        assert [o for o in orders if (o["status"] == "DENIED") is denied] == [
            o for o in twin.orders if (o["status"] == "DENIED") is denied
        ]
    assert simulation.counts["fills_known_before_capture"] == twin.early
    assert simulation.counts["fills_known_before_capture_ns_max"] == twin.early_ns_max
    halts = simulation.loss_halts()
    told = [((h.ts_ns, h.pnl), h.positions[0].at_halt) for h in halts]
    assert told == ([(twin.halt, twin.halt_position)] if twin.halt else [])
    assert [h.closing_orders for h in halts] == ([twin.closers] if twin.halt else [])
    assert [h.positions[0].at_end for h in halts] == ([twin.position] if twin.halt else [])
    return twin


notices = st.sampled_from(["response", "feed"])
policies = st.sampled_from([None, "halt", "flatten"])


@given(seeds, st.integers(60, 250), notices, policies, st.sampled_from([0, 1, 7]))
@settings(max_examples=60)
def test_notices_and_the_loss_limit(
    folder: Path, seed: int, events: int, notice: str, policy: str | None, batch: int
) -> None:
    assume(compare_desks(folder, seed, events, notice, policy, batch) is not None)


def test_notices_and_loss_limits_of_every_kind(folder: Path) -> None:
    """The same for fixed markets, which reach everything there is to reach."""
    reached: Counter[Any] = Counter()
    for seed in range(80):
        notice, policy = ("response", "feed")[seed % 2], ("halt", "flatten")[seed // 2 % 2]
        twin = compare_desks(folder, seed, 200, notice, policy, 0)
        if twin is None:
            continue
        reached[notice, policy, bool(twin.halt)] += 1
        reached["closed in steps"] += twin.closers > 1
        reached["early"] += twin.early > 0
    for notice in ("response", "feed"):
        for policy in ("halt", "flatten"):
            assert reached[notice, policy, True] > 0
            assert reached[notice, policy, False] > 0
    assert reached["closed in steps"] > 0
    assert reached["early"] > 0
