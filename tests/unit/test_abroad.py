"""Orders that a broker elsewhere works: requests leave a simulation, words come back, by hand."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stories import Log, Tape, configure, ns, px, us
from tapewire.execution.codes import (
    ACCOUNT_ID,
    FillReason,
    Liquidity,
    OrderStatus,
    Reason,
    Side,
    own_order_name,
)
from tapewire.market.records import UNDEF_PRICE
from tapewire.router import Simulation
from tapewire.router.abroad import AbroadRequest, Said


class Scene:
    """A simulation whose orders leave it, fed record by record."""

    def __init__(self, tape: Tape, log: Log, folder: Path, **given: object) -> None:
        config = configure(log.write(folder / "orders.csv"), **given)
        self.simulation = Simulation(dataclasses.replace(config, abroad=True))
        self.abroad = self.simulation.abroad
        self._records = tape.records()
        self._at = 0

    def until(self, t: float) -> list[AbroadRequest]:
        """Feed all that is captured by a time; return what has left."""
        stop = int(np.searchsorted(self._records["ts_recv"], ns(t), "right"))
        if stop > self._at:
            self.simulation.feed(self._records[self._at : stop])
        self._at = stop
        return self.abroad.take()

    def end(self) -> dict[str, np.ndarray]:
        self.until(1e9)
        self.simulation.finish()
        rows = self.simulation.drain()
        return {"fills": rows.fills, "orders": rows.orders, "samples": rows.samples}


def said(t: float, known: float | None = None) -> Said:
    return Said(ns(t), ns(t if known is None else known))


@pytest.fixture
def scene(tmp_path: Path) -> Callable[..., Scene]:
    def make(log: Log, ticks: range = range(10, 400, 10), **given: object) -> Scene:
        tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 5)
        for t in ticks:
            tape.tick(t)
        return Scene(tape, log, tmp_path, **given)

    return make


def test_what_is_asked_for_leaves_as_it_is_and_nothing_is_simulated(
    scene: Callable[..., Scene],
) -> None:
    """A market order that the book could fill at once stays open: nobody has said anything."""
    log = Log().buy(20, "a", 3).sell(30, "b", 2, 101, "DAY", post_only=True)
    log.sell(30, "c", 1, 99, "GTC", trigger_price=99.5)
    here = scene(log)
    assert here.until(15) == []
    first, *others = here.until(45)
    assert (first.kind, first.side, first.quantity, first.price) == ("new", 1, 3, UNDEF_PRICE)
    assert us(first.ts_ns) == 20
    shown = here.simulation.look().orders()
    assert [(one.client_order_id, one.quantity, one.ahead) for one in shown] == [
        (1, 3, None), (2, 2, None), (3, 1, None),
    ]  # fmt: skip
    assert [(one.client_order_id, one.price, one.trigger_price) for one in others] == [
        (2, px(101), UNDEF_PRICE), (3, px(99), px("99.5")),
    ]  # fmt: skip
    assert here.until(100) == []
    rows = here.end()
    assert rows["fills"].size == 0
    assert rows["orders"]["status"].tolist() == [OrderStatus.PENDING_NEW] * 3
    assert rows["orders"]["reason"].tolist() == [Reason.END_OF_DATA] * 3


def test_an_order_is_what_its_broker_says_of_it(scene: Callable[..., Scene]) -> None:
    """3 lots at 100: taken, 1 filled, the other 2 at 99 by a replace, filled; fees as told."""
    log = Log().buy(20, "a", 3, 100).replace(60, "a", 3, 99)
    here = scene(log)
    [new] = here.until(31)
    here.abroad.accept(new.order, said(32))
    here.abroad.fill(new.order, px(100), 1, Liquidity.MAKER, 7, said(40))
    assert here.abroad.leaves(new.order) == 2
    [replace] = here.until(71)
    assert (replace.kind, replace.price, replace.quantity) == ("replace", px(99), 3)
    assert (replace.order, replace.lots) == (new.order, 0)
    here.abroad.replace(new.order, px(99), 3, said(75), lots=replace.lots)
    here.until(91)
    here.abroad.fill(new.order, px("98.5"), 2, Liquidity.TAKER, None, said(92, 95))
    rows = here.end()
    fills = rows["fills"]
    assert fills["last_px"].tolist() == [px(100), px("98.5")]
    assert fills["commission"].tolist() == [7, 0]
    assert fills["position"].tolist() == [1, 3]
    assert set(fills["reason"].tolist()) == {FillReason.BROKER}
    assert [us(t) for t in fills["ts_event"]] == [40, 92]
    assert [us(t) for t in fills["ts_known"]] == [40, 95]
    [order] = rows["orders"]
    assert (order["status"], order["filled_qty"], order["replaces"]) == (OrderStatus.FILLED, 3, 1)
    assert (us(order["ts_sent"]), us(order["ts_arrived"]), us(order["ts_closed"])) == (20, 32, 92)
    assert rows["samples"]["position"][-1] == 3
    assert rows["samples"]["cash"][-1] == -px(100) - 2 * px("98.5")
    assert rows["samples"]["fees"][-1] == 7


def test_a_cancel_and_a_replace_that_come_too_late(scene: Callable[..., Scene]) -> None:
    """Both are on their way as the order fills: its record stays until they are answered."""
    log = Log().buy(20, "a", 2, 100).replace(50, "a", 5, 100).cancel(55, "a").buy(90, "b", 1, 100)
    here = scene(log)
    [new] = here.until(31)
    here.abroad.accept(new.order, said(33))
    replace, cancel = here.until(61)
    assert [replace.kind, cancel.kind] == ["replace", "cancel"]
    assert replace.lots == 3
    here.abroad.fill(new.order, px(100), 2, Liquidity.MAKER, None, said(62))
    [other] = here.until(95)
    assert other.order != new.order
    here.abroad.refuse(
        new.order, Reason.BROKER, said(96), price=replace.price, quantity=5, lots=replace.lots
    )
    assert here.abroad.leaves(new.order) == 0
    here.abroad.refuse(new.order, Reason.BROKER, said(97))
    here.until(150)
    with pytest.raises(KeyError):
        here.abroad.leaves(new.order)
    here.abroad.close(other.order, OrderStatus.REJECTED, Reason.BROKER, said(151))
    orders = here.end()["orders"]
    assert orders["status"].tolist() == [OrderStatus.FILLED, OrderStatus.REJECTED]


def test_a_cancel_a_mass_cancel_and_what_the_venue_ends_by_itself(
    scene: Callable[..., Scene],
) -> None:
    log = Log().cancel(50, "a").mass_cancel(70, "b")
    for name in "abcd":
        log.buy(20, name, 1, 100)
    log.rows.sort(key=lambda row: int(row["ts_ns"]))
    here = scene(log)
    news = {one.client_order_id: one.order for one in here.until(31)}
    for order in news.values():
        here.abroad.accept(order, said(33))
    here.abroad.close(news[4], OrderStatus.EXPIRED, Reason.BROKER, said(35))
    [cancel] = here.until(61)
    assert cancel.order == news[1]
    here.abroad.close(news[1], OrderStatus.CANCELED, Reason.USER_CANCEL, said(62), answers=True)
    [all_of_it] = here.until(85)
    assert all_of_it.kind == "cancel_all"
    assert here.abroad.open_orders(all_of_it.leg) == [news[2], news[3]]
    for order in (news[2], news[3]):
        here.abroad.close(order, OrderStatus.CANCELED, Reason.MASS_CANCEL, said(86))
    here.until(120)
    assert here.abroad.open_orders(all_of_it.leg) == []
    orders = here.end()["orders"]
    assert [(o["client_order_id"], Reason(o["reason"]).name) for o in orders] == [
        (4, "BROKER"), (1, "USER_CANCEL"), (2, "MASS_CANCEL"), (3, "MASS_CANCEL"),
    ]  # fmt: skip


def test_what_the_account_has_and_no_strategy_sent(scene: Callable[..., Scene]) -> None:
    """Two lots held from before at 99, sold by the rails at 101: known to the strategy, too."""
    here = scene(Log().buy(380, "late", 1, 100))
    here.until(31)
    held = here.abroad.open_account_order(0, Side.BUY, 2, said(31))
    here.abroad.fill(held, px(99), 2, Liquidity.TAKER, 0, said(31))
    here.until(61)
    sold = here.abroad.open_account_order(0, Side.SELL, 2, said(61))
    here.abroad.fill(sold, px(101), 2, Liquidity.TAKER, 3, said(62))
    rows = here.end()
    assert rows["fills"]["position"].tolist() == [2, 0]
    names = [own_order_name(int(one)) for one in rows["fills"]["client_order_id"]]
    assert names == ["account-1", "account-2"]
    assert rows["fills"]["client_order_id"][0] == ACCOUNT_ID
    assert rows["samples"]["cash"][-1] == 2 * px(2)


def test_time_passes_without_a_record(scene: Callable[..., Scene]) -> None:
    """Orders of a log are sent by timers, and the next record is 100 µs away."""
    here = scene(Log().buy(120, "a", 1, 100).buy(150, "b", 1, 100), range(10, 101, 90))
    assert here.until(105) == []
    here.abroad.let_pass(ns(130))
    [first] = here.abroad.take()
    assert us(first.ts_ns) == 120
    here.abroad.accept(first.order, said(131))
    here.abroad.let_pass(ns(160))
    assert [us(one.ts_ns) for one in here.abroad.take()] == [150]
    assert here.simulation.now_ns == ns(160)


def test_a_venue_with_another_clock(scene: Callable[..., Scene]) -> None:
    """It takes an order before that was sent, and fills it after that was heard of."""
    here = scene(Log().buy(20, "a", 1, 100))
    [new] = here.until(31)
    here.abroad.accept(new.order, said(5, 32))
    here.abroad.fill(new.order, px(100), 1, Liquidity.MAKER, None, said(90, 40))
    rows = here.end()
    assert us(rows["orders"]["ts_arrived"][0]) == 20
    assert (us(rows["fills"]["ts_event"][0]), us(rows["fills"]["ts_known"][0])) == (40, 40)


def test_limits_of_the_run_hold_before_anything_leaves(scene: Callable[..., Scene]) -> None:
    from tapewire.router import RiskLimits

    here = scene(Log().buy(20, "a", 3, 100).buy(40, "b", 1, 100), limits=RiskLimits(max_position=3))
    [new] = here.until(61)
    assert new.client_order_id == 1
    orders = here.end()["orders"]
    assert sorted(orders["status"].tolist()) == [OrderStatus.PENDING_NEW, OrderStatus.DENIED]


def test_there_is_room_for_however_much_is_said(scene: Callable[..., Scene]) -> None:
    """More fills than there is room for rows and messages, before anybody takes them."""
    lots = 40_000
    here = scene(Log().buy(20, "a", lots, 100))
    [new] = here.until(31)
    here.abroad.accept(new.order, said(32))
    for _ in range(lots):
        here.abroad.fill(new.order, px(100), 1, Liquidity.MAKER, 1, said(40))
    fills = here.end()["fills"]
    assert fills.size == lots
    assert fills["position"][-1] == lots
