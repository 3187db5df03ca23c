"""Reduce-only orders, worked out by hand: what the exchange knows of the position binds them.

Latency is 50 µs each way; bids 100 x 5 and 99 x 50, asks 101 x 10 and 102 x 50.
"""

from pathlib import Path

import pytest

from stories import Log, Tape, play
from tapewire.market.status import TradingState


def book() -> Tape:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "A", 101, 10)
    return tape.add(2, 3, "B", 99, 50).add(3, 4, "A", 102, 50).tick(70)


def long(lots: int) -> Log:
    """Long that many lots from 60 on; the strategy knows of it at 110."""
    return Log().buy(10, "in", lots, None)


def test_without_a_position_it_is_rejected(tmp_path: Path) -> None:
    order = play(tmp_path, book().tick(300), Log().sell(10, "out", 1, 103, reduce_only=True))
    assert (order.orders["out"].status, order.orders["out"].reason) == ("REJECTED", "REDUCE_ONLY")
    assert order.orders["out"].arrived == 60


def test_on_the_side_of_the_position_it_is_rejected(tmp_path: Path) -> None:
    played = play(tmp_path, book().tick(300), long(3).buy(100, "more", 1, 100, reduce_only=True))
    assert played.orders["more"].reason == "REDUCE_ONLY"


def test_it_is_cut_to_the_position_and_that_is_told(tmp_path: Path) -> None:
    # Long 3 at the exchange: 8 to sell become 3, at 150; the strategy is told at 200.
    log = long(3).sell(100, "out", 8, 103, reduce_only=True)
    played = play(tmp_path, book().tick(300), log, event_log=True)
    order = played.orders["out"]
    assert (order.status, order.quantity) == ("NEW", 3)
    assert played.changes("out") == [
        ("SENT", "NONE", 103, 8, 0, 0, 100),
        ("ACCEPTED", "NONE", 103, 3, 0, 150, 200),
        ("CHANGED", "REDUCE_ONLY", 103, 3, 0, 150, 200),
    ]


def test_the_exchange_knows_the_position_before_the_strategy_does(tmp_path: Path) -> None:
    # Both leave at 10; the entry fills at 60, and right after it the exit is good.
    log = long(3).sell(10, "out", 3, 103, reduce_only=True)
    assert play(tmp_path, book().tick(300), log).orders["out"].status == "NEW"


def test_those_that_work_already_have_the_position_first(tmp_path: Path) -> None:
    log = long(5).sell(100, "first", 3, 103, reduce_only=True)
    log.sell(101, "second", 3, 104, reduce_only=True).sell(102, "third", 1, 105, reduce_only=True)
    orders = play(tmp_path, book().tick(300), log).orders
    assert [orders[name].quantity for name in ("first", "second")] == [3, 2]
    assert orders["third"].reason == "REDUCE_ONLY"


def test_as_the_position_shrinks_the_worse_priced_is_cut_first(tmp_path: Path) -> None:
    # Long 5, 3 + 2 lots to sell. A sale of 3 by market leaves 2: one lot off "near", "far" ends.
    log = long(5).sell(100, "near", 3, 103, reduce_only=True)
    log.sell(101, "far", 2, 104, reduce_only=True).sell(200, "other", 3, None)
    played = play(tmp_path, book().tick(400), log, event_log=True)
    near, far = played.orders["near"], played.orders["far"]
    assert (near.status, near.quantity) == ("NEW", 2)
    assert (far.status, far.reason, far.quantity, far.closed) == ("CANCELED", "REDUCE_ONLY", 2, 250)
    assert played.changes("near")[-1] == ("CHANGED", "REDUCE_ONLY", 103, 2, 0, 250, 300)


def test_a_position_that_is_closed_ends_it(tmp_path: Path) -> None:
    log = long(2).sell(100, "out", 2, 103, reduce_only=True).sell(200, "other", 2, None)
    played = play(tmp_path, book().tick(400), log)
    assert played.orders["out"].reason == "REDUCE_ONLY"
    assert played.last_sample()["position"] == 0


def test_one_event_never_fills_more_than_the_position(tmp_path: Path) -> None:
    # Long 2. "out" may sell 2 at 103, "free" 2 at 102.5, and one sweep goes through both.
    log = long(2).sell(100, "out", 2, 103, reduce_only=True).sell(100, "free", 2, 102.5)
    tape = book().add(160, 5, "A", 104, 9).cancel(161, 4).trade(200, (2, 8), (5, 6)).tick(400)
    played = play(tmp_path, tape, log)
    assert [(f.order, f.lots) for f in played.fills] == [("in", 2), ("free", 2)]
    assert played.orders["out"].reason == "REDUCE_ONLY"


def test_more_lots_by_a_replace_are_cut_too(tmp_path: Path) -> None:
    log = long(3).sell(100, "out", 1, 103, reduce_only=True).replace(200, "out", 9, 103)
    order = play(tmp_path, book().tick(400), log).orders["out"]
    assert (order.quantity, order.replaces) == (3, 1)


def test_a_market_order_is_cut_as_well(tmp_path: Path) -> None:
    log = long(3).sell(100, "out", 9, None, reduce_only=True)
    played = play(tmp_path, book().tick(400), log)
    assert [f.lots for f in played.fills] == [3, 3]
    assert (played.orders["out"].status, played.orders["out"].quantity) == ("FILLED", 3)


# --- in a halt ------------------------------------------------------------------------------------

STATES = [(0, TradingState.OPEN), (120, TradingState.PRE_OPEN), (500, TradingState.OPEN)]


def halted(*, by_venue: bool = False) -> Tape:
    """From 120 to 500 nothing trades: a bid stands across the ask, or the venue says so."""
    tape = book()
    if by_venue:
        return tape.tick(120).tick(400).tick(501).tick(800)
    return tape.add(120, 20, "B", 101.5, 5).tick(400).cancel(500, 20).tick(800)


@pytest.mark.parametrize("by_venue", [False, True])
def test_of_two_that_wait_for_a_halt_to_end_the_second_is_rejected(
    tmp_path: Path, by_venue: bool
) -> None:
    log = long(2).sell(150, "first", 2, reduce_only=True).sell(160, "second", 2, reduce_only=True)
    states = STATES if by_venue else []
    played = play(tmp_path, halted(by_venue=by_venue), log, states=states)
    assert [(f.order, f.lots) for f in played.fills] == [("in", 2), ("first", 2)]
    second = played.orders["second"]
    assert (second.status, second.reason, second.closed) == ("REJECTED", "REDUCE_ONLY", 210)
    assert played.last_sample()["position"] == 0


def test_one_that_waits_ends_as_another_closes_the_position(tmp_path: Path) -> None:
    log = long(2).sell(150, "plain", 2).sell(160, "out", 2, reduce_only=True)
    played = play(tmp_path, halted(), log)
    assert [(f.order, f.lots) for f in played.fills] == [("in", 2), ("plain", 2)]
    out = played.orders["out"]
    assert (out.status, out.reason, out.quantity) == ("CANCELED", "REDUCE_ONLY", 2)
    assert out.closed == 500


def test_one_that_waits_is_cut_as_the_position_shrinks(tmp_path: Path) -> None:
    log = long(3).sell(150, "plain", 2).sell(160, "out", 3, reduce_only=True)
    played = play(tmp_path, halted(), log, event_log=True)
    assert [(f.order, f.lots) for f in played.fills] == [("in", 3), ("plain", 2), ("out", 1)]
    assert ("CHANGED", "REDUCE_ONLY", None, 1) in [c[:4] for c in played.changes("out")]
    assert played.orders["out"].status == "FILLED"


def test_two_stops_that_one_trade_triggers_in_a_halt_close_once(tmp_path: Path) -> None:
    log = long(2).sell(100, "first", 2, trigger_price=100, reduce_only=True)
    log.sell(101, "second", 2, trigger_price=100, reduce_only=True)
    tape = book()
    tape.event(300, tape.a(20, "B", 101.5, 5), tape.t("A", 100, 1)).tick(400)
    played = play(tmp_path, tape.cancel(500, 20).tick(800), log)
    assert [(f.order, f.lots) for f in played.fills] == [("in", 2), ("first", 2)]
    assert played.orders["second"].reason == "REDUCE_ONLY"


def test_an_auction_fills_no_more_than_the_position(tmp_path: Path) -> None:
    """5 lots clear at 101: the plain sale has the first 2 of them, and the position with it."""
    log = long(2).sell(150, "plain", 2).sell(160, "out", 2, reduce_only=True)
    tape = book().add(120, 20, "B", 101.5, 5).tick(400)
    auction = tape.t("N", 101, 5), tape.f(20, 5), tape.f(2, 5)
    tape.event(500, *auction, tape.c(20), tape.m(2, 5)).tick(800)
    played = play(tmp_path, tape, log)
    assert [fill[:4] for fill in played.brief()[1:]] == [("plain", 101, 2, "AUCTION")]
    assert played.orders["out"].reason == "REDUCE_ONLY"
