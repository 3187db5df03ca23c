"""Compiled strategies see what plain ones see: depth, trades, sessions, features, places, books."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np
import pytest

from markets import market
from plain import spec_of
from stories import OTHER_INSTRUMENT, Tape, configure, merge, models_of, ns, run
from tapewire import Strategy, StrategyDefinition, Wants
from tapewire.execution.models import built_in
from tapewire.market.records import UNDEF_PRICE
from tapewire.router import StrategySpec
from tapewire.strategies.context import (
    BUY,
    GTC,
    SELL,
    feature,
    is_open,
    level_price,
    level_size,
    lots_ahead,
    orders_ahead,
    set_timer,
    sight,
    submit_limit,
    view,
)

ROWS = 40_000
STATE = np.dtype(
    [("n", "i8"), ("order", "i8"), ("log", "i8", (ROWS, 8)), ("numbers", "f8", (ROWS,))]
)
WANTS = Wants(
    book="depth", depth=3, session=True, trades_kept=10, queue_places=True,
    features=("book_imbalance", "returns_1s"),
)  # fmt: skip


def on_start(ctx: Any, state: Any) -> None:
    state.order = -1
    set_timer(ctx, ctx.now_ns + 50_000_000, 7)


def on_book(ctx: Any, state: Any) -> None:
    k = state.n
    if k >= ROWS:
        return
    state.n = k + 1
    row = state.log[k]
    row[0] = ctx.now_ns
    row[1] = level_price(ctx, BUY, 2)
    row[2] = level_size(ctx, SELL, 1)
    row[3] = level_size(ctx, BUY, 3)  # deeper than it wants
    row[4] = view(ctx).volume
    row[5] = view(ctx).high if view(ctx).volume > 0 else -1
    ahead = is_open(ctx, state.order)
    row[6] = orders_ahead(ctx, state.order) if ahead else -2
    row[7] = lots_ahead(ctx, state.order) if ahead else -2
    state.numbers[k] = feature(ctx, 0)
    if not ahead and ctx.best_bid != UNDEF_PRICE and ctx.position < 3:
        state.order = submit_limit(ctx, BUY, ctx.best_bid, 1, GTC)


def on_timer(ctx: Any, state: Any) -> None:
    if state.n < ROWS:
        row = state.log[state.n]
        row[0] = ctx.now_ns
        row[1] = ctx.timer_id
        row[2] = ctx.timer_ns
        state.numbers[state.n] = feature(ctx, 1)
        state.n += 1
    set_timer(ctx, ctx.timer_ns + 50_000_000, 7)


COMPILED = StrategyDefinition(
    "watcher", "Writes down all it sees.", {}, STATE, wants=WANTS,
    on_start=on_start, on_book=on_book, on_timer=on_timer,
)  # fmt: skip


class Watcher(Strategy):
    """The same in plain Python."""

    wants = WANTS
    log: ClassVar[list[list[int]]] = []
    numbers: ClassVar[list[float]] = []
    order = None

    def on_start(self, context: Any) -> None:
        context.set_timer(every="50ms")

    def on_book(self, market: Any, context: Any) -> None:
        bids, asks = market.bids(), market.asks()
        session = market.session
        ahead = self.order is not None and self.order.is_open
        places = (self.order.orders_ahead, self.order.lots_ahead) if ahead else (-2, -2)
        self.log.append([
            context.now, bids[2].price if len(bids) > 2 else UNDEF_PRICE,
            asks[1].size if len(asks) > 1 else 0, 0, session.volume, session.high or -1,
            *(-1 if place is None else place for place in places),
        ])  # fmt: skip
        self.numbers.append(context.features["book_imbalance"])
        if not ahead and market.best_bid is not None and context.position < 3:
            self.order = context.buy(1, market.best_bid)

    def on_timer(self, timer: Any, context: Any) -> None:
        self.log.append([context.now, 7, timer.due_ns, 0, 0, 0, 0, 0])
        self.numbers.append(context.features["returns_1s"])


def test_both_tiers_see_the_same() -> None:
    records = market(4_000)
    start_ns = records["ts_event"].min()
    for name in ("ts_event", "ts_recv"):
        records[name] = start_ns + (records[name] - start_ns) // np.uint64(100)
    Watcher.log.clear()
    Watcher.numbers.clear()
    inside, rows = run(
        configure(None, others=[StrategySpec("same", COMPILED)], feed_us=20), records, 999
    )
    plain, _ = run(configure(None, others=[spec_of(Watcher, "same")], feed_us=20), records)
    state = inside._roster.state_of(0)
    assert 1_000 < state["n"] < ROWS
    assert state["log"][: state["n"]].tolist() == Watcher.log
    np.testing.assert_array_equal(state["numbers"][: state["n"]], np.array(Watcher.numbers))
    assert rows.orders.size > 0
    assert inside.digests() == plain.digests()
    assert any(row[7] > 0 for row in Watcher.log)
    assert any(number != 0 and number == number for number in Watcher.numbers)


PAIR_STATE = np.dtype([("n", "i8"), ("seen", "i8", (100, 4))])


def watch_pair(ctx: Any, state: Any) -> None:
    k = state.n
    state.n = k + 1
    state.seen[k, 0] = ctx.instrument_id
    state.seen[k, 1] = ctx.sight_n
    for j in range(ctx.sight_n):
        state.seen[k, 2 + j] = sight(ctx, j).best_bid


def test_a_compiled_strategy_sees_all_its_books_in_one_time() -> None:
    from plain import quoted

    first = quoted().trade(100, (9, 1)).tick(300)
    second = Tape()
    second.instrument = 8
    second.add(3, 11, "B", 50, 5).add(4, 19, "A", 51, 5).trade(400, (19, 1)).tick(900)
    records = np.concatenate([first.records(), second.records()])
    records = records[np.argsort(records["ts_recv"], kind="stable")]
    kind = StrategyDefinition(
        "pair", "", {}, PAIR_STATE, wants=Wants(together=True), on_trade=watch_pair
    )
    simulation, _ = run(configure(None, others=[StrategySpec("pair", kind)]), records)
    state = simulation._roster.state_of(0)
    assert state["seen"][: state["n"]].tolist() == [
        [7, 2, 100 * 10**9, 50 * 10**9], [8, 2, 100 * 10**9, 50 * 10**9],
    ]  # fmt: skip


OWN_STATE = np.dtype([("calls", "i8"), ("others", "i8")])


def compare_own(ctx: Any, state: Any) -> None:
    state.calls += 1
    for k in range(ctx.sight_n):
        own = sight(ctx, k)
        if own.leg == ctx.leg:
            state.others += (
                own.instrument_id != ctx.instrument_id
                or own.best_bid != ctx.best_bid
                or own.best_ask_size != ctx.best_ask_size
                or own.trade_price != ctx.trade_price
                or own.session_volume != ctx.session_volume
            )
    if ctx.timer_id < 50:
        set_timer(ctx, ctx.now_ns + 30_000, ctx.timer_id + 1)
    elif ctx.leg == 0:
        ctx.leg = sight(ctx, 1).leg  # an order on the other book
        submit_limit(ctx, BUY, 10**9, 1, GTC)


@pytest.mark.parametrize("compiled", [True, False])
def test_the_book_at_hand_is_never_shown_with_the_prices_of_another(compiled: bool) -> None:
    """Where feed latency varies, word of a timer comes before the last event may be seen."""
    latency = built_in("latency", "uniform", feed_latency_max_us=Decimal(100))
    first = Tape().add(0, 1, "B", 100, 10).add(1, 2, "A", 101, 10)
    second = Tape()
    second.instrument = OTHER_INSTRUMENT
    second.add(2, 11, "B", 500, 7).add(3, 12, "A", 501, 8)
    for k in range(40):
        first.add(50 * k + 50, 20 + k, "B", 100 + (k + 1) / 64, 1)
        second.add(50 * k + 60, 80 + k, "B", 500 + (k + 1) / 64, 1)
    first.trade(2_100, (2, 3)).tick(2_300)
    second.trade(2_120, (12, 2)).tick(2_400)
    kind = StrategyDefinition(
        "own", "", {}, OWN_STATE, wants=Wants(book="price", together=True),
        on_book=compare_own, on_timer=compare_own, on_trade=compare_own, compiled=compiled,
    )  # fmt: skip
    models = replace(models_of(), latency=latency)
    config = configure(None, others=[StrategySpec("own", kind)], models=models)
    simulation, _ = run(config, merge(first, second))
    state = simulation._roster.state_of(0)
    assert state["calls"] > 100
    assert state["others"] == 0


CLOSE_STATE = np.dtype([("closes", "i8", (4,)), ("n", "i8")])


def note_close(ctx: Any, state: Any) -> None:
    state.closes[state.n] = ctx.now_ns
    state.n += 1


def test_compiled_strategies_hear_of_the_close_too() -> None:
    from plain import quoted

    kind = StrategyDefinition("closer", "", {}, CLOSE_STATE, on_session_close=note_close)
    for closes, heard in (((ns(50), ns(100)), [ns(50), ns(100)]), ((), [ns(1)])):
        config = configure(None, others=[StrategySpec("c", kind)], session_closes=closes)
        simulation, _ = run(config, quoted().tick(60).tick(200).records())
        state = simulation._roster.state_of(0)
        assert state["closes"][: state["n"]].tolist() == heard


def test_batches_of_trades_are_for_plain_python() -> None:
    with pytest.raises(ValueError, match="on_trades: expected a strategy in plain Python"):
        StrategyDefinition("x", "", {}, CLOSE_STATE, on_trades=note_close)
