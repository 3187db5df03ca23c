"""Orders of strategies in plain Python: sent, told of, changed, denied."""

from decimal import Decimal
from typing import Any, ClassVar

import pytest

from plain import PRICE, play, quoted
from stories import Tape, us
from tapewire import Strategy, Wants
from tapewire.errors import StrategyError
from tapewire.execution.codes import OrderStatus, Reason
from tapewire.router import RiskLimits


class Trader(Strategy):
    """Sends at 2 µs what the test says, and notes what it is told."""

    notes: ClassVar[list[Any]] = []
    act: ClassVar[Any] = None

    def on_book(self, market: Any, context: Any) -> None:
        if us(context.now) == 2:
            type(self).act(context)

    def on_order_update(self, order: Any, context: Any) -> None:
        self.notes.append((us(context.now), order.id, order.status.name, order.reason.name))

    def on_fill(self, fill: Any, context: Any) -> None:
        self.notes.append((us(context.now), fill.order.id, fill.price, fill.quantity, fill.side))


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Trader.notes.clear()


def do(act: Any, tape: Tape, **settings: Any) -> Any:
    Trader.act = staticmethod(act)
    return play(Trader, tape, **settings)


def test_a_market_order_from_sending_to_fill() -> None:
    seen = []

    def act(context: Any) -> None:
        order = context.buy(3)
        assert (context.position, context.expected_position) == (0, 3)
        seen.append((order, order.status, order.leaves, order.is_open, context.orders))

    _, rows = do(act, quoted().tick(500))
    order, status, leaves, is_open, orders = seen[0]
    assert (status, leaves, is_open, orders) == (OrderStatus.PENDING_NEW, 3, True, (order,))
    assert Trader.notes == [(102, 1, "NEW", "NONE"), (102, 1, 101 * PRICE, 3, 1)]
    assert (order.status, order.filled, order.is_open) == (OrderStatus.FILLED, 3, False)
    assert rows.fills["last_qty"].tolist() == [3]


@pytest.mark.parametrize("price", [99 * PRICE, Decimal("99"), "99.00", 99.0])
def test_prices_are_whole_or_decimal(price: Any) -> None:
    _, rows = do(lambda context: context.buy(1, price), quoted().tick(500))
    assert rows.orders["price"].tolist() == [99 * PRICE]


def test_replace_and_cancel() -> None:
    def act(context: Any) -> None:
        order = context.sell(4, "102")
        context.replace(order, price="103", quantity=6)
        assert order.requests == 1
        context.cancel(order)
        assert order.requests == 2

    _, rows = do(act, quoted().tick(500))
    assert [note[2] for note in Trader.notes] == ["NEW", "NEW", "CANCELED"]
    row = rows.orders[0]
    assert (row["price"], row["quantity"], row["replaces"]) == (103 * PRICE, 6, 1)
    assert Reason(row["reason"]) is Reason.USER_CANCEL


def test_cancel_all_leaves_alone_what_is_on_its_way() -> None:
    def act(context: Any) -> None:
        orders = [context.buy(1, 99 * PRICE) for _ in range(3)]
        context.cancel(orders[0])
        context.cancel_all()
        assert [order.requests for order in orders] == [1, 1, 1]

    _, rows = do(act, quoted().tick(500))
    assert len(rows.orders) == 3
    assert {Reason(row["reason"]) for row in rows.orders} == {Reason.USER_CANCEL}


@pytest.mark.parametrize(
    ("quantity", "price", "reason"),
    [(0, "99", "INVALID_QUANTITY"), (-1, None, "INVALID_QUANTITY"), (1, "99.1", "INVALID_PRICE"),
     (1, 99.1, "INVALID_PRICE"), (2**31, "99", "INVALID_QUANTITY")],
)  # fmt: skip
def test_what_is_not_right_is_denied_with_a_reason(quantity: Any, price: Any, reason: str) -> None:
    kept = []

    def act(context: Any) -> None:
        kept.append(context.buy(quantity, price))

    simulation, _ = do(act, quoted().tick(500), tick="0.25")
    assert Trader.notes == [(2, 1, "DENIED", reason)]
    assert kept[0].was_denied
    assert not kept[0].is_open
    assert simulation.counts["orders_denied"] == 1


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda c: c.buy(1, float("nan")), "price: expected a finite price .*, found nan"),
        (lambda c: c.buy(1, 0.1 + 0.2), "at most nine decimal places, found 0.30000000000000004"),
        (lambda c: c.buy(1, Decimal("inf")), "price: expected a finite price"),
        (lambda c: c.buy(1, "ten"), "price: expected a finite price .*, found 'ten'"),
        (lambda c: c.buy(1.5), "quantity: expected a whole number, found 1.5"),
        (lambda c: c.buy(True), "quantity: expected a whole number, found True"),
        (lambda c: c.buy(2**70), r"quantity: expected a number within ±2\^62"),
        (lambda c: c.buy(1, symbol="TWQ"), "symbol: expected one of TWX, found 'TWQ'"),
        (lambda c: c.buy(1, "99", time_in_force="FOC"), "time_in_force: expected .*found 'FOC'"),
        (lambda c: c.buy(1, time_in_force="GTC"), "expected IOC of a market order, found 'GTC'"),
        (lambda c: c.submit(2, 1), r"side: expected 1 \(BUY\) or -1 \(SELL\), found 2"),
        (lambda c: c.cancel(7), "expected an order of this strategy, found 7"),
    ],
)
def test_what_is_not_of_its_kind_is_an_error_at_the_users_line(act: Any, message: str) -> None:
    with pytest.raises(StrategyError, match=message) as caught:
        do(act, quoted().tick(500))
    assert "test_plain_orders.py" in str(caught.value)


def test_limits_deny_with_their_reasons() -> None:
    def act(context: Any) -> None:
        context.buy(5)
        context.buy(1)

    limits = RiskLimits(max_order_size=4, max_orders_per_second=0)
    do(act, quoted().tick(500), limits=limits)
    assert [note[3] for note in Trader.notes] == ["MAX_ORDER_SIZE", "MAX_ORDER_RATE"]


class Queueing(Strategy):
    """Where its order stands, at each event."""

    wants = Wants(queue_places=True)
    notes: ClassVar[list[Any]] = []
    order = None

    def on_market_event(self, market: Any, context: Any) -> None:
        if self.order is None:
            self.order = context.buy(2, "100")
        self.notes.append((us(context.now), self.order.orders_ahead, self.order.lots_ahead))

    def on_order_update(self, order: Any, context: Any) -> None:
        self.notes.append((us(context.now), order.status.name, order.lots_ahead))


def test_the_place_in_the_queue_is_known_as_of_the_last_event() -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10).add(2, 2, "B", 100, 3)
    tape.tick(200).add(300, 3, "B", 100, 4).cancel(400, 1, 2).trade(500, (1, 3)).cancel(600, 2)
    Queueing.notes.clear()
    play(Queueing, tape.tick(700))
    assert Queueing.notes == [
        (1, None, None), (2, None, None), (3, None, None),
        (101, "NEW", None),  # nobody can know yet where that is
        (201, 2, 8),
        (301, 2, 8),  # who comes later stands behind
        (401, 2, 6), (501, 1, 3), (601, 0, 0), (701, 0, 0),
    ]  # fmt: skip


def test_a_place_that_is_guessed_is_known_in_lots() -> None:
    tape = Tape().quote(0, "B", 100, 5).quote(1, "A", 101, 10).quote(2, "B", 100, 8)
    tape.tick(200).quote(300, "B", 100, 12).event(400, Tape().t("A", 100, 3))
    tape.quote(500, "B", 100, 4)
    Queueing.notes.clear()
    play(Queueing, tape)
    assert Queueing.notes == [
        (1, None, None), (2, None, None), (3, None, None), (101, "NEW", None),
        (201, None, 8), (301, None, 8), (401, None, 5), (501, None, 4),
    ]  # fmt: skip


class Flattened(Strategy):
    """Buys, loses, and is told how the simulation closes its position."""

    notes: ClassVar[list[Any]] = []

    def on_book(self, market: Any, context: Any) -> None:
        if not context.orders and context.position == 0 and not context.halted:
            context.buy(2)

    def on_fill(self, fill: Any, context: Any) -> None:
        assert str(fill.order)  # for people, whatever it is
        self.notes.append((fill.order.id, fill.order.side, fill.side, fill.quantity))


def test_an_order_of_the_simulation_is_told_as_what_it_is() -> None:
    tape = quoted().tick(300).cancel(400, 1).add(500, 4, "B", 90, 5).tick(900).tick(1_500)
    limits = RiskLimits(max_loss=5 * PRICE, on_max_loss="flatten")
    Flattened.notes.clear()
    _, rows = play(Flattened, tape, limits=limits)
    assert rows.fills["side"].tolist() == [1, -1]
    assert Flattened.notes == [(1, 1, 1, 2), (-1, -1, -1, 2)]
