"""Stop and stop-limit orders: what triggers them, when they act, and on what.

The book: 5 bid at 100, 6 at 99; 3 offered at 101, 4 at 102. Orders take 50 µs to the exchange.
"""

from pathlib import Path

import pytest

from stories import Log, OrderRules, Tape, play, px


def market() -> Tape:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 99, 6)
    return tape.add(2, 8, "A", 101, 3).add(3, 9, "A", 102, 4)


def test_a_trade_at_the_trigger_makes_a_stop_a_market_order(tmp_path: Path) -> None:
    """Three trade at 101, all of the level; the stop then takes what the event left: 102."""
    found = play(
        tmp_path, market().trade(200, (8, 3)).tick(400), Log().buy(10, "s", 2, trigger_price=101),
        event_log=True,
    )  # fmt: skip
    assert found.brief() == [("s", 102, 2, "TAKEN", 200)]
    assert found.changes("s") == [
        ("SENT", "NONE", None, 2, 0, 0, 10),
        ("ACCEPTED", "NONE", None, 2, 0, 60, 110),
        ("CHANGED", "NONE", None, 2, 0, 200, 250),
        ("FILLED", "NONE", None, 2, 2, 200, 250),
    ]


def test_a_trade_through_the_trigger_triggers_too(tmp_path: Path) -> None:
    """Nobody ever trades at 101.5."""
    tape = market().trade(200, (8, 1)).trade(300, (8, 2), (9, 1)).tick(400)
    found = play(tmp_path, tape, Log().buy(10, "s", 1, trigger_price="101.5"))
    assert found.brief() == [("s", 102, 1, "TAKEN", 300)]


def test_a_quote_or_a_cancel_triggers_nothing(tmp_path: Path) -> None:
    """The offer at 101 leaves and the best is 102: a price, but no trade."""
    tape = market().cancel(200, 8).add(300, 10, "B", 101, 1).tick(400)
    found = play(tmp_path, tape, Log().buy(10, "s", 1, trigger_price=101))
    assert (found.fills, found.orders["s"].status) == ([], "NEW")


def test_a_trade_before_the_stop_arrives_does_not_trigger_it(tmp_path: Path) -> None:
    """It was traded at 100 at 55 µs, the sell stop arrives at 60: it is not taken."""
    tape = market().trade(55, (1, 1)).tick(400)
    order = play(tmp_path, tape, Log().sell(10, "s", 1, trigger_price=100)).orders["s"]
    assert (order.status, order.reason, order.closed) == ("REJECTED", "TRIGGER_PASSED", 60)


def test_a_sell_stop_is_triggered_by_falling_prices(tmp_path: Path) -> None:
    tape = market().trade(200, (1, 5)).tick(400)
    found = play(tmp_path, tape, Log().sell(10, "s", 2, trigger_price=100))
    assert found.brief() == [("s", 99, 2, "TAKEN", 200)]


def test_a_stop_limit_takes_to_its_limit_and_rests_behind(tmp_path: Path) -> None:
    """Triggered at 101: one is left there, then it stands at 101 as a bid, behind nobody."""
    tape = market().trade(200, (8, 2)).add(300, 20, "A", 101, 5)
    found = play(tmp_path, tape, Log().buy(10, "s", 3, 101, trigger_price=101))
    assert found.brief() == [("s", 101, 1, "TAKEN", 200), ("s", 101, 2, "CROSSED", 300)]


def test_a_stop_limit_joins_the_back_of_its_queue(tmp_path: Path) -> None:
    """A sell stop-limit at 101: two of the three there are ahead after the trade at 100."""
    tape = market().trade(200, (1, 5)).trade(300, (8, 3)).add(400, 20, "A", 101, 4)
    tape.trade(500, (20, 1))
    found = play(tmp_path, tape, Log().sell(10, "s", 1, 101, trigger_price=100))
    assert found.orders["s"].queue_ahead == 3
    assert found.brief() == [("s", 101, 1, "QUEUE", 500)]


def test_a_stop_with_protection_is_a_limit_order_at_its_distance(tmp_path: Path) -> None:
    """Trigger 101, half a point of protection: it waits at 101.5 and does not pay 102."""
    tape = market().trade(200, (8, 3)).add(300, 20, "A", "101.5", 1)
    log = Log().buy(10, "s", 2, trigger_price=101)
    found = play(tmp_path, tape, log, rules=OrderRules(protection=px("0.5")), event_log=True)
    assert found.brief() == [("s", 101.5, 1, "CROSSED", 300)]
    assert ("CHANGED", "NONE", 101.5, 2, 0, 200, 250) in found.changes("s")
    row = found.rows.orders[0]
    assert (row["order_type"], row["trigger_price"], row["price"]) == (3, px(101), px("101.5"))


def test_nearest_triggers_act_first_and_equal_ones_as_they_came(tmp_path: Path) -> None:
    """Four are offered at 102: whoever acts late gets nothing."""
    log = Log().buy(10, "far", 2, trigger_price=102).buy(11, "near", 1, trigger_price=101)
    log = log.buy(12, "next", 2, trigger_price=102)
    tape = market().trade(200, (8, 3), (9, 1)).tick(300)
    found = play(tmp_path, tape, log)
    assert [(f.order, f.lots) for f in found.fills] == [("near", 1), ("far", 2)]
    assert (found.orders["next"].status, found.orders["next"].reason) == ("EXPIRED", "NO_LIQUIDITY")


def test_what_a_stop_trades_triggers_no_other(tmp_path: Path) -> None:
    """The first takes at 102, where the second has its trigger: the tape never traded there."""
    log = Log().buy(10, "one", 1, trigger_price=101).buy(10, "two", 1, trigger_price=102)
    found = play(tmp_path, market().trade(200, (8, 3)).tick(300), log)
    assert found.brief() == [("one", 102, 1, "TAKEN", 200)]
    assert found.orders["two"].status == "NEW"


def test_a_stop_is_canceled_before_it_is_triggered(tmp_path: Path) -> None:
    log = Log().buy(10, "s", 2, trigger_price=101).cancel(100, "s")
    found = play(tmp_path, market().trade(200, (8, 3)).tick(300), log)
    order = found.orders["s"]
    assert (found.fills, order.status, order.reason) == ([], "CANCELED", "USER_CANCEL")


def test_a_replace_moves_a_stops_trigger(tmp_path: Path) -> None:
    """The price of a stop without a limit is its trigger: from 102 to 101, and two to one."""
    log = Log().buy(10, "s", 2, trigger_price=102).replace(100, "s", 1, 101)
    found = play(tmp_path, market().trade(200, (8, 3)).tick(300), log, event_log=True)
    assert found.brief() == [("s", 102, 1, "TAKEN", 200)]
    assert ("REPLACED", "NONE", 101, 1, 0, 150, 200) in found.changes("s")
    assert found.rows.orders[0]["trigger_price"] == px(101)


def test_a_replace_of_a_stops_lots_leaves_its_trigger(tmp_path: Path) -> None:
    log = Log().buy(10, "stop", 3, trigger_price=105).replace(100, "stop", 2, "")
    log.replace(300, "stop", 2, 106).replace(500, "stop", 1, "")
    played = play(tmp_path, market().tick(700), log, event_log=True)
    assert played.orders["stop"].quantity == 1
    assert [change[:4] for change in played.changes("stop") if change[0] == "REPLACED"] == [
        ("REPLACED", "NONE", 105, 2), ("REPLACED", "NONE", 106, 2), ("REPLACED", "NONE", 106, 1),
    ]  # fmt: skip


def triggered() -> Tape:
    """A trade at 101 at 200; at 270 a bid for 1 at 101.5, and at 500 somebody sells to it."""
    return market().trade(200, (8, 3)).add(270, 20, "B", "101.5", 1).trade(500, (20, 1)).tick(700)


@pytest.mark.parametrize("moved", [False, True], ids=["sent so", "moved there"])
def test_a_replace_of_a_triggered_stops_lots_leaves_its_limit(tmp_path: Path, moved: bool) -> None:
    """It rests at 101.5, its trigger plus the protection, and keeps its place there."""
    log = Log().buy(10, "s", 2, trigger_price=102 if moved else 101)
    if moved:
        log.replace(80, "s", 2, 101)
    log.replace(300, "s", 1, "")
    found = play(tmp_path, triggered(), log, rules=OrderRules(protection=px("0.5")), event_log=True)
    assert found.changes("s")[-2][:4] == ("REPLACED", "NONE", 101.5, 1)
    assert found.brief() == [("s", 101.5, 1, "QUEUE", 500)]


def test_a_replace_of_lots_leaves_the_limit_that_a_log_gave_since(tmp_path: Path) -> None:
    """The limit 101.25 is on its way when the lots are changed, and it is known later."""
    log = Log().buy(10, "s", 3, trigger_price=101).replace(300, "s", 3, "101.25")
    log.replace(310, "s", 2, "").replace(600, "s", 1, "")
    found = play(tmp_path, triggered(), log, rules=OrderRules(protection=px("0.5")), event_log=True)
    assert [c[:4] for c in found.changes("s") if c[0] == "REPLACED"] == [
        ("REPLACED", "NONE", 101.25, 3), ("REPLACED", "NONE", 101.25, 2),
        ("REPLACED", "NONE", 101.25, 1),
    ]  # fmt: skip


def test_a_trigger_is_not_moved_where_the_market_has_traded(tmp_path: Path) -> None:
    log = Log().buy(10, "s", 2, trigger_price=102).replace(100, "s", 2, 101)
    found = play(tmp_path, market().trade(120, (8, 1)).tick(300), log, event_log=True)
    assert ("REFUSED", "TRIGGER_PASSED", 101, 2, 0, 150, 200) in found.changes("s")
    assert (found.orders["s"].status, found.orders["s"].replaces) == ("NEW", 0)


def test_a_trigger_is_not_moved_once_it_was_met(tmp_path: Path) -> None:
    """The stop is triggered at 130 and rests at its protection; its new trigger comes at 150."""
    log = Log().buy(10, "s", 2, trigger_price=101).replace(100, "s", 2, 102)
    found = play(
        tmp_path, market().trade(130, (8, 3)).tick(300), log, rules=OrderRules(protection=0),
        event_log=True,
    )  # fmt: skip
    assert ("REFUSED", "TRIGGER_PASSED") in [c[:2] for c in found.changes("s")]
    assert (found.orders["s"].status, found.orders["s"].price) == ("NEW", 101)


def test_a_replace_of_a_stop_limit_is_of_its_limit(tmp_path: Path) -> None:
    log = Log().buy(10, "s", 2, 101, trigger_price=101).replace(100, "s", 2, 102)
    found = play(tmp_path, market().trade(200, (8, 3)).tick(300), log)
    assert found.brief() == [("s", 102, 2, "TAKEN", 200)]


def test_an_opening_auction_triggers_and_the_stop_acts_after_it(tmp_path: Path) -> None:
    """Bids at 102 stand across offers at 101 until the venue clears at 102: a trade, at 102.

    What is offered then is 4 at 103.
    """
    tape = Tape().add(0, 1, "B", 102, 3).add(1, 8, "A", 101, 3).add(2, 9, "A", 103, 4)
    t, f1, f2 = tape.t("N", 102, 3), tape.f(1, 3), tape.f(8, 3)
    f2 = f2._replace(price=px(102))
    tape.event(200, t, f1._replace(side="N"), f2._replace(side="N"), tape.c(1), tape.c(8))
    found = play(tmp_path, tape.tick(300), Log().buy(10, "s", 1, trigger_price=102))
    assert found.brief() == [("s", 103, 1, "TAKEN", 200)]


def test_a_clear_of_the_book_ends_stops(tmp_path: Path) -> None:
    from stories import Line
    from tapewire.market.records import UNDEF_PRICE

    tape = market().event(200, Line("R", "N", 0, UNDEF_PRICE, 0)).tick(300)
    log = Log().buy(10, "s", 2, trigger_price=101)
    found = play(tmp_path, tape, log)
    assert (found.orders["s"].status, found.orders["s"].reason) == ("CANCELED", "BOOK_CLEARED")
    assert found.counts["orders_canceled_by_clear"] == 1
    kept = play(tmp_path, tape, log, book_clear="keep")
    assert kept.orders["s"].status == "NEW"


def test_a_position_limit_counts_stops(tmp_path: Path) -> None:
    from tapewire.router import RiskLimits

    log = Log().buy(10, "s", 2, trigger_price=102).buy(20, "b", 2, 99)
    found = play(tmp_path, market().tick(300), log, limits=RiskLimits(max_position=3))
    assert (found.orders["b"].status, found.orders["b"].reason) == ("DENIED", "MAX_POSITION")


def test_a_trigger_off_the_tick_is_denied(tmp_path: Path) -> None:
    found = play(tmp_path, market().tick(300), Log().buy(10, "s", 1, trigger_price="101.3"), tick=1)
    assert (found.orders["s"].status, found.orders["s"].reason) == ("DENIED", "INVALID_PRICE")
