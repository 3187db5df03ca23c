"""A desk of rails: ids, cuts, reconciliation, kills, ends; what is told and what is never sent."""

import os
from pathlib import Path
from typing import Any

import pytest

from rails_desks import SYMBOL, UNIT, WAITS, Table
from rails_venue import VenueOrder
from tapewire.errors import ConfigError, LeaseError, OutputError
from tapewire.execution.codes import OrderStatus
from tapewire.live.orders import (
    AccountReport,
    BrokerDown,
    CancelRejected,
    FillReport,
    FillUndone,
    OrderAccepted,
    OrderCanceled,
    OrderDenied,
    OrderFilled,
    OrderReplaced,
    OrderUnclear,
    ReplaceRejected,
)
from tapewire.live.rails.journal import Journal, journal_files, read_records
from tapewire.live.rails.lease import LEASE_FILE
from tapewire.live.rails.ledger import AccountLedger
from tapewire.live.rails.messages import PositionNow, RailsState
from tapewire.live.rails.records import DifferenceFound
from tapewire.live.rails.settings import RailsLimits, RailsSettings, require_confirmed
from tapewire.live.rails.switch import (
    KILL_FILE,
    kill_switch,
    killed_because,
    reset_kill_switch,
)
from tapewire.live.rails.winding import Winder


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    tables = []

    def make(**changes: Any) -> Table:
        table = Table(tmp_path / f"account{len(tables)}", changes).open()
        tables.append(table)
        return table

    yield make
    for table in tables:
        table.die()


def differences(table: Table) -> list[str]:
    return [
        one.text
        for one in read_records(table.desk.journal.path)
        if isinstance(one, DifferenceFound)
    ]


# --- ids ------------------------------------------------------------------------------------------


def test_the_same_id_twice_is_one_order(opened: Any) -> None:
    table = opened().settled()
    order = table.order(1, 99.0)
    for _ in range(3):
        table.desk.command(order, table.now_ns)
        table.pass_s(0.1)
    assert table.venue.received == {order.client_order_id: 1}
    assert table.desk.duplicates == 2
    assert table.heard(OrderDenied) == []


@pytest.mark.parametrize("name", ["s1-0", "s1-1", "s9-7", "s1-x", "s1-007", "s1-50000000000", "7"])
def test_an_id_that_no_new_order_may_have(opened: Any, name: str) -> None:
    table = opened().settled()
    table.number = 4
    table.send(1, 99.0)
    table.pass_s(0.1)
    table.send(1, 99.0, client_order_id=name)
    assert table.denial().startswith("CLIENT_ORDER_ID: expected ")
    assert len(table.venue.received) <= 1


def test_a_session_begins_with_ids_of_its_own(opened: Any) -> None:
    table = opened().settled()
    name = table.send(1, 99.0)
    table.pass_s(0.1)
    table.die()
    table.open().settled()
    assert table.desk.session == "s2"
    table.send(1, 99.0, client_order_id="s1-9")
    assert table.denial().startswith("CLIENT_ORDER_ID: expected s2-NUMBER")
    assert list(table.desk.ledger.open) == [name]


def test_orders_of_an_earlier_session_are_canceled_by_policy(opened: Any) -> None:
    table = opened(cancels_earlier=True).settled()
    for price in (97.0, 98.0):
        table.send(1, price)
    table.pass_s(0.1)
    table.die()
    table.open().settled()
    name = table.send(1, 99.0)
    table.pass_s(0.5)
    assert table.venue.open == [name]


def test_a_fill_of_an_earlier_sessions_order_is_told_as_a_position(opened: Any) -> None:
    """The engine knows no such order; of its own ones it hears the fill alone."""
    table = opened(cancels_earlier=False).settled()
    earlier = table.send(3, 98.0)
    table.pass_s(0.1)
    table.die()
    table.open().settled()
    own = table.send(2, 97.0)
    table.pass_s(0.1)
    table.said.clear()
    table.broker.fill(own, 1)
    table.pass_s(0.1)
    assert [type(one) for one in table.said] == [OrderFilled]
    table.broker.fill(earlier, 2)
    table.pass_s(0.1)
    assert [one.client_order_id for one in table.heard(OrderFilled)] == [own, earlier]
    assert table.said[-1] == PositionNow(SYMBOL, 3)


# --- before and after a cut -----------------------------------------------------------------------


def test_before_the_account_is_reconciled_only_cancels(opened: Any) -> None:
    table = opened().settled()
    name = table.send(1, 99.0)
    table.pass_s(0.1)
    table.die()
    table.open()
    table.pass_s(0.1, steps=False)
    table.send(1, 99.0)
    assert table.denial().startswith("NOT_RECONCILED: ")
    table.replace(name, 2, 98.0)
    assert isinstance(table.said[-1], ReplaceRejected)
    table.cancel(name)
    table.pass_s(0.2)
    assert not table.venue.open


def test_while_the_broker_is_away_nothing_is_sent(opened: Any) -> None:
    table = opened().settled()
    name = table.send(1, 99.0)
    table.pass_s(0.1)
    table.broker.cut()
    table.cancel(name)  # before the rails know
    assert table.said[-1].reason_text.startswith("BROKER_DOWN: ")
    table.send(1, 99.0)
    assert table.denial().startswith("NOT_RECONCILED: the broker is away")
    table.pass_s(2.0)
    assert table.state == RailsState.ACTIVE
    assert table.broker.sessions == 2


def test_an_order_that_the_broker_could_not_send_is_denied(opened: Any) -> None:
    table = opened().settled()
    table.broker.is_up = False
    name = table.send(1, 99.0)
    assert table.denial().startswith("BROKER_DOWN: ")
    assert table.desk.ledger.ended[name].status == OrderStatus.DENIED


@pytest.mark.parametrize("arrived", [0, 1])
def test_an_unknown_outcome_is_settled_by_a_report_and_never_sent_again(
    opened: Any, arrived: int
) -> None:
    table = opened().settled()
    name = table.send(2, 99.0)
    table.broker.cut(arrive=arrived)
    table.pass_s(0.1)
    assert [one.order.client_order_id for one in table.desk.ledger.unknown] == [name]
    if arrived:
        table.venue.fill(name, 1, table.now_ns)
    table.pass_s(5.0)
    assert table.state == RailsState.ACTIVE
    assert table.venue.received[name] == arrived
    if arrived:
        assert table.desk.ledger.open[name].filled == 1
        assert [one.execution_id for one in table.heard(OrderFilled)]
        assert any(one.startswith("missed_fill") for one in differences(table))
    else:
        assert table.heard(OrderCanceled)[0].client_order_id == name
        assert table.desk.ledger.ended[name].is_absent
    assert any(one.startswith(f"unknown_settled {name}") for one in differences(table))


def test_what_is_not_in_a_report_may_still_be_on_its_way(opened: Any) -> None:
    table = opened().settled()
    name = table.send(2, 99.0)
    table.broker.cut()
    table.pass_s(1.2)
    assert table.desk.rules.unsettled.startswith(f"not reconciled: too_early {name}")
    table.pass_s(2.0)
    assert table.state == RailsState.ACTIVE


def test_an_order_that_a_report_did_not_have_and_the_venue_has(opened: Any) -> None:
    table = opened().settled()
    name = table.send(2, 99.0)
    order = table.broker.going[0]
    table.broker.cut()
    table.pass_s(4.0)
    assert table.desk.ledger.ended[name].is_absent
    # It was on its way for longer than anybody thought.
    table.broker.coming += table.venue.take(order, table.now_ns)
    table.pass_s(0.1)
    assert table.desk.ledger.open[name].open_lots == 2
    table.pass_s(1.0)
    assert table.venue.received[name] == 1


def test_no_answer_is_an_unknown_outcome(opened: Any) -> None:
    table = opened().settled()
    name = table.send(1, 99.0)
    table.broker.going.clear()
    table.pass_s(WAITS.answer, steps=False)
    assert table.state == RailsState.ACTIVE
    table.pass_s(0.2, steps=False)
    assert table.heard(OrderUnclear)[0].client_order_id == name
    assert table.state == RailsState.NOT_RECONCILED
    table.pass_s(3.0)
    assert table.state == RailsState.ACTIVE
    assert not table.desk.ledger.open


def test_an_outcome_that_the_adapter_calls_unknown(opened: Any) -> None:
    table = opened().settled()
    name = table.send(1, 99.0)
    table.pass_s(0.1)
    table.broker.coming.append(OrderUnclear(name, "a gap", 0, 0))
    table.pass_s(0.1, steps=False)
    assert table.state == RailsState.NOT_RECONCILED
    table.pass_s(0.3)
    assert table.state == RailsState.ACTIVE


def test_a_report_that_does_not_come_is_asked_for_again(opened: Any) -> None:
    table = opened()
    table.pass_s(0.2, steps=False)
    table.broker.going.clear()
    table.pass_s(WAITS.report + 0.5, steps=False)
    assert table.state == RailsState.NOT_RECONCILED
    assert table.broker.going == [()]
    table.settled()


def test_a_broker_that_is_not_to_be_tried_again(opened: Any) -> None:
    table = opened().settled()
    table.broker.is_up = False
    table.broker.coming.append(BrokerDown("password refused", True, 0, 0))
    table.pass_s(60.0)
    assert table.broker.sessions == 1
    assert table.state == RailsState.NOT_RECONCILED


def only_since(table: Table) -> None:
    """Have the venue tell of no fills before the time that it is asked for."""
    asked, report = table.broker.request_report, table.venue.report
    since = [0]

    def request_report(since_ns: int, unsettled: Any = ()) -> None:
        since[0] = since_ns
        asked(since_ns, unsettled)

    def reported(now_ns: int, named: Any = ()) -> AccountReport:
        found = report(now_ns, named)
        fills = tuple(one for one in found.fills if one.ts_event >= since[0])
        return AccountReport(found.orders, fills, (), True, False, True, "", now_ns, now_ns)

    table.broker.request_report = request_report  # type: ignore[method-assign]
    table.venue.report = reported  # type: ignore[method-assign]


@pytest.mark.parametrize("file_bytes_max", [16 << 20, 3_000])
def test_fills_while_nobody_was_there_are_asked_for_behind_any_number_of_files(
    opened: Any, monkeypatch: pytest.MonkeyPatch, file_bytes_max: int
) -> None:
    """The account's horizon stays where its first session began, wherever a file begins."""
    kwdefaults: Any = Journal.__init__.__kwdefaults__
    monkeypatch.setitem(kwdefaults, "file_bytes_max", file_bytes_max)
    table = opened().settled()
    for _ in range(20):
        table.cancel(table.send(1, 99.0))
        table.pass_s(0.1)
    name = table.send(3, 98.0)
    table.pass_s(1.5)
    assert (len(journal_files(table.folder)) > 3) == (file_bytes_max == 3_000)
    table.die()
    table.now_ns += 5 * UNIT
    table.venue.fill(name, 3, table.now_ns)
    table.now_ns += 60 * UNIT
    table.open()
    only_since(table)
    table.pass_s(3.0)
    assert table.state == RailsState.ACTIVE
    assert (table.desk.session, table.lots()) == ("s2", 3)
    assert table.desk.ledger.ended[name].status == OrderStatus.FILLED


def test_a_session_of_a_journal_whose_lease_is_gone_has_the_next_epoch(opened: Any) -> None:
    table = opened().settled()
    table.desk.journal.begin_file(table.now_ns)
    table.die()
    (table.folder / LEASE_FILE).unlink()
    assert table.open().desk.session == "s2"


# --- requests that were lost ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CancelRejected, ReplaceRejected])
def test_a_request_that_was_lost_is_answered_once_a_report_shows_it(opened: Any, kind: Any) -> None:
    table = opened().settled()
    name = table.send(3, 99.0)
    table.pass_s(0.2)
    if kind is CancelRejected:
        for _ in range(3):
            table.cancel(name)
    else:
        table.replace(name, 5, 98.0)
    table.broker.cut()
    table.pass_s(0.1)
    assert table.heard(kind) == []
    table.pass_s(3.0)
    assert [one.client_order_id for one in table.heard(kind)] == [name] * (
        3 if kind is CancelRejected else 1
    )
    assert table.heard(kind)[0].reason_text.startswith("LOST: ")
    order = table.desk.ledger.open[name]
    assert (order.is_waiting, order.is_unknown) == (False, False)
    assert (order.price, order.quantity) == (99 * UNIT, 3)
    assert table.state == RailsState.ACTIVE
    table.pass_s(10.0)
    assert not table.heard(OrderUnclear)


def test_what_was_done_unheard_is_no_refusal(opened: Any) -> None:
    """The replace and the first cancel of another order arrive, their answers don't."""
    table = opened().settled()
    replaced, canceled = table.send(3, 99.0), table.send(3, 99.0)
    table.pass_s(0.2)
    table.replace(replaced, 5, 98.0)
    table.cancel(canceled)
    table.broker.cut(arrive=2)
    table.pass_s(2.0)
    assert [one.client_order_id for one in table.heard(OrderReplaced)] == [replaced]
    assert [one.client_order_id for one in table.heard(OrderCanceled)] == [canceled]
    assert table.heard(ReplaceRejected) == table.heard(CancelRejected) == []


def test_a_cancel_that_was_sent_behind_the_question_has_its_own_answer(opened: Any) -> None:
    """The report knows nothing of it; the one that the cut took is refused."""
    table = opened().settled()
    name = table.send(3, 99.0)
    table.pass_s(0.2)
    table.cancel(name)
    table.broker.cut()
    while not any(isinstance(one, tuple) for one in table.broker.going):
        table.pass_s(0.1, steps=False)
    table.cancel(name)  # at the very time of the question
    table.broker.step(1)  # the report alone
    table.pass_s(0.1, steps=False)
    assert len(table.heard(CancelRejected)) == 1
    assert table.desk.ledger.open[name].is_canceling
    table.pass_s(0.2)
    assert [one.client_order_id for one in table.heard(OrderCanceled)] == [name]
    assert len(table.heard(CancelRejected)) == 1


def test_a_replace_that_may_be_on_its_way_is_not_refused_yet(opened: Any) -> None:
    """Its lots count until a report was asked for long enough after it."""
    table = opened().settled()
    name = table.send(3, 99.0)
    table.pass_s(0.2)
    table.replace(name, 5, 98.0)
    table.broker.cut()
    table.pass_s(1.8)
    assert any(one.startswith(f"too_early {name}") for one in differences(table))
    assert table.heard(ReplaceRejected) == []
    assert table.desk.ledger.open_lots(SYMBOL, 1) == 5
    assert table.state == RailsState.NOT_RECONCILED
    table.pass_s(1.2)
    assert len(table.heard(ReplaceRejected)) == 1
    assert table.desk.ledger.open_lots(SYMBOL, 1) == 3
    assert table.state == RailsState.ACTIVE


@pytest.mark.parametrize("kind", [CancelRejected, ReplaceRejected])
def test_a_request_that_is_pending_at_the_venue_is_not_lost(opened: Any, kind: Any) -> None:
    table = opened().settled()
    name = table.send(3, 99.0)
    table.pass_s(0.2)
    if kind is CancelRejected:
        table.cancel(name)
    else:
        table.replace(name, 5, 98.0)
    table.broker.cut()
    table.venue.pending.add(name)
    table.pass_s(5.0)
    assert any(one.startswith(f"under_way {name}") for one in differences(table))
    assert table.heard(kind) == []
    assert table.desk.ledger.open[name].is_unknown
    assert table.desk.ledger.open_lots(SYMBOL, 1) == (3 if kind is CancelRejected else 5)
    assert table.state == RailsState.NOT_RECONCILED
    table.venue.pending.clear()
    table.pass_s(1.0)
    assert len(table.heard(kind)) == 1
    assert table.state == RailsState.ACTIVE


def heard_of(table: Table, name: str) -> list[str]:
    """What is said of an order since it was accepted, fills with their lots."""
    said = [one for one in table.said if getattr(one, "client_order_id", "") == name]
    return [
        f"OrderFilled {one.last_qty}" if isinstance(one, OrderFilled) else type(one).__name__
        for one in said
    ][1:]


@pytest.mark.parametrize(
    ("lots", "to", "filled", "is_canceled", "said"),
    [
        (3, 10, 5, False, ["OrderReplaced", "OrderFilled 5"]),
        (3, 10, 10, False, ["OrderReplaced", "OrderFilled 10"]),
        (3, 10, 5, True, ["OrderReplaced", "OrderFilled 5", "OrderCanceled"]),
        (10, 6, 6, False, ["OrderReplaced", "OrderFilled 6"]),
        (10, 6, 4, False, ["OrderReplaced", "OrderFilled 4"]),
    ],
)
def test_a_replace_is_told_before_the_fills_that_came_of_it(
    opened: Any, lots: int, to: int, filled: int, is_canceled: bool, said: list[str]
) -> None:
    table = opened().settled()
    name = table.send(lots, 99.0)
    table.pass_s(0.2)
    table.replace(name, to, 98.0)
    table.broker.cut(arrive=1)
    table.venue.fill(name, filled, table.now_ns)
    if is_canceled:
        table.venue.orders[name].status = OrderStatus.CANCELED
    table.pass_s(3.0)
    assert heard_of(table, name) == said
    assert table.state == RailsState.ACTIVE
    assert table.lots() == filled
    left = 0 if is_canceled else to - filled
    assert table.desk.ledger.open_lots(SYMBOL, 1) == left
    assert not table.desk.ledger.unknown


def test_a_canceled_order_of_which_only_fills_are_told_was_not_replaced(opened: Any) -> None:
    table = opened().settled()
    name = table.send(3, 99.0)
    table.pass_s(0.2)
    table.replace(name, 10, 98.0)
    table.broker.cut()
    table.venue.fill(name, 1, table.now_ns)
    order = table.venue.orders[name]
    order.status, order.quantity = OrderStatus.CANCELED, 1
    table.pass_s(3.0)
    assert heard_of(table, name) == ["OrderFilled 1", "OrderCanceled", "ReplaceRejected"]


# --- reconciliation -------------------------------------------------------------------------------


def test_nothing_is_adopted_while_a_fill_is_missing(opened: Any) -> None:
    """An order has more lots than the fills that are told: they come, and count once."""
    table = opened(adopts_positions=True).settled()
    name = table.send(3, 99.0)
    table.pass_s(0.2)
    table.broker.cut()
    table.venue.fill(name, 2, table.now_ns)
    late = table.venue.fills.pop()
    table.pass_s(3.0)
    assert table.state == RailsState.NOT_RECONCILED
    assert table.lots() == 0
    assert any(one.startswith(f"filled_more {name}") for one in differences(table))
    table.venue.fills.append(late)
    table.pass_s(2.0)
    assert table.state == RailsState.ACTIVE
    position = table.desk.ledger.position(SYMBOL)
    assert (position.lots, position.cash) == (2, -2 * 99 * UNIT)


def test_an_order_that_ended_meanwhile(opened: Any) -> None:
    table = opened().settled()
    name = table.send(2, 99.0)
    table.pass_s(0.1)
    table.broker.cut()
    table.venue.orders[name].status = OrderStatus.CANCELED
    table.pass_s(2.0)
    assert table.state == RailsState.ACTIVE
    assert name in table.desk.ledger.ended
    assert any(one.startswith(f"ended_meanwhile {name}") for one in differences(table))


def test_a_replace_whose_outcome_is_unknown(opened: Any) -> None:
    table = opened().settled()
    name = table.send(2, 99.0)
    table.pass_s(0.1)
    table.replace(name, 5, 98.0)
    table.broker.cut(arrive=1)
    table.pass_s(0.1)
    assert table.desk.ledger.open_lots(SYMBOL, 1) == 5
    table.pass_s(2.0)
    assert table.desk.ledger.open[name].price == 98 * UNIT
    assert table.desk.ledger.open[name].requested == 0
    assert any(one.startswith(f"changed {name}") for one in differences(table))


def stranger(table: Table) -> None:
    order = table.order(4, 98.0, client_order_id="somebody-1")
    table.venue.orders["somebody-1"] = VenueOrder(order, "V99", order.price, 4)


def test_orders_that_nobody_knows_are_told_of(opened: Any) -> None:
    table = opened()
    stranger(table)
    table.settled()
    assert "strange_order somebody-1: expected none, found +4 lots of ESZ6" in table.told()
    assert table.venue.open == ["somebody-1"]


def test_orders_that_nobody_knows_are_canceled_by_policy(opened: Any) -> None:
    table = opened(cancels_strangers=True)
    stranger(table)
    table.pass_s(0.3)
    assert table.state == RailsState.NOT_RECONCILED
    table.pass_s(1.0)
    assert table.state == RailsState.ACTIVE
    assert table.venue.open == []


@pytest.mark.parametrize("adopts", [False, True])
def test_a_position_that_nobody_knows(opened: Any, adopts: bool) -> None:
    table = opened(adopts_positions=adopts)
    table.venue.positions[SYMBOL] = -3
    table.pass_s(2.0)
    assert "position ESZ6: expected +0, found -3" in table.told()
    if adopts:
        assert table.state == RailsState.ACTIVE
        assert table.lots() == -3
        assert table.desk.ledger.position(SYMBOL).cash == 300 * UNIT
    else:
        assert table.state == RailsState.NOT_RECONCILED
        table.send(1, 99.0)
        assert table.denial().startswith("NOT_RECONCILED: not reconciled: position ESZ6")


@pytest.mark.parametrize(
    ("left", "cash"),
    [  # 4 bought at 100; closed by somebody at 109.75, the bid; what is opened at the venue's 110
        (0, 39 * UNIT), (1, 4 * (-100) * UNIT + 329_250_000_000), (-2, 39 * UNIT + 2 * 110 * UNIT),
        (6, -4 * 100 * UNIT - 2 * 110 * UNIT),
    ],
)  # fmt: skip
def test_what_somebody_else_closed_is_adopted_at_what_it_would_close_at(
    opened: Any, left: int, cash: int
) -> None:
    table = opened(adopts_positions=True).settled()
    table.send(4)
    table.pass_s(0.2)
    table.venue.price = 110 * UNIT
    table.venue.positions[SYMBOL] = left
    table.broker.cut()
    table.pass_s(3.0)
    assert table.state == RailsState.ACTIVE
    assert table.lots() == left
    assert table.desk.ledger.position(SYMBOL).cash == cash


def test_what_somebody_else_closed_without_a_price_stays_open(opened: Any) -> None:
    table = opened(adopts_positions=True).settled()
    table.send(4)
    table.pass_s(0.2)
    table.die()
    table.venue.positions.clear()
    table.open()
    held = table.desk.ledger.position(SYMBOL)
    held.mark = None
    table.pass_s(2.0, beats=False)
    assert table.state == RailsState.NOT_RECONCILED
    table.pass_s(1.0)
    assert (table.state, table.lots()) == (RailsState.ACTIVE, 0)


def test_a_difference_that_stays_is_told_once(opened: Any) -> None:
    table = opened()
    table.venue.positions[SYMBOL] = -3
    table.pass_s(10.0)
    assert len(differences(table)) == 1
    assert table.told().count("position ESZ6: expected +0") == 2, "with the state"


def test_a_report_in_part_settles_nothing(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table = opened()
    part = AccountReport((), (), (), True, True, False, "too many orders", 0, 0)
    monkeypatch.setattr(table.venue, "report", lambda *asked: part)
    table.pass_s(2.0)
    assert table.state == RailsState.NOT_RECONCILED
    assert "too many orders" in table.desk.rules.unsettled


def test_fills_of_nobody_are_named(opened: Any) -> None:
    table = opened()
    table.venue.fills.append(FillReport("X77", "", SYMBOL, 1, 99 * UNIT, 2, table.now_ns + UNIT))
    table.settled()
    assert "strange_fill X77: expected none, found +2 lots of ESZ6" in table.told()


def test_a_fill_that_the_venue_takes_back(opened: Any) -> None:
    table = opened().settled()
    name = table.send(3, 99.0)
    table.pass_s(0.1)
    table.broker.fill(name, 2)
    fill = table.broker.coming[-1]
    table.pass_s(0.1)
    table.broker.coming += [FillUndone(name, fill.execution_id, "busted", 0, 0)] * 2
    table.broker.coming.append(fill)  # told again: it stays undone
    table.pass_s(0.1)
    assert table.lots() == 0
    assert table.desk.ledger.open[name].open_lots == 3
    assert table.desk.duplicates == 2


def test_events_told_twice_count_once(opened: Any) -> None:
    table = opened().settled()
    name = table.send(3, 99.0)
    table.pass_s(0.1)
    table.broker.fill(name, 2)
    table.broker.coming *= 3
    table.broker.coming.append(OrderAccepted(name, "V1", 0, 0))
    table.pass_s(0.1)
    assert table.lots() == 2
    assert len(table.heard(OrderFilled)) == 1
    assert len(table.heard(OrderAccepted)) == 1


def test_an_order_that_the_journal_does_not_know_is_asked_about(opened: Any) -> None:
    table = opened().settled()
    table.broker.coming.append(OrderAccepted("somebody-1", "V5", 0, 0))
    table.pass_s(0.1, steps=False)
    assert table.state == RailsState.NOT_RECONCILED
    table.settled()


# --- kills ----------------------------------------------------------------------------------------


def test_the_kill_file_cancels_all_and_holds_until_a_person_resets_it(opened: Any) -> None:
    table = opened().settled()
    for price in (97.0, 98.0):
        table.send(2, price)
    table.pass_s(0.1)
    kill_switch(table.folder, "a person said so")
    table.pass_s(0.3)
    assert table.state == RailsState.KILLED
    assert not table.venue.open
    table.send(1, 99.0)
    assert table.denial() == "KILLED: a person said so"
    table.die()
    table.open()
    table.pass_s(1.0)
    assert table.state == RailsState.KILLED
    with pytest.raises(ConfigError, match="expected 'reset test' to be typed, found 'yes'"):
        reset_kill_switch(table.folder, "test", "yes")
    assert reset_kill_switch(table.folder, "test", "reset test")
    table.pass_s(1.0)
    assert table.state == RailsState.KILLED, "a session that was killed stays so"
    table.die()
    table.open().settled()
    assert not reset_kill_switch(table.folder, "test", "reset test")


def test_a_kill_can_flatten(opened: Any) -> None:
    table = opened(on_kill="flatten").settled()
    table.send(-3)
    name = table.send(2, 97.0)
    table.pass_s(0.2)
    assert table.lots() == -3
    table.desk.kill("by a message", table.now_ns)
    assert killed_because(table.folder) == "by a message"
    table.pass_s(1.0)
    assert table.lots() == table.venue.positions[SYMBOL] == 0
    assert table.venue.orders[name].status == OrderStatus.CANCELED
    assert (table.folder / KILL_FILE).exists()


def test_positions_of_which_nobody_is_sure_are_not_flattened(opened: Any) -> None:
    table = opened(on_kill="flatten").settled()
    table.send(3)
    table.pass_s(0.2)
    table.venue.positions[SYMBOL] = 5
    table.broker.cut()
    table.desk.kill("now", table.now_ns)
    table.pass_s(5.0)
    assert table.venue.positions[SYMBOL] == 5
    assert "position ESZ6: expected +3, found +5" in table.told()


def test_an_order_that_a_kill_finds_unknown_is_canceled_or_settled(opened: Any) -> None:
    table = opened().settled()
    name = table.send(3, 99.0)
    table.broker.cut(arrive=1)
    table.desk.kill("now", table.now_ns)
    table.pass_s(4.0)
    assert table.venue.orders[name].status == OrderStatus.CANCELED
    assert table.desk.ledger.ended[name].status == OrderStatus.CANCELED


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wind_up", ["keep", "cancel", "flatten"])
def test_the_end_of_a_session(opened: Any, wind_up: str) -> None:
    table = opened().settled()
    table.send(3)
    name = table.send(2, 97.0)
    table.pass_s(0.2)
    table.desk.end("over", wind_up, table.now_ns)
    assert table.desk.is_over(table.now_ns) == (wind_up == "keep")
    table.send(1, 99.0)
    assert table.denial() == "HALTED: over"
    table.pass_s(1.0)
    assert table.desk.is_over(table.now_ns)
    assert table.lots() == (0 if wind_up == "flatten" else 3)
    assert (name in table.venue.open) == (wind_up == "keep")
    text = table.desk.close("over", table.now_ns)
    expected = {
        "keep": "1 orders open, +3 lots of ESZ6", "cancel": "+3 lots of ESZ6", "flatten": "nothing",
    }  # fmt: skip
    assert text == f"over; left: {expected[wind_up]}"


def test_an_end_that_takes_too_long_says_what_is_left(opened: Any) -> None:
    table = opened().settled()
    table.send(2, 97.0)
    table.broker.cut()
    table.desk.end("over", "cancel", table.now_ns)
    for _ in range(400):
        table.broker.cut()
        table.pass_s(0.1)
    assert table.desk.is_over(table.now_ns)
    assert "1 orders open, 1 of them of unknown outcome" in table.desk.close("over", table.now_ns)


def test_a_market_order_that_does_not_close_a_position_is_tried_again_and_given_up(
    opened: Any,
) -> None:
    table = opened().settled()
    table.send(3)
    table.pass_s(0.2)
    table.venue.rejects = True
    table.desk.end("over", "flatten", table.now_ns)
    table.pass_s(10.0)
    own = [name for name in table.venue.received if int(name.rpartition("-")[2]) > 10**9]
    assert len(own) == 5
    assert table.lots() == 3
    assert "could not be closed" in table.told()


def test_a_position_that_closes_in_parts_is_not_given_up(opened: Any) -> None:
    table = opened().settled()
    table.send(8)
    table.pass_s(0.2)
    table.venue.market_lots = 1
    table.desk.end("over", "flatten", table.now_ns)
    table.pass_s(10.0)
    assert table.lots() == 0
    assert "could not be closed" not in table.told()


def test_tries_to_close_are_counted_anew_once_a_position_is_flat(opened: Any) -> None:
    limits = RailsLimits(max_daily_loss=1_000 * UNIT, on_max_daily_loss="flatten")
    table = opened(limits=limits).settled()
    for day in range(7):
        table.send(10)
        table.pass_s(0.3)
        assert table.lots() == 10, day
        table.venue.price -= 5 * UNIT
        table.pass_s(1.5)
        assert table.lots() == 0, day
        table.now_ns += 86_400 * UNIT
        table.pass_s(0.3)


def test_what_was_given_up_is_closed_again_once_it_was_flat() -> None:
    ledger = AccountLedger()
    winder = Winder(ledger, "s1", retry_ns=UNIT, answer_ns=UNIT)

    def tried(at_s: int) -> int:
        sent = 0
        for now_s in range(at_s, at_s + 20):
            winder.cancels(now_s * UNIT)
            sent += len(winder.flattening(now_s * UNIT))
        return sent

    ledger.position(SYMBOL).lots = 3
    assert (tried(100), winder.give_up()) == (5, [SYMBOL])
    ledger.position(SYMBOL).lots = 0
    assert (tried(200), winder.give_up()) == (0, [])
    ledger.position(SYMBOL).lots = -2
    assert (tried(300), winder.give_up()) == (5, [SYMBOL])


# --- what fails -----------------------------------------------------------------------------------


def test_without_the_lease_nothing_is_sent(opened: Any) -> None:
    table = opened().settled()
    (table.folder / LEASE_FILE).unlink()
    with pytest.raises(LeaseError, match="nothing is sent"):
        table.send(1, 99.0)
    assert table.broker.going == []


def test_without_the_journal_nothing_is_sent(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table = opened().settled()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(OutputError):
        table.send(1, 99.0)
    assert table.broker.going == []


def test_a_cancel_of_what_is_not_open(opened: Any) -> None:
    table = opened().settled()
    table.cancel("s1-77")
    assert table.heard(CancelRejected)[-1].reason_text == "UNKNOWN_ORDER: it is not known"


def test_live_needs_role_configuration_and_typed_words(opened: Any) -> None:
    paper: RailsSettings = opened().desk.settings
    require_confirmed(paper, "viewer", None)
    live: RailsSettings = opened(mode="live").desk.settings
    with pytest.raises(ConfigError, match=r"expected the role 'live'.*found 'trader'"):
        require_confirmed(live, "trader", "trade test live")
    with pytest.raises(ConfigError, match=r"expected 'trade test live' to be typed.*'yes'"):
        require_confirmed(live, "live", "yes")
    with pytest.raises(ConfigError, match="found nothing"):
        require_confirmed(live, "live", None)
    require_confirmed(live, "live", "trade test live")
