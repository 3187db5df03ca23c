"""Whatever an exchange does over FIX: no order twice, no fill lost, no wait without an end."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fix_exchange as fx
import fix_tables
from fix_venue import PRICE, VARIABLE, FixVenue, settings
from tapewire.errors import BrokerDownError, ConfigError
from tapewire.execution.codes import OrderStatus, OrderType, Side, TimeInForce
from tapewire.live import orders as said
from tapewire.live.brokers.conformance import ConformanceBench
from tapewire.live.brokers.fix import FixBroker
from tapewire.live.brokers.fix import broker as fix_broker
from tapewire.live.brokers.fix import session as fix_session
from tapewire.market.records import UNDEF_PRICE


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[fx.Exchange]:
    monkeypatch.setenv(VARIABLE, fx.PASSWORD)
    with fx.exchanging() as exchange:
        yield exchange
        assert exchange.broken == []
        assert [told for one in exchange.received for told in fix_tables.broken(one)] == []
        assert [name for name, times in exchange.new_orders.items() if times > 1] == []


@pytest.fixture
def make(exchange: fx.Exchange, tmp_path: Path) -> Iterator[Callable[..., ConformanceBench]]:
    made = []

    def bench(**changes: object) -> ConformanceBench:
        made.append(ConformanceBench(FixVenue(exchange, tmp_path, **changes)))
        return made[-1]

    yield bench
    for one in made:
        one.close()


def send(bench: ConformanceBench, exchange: fx.Exchange, fault: str) -> str:
    exchange.faults.orders.append(fault)
    order = bench.order()
    bench.broker.submit(order)
    return order.client_order_id


@pytest.mark.parametrize("fault", ["gap", "garbled", "noise", "slow", "late"])
def test_what_garbles_delays_or_skips_messages_loses_none(
    fault: str, exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    name = send(bench, exchange, fault)
    exchange_order = bench.until(said.OrderAccepted, of=name)
    assert exchange_order.venue_order_id == exchange.orders[name].venue
    exchange.trade(name, 2)
    assert bench.until(said.OrderFilled, of=name).leaves_qty == 3
    bench.settle()
    assert [type(event) for event in bench.heard].count(said.OrderAccepted) == 1


@pytest.mark.parametrize("fault", ["duplicate", "resent"])
def test_a_fill_that_is_told_twice_is_one(
    fault: str, exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    name = send(bench, exchange, fault)
    bench.until(said.OrderFilled, of=name)
    bench.settle()
    fills = [one for one in bench.heard if isinstance(one, said.OrderFilled)]
    assert [(one.last_px, one.last_qty, one.commission) for one in fills] == [
        (PRICE, 1, 250_000_000)
    ]


def test_a_partial_fill_then_the_rest(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    name = send(bench, exchange, "partial")
    assert bench.until(said.OrderFilled, of=name).leaves_qty == 4
    exchange.quote("ESM5", "2", 5000.25, 10)
    assert bench.until(said.OrderFilled, of=name).leaves_qty == 0
    assert bench.filled(name) == 5


@pytest.mark.parametrize("fault", ["bad_state", "nonsense"])
def test_what_makes_no_sense_leaves_an_order_unclear_until_a_report(
    fault: str, exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    name = send(bench, exchange, fault)
    unclear = bench.until(said.OrderUnclear, of=name)
    assert "expected" in unclear.reason_text
    report = bench.report(bench.order(name=name))
    assert [(o.client_order_id, o.status) for o in report.orders] == [(name, OrderStatus.NEW)]


@pytest.mark.parametrize("fault", ["session_reject", "business_reject"])
def test_an_order_that_the_venue_can_not_read_is_rejected(
    fault: str, exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    name = send(bench, exchange, fault)
    assert "can't read this" in bench.until(said.OrderRejected, of=name).reason_text


def test_an_order_that_nothing_is_said_of_is_found_by_its_name(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    name = send(bench, exchange, "lost")
    bench.settle()
    assert not [one for one in bench.heard if getattr(one, "client_order_id", "") == name]
    assert [o.client_order_id for o in bench.report().orders] == [name]


def test_promises_are_no_answers(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    name = send(bench, exchange, "pending")
    bench.settle()
    exchange.cut()
    bench.until(said.OrderUnclear, of=name)


def test_every_kind_of_execution_report_is_an_event_or_a_notice(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    name = bench.rest()
    for kind, words in (("7", "is stopped"), ("9", "is suspended"), ("B", "calculated"),
                        ("3", "done for today")):  # fmt: skip
        exchange.say(name, kind)
        assert words in bench.until(said.BrokerNotice).text
    for kind in "A6E":
        exchange.say(name, kind)
    exchange.say(name, "D")  # restated as it is: nothing new
    exchange.orders[name].quantity = 3
    exchange.say(name, "D")
    assert bench.until(said.OrderReplaced, of=name).quantity == 3
    exchange.trade(name, 2)
    fill = bench.until(said.OrderFilled, of=name)
    exchange.undo(name, price=5000.5)  # corrected
    assert bench.until(said.FillUndone, of=name).execution_id == fill.execution_id
    assert bench.until(said.OrderFilled, of=name).last_px == 5_000_500_000_000
    assert bench.filled(name) == 2
    exchange.say(name, "4", [(58, "by the desk")], state="4")
    assert bench.until(said.OrderCanceled, of=name).reason_text == "by the desk"
    day = bench.order()
    bench.broker.submit(said.NewOrder(*(
        TimeInForce.DAY if field == "time_in_force" else getattr(day, field)
        for field in day.__struct_fields__
    )))  # fmt: skip
    bench.until(said.OrderAccepted, of=day.client_order_id)
    exchange.say(day.client_order_id, "3", state="3")
    bench.until(said.OrderExpired, of=day.client_order_id)
    assert not [one for one in bench.heard if isinstance(one, said.OrderUnclear)]


def test_a_cancel_lost_in_a_cut_is_unclear_and_not_sent_again(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    lost, late = bench.rest(), bench.rest()
    exchange.faults.cancels += ["cut_before", "cut_after"]
    bench.broker.cancel(said.CancelOrder(lost, 1))
    bench.until(said.OrderUnclear, of=lost)
    bench.connect()
    assert {o.client_order_id for o in bench.report().orders} == {lost, late}
    bench.broker.cancel(said.CancelOrder(late, 1))
    bench.until(said.OrderUnclear, of=late)
    bench.connect()
    report = bench.report()
    assert [one.client_order_id for one in bench.heard if isinstance(one, said.OrderCanceled)] == [
        late
    ]
    assert {o.client_order_id: o.status for o in report.orders} == {lost: OrderStatus.NEW}
    cancels = [dict(one)[11] for one in exchange.received if dict(one)[35] == "F"]
    assert len(cancels) == len(set(cancels)) == 2


def test_a_venue_that_falls_silent_is_down_after_two_heartbeats(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make(heartbeat_s=1)
    bench.connect()
    exchange.is_silent = True
    begun = time.monotonic()
    assert "has said nothing for" in bench.until(said.BrokerDown).reason_text
    assert time.monotonic() - begun > 1.9
    assert "1" in {dict(one)[35] for one in exchange.received}  # it was asked before
    with pytest.raises(BrokerDownError, match="nothing was sent"):
        bench.broker.submit(bench.order())


@pytest.mark.parametrize(
    ("fault", "is_final", "text"),
    [
        ("refuse", True, "lets us not in: not authorised"),
        ("cut", False, "has hung up"),
        ("silence", False, "lets nobody in within"),
        ("other", False, "expected a session of FIX.4.4, found one of FIX.4.2"),
        ("ids", True, "expected messages of VENUE to FIRM, found one of STRANGER to FIRM"),
        ("clock", False, "its clock and this host's are"),
    ],
)
def test_a_logon_that_goes_wrong_says_how(
    fault: str, is_final: bool, text: str, exchange: fx.Exchange,
    make: Callable[..., ConformanceBench], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(fix_session, "LOGON_TIMEOUT_S", 0.5)
    bench = make()
    exchange.faults.logons.append(fault)
    bench.broker.connect()
    down = bench.until(said.BrokerDown)
    assert text in down.reason_text
    assert down.is_final is is_final
    bench.connect()  # the next one is fine


def test_a_number_that_is_too_low_ends_it_until_somebody_looks(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    bench.rest()
    exchange.cut()
    bench.until(said.BrokerDown)
    exchange.faults.logons.append("low")
    bench.broker.connect()
    down = bench.until(said.BrokerDown)
    assert down.is_final
    assert "expected its message 4, found 1: agree with the venue" in down.reason_text
    bench.settle()  # until the exchange has read it
    assert dict(exchange.received[-1])[35] == "5"


def test_a_venue_that_begins_anew_says_what_is_lost(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    bench.rest()
    exchange.cut()
    bench.until(said.BrokerDown)
    exchange.faults.logons.append("reset")
    bench.connect()
    assert next(one for one in bench.heard if isinstance(one, said.BrokerNotice)).text.endswith(
        "begins at message 1 by its own will: what was missed won't be sent"
    )
    bench.rest()


def test_where_each_session_begins_at_one_reports_tell_what_was_missed(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make(reset="logon")
    bench.connect()
    name = bench.rest()
    exchange.cut()
    bench.until(said.BrokerDown)
    exchange.trade(name, 4)
    bench.connect()
    report = bench.report()
    assert [(o.client_order_id, o.filled_qty) for o in report.orders] == [(name, 4)]
    assert [(f.client_order_id, f.last_qty, f.last_px) for f in report.fills] == [(name, 4, PRICE)]
    assert report.positions == (said.PositionReport("ESM5", 4, None),)


def test_messages_that_nobody_has_any_more_are_passed_over(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    exchange.skip(5)
    bench.rest()
    exchange.send("4", [(36, "40")])  # a reset, not a filled gap
    exchange.next_out = 40
    assert "are lost" in bench.until(said.BrokerNotice).text
    bench.rest()


def test_what_is_asked_for_again_is_never_sent_again(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    names = [bench.rest() for _ in range(3)]
    exchange.send("2", [(7, "1"), (16, "0")])
    bench.settle()
    sent = [dict(one) for one in exchange.received]
    fill = next(one for one in sent if one[35] == "4")
    assert (fill[34], fill[36], fill[43], fill[123]) == ("1", "6", "Y", "Y")
    assert [one[11] for one in sent if one[35] == "D"] == names


def test_an_order_that_the_venue_asks_for_again_is_unclear(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    name = send(bench, exchange, "lost")
    bench.settle()
    exchange.send("2", [(7, "1"), (16, "0")])
    assert "may have passed over it" in bench.until(said.OrderUnclear, of=name).reason_text
    assert [one.client_order_id for one in bench.report().orders] == [name]


def test_a_gap_that_is_never_filled_ends_the_session(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fix_session, "GAP_TIMEOUT_S", 0.5)
    bench = make()
    bench.connect()
    exchange.skip(3)
    exchange.is_silent = True  # whatever is asked
    exchange.raw(fx.encode("0", exchange.next_out, []))
    assert "has not sent what was missed" in bench.until(said.BrokerDown).reason_text


def test_bytes_without_end_that_are_no_messages_end_it(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    exchange.raw(bytes(range(1, 251)) * 5_000)
    assert "bytes that are none" in bench.until(said.BrokerDown).reason_text


@pytest.mark.parametrize("how", ["refuse", "short"])
def test_a_report_that_is_not_whole_says_so(
    how: str, exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make(report_timeout_s=0.5)
    bench.connect()
    name = bench.rest()
    exchange.faults.reports = how
    report = bench.report()
    assert not report.is_complete
    assert report.reason_text in ("orders: refused: not supported", "not all has come within 0.5 s")
    bench.broker.cancel(said.CancelOrder(name, 1))
    bench.until(said.OrderCanceled, of=name)


def test_a_report_is_not_whole_where_the_line_is_cut(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    exchange.faults.reports = "short"
    bench.rest()
    bench.broker.request_report(0)
    exchange.cut()
    report = bench.until(said.AccountReport)
    assert (report.is_complete, report.reason_text) == (False, "the session ended")


def test_orders_that_are_none_of_ours_are_told_and_reported(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make()
    bench.connect()
    exchange.orders["by hand!"] = fx.Resting(
        "by hand!", "by hand!", "V99", "ESM5", "2", 6000.0, 2, "1", "2"
    )
    exchange.say("by hand!", "0")
    assert "none of ours: V99 of ESM5" in bench.until(said.BrokerNotice).text
    found = bench.report().orders
    assert [(one.client_order_id, one.venue_order_id, one.side) for one in found] == [
        ("", "V99", Side.SELL)
    ]


def test_what_can_not_be_said_is_denied_and_not_sent(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    bench = make(symbols={"ESM5": "ES M5"})
    bench.connect()
    assert bench.rest()
    assert dict(exchange.received[-1])[55] == "ES M5"
    order = bench.order()
    values = {field: getattr(order, field) for field in order.__struct_fields__}
    for change, words in (
        ({"reduce_only": True}, "reduce_only"),
        ({"symbol": "ES\x01"}, "field 55"),
    ):
        name = f"denied-{len(bench.heard)}"
        bench.broker.submit(said.NewOrder(**values | change | {"client_order_id": name}))
        assert words in bench.until(said.OrderDenied, of=name).reason_text
        assert exchange.new_orders[name] == 0
    bench.rest()  # no number was lost


def test_nobody_sees_the_password(
    exchange: fx.Exchange, make: Callable[..., ConformanceBench], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    bench = make()
    exchange.faults.logons.append("echo")
    bench.broker.connect()
    down = bench.until(said.BrokerDown)
    assert "bad password ***" in down.reason_text
    bench.connect()
    name = bench.rest()
    exchange.say(name, "4", [(58, f"canceled by {fx.PASSWORD}")], state="4")
    assert bench.until(said.OrderCanceled, of=name).reason_text == "canceled by ***"
    held = settings(exchange, tmp_path)
    shown = f"{held!r} {vars(bench.broker)!r} {bench.heard!r}"
    shown += "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert VARIABLE in shown
    assert fx.PASSWORD not in shown
    for value in ("", "sn\x01eaky"):
        monkeypatch.setenv(VARIABLE, value)
        with pytest.raises(ConfigError) as error:
            bench.broker.connect()
        assert value == "" or value not in str(error.value)


def test_nobody_there_is_told_and_tries_are_paced(
    exchange: fx.Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.end()
    time.sleep(0.2)  # the port is free by now
    broker = FixBroker(settings(exchange, tmp_path), pauses_s=(0.2, 0.3))
    begun, downs = time.monotonic(), 0
    while downs < 3:
        broker.connect()
        downs += sum(isinstance(one, said.BrokerDown) for one in broker.poll(0.05))
    assert time.monotonic() - begun > 0.45
    broker.close()
    assert fix_broker.PAUSES_S == (0.5, 30.0)


def orders_of_a_storm(draw: random.Random, at: int) -> said.NewOrder:
    kind = draw.choice([OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET])
    price = PRICE + draw.randrange(-4, 5) * 250_000_000
    return said.NewOrder(
        f"storm-{at}", "storm", "ESM5", draw.choice([Side.BUY, Side.SELL]), kind,
        draw.choice([TimeInForce.GTC, TimeInForce.IOC]),
        price if kind == OrderType.LIMIT else UNDEF_PRICE, UNDEF_PRICE, draw.randrange(1, 6),
        False, False, 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 40))]
)
def test_a_storm_of_faults_and_restarts_ends_with_the_venues_own_books(
    seed: int, exchange: fx.Exchange, make: Callable[..., ConformanceBench]
) -> None:
    """Every fill counted by its name comes to the venue's position; nothing was sent twice."""
    draw, bench = random.Random(seed), make()
    bench.connect()
    faults = ["take", "reject", "cut_before", "cut_after", "lost", "partial", "duplicate", "resent",
              "gap", "garbled", "noise", "pending"]  # fmt: skip
    for at in range(25):
        exchange.faults.orders.append(draw.choice(faults))
        if draw.random() < 0.5:
            side = draw.choice(["1", "2"])
            exchange.quote("ESM5", side, 5000.25 + draw.randrange(-4, 5) * 0.25, 2)
        try:
            bench.broker.submit(orders_of_a_storm(draw, at))
        except BrokerDownError:
            bench.connect()
        bench.heard += bench.broker.poll(0.02)
        if draw.random() < 0.1:
            exchange.cut()
        if draw.random() < 0.1:
            # As after a kill: nothing is said, and nothing is kept that was not kept before.
            bench.broker._line and bench.broker._line.close()  # type: ignore[attr-defined]
            bench.broker = bench.venue.make()
            bench.connect()
    exchange.faults.orders.clear()
    for _ in range(50):
        bench.settle()
        try:
            report = bench.report()
        except BrokerDownError:
            bench.connect()
            continue
        if report.is_complete:
            break
    assert report.is_complete, report.reason_text
    told = {one.execution_id: one.last_qty for one in bench.heard
            if isinstance(one, said.OrderFilled)}  # fmt: skip
    reported = {one.execution_id: one.last_qty for one in report.fills}
    assert told.items() <= reported.items()
    assert sum(one.last_qty * one.side for one in report.fills) == exchange.position("ESM5")
    assert told == reported
    still_open = {name for name, one in exchange.orders.items() if one.ours and one.leaves}
    assert {one.client_order_id for one in report.orders if one.status in (1, 2, 3)} == still_open
