"""Orders that hang together, worked out by hand: one cancels other, and brackets.

Latency is 50 µs each way; bids 100 x 5 and 99 x 50, asks 101 x 10 and 102 x 50.
"""

from pathlib import Path

import pytest

from stories import Log, Tape, play
from tapewire.errors import FormatError
from tapewire.market.status import TradingState


def book() -> Tape:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "A", 101, 10)
    return tape.add(2, 3, "B", 99, 50).add(3, 4, "A", 102, 50).tick(70)


# --- one cancels other ----------------------------------------------------------------------------


def pair(low: int, high: int) -> Log:
    """A bid of ``low`` lots at 99.5 and an offer of ``high`` lots at 101.5, one cancels other."""
    log = Log().buy(10, "bid", low, 99.5, group="g")
    return log.sell(10, "offer", high, 101.5, group="g")


def test_what_fills_whole_cancels_the_other_at_the_same_time(tmp_path: Path) -> None:
    # 100 is swept and 3 lots at 99 trade: our bid of 2 fills at 100 µs, and our offer ends there.
    tape = book().trade(100, (1, 5), (3, 3)).tick(300)
    played = play(tmp_path, tape, pair(2, 2), event_log=True)
    assert played.brief() == [("bid", 99.5, 2, "TRADE_THROUGH", 100)]
    offer = played.orders["offer"]
    assert (offer.status, offer.reason, offer.quantity, offer.closed) == (
        "CANCELED", "OTHER_FILLED", 2, 100,
    )  # fmt: skip
    assert played.changes("offer")[-1] == ("CANCELED", "OTHER_FILLED", 101.5, 2, 0, 100, 150)


def test_a_part_that_fills_is_taken_off_the_other(tmp_path: Path) -> None:
    # 1 of 3 lots fills; the offer of 2 has 1 left, and keeps its place.
    tape = book().trade(100, (1, 5), (3, 1)).tick(300)
    played = play(tmp_path, tape, pair(3, 2), event_log=True)
    assert played.orders["bid"].status == "PARTIALLY_FILLED"
    assert (played.orders["offer"].status, played.orders["offer"].quantity) == ("NEW", 1)
    assert played.changes("offer")[-1] == ("CHANGED", "OTHER_FILLED", 101.5, 1, 0, 100, 150)


def test_one_event_can_not_fill_both(tmp_path: Path) -> None:
    # Two offers in one group, 103 and 104, and a sweep through both: 2 lots fill, not 4.
    log = Log().sell(10, "near", 2, 103, group="g").sell(10, "far", 2, 104, group="g")
    tape = book().cancel(75, 4).add(80, 5, "A", 105, 20).trade(100, (2, 10), (5, 8)).tick(300)
    played = play(tmp_path, tape, log)
    assert [(f.order, f.lots) for f in played.fills] == [("near", 2)]
    assert played.orders["far"].reason == "OTHER_FILLED"


def test_three_may_hang_together(tmp_path: Path) -> None:
    log = pair(2, 2).sell(10, "higher", 1, 103, group="g")
    tape = book().trade(100, (1, 5), (3, 1)).tick(300)
    played = play(tmp_path, tape, log)
    assert played.orders["offer"].quantity == 1
    assert (played.orders["higher"].status, played.orders["higher"].closed) == ("CANCELED", 100)


def test_one_that_takes_on_arrival_ends_the_other_that_came_before(tmp_path: Path) -> None:
    log = Log().buy(10, "bid", 2, 99.5, group="g").sell(10, "taker", 2, 100, group="g")
    played = play(tmp_path, book().tick(300), log)
    assert played.brief() == [("taker", 100, 2, "TAKEN", 60)]
    assert (played.orders["bid"].reason, played.orders["bid"].closed) == ("OTHER_FILLED", 60)


def test_one_that_arrives_after_the_other_has_filled_ends_there(tmp_path: Path) -> None:
    log = Log().sell(10, "taker", 2, 100, group="g").buy(10, "bid", 2, 99.5, group="g")
    played = play(tmp_path, book().tick(300), log)
    bid = played.orders["bid"]
    assert (bid.status, bid.reason, bid.quantity, bid.arrived) == (
        "CANCELED", "OTHER_FILLED", 2, 60,
    )  # fmt: skip


def test_a_cancel_of_one_leaves_the_other(tmp_path: Path) -> None:
    played = play(tmp_path, book().tick(300), pair(2, 2).cancel(100, "bid"))
    assert played.orders["offer"].status == "NEW"


def test_a_replace_moves_its_price_and_leaves_its_lots_to_the_group(tmp_path: Path) -> None:
    # The offer is down to 1 lot when a replace to 2 lots at 103 arrives: 1 lot at 103.
    tape = book().trade(100, (1, 5), (3, 1)).tick(300)
    played = play(tmp_path, tape, pair(3, 2).replace(110, "offer", 2, 103))
    offer = played.orders["offer"]
    assert (offer.price, offer.quantity, offer.replaces) == (103, 1, 1)


# --- brackets -------------------------------------------------------------------------------------


def bracket(lots: int, price: float | None, profit: float = 103, second: float = 104) -> Log:
    """An entry to buy, and two exits above it: the second stands for any other exit."""
    log = Log().buy(10, "entry", lots, price).sell(10, "exit", lots, profit, parent="entry")
    return log.sell(10, "other", lots, second, parent="entry")


def test_exits_wait_for_their_entry(tmp_path: Path) -> None:
    # Asks at 103 and 104 would be met by a sweep of 101 and 102; nothing of ours is there.
    tape = book().add(80, 5, "A", 105, 9).cancel(85, 4).trade(100, (2, 10), (5, 3)).tick(300)
    played = play(tmp_path, tape, bracket(2, 98))
    assert played.fills == []
    assert {o.status for o in played.orders.values()} == {"NEW"}
    assert played.orders["exit"].queue_ahead == -1


def test_an_entry_that_fills_lets_its_exits_act_at_once(tmp_path: Path) -> None:
    played = play(tmp_path, book().tick(300), bracket(2, None), event_log=True)
    assert played.brief() == [("entry", 101, 2, "TAKEN", 60)]
    assert [played.orders[name].queue_ahead for name in ("exit", "other")] == [0, 0]


def test_exits_have_the_lots_that_the_entry_has_filled(tmp_path: Path) -> None:
    # The entry bids 99.5 for 5. 2 lots fill at 100 µs, 1 more at 200 µs, then it is canceled.
    tape = book().trade(100, (1, 5), (3, 2)).trade(200, (3, 1)).tick(400)
    played = play(tmp_path, tape, bracket(5, 99.5).cancel(250, "entry"), event_log=True)
    assert [f.lots for f in played.fills] == [2, 1]
    assert [(e, q, at) for e, _, _, q, _, at, _ in played.changes("exit")] == [
        ("SENT", 5, 0), ("ACCEPTED", 5, 60), ("CHANGED", 2, 100), ("CHANGED", 3, 200),
    ]  # fmt: skip
    assert played.orders["exit"].quantity == 3


def test_one_exit_takes_its_lots_off_the_other(tmp_path: Path) -> None:
    # Long 2 at 60. Order 5 at 105 trades 1 lot, then 5 more: "exit" at 103 sells 1, then 1.
    tape = book().cancel(80, 2).cancel(81, 4).add(82, 5, "A", 105, 50)
    tape.trade(100, (5, 1)).tick(150).trade(200, (5, 5)).tick(400)
    played = play(tmp_path, tape, bracket(2, None))
    assert [(f.order, f.lots, f.at) for f in played.fills] == [
        ("entry", 2, 60), ("exit", 1, 100), ("exit", 1, 200),
    ]  # fmt: skip
    other = played.orders["other"]
    assert (other.status, other.reason, other.closed) == ("CANCELED", "OTHER_FILLED", 200)
    assert played.last_sample()["position"] == 0


def test_an_entry_that_ends_unfilled_ends_its_exits(tmp_path: Path) -> None:
    played = play(tmp_path, book().tick(300), bracket(2, 98).cancel(100, "entry"))
    assert [(o.status, o.reason, o.closed) for o in played.orders.values()] == [
        ("CANCELED", "USER_CANCEL", 150), ("CANCELED", "ENTRY_ENDED", 150),
        ("CANCELED", "ENTRY_ENDED", 150),
    ]  # fmt: skip


def test_an_entry_that_is_denied_denies_its_exits(tmp_path: Path) -> None:
    played = play(tmp_path, book().tick(300), bracket(2, 98.1), tick=0.25)
    assert [(o.status, o.reason) for o in played.orders.values()] == [
        ("DENIED", "INVALID_PRICE"), ("DENIED", "ENTRY_DENIED"), ("DENIED", "ENTRY_DENIED"),
    ]  # fmt: skip


def test_an_exit_that_meets_the_market_takes(tmp_path: Path) -> None:
    played = play(tmp_path, book().tick(300), bracket(2, None, profit=100))
    assert played.brief() == [("entry", 101, 2, "TAKEN", 60), ("exit", 100, 2, "TAKEN", 60)]
    assert (played.orders["other"].reason, played.orders["other"].closed) == ("OTHER_FILLED", 60)


def test_an_exit_that_is_done_before_its_entry_leaves_the_rest_to_the_other(tmp_path: Path) -> None:
    # 1 of 3 lots is bought at 100 µs, and sold at 150 µs by "exit"; of the 2 that are bought at
    # 200 µs, "other" takes care alone.
    tape = book().cancel(80, 2).cancel(81, 4).add(82, 5, "A", 105, 50)
    tape.trade(100, (1, 5), (3, 1)).trade(150, (5, 1)).trade(200, (3, 2)).tick(400)
    played = play(tmp_path, tape, bracket(3, 99.5))
    assert [(f.order, f.lots) for f in played.fills] == [("entry", 1), ("exit", 1), ("entry", 2)]
    assert (played.orders["exit"].status, played.orders["exit"].quantity) == ("FILLED", 1)
    assert (played.orders["other"].status, played.orders["other"].quantity) == ("NEW", 2)


def test_exits_do_not_count_against_the_position_limit(tmp_path: Path) -> None:
    from tapewire.router import RiskLimits

    played = play(tmp_path, book().tick(300), bracket(2, None), limits=RiskLimits(max_position=2))
    assert {o.status for o in played.orders.values()} == {"FILLED", "NEW"}


def test_reduce_only_exits_end_with_a_position_that_was_closed_otherwise(tmp_path: Path) -> None:
    # Long 2 at 60, and nothing from 160 on, where a plain exit would go on to sell 2.
    log = Log().buy(10, "entry", 2, None)
    log.sell(10, "profit", 2, 103, parent="entry", reduce_only="true").sell(110, "out", 2, None)
    played = play(tmp_path, book().tick(200).tick(300), log)
    assert [(fill[0], fill[2]) for fill in played.brief()] == [("entry", 2), ("out", 2)]
    profit = played.orders["profit"]
    assert (profit.status, profit.reason, profit.filled) == ("CANCELED", "REDUCE_ONLY", 0)


# --- with a stop-loss -----------------------------------------------------------------------------


def guarded(lots: int, price: float | None) -> Log:
    """An entry to buy, a take-profit at 103 and a stop-loss at 98."""
    log = Log().buy(10, "entry", lots, price).sell(10, "profit", lots, 103, parent="entry")
    return log.sell(10, "stop", lots, None, trigger_price=98, parent="entry")


def falling() -> Tape:
    """From 100 µs on: sales through 100 and 99 down to 98, where order 6 bids."""
    return book().add(80, 6, "B", 98, 9).trade(100, (1, 5), (3, 50), (6, 1))


def test_a_stop_loss_that_is_triggered_ends_the_take_profit(tmp_path: Path) -> None:
    # Long 2 at 60. 98 trades at 100 µs: the stop sells 2 there, and the take-profit is no more.
    played = play(tmp_path, falling().tick(300), guarded(2, None), event_log=True)
    assert played.brief() == [("entry", 101, 2, "TAKEN", 60), ("stop", 98, 2, "TAKEN", 100)]
    profit = played.orders["profit"]
    assert (profit.status, profit.reason, profit.closed) == ("CANCELED", "OTHER_FILLED", 100)


def test_a_take_profit_that_fills_ends_the_stop_loss(tmp_path: Path) -> None:
    tape = book().cancel(80, 2).cancel(81, 4).add(82, 5, "A", 105, 50).trade(100, (5, 2))
    tape.add(150, 6, "B", 98, 9).trade(200, (1, 5), (3, 50), (6, 1)).tick(300)
    played = play(tmp_path, tape, guarded(2, None))
    assert [(f.order, f.at) for f in played.fills] == [("entry", 60), ("profit", 100)]
    assert (played.orders["stop"].reason, played.orders["stop"].closed) == ("OTHER_FILLED", 100)


def test_a_stop_loss_is_not_there_before_its_entry_fills(tmp_path: Path) -> None:
    # 98 trades at 100 µs; the entry, which bids 97, has not filled.
    played = play(tmp_path, falling().tick(300), guarded(2, 97))
    assert played.fills == []
    assert {o.status for o in played.orders.values()} == {"NEW"}


def test_a_stop_loss_whose_trigger_has_traded_acts_at_once(tmp_path: Path) -> None:
    # The entry bids 98.5, and fills in the sweep that trades at 98 as well: the guard is late.
    played = play(tmp_path, falling().tick(300), guarded(2, 98.5))
    assert played.brief() == [
        ("entry", 98.5, 1, "TRADE_THROUGH", 100), ("stop", 98, 1, "TAKEN", 100)
    ]  # fmt: skip


@pytest.mark.parametrize("policy", ["wait", "expire"])
def test_exits_act_in_the_state_of_their_own_time(tmp_path: Path, policy: str) -> None:
    """98 traded at 100. The entry rests in a pre-open; moved to 102 it takes at 310, in an open
    market that has had no event yet: so does the stop-loss.
    """
    log = guarded(2, 97).replace(260, "entry", 2, 102)
    states = [(0, TradingState.PRE_OPEN), (300, TradingState.OPEN)]
    tape = falling().tick(200).tick(400)
    played = play(tmp_path, tape, log, states=states, market_order_in_halt=policy)
    assert played.brief() == [("entry", 101, 2, "TAKEN", 310), ("stop", 98, 2, "TAKEN", 310)]
    assert played.orders["profit"].reason == "OTHER_FILLED"


# --- a cancel of all ------------------------------------------------------------------------------


def test_a_mass_cancel_ends_all_that_has_arrived_before_it(tmp_path: Path) -> None:
    # "late" leaves after it, and stays.
    log = pair(2, 2).buy(20, "third", 1, 98).mass_cancel(100, "bid").buy(101, "late", 1, 98)
    played = play(tmp_path, book().tick(300), log, event_log=True)
    ended = [(o.status, o.reason, o.closed) for o in played.orders.values()]
    assert sorted(ended) == [("CANCELED", "MASS_CANCEL", 150)] * 3 + [("NEW", "END_OF_DATA", 0)]
    assert played.changes("third")[-1][:2] == ("CANCELED", "MASS_CANCEL")
    assert played.changes("third")[-1][-1] == 200


def test_a_mass_cancel_without_orders_is_nothing(tmp_path: Path) -> None:
    log = Log().buy(10, "bid", 1, 98).cancel(20, "bid").mass_cancel(200, "bid")
    assert play(tmp_path, book().tick(400), log).orders["bid"].reason == "USER_CANCEL"


# --- in a log -------------------------------------------------------------------------------------


def test_a_log_says_what_can_not_hang_together(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 98, group="g").buy(11, "b", 1, 98, group="g")
    with pytest.raises(FormatError, match="row 2, group: expected orders of one ts_ns"):
        play(tmp_path, book(), log)
    with pytest.raises(FormatError, match="row 1, parent: expected an earlier row's order"):
        play(tmp_path, book(), Log().buy(10, "a", 1, 98, parent="b"))


def test_a_log_sends_what_hangs_together_at_once(tmp_path: Path) -> None:
    # 63 rows go out in one callback: the bracket's entry would be the last of them.
    log = Log()
    for k in range(62):
        log.buy(10, f"x{k}", 1, 98)
    log.buy(10, "entry", 2, 102).sell(10, "profit", 2, 110, parent="entry")
    log.sell(10, "loss", 2, trigger_price=95, parent="entry").buy(10, "last", 1, 98)
    played = play(tmp_path, book().tick(300), log)
    assert played.orders["entry"].status == "FILLED"
    assert [played.orders[name].status for name in ("profit", "loss", "last")] == ["NEW"] * 3
    assert {order.arrived for order in played.orders.values()} == {60}


@pytest.mark.parametrize("between", [61, 62])
def test_a_log_sends_a_group_at_once_whatever_stands_between(tmp_path: Path, between: int) -> None:
    log = Log().buy(5, "first", 1, 98).buy(10, "one", 1, 99.5, group="g")
    for k in range(between):
        log.buy(10, f"x{k}", 1, 98)
    log.sell(10, "other", 1, 101.5, group="g")
    if between == 62:
        with pytest.raises(FormatError, match="row 65, group: expected what hangs together within "
                           "63 rows of a ts_ns, found 64 rows from row 2 on"):  # fmt: skip
            play(tmp_path, book(), log)
        return
    played = play(tmp_path, book().trade(100, (1, 5), (3, 3)).tick(300), log)
    assert [(fill.order, fill.lots) for fill in played.fills] == [("one", 1)]
    assert played.orders["other"].reason == "OTHER_FILLED"
