"""A strategy sees nothing that it could not know yet, wherever it looks.

Captures are late by up to 600 µs, so that word of orders comes long before the records that were
captured by then; each callback compares what it sees with the market's history, event by event.
"""

import types
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from markets import market
from plain import spec_of
from stories import configure, run
from tapewire import Strategy, Wants
from tapewire.market.records import F_LAST, UNDEF_PRICE
from tapewire.router import StrategySpec
from tapewire.strategies import STRATEGIES

FEED_US = 30


def late_market(events: int = 6_000) -> np.ndarray:
    """A quick session that is captured late, each record at another delay."""
    records = market(events)
    start_ns = records["ts_event"].min()
    quick = start_ns + (records["ts_event"] - start_ns) // np.uint64(2_000)
    records["ts_event"] = quick
    rng = np.random.default_rng(3)
    delays = rng.integers(0, 600_000, len(records))
    late = np.maximum.accumulate(records["ts_event"].astype(np.int64) + delays)
    records["ts_recv"] = late
    return records


class History:
    """What was true after each event: when it could be known, the touch and the volume."""

    def __init__(self, records: np.ndarray, feed_ns: int) -> None:
        levels: dict[int, dict[int, int]] = {ord("B"): {}, ord("A"): {}}
        orders: dict[int, list[int]] = {}
        volume = 0
        self.local: list[int] = []
        self.volumes: list[int] = []
        self.trades: list[int] = []
        self.touches: dict[tuple[int, int, int, int], int] = {}  # when first
        self.bids: dict[tuple[int, int], int] = {}
        trades = 0
        clock = 0
        for record in records:
            clock = max(clock, int(record["ts_recv"]))
            action, key = chr(record["action"]), int(record["order_id"])
            if action in "CM" and key in orders:
                side, price, size = orders[key]
                gone = min(size, int(record["size"])) if action == "C" else size
                levels[side][price] -= gone
                if levels[side][price] == 0:
                    del levels[side][price]
                orders[key][2] -= gone
                if orders[key][2] == 0:
                    del orders[key]
            if action in "AM":
                side, price, size = (int(record[name]) for name in ("side", "price", "size"))
                orders[key] = [side, price, size]
                levels[side][price] = levels[side].get(price, 0) + size
            if action == "T":
                volume += int(record["size"])
                trades += 1
            if record["flags"] & F_LAST:
                bids, asks = levels[ord("B")], levels[ord("A")]
                bid = max(bids, default=UNDEF_PRICE)
                ask = min(asks, default=UNDEF_PRICE)
                touch = (bid, bids.get(bid, 0), ask, asks.get(ask, 0))
                self.local.append(clock + feed_ns)
                self.volumes.append(volume)
                self.trades.append(trades)
                self.touches.setdefault(touch, clock + feed_ns)
                self.bids.setdefault(touch[:2], clock + feed_ns)

    def known(self, values: list[int], now_ns: int) -> int:
        """The last of some values that could be known at a time."""
        at = bisect_right(self.local, now_ns) - 1
        return values[at] if at >= 0 else 0


class Prying(Strategy):
    """Trades so that it is told something all the time, and looks everywhere when it is."""

    history: ClassVar[History]
    looks: ClassVar[dict[str, int]] = {}
    behind: ClassVar[list[int]] = []

    def look(self, context: Any, why: str) -> None:
        self.looks[why] = self.looks.get(why, 0) + 1
        now, seen = context.now, context.market
        touch = (
            UNDEF_PRICE if seen.best_bid is None else seen.best_bid, seen.best_bid_size,
            UNDEF_PRICE if seen.best_ask is None else seen.best_ask, seen.best_ask_size,
        )  # fmt: skip
        if touch != (UNDEF_PRICE, 0, UNDEF_PRICE, 0):
            assert self.history.touches[touch] <= now, why
        true = self.history.known(self.history.volumes, now)
        assert seen.volume <= true, why
        self.behind.append(true - seen.volume)
        if self.wants.session:
            assert seen.session.volume <= true, why
            trades = seen.trades()
            assert (trades["ts_recv"] + FEED_US * 1_000 <= now).all(), why
        if self.wants.depth and seen.bids():
            best = seen.bids(1)[0]
            assert self.history.bids[best.price, best.size] <= now, why
        if self.wants.features:
            count = context.features["trade_flow_1h"]
            assert np.isnan(count) or abs(count) <= true, why

    def trade(self, context: Any) -> None:
        if len(context.orders) < 3 and context.market.best_bid is not None:
            side = 1 if context.position <= 0 else -1
            price = context.market.best_bid if side > 0 else context.market.best_ask
            context.submit(side, 1, None if len(context.orders) == 2 else price)
        elif context.orders:
            context.cancel_all()

    def on_start(self, context: Any) -> None:
        context.set_timer(every="137us")

    def on_timer(self, timer: Any, context: Any) -> None:
        self.look(context, "timer")
        self.trade(context)

    def on_order_update(self, order: Any, context: Any) -> None:
        self.look(context, "order")

    def on_fill(self, fill: Any, context: Any) -> None:
        self.look(context, "fill")


class Blind(Prying):
    """It asks for no event of the market."""


class OnTrades(Prying):
    def on_trade(self, trade: Any, context: Any) -> None:
        self.look(context, "trade")


class OnPrices(Prying):
    wants = Wants(book="price")

    def on_book(self, market: Any, context: Any) -> None:
        self.look(context, "book")


class AllSeeing(Prying):
    wants = Wants(
        book="depth", depth=5, trades_kept=64, session=True, queue_places=True,
        features=("trade_flow_1h",),
    )  # fmt: skip

    def on_book(self, market: Any, context: Any) -> None:
        self.look(context, "book")


@pytest.mark.parametrize("kind", [Blind, OnTrades, OnPrices, AllSeeing])
def test_what_is_seen_could_be_known(kind: type[Prying]) -> None:
    records = late_market()
    Prying.history = History(records, FEED_US * 1_000)
    Prying.looks.clear()
    Prying.behind.clear()
    simulation, rows = run(
        configure(None, others=[spec_of(kind)], feed_us=FEED_US, response_us=20, entry_us=20),
        records,
    )
    assert rows.fills.size > 30
    assert Prying.looks["timer"] > 500
    assert Prying.looks["order"] > 50
    assert Prying.looks["fill"] > 30
    assert min(Prying.behind) >= 0
    assert simulation.counts["fills_known_before_capture"] > 0


# --- what hangs on the context --------------------------------------------------------------------

_LEAVES = (str, bytes, int, float, type, types.ModuleType, types.BuiltinFunctionType, np.dtype)


def reachable(root: object) -> Iterator[object]:
    """Every object that Python code can get at from one, but for classes and globals."""
    seen: set[int] = set()
    todo = [root]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, _LEAVES) or one is None:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, (dict, types.MappingProxyType)):
            todo += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset)):
            todo += one
        elif isinstance(one, memoryview):
            todo.append(one.obj)
        elif isinstance(one, np.ndarray):
            todo.append(one.base)
        elif isinstance(one, types.MethodType):
            todo += [one.__self__, one.__func__]
        elif isinstance(one, types.FunctionType):
            todo += [cell.cell_contents for cell in one.__closure__ or ()]
        else:
            todo += vars(one).values() if hasattr(one, "__dict__") else ()
            slots = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
            todo += [getattr(one, name) for name in slots if hasattr(one, name)]


def words_of(one: object) -> np.ndarray:
    """The memory of an array or view as whole numbers."""
    raw = np.asarray(one)
    whole = np.frombuffer(raw.tobytes(), np.uint8)
    return whole[: whole.size // 8 * 8].view(np.int64)


class Walking(Prying):
    """Walks everything that it can reach, for anything later than its own time."""

    wants = AllSeeing.wants
    walks: ClassVar[list[int]] = []
    last_ns: ClassVar[int] = 0

    def look(self, context: Any, why: str) -> None:
        if len(self.walks) >= 400:
            return
        found = list(reachable(context))
        names = {f"{type(one).__module__}.{type(one).__name__}" for one in found}
        forbidden = {name for name in names if "router" in name or "MarketState" in name}
        assert not forbidden
        memory = [one for one in found if isinstance(one, (np.ndarray, memoryview))]
        timers = {timer.due_ns for timer in context._timers.values()}
        for one in memory:
            words = words_of(one)
            later = words[(words > context.now) & (words <= self.last_ns)]
            assert set(later.tolist()) <= timers, (why, later, one)
        self.walks.append(len(memory))


def test_nothing_later_hangs_on_the_context() -> None:
    records = late_market()
    Walking.walks.clear()
    Walking.last_ns = int(records["ts_recv"].max()) + 10**12
    config = configure(
        None, feed_us=FEED_US, response_us=20, entry_us=20,
        others=[
            spec_of(Walking),
            # Somebody quicker, whose memory must be out of reach.
            StrategySpec("maker", STRATEGIES["market_maker"], {"quantity": 1, "max_inventory": 3}),
            spec_of(AllSeeing, "other"),
        ],
    )  # fmt: skip
    Prying.history = History(records, FEED_US * 1_000)
    run(config, records)
    assert len(Walking.walks) == 400
    assert min(Walking.walks) > 5
