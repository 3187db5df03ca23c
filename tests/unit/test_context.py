"""What a compiled strategy sees and when: its clock, its orders, the market, its timers."""

from typing import Any

import numpy as np
import pytest

from stories import Tape, configure, run, us
from tapewire.compiled.jit import jit_entry
from tapewire.errors import SimulationError
from tapewire.execution.codes import OrderStatus, Reason
from tapewire.market.records import UNDEF_PRICE
from tapewire.router import RiskLimits, StrategySpec
from tapewire.strategies import StrategyDefinition, Wants
from tapewire.strategies.context import (
    BUY,
    GTC,
    SELL,
    cancel,
    first_open,
    has_request,
    is_open,
    next_open,
    order_leaves,
    order_price,
    order_side,
    order_status,
    replace,
    set_timer,
    submit_limit,
    submit_market,
    was_denied,
)

ROWS = 200
STATE = np.dtype(
    [("n", "i8"), ("order", "i8"), ("other", "i8"), ("step", "i8"), ("log", "i8", (ROWS, 6))],
    align=True,
)
START, EVENT, BOOK, TRADE, TIMER, ORDER, FILL, STOP = range(8)
PRICE = 10**9


@jit_entry
def note(ctx: Any, state: Any, hook: int, a: int, b: int, c: int, d: int) -> None:
    k = state.n
    if k < ROWS:
        state.log[k, 0] = hook
        state.log[k, 1] = ctx.now_ns
        state.log[k, 2] = a
        state.log[k, 3] = b
        state.log[k, 4] = c
        state.log[k, 5] = d
    state.n = k + 1


def market() -> Tape:
    return Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10)


def trace(
    tape: Tape, *, limits: RiskLimits | None = None, price_only: bool = False,
    settings: dict[str, Any] | None = None, **hooks: Any,
) -> tuple[list[tuple[Any, ...]], Any, Any]:  # fmt: skip
    """Run a strategy; its notes as (hook, µs, …), the simulation and its rows."""
    definition = StrategyDefinition(
        name="probe", doc="Notes what it sees.", parameters={}, state=STATE,
        wants=Wants(book="price" if price_only else "bbo"), **hooks,
    )  # fmt: skip
    spec = StrategySpec("probe", definition, symbols=("TWX",), limits=limits or RiskLimits())
    simulation, rows = run(configure(None, others=[spec], **(settings or {})), tape.records())
    state = simulation._roster.state_of(0)
    assert state["n"] <= ROWS
    notes = state["log"][: state["n"]].tolist()
    return [(hook, us(at), *rest) for hook, at, *rest in notes], simulation, rows


# --- the market -----------------------------------------------------------------------------------


def book_note(ctx: Any, state: Any) -> None:
    note(ctx, state, BOOK, ctx.best_bid, ctx.best_bid_size, ctx.best_ask, ctx.best_ask_count)


def test_the_book_is_shown_as_it_stands_after_the_event() -> None:
    tape = market().add(10, 2, "B", 100, 3).add(20, 3, "B", 99, 3).cancel(30, 9)
    notes, _, _ = trace(tape, on_book=book_note)
    assert notes == [
        (BOOK, 1, 100 * PRICE, 5, UNDEF_PRICE, 0),
        (BOOK, 2, 100 * PRICE, 5, 101 * PRICE, 1),
        (BOOK, 11, 100 * PRICE, 8, 101 * PRICE, 1),  # the size changed
        # 99 is not the best bid: nothing to see at 21
        (BOOK, 31, 100 * PRICE, 8, UNDEF_PRICE, 0),
    ]


def test_changes_of_price_only() -> None:
    tape = market().add(10, 2, "B", 100, 3).add(20, 3, "B", 100.5, 3)
    notes, _, _ = trace(tape, on_book=book_note, price_only=True)
    assert [at for _, at, *_ in notes] == [1, 2, 21]


def event_note(ctx: Any, state: Any) -> None:
    note(ctx, state, EVENT, ctx.best_bid, ctx.publisher_id, ctx.instrument_id, ctx.session_volume)


def test_every_event_once_however_many_records() -> None:
    tape = market().trade(10, (9, 2)).tick(20)
    notes, _, _ = trace(tape, on_market_event=event_note)
    assert [(at, volume) for _, at, *_, volume in notes] == [(1, 0), (2, 0), (11, 2), (21, 2)]
    assert {note[3:5] for note in notes} == {(1, 7)}


def trade_note(ctx: Any, state: Any) -> None:
    note(ctx, state, TRADE, ctx.trade_price, ctx.trade_size, ctx.trade_side, ctx.best_ask_size)


def test_every_trade_of_an_event() -> None:
    """Two sales and a purchase in one event; the book is the one after it."""
    tape = market()
    tape.event(
        10, tape.t("A", 100, 1), tape.f(1, 1), tape.t("B", 101, 2), tape.f(9, 2),
        tape.t("N", 100.5, 7), tape.m(1, 4), tape.m(9, 8),
    )  # fmt: skip
    notes, _, _ = trace(tape, on_trade=trade_note)
    assert notes == [
        (TRADE, 11, 100 * PRICE, 1, -1, 8),
        (TRADE, 11, 101 * PRICE, 2, 1, 8),
        (TRADE, 11, 100 * PRICE + PRICE // 2, 7, 0, 8),
    ]


def test_the_feed_has_its_own_latency() -> None:
    notes, _, _ = trace(market(), on_book=book_note, settings={"feed_us": 7})
    assert [at for _, at, *_ in notes] == [8, 9]


# --- timers ---------------------------------------------------------------------------------------


def timers_start(ctx: Any, state: Any) -> None:
    note(ctx, state, START, 0, 0, 0, 0)
    set_timer(ctx, ctx.now_ns + 30_000)
    set_timer(ctx, ctx.now_ns + 10_000)
    set_timer(ctx, ctx.now_ns - 5_000)
    set_timer(ctx, ctx.now_ns + 30_000)


def timers_timer(ctx: Any, state: Any) -> None:
    state.step += 1
    note(ctx, state, TIMER, state.step, ctx.best_bid, 0, 0)
    if state.step == 2:
        set_timer(ctx, ctx.now_ns + 1)


def test_timers_come_at_their_times_in_their_order() -> None:
    """Set at 1 for 31, 11, the past and 31 again; that of 11 sets one a nanosecond later."""
    tape = market().add(20, 2, "B", 100.5, 1).tick(100)
    notes, _, _ = trace(tape, on_start=timers_start, on_timer=timers_timer)
    assert [(hook, at) for hook, at, *_ in notes] == [
        (START, 1), (TIMER, 1), (TIMER, 11), (TIMER, 11.001), (TIMER, 31), (TIMER, 31),
    ]  # fmt: skip
    # At 11 the bid of 20 is not known yet, at 31 it is.
    assert [best for hook, _, _, best, *_ in notes[2:5]] == [
        100 * PRICE, 100 * PRICE, 100 * PRICE + PRICE // 2,
    ]  # fmt: skip


def endless_timer(ctx: Any, state: Any) -> None:
    set_timer(ctx, ctx.now_ns)


def test_a_strategy_that_answers_itself_for_ever_is_stopped() -> None:
    with pytest.raises(SimulationError, match="strategy probe answers its own messages"):
        trace(market().tick(50), on_start=timers_start, on_timer=endless_timer)


def stubborn_start(ctx: Any, state: Any) -> None:
    submit_limit(ctx, BUY, 99 * PRICE, 7, GTC)


def stubborn_update(ctx: Any, state: Any) -> None:
    if was_denied(ctx):
        submit_limit(ctx, BUY, 99 * PRICE, 7, GTC)


@pytest.mark.parametrize(
    ("limits", "settings", "said"),
    [
        (RiskLimits(max_position=6), {}, r"MAX_POSITION (risk_limits: max_position is 6 lots)"),
        (RiskLimits(), {"tick": 2}, r"INVALID_PRICE (instruments: tick_size is 2)"),
    ],
)
def test_who_answers_denials_for_ever_is_told_which(
    limits: RiskLimits, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(SimulationError) as caught:
        trace(
            market().tick(50), limits=limits, settings=settings,
            on_start=stubborn_start, on_order_update=stubborn_update,
        )  # fmt: skip
    text = str(caught.value)
    assert "strategy probe answers its own messages without end at 2023-11-14T22:13:20" in text
    assert f"1,000,000 of them denials, the last for {said}" in text
    assert text.endswith("let it wait for the next market event before it asks again")


def greedy_start(ctx: Any, state: Any) -> None:
    for _ in range(65):
        submit_limit(ctx, BUY, 99 * PRICE, 1, GTC)


def greedy_timers(ctx: Any, state: Any) -> None:
    for k in range(65):
        set_timer(ctx, ctx.now_ns + k)


@pytest.mark.parametrize("hook", [greedy_start, greedy_timers])
def test_too_many_requests_at_once_are_an_error(hook: Any) -> None:
    with pytest.raises(SimulationError, match="strategy probe made more than 64 requests"):
        trace(market().tick(50), on_start=hook)


# --- own orders -----------------------------------------------------------------------------------


def life_start(ctx: Any, state: Any) -> None:
    state.order = submit_limit(ctx, BUY, 100 * PRICE + PRICE // 2, 5, GTC)
    note(ctx, state, START, is_open(ctx, state.order), order_leaves(ctx, state.order),
         order_status(ctx, state.order), ctx.position)  # fmt: skip
    set_timer(ctx, ctx.now_ns + 150_000)


def life_timer(ctx: Any, state: Any) -> None:
    replace(ctx, state.order, 99 * PRICE, 4)
    note(ctx, state, TIMER, has_request(ctx, state.order), order_price(ctx, state.order), 0, 0)


def life_update(ctx: Any, state: Any) -> None:
    if is_open(ctx, state.order):
        note(ctx, state, ORDER, ctx.update_status, order_price(ctx, state.order),
             order_leaves(ctx, state.order), has_request(ctx, state.order))  # fmt: skip
        if order_price(ctx, state.order) == 99 * PRICE:
            cancel(ctx, state.order)
    else:
        note(ctx, state, ORDER, ctx.update_status, ctx.update_reason, -1,
             ctx.update_order == state.order)  # fmt: skip
        cancel(ctx, state.order)  # too late, and known to be: not sent


def life_fill(ctx: Any, state: Any) -> None:
    note(ctx, state, FILL, ctx.fill_price, ctx.fill_quantity, ctx.position,
         order_leaves(ctx, state.order))  # fmt: skip


def test_the_life_of_an_order_as_its_strategy_learns_it() -> None:
    # Sent at 1, accepted at 51, known at 101. Filled 2 at 120, known at 170. Replaced: sent at
    # 151, done at 201, known at 251; then canceled: at 301, known at 351.
    half = 100 * PRICE + PRICE // 2
    tape = market().tick(60).trade(120, (1, 2)).tick(199).tick(260).tick(400)
    notes, simulation, rows = trace(
        tape, on_start=life_start, on_timer=life_timer, on_order_update=life_update,
        on_fill=life_fill,
    )  # fmt: skip
    assert notes == [
        (START, 1, 1, 5, OrderStatus.PENDING_NEW, 0),
        (ORDER, 101, OrderStatus.NEW, half, 5, 0),
        (TIMER, 151, 0, half, 0, 0),  # the request leaves when the callback returns
        (FILL, 170, half, 2, 2, 3),
        (ORDER, 251, OrderStatus.PARTIALLY_FILLED, 99 * PRICE, 2, 0),
        (ORDER, 351, OrderStatus.CANCELED, Reason.USER_CANCEL, -1, 1),
    ]
    assert simulation.counts["requests_stale"] == 1
    [order] = rows.orders
    assert (order["filled_qty"], order["quantity"], us(int(order["ts_closed"]))) == (2, 4, 301)


def list_start(ctx: Any, state: Any) -> None:
    state.order = submit_limit(ctx, BUY, 99 * PRICE, 1, GTC)
    state.other = submit_limit(ctx, SELL, 102 * PRICE, 2, GTC)
    submit_limit(ctx, BUY, 98 * PRICE, 3, GTC)
    set_timer(ctx, ctx.now_ns + 200_000)
    set_timer(ctx, ctx.now_ns + 400_000)


def list_timer(ctx: Any, state: Any) -> None:
    handle = first_open(ctx)
    while handle != -1:
        note(ctx, state, TIMER, order_price(ctx, handle), order_leaves(ctx, handle),
             order_side(ctx, handle), 0)  # fmt: skip
        handle = next_open(ctx, handle)
    cancel(ctx, state.other)


def test_open_orders_are_listed_oldest_first() -> None:
    notes, _, _ = trace(market().tick(500), on_start=list_start, on_timer=list_timer)
    assert [(at, price // PRICE, leaves, side) for _, at, price, leaves, side, _ in notes] == [
        (201, 99, 1, BUY), (201, 102, 2, SELL), (201, 98, 3, BUY), (401, 99, 1, BUY),
        (401, 98, 3, BUY),
    ]  # fmt: skip


def reuse_start(ctx: Any, state: Any) -> None:
    state.order = submit_market(ctx, BUY, 1)
    set_timer(ctx, ctx.now_ns + 200_000)


def reuse_timer(ctx: Any, state: Any) -> None:
    state.other = submit_limit(ctx, BUY, 99 * PRICE, 1, GTC)
    note(ctx, state, TIMER, is_open(ctx, state.order), state.other == state.order, 0, 0)
    cancel(ctx, state.order)
    replace(ctx, state.order, 98 * PRICE, 7)


def test_a_handle_outlives_its_order_without_naming_another() -> None:
    """The first order's record is used again; its old handle is stale, not the new order."""
    notes, simulation, rows = trace(market().tick(500), on_start=reuse_start, on_timer=reuse_timer)
    assert notes == [(TIMER, 201, 0, 0, 0, 0)]
    assert simulation.counts["requests_stale"] == 2
    assert rows.orders["client_order_id"].tolist() == [1, 2]
    assert rows.orders["status"].tolist() == [OrderStatus.FILLED, OrderStatus.NEW]


def denied_start(ctx: Any, state: Any) -> None:
    state.order = submit_market(ctx, BUY, 6)


def denied_update(ctx: Any, state: Any) -> None:
    note(ctx, state, ORDER, ctx.update_status, ctx.update_reason, is_open(ctx, state.order),
         ctx.position)  # fmt: skip


def test_a_denial_is_heard_at_once() -> None:
    notes, _, _ = trace(
        market().tick(500), limits=RiskLimits(max_order_size=5), on_start=denied_start,
        on_order_update=denied_update,
    )  # fmt: skip
    assert notes == [(ORDER, 1, OrderStatus.DENIED, Reason.MAX_ORDER_SIZE, 0, 0)]


def send_none(ctx: Any, state: Any) -> None:
    submit_limit(ctx, BUY, 99 * PRICE, 0, GTC)
    submit_market(ctx, SELL, -3)


def test_a_quantity_that_is_none_is_denied() -> None:
    notes, simulation, _ = trace(market(), on_start=send_none, on_order_update=denied_update)
    assert notes == [(ORDER, 1, OrderStatus.DENIED, Reason.INVALID_QUANTITY, 0, 0)] * 2
    assert simulation.counts["orders_denied"] == 2


def loss_start(ctx: Any, state: Any) -> None:
    submit_market(ctx, BUY, 2)


def loss_book(ctx: Any, state: Any) -> None:
    note(ctx, state, BOOK, ctx.pnl, ctx.halted, ctx.position, 0)


def test_profit_and_halt_as_the_strategy_sees_them() -> None:
    # Long 2 at 101 from 51, known at 101. Mark 100.5: -1. Then bid and ask fall by ten: -21.
    tape = market().tick(60).add(90, 2, "B", 100, 1).add(150, 3, "B", 100, 1)
    tape.event(200, tape.m(1, price=90), tape.c(2), tape.c(3), tape.m(9, price=91)).tick(300)
    notes, _, _ = trace(
        tape, limits=RiskLimits(max_loss=20 * PRICE), on_start=loss_start, on_book=loss_book
    )
    assert notes[-3:] == [
        (BOOK, 91, 0, 0, 0, 0),
        (BOOK, 151, -1 * PRICE, 0, 2, 0),
        (BOOK, 201, -21 * PRICE, 1, 2, 0),
    ]


def stop_start(ctx: Any, state: Any) -> None:
    note(ctx, state, START, 0, 0, 0, 0)


def stop_stop(ctx: Any, state: Any) -> None:
    note(ctx, state, STOP, ctx.position, 0, 0, 0)
    submit_market(ctx, BUY, 1)


def test_the_last_call_sends_nothing() -> None:
    notes, _, rows = trace(market().tick(50), on_start=stop_start, on_stop=stop_stop)
    assert [note[0] for note in notes] == [START, STOP]
    assert rows.orders.size == 0


def eight_orders(ctx: Any, state: Any) -> None:
    for _ in range(8):
        submit_limit(ctx, BUY, 90 * PRICE, 1, GTC)


def test_an_event_of_many_trades_has_room_for_every_callback() -> None:
    # 300 trades in one event, eight orders each: far more than the order block holds at first.
    quiet = market().tick(90).tick(500).records()
    trades = np.repeat(quiet[2:3], 300)
    trades["action"], trades["price"], trades["size"] = ord("T"), 100 * PRICE, 1
    trades["order_id"], trades["flags"] = 0, 0
    trades["flags"][-1] = 128
    records = np.concatenate([quiet[:3], trades, quiet[3:]])
    definition = StrategyDefinition(
        name="probe", doc="Answers every trade.", parameters={}, state=STATE, on_trade=eight_orders
    )
    spec = StrategySpec("probe", definition, symbols=("TWX",))
    simulation, _ = run(configure(None, others=[spec]), records)
    assert simulation.counts["orders_sent"] == 300 * 8
