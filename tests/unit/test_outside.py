"""Strategies that are not compiled: the loop is left for each callback, and comes back.

The compiled form of the same functions is the twin: whatever is called, when, with what and in
which order, both do the same.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from markets import market, spec
from stories import Tape, configure, ns, run
from tapewire.compiled.jit import jit_entry
from tapewire.errors import SimulationError, StrategyError
from tapewire.router import RiskLimits, Simulation, StrategySpec
from tapewire.strategies import STRATEGIES, StrategyDefinition
from tapewire.strategies.context import (
    BUY,
    GTC,
    SELL,
    cancel,
    first_open,
    is_open,
    next_open,
    order_leaves,
    order_status,
    set_timer,
    submit_limit,
    submit_market,
)

MAKER = spec("maker", "market_maker", quantity=3, max_inventory=9)
CROSSOVER = spec("crossover", "sma_crossover", fast_period=3, slow_period=9)


def outside(one: StrategySpec) -> StrategySpec:
    return replace(one, definition=replace(one.definition, compiled=False))


STATE = np.dtype([("n", "i8"), ("total", "i8"), ("order", "i8")])


@jit_entry
def hear(ctx: Any, state: Any, hook: int) -> None:
    """Fold everything that a callback is shown into one number."""
    state.n += 1
    seen = 0
    for value in (
        hook, ctx.now_ns, ctx.position, ctx.pnl, ctx.best_bid, ctx.best_ask_size,
        ctx.trade_price, ctx.trade_size, ctx.update_status, ctx.update_reason,
        ctx.fill_quantity, ctx.session_volume, ctx.halted,
    ):  # fmt: skip
        seen = (seen * 31 + value) % 1_000_000_007
    state.total = (state.total * 1_000_003 + seen) % 1_000_000_007


def on_start(ctx: Any, state: Any) -> None:
    hear(ctx, state, 0)
    state.order = -1
    set_timer(ctx, ctx.now_ns + 1_000_000)


def on_market_event(ctx: Any, state: Any) -> None:
    hear(ctx, state, 1)


def on_book(ctx: Any, state: Any) -> None:
    hear(ctx, state, 2)
    if state.n % 5 == 0 and is_open(ctx, state.order):
        cancel(ctx, state.order)
    elif not is_open(ctx, state.order) and 0 < ctx.best_bid < ctx.best_ask:
        side = BUY if ctx.position <= 0 else SELL
        price = ctx.best_bid if side == BUY else ctx.best_ask
        state.order = submit_limit(ctx, side, price, 2, GTC)


def on_trade(ctx: Any, state: Any) -> None:
    hear(ctx, state, 3)
    if state.n % 50 == 0:
        submit_market(ctx, BUY if ctx.position < 0 else SELL, 1)


def on_timer(ctx: Any, state: Any) -> None:
    hear(ctx, state, 4)
    set_timer(ctx, ctx.now_ns + 5_000_000)


def on_order_update(ctx: Any, state: Any) -> None:
    hear(ctx, state, 5)
    handle = ctx.update_order
    if is_open(ctx, handle):
        state.total += order_leaves(ctx, handle) + order_status(ctx, handle)
    at = first_open(ctx)
    while at != -1:
        state.n += 1
        at = next_open(ctx, at)


def on_fill(ctx: Any, state: Any) -> None:
    hear(ctx, state, 6)


def on_stop(ctx: Any, state: Any) -> None:
    hear(ctx, state, 7)
    submit_market(ctx, BUY, 1)  # too late: it is not sent


HOOKS: dict[str, Callable[[Any, Any], None]] = {
    name: globals()[name]
    for name in (
        "on_start", "on_market_event", "on_book", "on_trade", "on_timer", "on_order_update",
        "on_fill", "on_stop",
    )
}  # fmt: skip


def listener(**changes: Any) -> StrategySpec:
    definition = StrategyDefinition("listener", "Hears it all.", {}, STATE, **HOOKS)
    return StrategySpec("listener", replace(definition, **changes))


def results(
    specs: list[StrategySpec], records: np.ndarray, batch: int = 4_096, **settings: Any
) -> tuple[dict[str, str], dict[str, int], list[bytes]]:
    config = replace(configure(None, **settings), strategies=tuple(specs))
    simulation, rows = run(config, records, batch)
    assert rows.fills.size
    states = [simulation._roster.state_of(k).tobytes() for k in range(len(specs))]
    return simulation.digests(), simulation.counts, states


@pytest.mark.parametrize("batch", [4_096, 7])
def test_those_that_come_along_do_the_same_outside(batch: int) -> None:
    records = market(6_000)
    inside = results([MAKER, CROSSOVER], records)
    assert results([outside(MAKER), outside(CROSSOVER)], records, batch) == inside
    assert results([MAKER, outside(CROSSOVER)], records, batch) == inside


@pytest.mark.parametrize(
    "settings", [{}, {"feed_us": 30, "fill_notice": "feed"}, {"event_log": True, "fee": 10**9}]
)
def test_all_that_is_heard_is_the_same_outside(settings: dict[str, Any]) -> None:
    # Functions that know records by their items can run in both ways.
    records = market(3_000)
    seen = []
    for compiled in (False, False):
        both = [listener(compiled=compiled), outside(MAKER)]
        seen.append(results(both, records, 512 if seen else 100_000, **settings))
    assert seen[0] == seen[1]
    assert int(np.frombuffer(seen[0][2][0], STATE)[0]["n"]) > 5_000
    inside = [listener(), MAKER]
    assert results(inside, records, **settings) == seen[0]


def test_a_clamped_record_counts_once_however_often_the_loop_is_left() -> None:
    records = market(3_000)
    records["ts_recv"][100::50] -= 10_000_000_000
    records["ts_event"][130::50] -= 10_000_000_000
    inside = results([MAKER], records)
    assert inside[1]["clamped_ts_recv"] > 20
    assert inside[1]["clamped_ts_event"] > 20
    assert results([outside(MAKER)], records, 13) == inside


def test_it_starts_after_a_warm_up_and_reaches_its_loss_limit_outside_too() -> None:
    records = market(6_000)
    start_ns = int(records["ts_recv"][2_000])
    limits = RiskLimits(max_loss=10**9, on_max_loss="flatten")
    both = []
    for one in (MAKER, outside(MAKER)):
        config = configure(None, others=[replace(one, limits=limits)])
        simulation, _ = run(replace(config, warmup_until_ns=start_ns), records, 999)
        assert simulation.halted_n == 1
        both.append((simulation.digests(), simulation.counts, simulation.loss_halts()))
    assert both[0] == both[1]


def failing(ctx: Any, state: Any) -> None:
    state.n += 1
    if state.n == 3:
        raise ValueError("no such colour")


def test_what_fails_outside_is_named_with_its_place() -> None:
    only = StrategyDefinition("listener", "", {}, STATE, on_trade=failing, compiled=False)
    one = StrategySpec("listener", only)
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 50)
    for k in range(5):
        tape.trade(10 + k, (9, 1))
    with pytest.raises(StrategyError) as caught:
        run(configure(None, others=[one]), tape.records())
    moment = f"{np.datetime64(ns(13), 'ns')} UTC"  # the capture of the third trade
    first, *own, last = str(caught.value).splitlines()
    assert first == f"strategy listener failed in on_trade at {moment}, on TWX:"
    assert own[0].startswith(f'  File "{__file__}", line ')
    assert own[0].endswith(", in failing")
    assert own[1] == '    raise ValueError("no such colour")'
    assert last == "ValueError: no such colour"
    error = caught.value
    assert (error.strategy_id, error.ts_ns, error.symbol) == ("listener", ns(13), "TWX")
    assert isinstance(caught.value.__cause__, ValueError)


def too_many(ctx: Any, state: Any) -> None:
    for _ in range(65):
        submit_market(ctx, BUY, 1)


def test_limits_of_a_callback_hold_outside_too() -> None:
    one = listener(compiled=False, on_trade=too_many)
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 50).trade(10, (9, 1))
    with pytest.raises(SimulationError, match="listener made more than 64 requests in one callb"):
        run(configure(None, others=[one]), tape.records())


def test_ctrl_c_within_a_callback_is_no_failure_of_the_strategy() -> None:
    def interrupted(ctx: Any, state: Any) -> None:
        raise KeyboardInterrupt

    one = listener(compiled=False, on_trade=interrupted)
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 50).trade(10, (9, 1))
    simulation = Simulation(configure(None, others=[one]))
    with pytest.raises(KeyboardInterrupt):
        simulation.feed(tape.records())


def test_an_order_log_can_be_sent_from_outside(tmp_path: Path) -> None:
    from stories import Log

    path = Log().buy(10, "a", 2, 101).sell(20, "b", 1, 99).write(tmp_path / "log.csv")
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 50).tick(500)
    digests = []
    for one in (STRATEGIES["order_log"], replace(STRATEGIES["order_log"], compiled=False)):
        log = StrategySpec("log", one, {"path": path})
        simulation, rows = run(configure(None, others=[log]), tape.records())
        assert rows.fills.size == 2
        digests.append(simulation.digests())
    assert digests[0] == digests[1]


def pile_up(ctx: Any, state: Any) -> None:
    state.n += 1
    for k in range(5):
        submit_limit(ctx, BUY, ctx.best_bid - (1 + k) * 10**9, 1, GTC)


def test_a_block_that_runs_full_after_the_loop_was_left_loses_no_callback() -> None:
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 50)
    for k in range(500):
        tape.add(10 + k, 100 + k, "B", 99, 1)
    inside = StrategyDefinition("piler", "Piles orders up.", {}, STATE, on_book=pile_up)
    told = []
    for first in (inside, replace(inside, compiled=False)):
        # The last one of the list is called first for each event. It needs as much room as the
        # other, so that this one finds too little after the loop was left for the first.
        specs = [StrategySpec("second", inside), StrategySpec("first", first)]
        simulation, _ = run(configure(None, others=specs), tape.records())
        told.append((simulation.digests(), [simulation._roster.state_of(k).n for k in (0, 1)]))
    assert told[0] == told[1]
    assert told[0][1] == [502, 502]
