"""Orders that hang on something, as plain and compiled strategies say it: the same comes of it."""

from typing import Any, ClassVar

import numpy as np
import pytest

from plain import PRICE, play, spec_of
from stories import Tape, configure, ns, run, us
from tapewire import Strategy
from tapewire.errors import StrategyError
from tapewire.execution.codes import OrderStatus, Reason
from tapewire.market.records import UNDEF_PRICE
from tapewire.router import StrategySpec
from tapewire.strategies import StrategyDefinition
from tapewire.strategies.context import BUY, GTC, SELL, set_timer, submit_limit, submit_market
from tapewire.strategies.contingent import (
    MID,
    bracket,
    mass_cancel,
    oco,
    reduce_only,
    submit_pegged,
)
from tapewire.strategies.terms import show_at_most, submit_stop


class Sender(Strategy):
    """Sends one of each at 2 µs, and cancels what is left at 500 µs."""

    told: ClassVar[list[Any]] = []

    def on_book(self, market: Any, context: Any) -> None:
        if us(context.now) != 2:
            return
        low = context.buy(2, 98 * PRICE, display_quantity=1)
        context.oco(low, context.sell(2, 103 * PRICE))
        made = context.bracket(1, 3, take_profit="104", stop_loss=97.0)
        assert made.take_profit.parent is made.stop_loss.parent is made.entry
        context.sell(9, "105", reduce_only=True)
        assert context.expected_position == 2 - 2 + 3 - 9, "exits add nothing"
        context.buy(1, peg="mid", peg_offset_ticks=-1)
        context.set_timer(at=ns(500))

    def on_timer(self, timer: Any, context: Any) -> None:
        context.mass_cancel()

    def on_order_update(self, order: Any, context: Any) -> None:
        price = None if order.price is None else order.price / PRICE
        self.told.append(
            (us(context.now), order.id, order.status.name, order.reason.name, order.quantity, price)
        )


def on_book(ctx: Any, state: Any) -> None:
    """As `Sender.on_book`."""
    if state.done != 0 or ctx.best_ask == UNDEF_PRICE:
        return
    state.done = 1
    low = submit_limit(ctx, BUY, 98 * PRICE, 2, GTC)
    show_at_most(ctx, low, 1)
    oco(ctx, low, submit_limit(ctx, SELL, 103 * PRICE, 2, GTC))
    entry = submit_market(ctx, BUY, 3)
    profit = submit_limit(ctx, SELL, 104 * PRICE, 3, GTC)
    bracket(ctx, entry, profit, submit_stop(ctx, SELL, 97 * PRICE, 3, GTC))
    reduce_only(ctx, submit_limit(ctx, SELL, 105 * PRICE, 9, GTC))
    submit_pegged(ctx, BUY, 1, MID, -1, UNDEF_PRICE)
    set_timer(ctx, ctx.now_ns + 498_000)


def on_timer(ctx: Any, state: Any) -> None:
    """As `Sender.on_timer`."""
    mass_cancel(ctx)


SENDER = StrategyDefinition(
    name="sender", doc="One of each.", parameters={}, state=np.dtype([("done", "i8")]),
    on_book=on_book, on_timer=on_timer,
)  # fmt: skip


def tape() -> Tape:
    """A sale at 300 µs through 100 and 2 lots of 97, which triggers the stop-loss."""
    return (
        Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10).add(70, 2, "B", 97, 9)
        .trade(300, (1, 5), (2, 2)).tick(900)
    )  # fmt: skip


def test_both_kinds_of_strategies_say_the_same() -> None:
    Sender.told.clear()
    plain = play(Sender, tape(), tick=0.25)
    one = StrategySpec("mine", SENDER, {})
    compiled = run(configure(None, others=[one], tick=0.25), tape().records(), 0)
    for table in ("fills", "orders"):
        a, b = (getattr(rows, table) for _, rows in (plain, compiled))
        assert a.tolist() == b.tolist()
    assert plain[0].digests() == compiled[0].digests()


def test_what_a_plain_strategy_is_told_of_them() -> None:
    Sender.told.clear()
    _, rows = play(Sender, tape(), tick=0.25)
    # At 300: 2 lots trade at 97. The pegged bid at 100.25 has the first, order 1 at 98 the second,
    # which comes off its partner at 103 as well. The stop-loss is triggered and sells 3 at 97; that
    # ends the take-profit, and leaves the 9 that may only reduce, 3 so far, with the 2 lots bought.
    told = [entry for entry in Sender.told if entry[0] > 300]
    by_order = {
        number: [entry[2:] for entry in told if entry[1] == number] for number in range(1, 8)
    }
    assert by_order[2][0] == ("NEW", "OTHER_FILLED", 1, 103)
    assert by_order[4] == [("CANCELED", "OTHER_FILLED", 3, 104)]
    assert by_order[6][0] == ("NEW", "REDUCE_ONLY", 2, 105)
    assert by_order[1] == [("CANCELED", "MASS_CANCEL", 2, 98)]
    ended = {
        int(row["client_order_id"]): (OrderStatus(row["status"]).name, Reason(row["reason"]).name)
        for row in rows.orders
    }
    assert ended == {
        1: ("CANCELED", "MASS_CANCEL"), 2: ("CANCELED", "MASS_CANCEL"), 3: ("FILLED", "NONE"),
        4: ("CANCELED", "OTHER_FILLED"), 5: ("FILLED", "NONE"), 6: ("CANCELED", "MASS_CANCEL"),
        7: ("FILLED", "NONE"),
    }  # fmt: skip
    groups = {int(row["client_order_id"]): (row["group"], row["parent"]) for row in rows.orders}
    assert groups == {
        1: (1, 0), 2: (1, 0), 3: (2, 0), 4: (2, 3), 5: (2, 3), 6: (0, 0), 7: (0, 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda c: c.buy(1, peg="middle"), "peg: expected touch or mid or opposite, found 'mid"),
        (lambda c: c.buy(1, peg="mid", peg_offset_ticks=0.5), "peg_offset_ticks: expected a whole"),
        (lambda c: c.oco(c.buy(1), "it"), "expected an order of this strategy, found 'it'"),
    ],
)  # fmt: skip
def test_what_can_not_be_said(act: Any, expected: str) -> None:
    class Wrong(Strategy):
        def on_book(self, market: Any, context: Any) -> None:
            act(context)

    with pytest.raises(StrategyError, match=expected):
        play(Wrong, tape())


def test_what_is_said_later_changes_nothing() -> None:
    class Late(Strategy):
        def on_book(self, market: Any, context: Any) -> None:
            if us(context.now) == 2:
                self.first = context.buy(1, 90 * PRICE)
            elif us(context.now) > 200 and self.first is not None:
                context.oco(self.first, context.buy(1, 91 * PRICE))
                self.first = None

    _, rows = play(Late, tape())
    assert [Reason(row["reason"]).name for row in rows.orders] == ["INVALID_TERMS", "END_OF_DATA"]


def test_one_plain_strategy_is_as_it_was_beside_another() -> None:
    specs = [spec_of(Sender, "one"), spec_of(Sender, "two")]
    _, rows = run(configure(None, others=specs, tick=0.25), tape().records(), 0)
    by_leg = [rows.orders[rows.orders["leg"] == leg] for leg in (0, 1)]
    names = [name for name in rows.orders.dtype.names if name != "leg"]
    assert by_leg[0][names].tolist() == by_leg[1][names].tolist()
