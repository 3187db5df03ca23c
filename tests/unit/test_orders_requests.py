"""Cancels, replaces and latency: who is first when messages and the market race.

Latency is 50 µs each way: sent at 100, at the exchange at 150, the answer known at 200.
"""

from pathlib import Path

import pytest

from stories import Log, Tape, play


def quiet_book() -> Tape:
    """Bids 100: order 1 x 5, order 2 x 4. Asks 101: order 9 x 10."""
    return Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 9, "A", 101, 10)


# --- arrival --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change_us", "lots"),
    [("59.999", 10), ("60", 10), ("60.001", 3)],
    ids=["just before", "at the same time", "just after"],
)
def test_an_order_meets_the_book_as_it_stood_when_it_arrived(
    tmp_path: Path, change_us: str, lots: int
) -> None:
    """Sent at 10, it arrives at 60. The market's event of the same time comes first."""
    tape = quiet_book().modify(20, 9, 3).modify(change_us, 9, 10).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 20))
    assert [(f.lots, f.at) for f in played.fills] == [(lots, 60)]


def test_an_order_sent_before_a_level_went_finds_nothing(tmp_path: Path) -> None:
    """What the strategy saw when it sent does not help it."""
    tape = quiet_book().cancel(40, 9).add(80, 10, "A", 102, 5).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 1, 101, "IOC"))
    assert played.fills == []
    assert played.orders["mine"].status == "EXPIRED"


@pytest.mark.parametrize("latency", ["0", "0.001", "7", "12345.678"])
def test_latency_is_kept_to_the_nanosecond(tmp_path: Path, latency: str) -> None:
    tape = quiet_book().tick(50_000)
    played = play(
        tmp_path, tape, Log().buy("10.001", "mine", 1), entry_us=latency, response_us="0.017"
    )
    order, [fill] = played.orders["mine"], played.fills
    assert order.sent == 10.001
    assert order.arrived == fill.at == pytest.approx(10.001 + float(latency), abs=1e-7)
    row = played.rows.fills[0]
    assert row["ts_known"] - row["ts_event"] == 17


def test_the_two_directions_have_their_own_latency(tmp_path: Path) -> None:
    tape = quiet_book().tick(500)
    [fill] = play(tmp_path, tape, Log().buy(10, "mine", 1), entry_us=30, response_us=200).fills
    assert (fill.at, fill.known) == (40, 240)


def test_an_order_sent_before_the_data_is_sent_with_their_first_event(tmp_path: Path) -> None:
    """The first event reaches the strategy at 1: it can't have acted before."""
    order = play(tmp_path, quiet_book().tick(500), Log().buy(-99, "mine", 1)).orders["mine"]
    assert (order.sent, order.arrived) == (1, 51)


def test_the_way_of_the_feed_delays_the_start(tmp_path: Path) -> None:
    tape = quiet_book().tick(500)
    order = play(tmp_path, tape, Log().buy(-99, "mine", 1), feed_us=20).orders["mine"]
    assert (order.sent, order.arrived) == (21, 71)


def test_an_order_sent_after_the_data_is_never_sent(tmp_path: Path) -> None:
    played = play(tmp_path, quiet_book().tick(500), Log().buy(10, "in", 1).buy(502, "out", 1))
    assert list(played.orders) == ["in"]


def test_an_order_on_its_way_when_the_data_end(tmp_path: Path) -> None:
    played = play(tmp_path, quiet_book().tick(500), Log().buy(480, "mine", 1))
    order = played.orders["mine"]
    assert (order.status, order.reason) == ("PENDING_NEW", "END_OF_DATA")
    assert (order.sent, order.arrived, order.closed) == (480, 0, 0)


def test_an_order_that_arrives_as_the_data_end_is_matched(tmp_path: Path) -> None:
    """The last record was captured at 501; an order that arrives then has arrived."""
    played = play(tmp_path, quiet_book().tick(500), Log().buy(451, "mine", 1))
    assert played.brief() == [("mine", 101, 1, "TAKEN", 501)]


def test_orders_meet_the_book_only_between_events(tmp_path: Path) -> None:
    """An event of three records, its times around the arrival at 60: it is met whole, at 65."""
    tape = quiet_book()
    tape.event(55, tape.c(9), last=False)
    tape.event(58, tape.a(10, "A", 102, 1), last=False)
    tape.event(65, tape.a(11, "A", 101, 2)).tick(200)
    records = tape.records()
    records["ts_recv"][3:6] = records["ts_recv"][5]  # one packet
    played = play(tmp_path, records, Log().buy(10, "mine", 5))
    assert played.brief() == [("mine", 101, 2, "TAKEN", 65), ("mine", 102, 1, "TAKEN", 65)]
    assert played.counts["missing_last"] == 0


def test_without_event_ends_every_move_of_both_clocks_is_one(tmp_path: Path) -> None:
    tape = quiet_book()
    tape.event(55, tape.c(9), last=False)
    tape.event(65, tape.a(11, "A", 101, 2)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5))
    assert played.orders["mine"].status == "EXPIRED"
    assert played.counts["missing_last"] == 1


def test_an_event_cut_off_by_the_end_of_the_data_counts(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).event(100, quiet_book().a(20, "A", 100.5, 2), last=False)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100.5))
    assert played.brief() == [("mine", 100.5, 2, "CROSSED", 100)]


# --- cancel ---------------------------------------------------------------------------------------


def test_a_cancel_that_is_first_saves_the_order(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).trade(151, (1, 5), (2, 4)).trade(152, (9, 1)).tick(300)
    tape = tape.add(310, 3, "B", 99, 1).trade(320, (3, 1))
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100).cancel(100, "mine"))
    assert played.fills == []
    order = played.orders["mine"]
    assert (order.status, order.reason, order.closed) == ("CANCELED", "USER_CANCEL", 150)


@pytest.mark.parametrize("at", ["120", "150"])
def test_a_fill_that_is_first_wins_over_the_cancel(tmp_path: Path, at: str) -> None:
    """The cancel is sent at 100 and arrives at 150; the trade happens meanwhile, or just then."""
    tape = quiet_book().tick(70).trade(at, (1, 1)).tick(300)
    log = Log().buy(10, "mine", 1, 100.5).cancel(100, "mine")
    played = play(tmp_path, tape, log)
    assert [(f.at, f.known) for f in played.fills] == [(float(at), float(at) + 50)]
    order = played.orders["mine"]
    assert (order.status, order.reason, order.closed) == ("FILLED", "NONE", float(at))


def test_a_cancel_takes_what_a_partial_fill_left(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).trade(120, (1, 2)).tick(145).trade(200, (1, 3)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100.5).cancel(100, "mine"))
    assert [f.lots for f in played.fills] == [2]
    order = played.orders["mine"]
    assert (order.status, order.filled, order.quantity) == ("CANCELED", 2, 5)


def test_a_cancel_that_overtakes_nothing(tmp_path: Path) -> None:
    """Sent right behind its order, it arrives right behind it: after the order took."""
    log = Log().buy(10, "mine", 12, 101).cancel(10, "mine")
    played = play(tmp_path, quiet_book().tick(300), log)
    order = played.orders["mine"]
    assert (order.status, order.filled, order.arrived, order.closed) == ("CANCELED", 10, 60, 60)


def test_a_cancel_of_an_order_known_to_be_over_is_not_sent(tmp_path: Path) -> None:
    """Filled at 60, known at 110; the cancel of 111 stays at home, one of 109 is refused."""
    for at, stale in ((111, 1), (109, 0)):
        log = Log().buy(10, "mine", 1).cancel(at, "mine")
        played = play(tmp_path, quiet_book().tick(300), log)
        assert played.counts["requests_stale"] == stale
        assert played.orders["mine"].status == "FILLED"


def test_a_canceled_order_is_not_filled_by_its_own_event_time(tmp_path: Path) -> None:
    """Two cancels: the second finds nothing and changes nothing."""
    log = Log().buy(10, "mine", 5, 100).cancel(100, "mine").cancel(110, "mine")
    played = play(tmp_path, quiet_book().tick(300), log)
    assert played.orders["mine"].closed == 150


# --- replace --------------------------------------------------------------------------------------


def crowded() -> Tape:
    """We arrive at 60 behind 9 lots; order 3 x 6 arrives behind us at 80."""
    return quiet_book().tick(70).add(80, 3, "B", 100, 6).tick(145)


def test_less_quantity_keeps_the_place(tmp_path: Path) -> None:
    tape = crowded().trade(200, (1, 5), (2, 4), (3, 4)).tick(300)
    log = Log().buy(10, "mine", 5, 100).replace(100, "mine", 3, 100)
    played = play(tmp_path, tape, log)
    assert played.brief() == [("mine", 100, 3, "QUEUE", 200)]
    order = played.orders["mine"]
    assert (order.status, order.quantity, order.queue_ahead) == ("FILLED", 3, 9)


def test_the_same_again_keeps_the_place(tmp_path: Path) -> None:
    tape = crowded().trade(200, (1, 5), (2, 4), (3, 4)).tick(300)
    log = Log().buy(10, "mine", 5, 100).replace(100, "mine", 5, 100)
    assert play(tmp_path, tape, log).brief() == [("mine", 100, 4, "QUEUE", 200)]


def test_more_quantity_loses_the_place(tmp_path: Path) -> None:
    tape = crowded().trade(200, (1, 5), (2, 4), (3, 4)).tick(300)
    log = Log().buy(10, "mine", 5, 100).replace(100, "mine", 6, 100)
    played = play(tmp_path, tape, log)
    assert played.fills == []
    assert played.orders["mine"].queue_ahead == 15
    assert played.orders["mine"].arrived == 60  # when it first came


def test_another_price_loses_the_place_even_after_coming_back(tmp_path: Path) -> None:
    tape = crowded().trade(300, (1, 5), (2, 4), (3, 4)).tick(400)
    log = Log().buy(10, "mine", 5, 100).replace(100, "mine", 5, 99).replace(120, "mine", 5, 100)
    played = play(tmp_path, tape, log)
    assert played.fills == []
    assert (played.orders["mine"].queue_ahead, played.orders["mine"].price) == (15, 100)


def test_until_the_replace_arrives_the_old_order_stands(tmp_path: Path) -> None:
    # At 140 the old order (5 at 100, behind 9) is hit for 4; at 150 it becomes 6: 2 left.
    tape = crowded().trade(149, (1, 5), (2, 4), (3, 4)).tick(300)
    log = Log().buy(10, "mine", 5, 100).replace(100, "mine", 6, 100)
    played = play(tmp_path, tape, log)
    assert played.brief() == [("mine", 100, 4, "QUEUE", 149)]
    order = played.orders["mine"]
    assert (order.status, order.quantity, order.queue_ahead) == ("PARTIALLY_FILLED", 6, 2)


@pytest.mark.parametrize("quantity", [4, 3])
def test_a_replace_to_what_is_filled_ends_the_order(tmp_path: Path, quantity: int) -> None:
    tape = crowded().trade(148, (1, 5), (2, 4), (3, 4)).tick(300)
    log = Log().buy(10, "mine", 5, 100).replace(100, "mine", quantity, 100)
    order = play(tmp_path, tape, log).orders["mine"]
    assert (order.status, order.reason, order.closed) == ("CANCELED", "USER_CANCEL", 150)
    assert (order.filled, order.quantity) == (4, 4)


def test_a_replace_that_finds_the_order_filled_does_nothing(tmp_path: Path) -> None:
    tape = crowded().trade(148, (1, 5), (2, 4), (3, 5)).tick(300)
    log = Log().buy(10, "mine", 5, 100).replace(100, "mine", 9, 100)
    order = play(tmp_path, tape, log).orders["mine"]
    assert (order.status, order.quantity, order.filled) == ("FILLED", 5, 5)


def test_a_replace_across_the_market_takes(tmp_path: Path) -> None:
    tape = crowded().tick(300)
    log = Log().buy(10, "mine", 5, 100).replace(100, "mine", 12, 101)
    played = play(tmp_path, tape, log)
    assert played.brief() == [("mine", 101, 10, "TAKEN", 150)]
    order = played.orders["mine"]
    assert (order.status, order.filled, order.price) == ("PARTIALLY_FILLED", 10, 101)


def test_replaces_are_carried_out_in_the_order_of_sending(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 5, 100)
    log.replace(20, "mine", 5, 99).replace(20, "mine", 4, 98).replace(20, "mine", 3, 97)
    order = play(tmp_path, quiet_book().tick(300), log).orders["mine"]
    assert (order.price, order.quantity) == (97, 3)


def test_a_market_order_has_no_price_to_replace(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 30).replace(20, "mine", 3, 97)
    played = play(tmp_path, quiet_book().tick(300), log)
    assert (played.counts["orders_denied"], played.counts["replaces_denied"]) == (0, 1)
    assert played.orders["mine"].filled == 10


def test_twenty_orders_at_one_moment(tmp_path: Path) -> None:
    """More than fit into one callback: all are sent at the same time, in their order."""
    log = Log()
    for k in range(40):
        log.buy(10, f"o{k}", 1, 100)
    orders = play(tmp_path, quiet_book().tick(300), log).orders
    assert len(orders) == 40
    assert {(o.sent, o.arrived) for o in orders.values()} == {(10, 60)}
