"""Halts, auctions and reopenings, worked out by hand.

Latency is 50 µs each way. A halted book holds back fills and nothing else; an auction clears at one
price, and our orders take part in it as the venue's do.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stories import Line, Log, Played, Tape, play, px
from tapewire.market.records import UNDEF_PRICE
from tapewire.market.status import TradingState

EVERYTHING = [
    (1, "B", 102, 5), (2, "B", 101, 3), (3, "B", 100, 9),
    (11, "A", 100, 4), (12, "A", 101, 2), (13, "A", 103, 7),
]  # fmt: skip


def pre_open() -> Tape:
    """Orders that cross: bids 102 x 5, 101 x 3, 100 x 9, asks 100 x 4, 101 x 2, 103 x 7."""
    tape = Tape()
    for k, (order_id, side, price, size) in enumerate(EVERYTHING):
        tape.add(k, order_id, side, price, size)
    return tape


def open_at_101(tape: Tape, t: int, *, sides: str = "N", printed: str = "N") -> Tape:
    """The venue clears 6 lots at 101: bid 1 whole, 1 lot of bid 2; asks 11 and 12 whole."""

    def filled(order_id: int, side: str, lots: int) -> Line:
        return Line("F", side if sides == "BA" else "N", order_id, px(101), lots)

    return tape.event(
        t,
        Line("T", printed, 0, px(101), 6),
        filled(1, "B", 5), filled(2, "B", 1), filled(11, "A", 4), filled(12, "A", 2),
        tape.c(1), tape.m(2, 2), tape.c(11), tape.c(12),
    )  # fmt: skip


# --- auctions -------------------------------------------------------------------------------------


def test_an_order_better_than_the_clearing_price_trades_at_it(tmp_path: Path) -> None:
    """It would have been first in line for what the venue cleared, and gets the venue's price."""
    log = Log().sell(10, "eager", 2, 99.5).buy(20, "dear", 3, 104)
    played = play(tmp_path, open_at_101(pre_open().tick(200), 500).tick(900), log)
    assert played.brief() == [("dear", 101, 3, "AUCTION", 500), ("eager", 101, 2, "AUCTION", 500)]
    assert {f.liquidity for f in played.fills} == {"MAKER"}
    assert played.fills[0].known == 550


def test_an_auction_is_not_where_a_trade_names_no_price(tmp_path: Path) -> None:
    log = Log().sell(10, "eager", 2, 99.5).buy(20, "dear", 3, 104)
    tape = pre_open().tick(200).event(500, Line("T", "N", 0, UNDEF_PRICE, 6)).tick(900)
    assert play(tmp_path, tape, log).fills == []


def test_no_more_is_filled_than_the_venue_cleared(tmp_path: Path) -> None:
    """6 lots were cleared: 4 for the better order, the other gets 2, then bids at 101 are left.

    Their 2 lots are still there at the clearing price when the market is open.
    """
    log = Log().sell(10, "second", 9, 99.75).sell(20, "first", 4, 99.5)
    played = play(tmp_path, open_at_101(pre_open().tick(200), 500).tick(900), log)
    assert played.brief() == [
        ("first", 101, 4, "AUCTION", 500), ("second", 101, 2, "AUCTION", 500),
        ("second", 101, 2, "AUCTION", 500), ("second", 100, 5, "TAKEN", 500),
    ]  # fmt: skip


def test_at_the_clearing_price_the_queue_decides(tmp_path: Path) -> None:
    # Ask 12 x 2 stands at 101 ahead of us, and clears: nobody behind us does. On the other side 1
    # lot of bid 2 x 3 clears, ahead of us as well.
    log = Log().sell(10, "late seller", 2, 101).buy(20, "late buyer", 2, 101)
    played = play(tmp_path, open_at_101(pre_open().tick(200), 500).tick(900), log)
    assert [f for f in played.brief() if f[0] == "late buyer"] == []
    # The bid that is left at 101 when the market opens meets our ask.
    assert played.brief() == [("late seller", 101, 2, "AUCTION", 500)]


def test_ahead_in_the_queue_at_the_clearing_price(tmp_path: Path) -> None:
    # We bid 101 before anybody else did; 1 lot of bid 2 cleared behind us: it is ours.
    tape = Tape().add(0, 11, "A", 100, 4).add(1, 9, "B", 102, 1).tick(70)
    for order_id, side, price, size in EVERYTHING:
        if order_id != 11:
            tape.add(100 + order_id, order_id, side, price, size)
    tape.cancel(150, 9)
    played = play(tmp_path, open_at_101(tape, 500).tick(900), Log().buy(10, "mine", 5, 101))
    assert played.orders["mine"].queue_ahead == 0
    assert played.brief() == [("mine", 101, 1, "AUCTION", 500)]


def test_worse_than_the_clearing_price_nothing_happens(tmp_path: Path) -> None:
    log = Log().sell(10, "seller", 2, 102).buy(20, "buyer", 2, 100.5)
    played = play(tmp_path, open_at_101(pre_open().tick(200), 500).tick(900), log)
    assert played.fills == []


def test_fills_that_name_their_side_tell_of_an_auction_by_their_price(tmp_path: Path) -> None:
    """Some venues report each order's part as an execution at another price than its own."""
    tape = pre_open().tick(200)
    tape.event(500, Line("T", "B", 0, px(101), 4), Line("F", "A", 11, px(101), 4), tape.c(11)).tick(
        900
    )
    played = play(tmp_path, tape, Log().sell(10, "eager", 2, 99.5))
    assert played.brief() == [("eager", 101, 2, "AUCTION", 500)]


def test_a_market_order_takes_part_in_the_auction(tmp_path: Path) -> None:
    """7 lots: 6 were cleared at 101, and the last meets the 2 bids left there."""
    played = play(
        tmp_path, open_at_101(pre_open().tick(200), 500).tick(900), Log().sell(10, "market", 7)
    )
    assert played.brief() == [
        ("market", 101, 6, "AUCTION", 500), ("market", 101, 1, "TAKEN", 500)
    ]  # fmt: skip
    assert played.orders["market"].status == "FILLED"
    assert (played.counts["unseen_trade_fills"], played.counts["auction_fills"]) == (0, 1)


# --- halts ----------------------------------------------------------------------------------------


def test_a_cancel_in_a_halt_takes_effect_in_time(tmp_path: Path) -> None:
    log = Log().sell(10, "mine", 2, 99.5).cancel(200, "mine")
    played = play(tmp_path, open_at_101(pre_open().tick(100).tick(300), 500).tick(900), log)
    assert played.fills == []
    order = played.orders["mine"]
    assert (order.status, order.reason, order.closed) == ("CANCELED", "USER_CANCEL", 250)


def test_a_replace_in_a_halt_takes_effect_in_time(tmp_path: Path) -> None:
    log = Log().sell(10, "mine", 2, 99.5).replace(200, "mine", 2, 102)
    played = play(tmp_path, open_at_101(pre_open().tick(100).tick(300), 500).tick(900), log)
    assert played.fills == []
    assert (played.orders["mine"].price, played.orders["mine"].status) == (102, "NEW")


def test_a_waiting_market_order_can_be_canceled(tmp_path: Path) -> None:
    log = Log().sell(10, "first", 2).sell(20, "second", 3).cancel(200, "first")
    played = play(tmp_path, open_at_101(pre_open().tick(100).tick(300), 500).tick(900), log)
    assert played.brief() == [("second", 101, 3, "AUCTION", 500)]
    assert played.orders["first"].status == "CANCELED"


def behind_an_opening(tmp_path: Path, log: Log, **settings: Any) -> Played:
    """Asks 101 x 2, 102 x 5; a pre-open until 300, events at 200 and 400; "first" buys 2 in it."""
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 8, "A", 101, 2).add(2, 9, "A", 102, 5)
    states = [(0, TradingState.PRE_OPEN), (300, TradingState.OPEN)]
    first = Log().buy(10, "first", 2)
    log = Log(first.rows + log.rows)
    return play(tmp_path, tape.tick(200).tick(400).tick(600), log, states=states, **settings)


@pytest.mark.parametrize("kind", ["market", "limit", "replace"])
def test_what_arrives_behind_an_opening_does_not_overtake_who_waits_for_it(
    tmp_path: Path, kind: str
) -> None:
    """It arrives at 310; the first event after the opening is at 400."""
    log = Log().buy(260, "later", 2, 102 if kind == "limit" else None)
    if kind == "replace":
        log = Log().buy(20, "later", 2, 98).replace(260, "later", 2, 102)
    assert behind_an_opening(tmp_path, log).brief() == [
        ("first", 101, 2, "TAKEN", 400), ("later", 102, 2, "TAKEN", 400),
    ]  # fmt: skip
    at_once = behind_an_opening(tmp_path, log, market_order_in_halt="expire")
    assert at_once.brief() == [("later", 101, 2, "TAKEN", 310)]


@pytest.mark.parametrize("terms", [{"tif": "IOC"}, {"tif": "FOK"}, {"min_quantity": 1}])
def test_what_can_not_wait_acts_before_who_waits_for_an_opening(
    tmp_path: Path, terms: dict[str, Any]
) -> None:
    """Else it would end for want of a market in a state that says that there is one."""
    played = behind_an_opening(tmp_path, Log().buy(260, "later", 2, 102, **terms))
    assert played.brief() == [
        ("later", 101, 2, "TAKEN", 310), ("first", 102, 2, "TAKEN", 400),
    ]  # fmt: skip


@pytest.mark.parametrize("terms", ["true", "reprice"])
def test_a_post_only_order_behind_an_opening_takes_nothing(tmp_path: Path, terms: str) -> None:
    log = Log().buy(260, "later", 2, 102, post_only=terms)
    played = behind_an_opening(tmp_path, log, tick="0.25")
    assert played.brief() == [("first", 101, 2, "TAKEN", 400)]
    order = played.orders["later"]
    if terms == "true":
        assert (order.status, order.reason, order.closed) == ("REJECTED", "POST_ONLY", 310)
    else:
        assert (order.status, order.price) == ("NEW", Decimal("100.75"))


def test_an_ioc_order_in_a_halt_ends_unfilled(tmp_path: Path) -> None:
    log = Log().sell(10, "mine", 2, 99.5, "IOC")
    played = play(tmp_path, open_at_101(pre_open().tick(200), 500).tick(900), log)
    assert played.fills == []
    order = played.orders["mine"]
    assert (order.status, order.reason, order.closed) == ("EXPIRED", "MARKET_HALTED", 60)


def test_a_market_order_in_a_halt_may_end_at_once(tmp_path: Path) -> None:
    tape = open_at_101(pre_open().tick(200), 500).tick(900)
    played = play(tmp_path, tape, Log().sell(10, "mine", 2), market_order_in_halt="expire")
    assert played.fills == []
    order = played.orders["mine"]
    assert (order.status, order.reason, order.closed) == ("EXPIRED", "MARKET_HALTED", 60)


def test_an_order_sent_in_a_halt_stands_ahead_of_a_later_real_one(tmp_path: Path) -> None:
    # We come at 60, ask 14 at 300: both at 102. After the open a buyer takes 13's... 3 lots at 102.
    tape = pre_open().tick(100).add(300, 14, "A", 102, 8)
    open_at_101(tape, 500).trade(700, (14, 3)).tick(900)
    played = play(tmp_path, tape, Log().sell(10, "mine", 2, 102))
    assert played.brief() == [("mine", 102, 2, "QUEUE", 700)]


def test_a_halt_that_ends_without_an_auction(tmp_path: Path) -> None:
    """Whoever stood there first has its price: the ask at 100 before us, the one at 100.5 after."""
    tape = Tape().add(0, 1, "B", 102, 5).add(1, 11, "A", 100, 4).tick(100)
    tape.add(110, 12, "A", 100.5, 3).cancel(300, 1).tick(900)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 101))
    assert played.brief() == [("mine", 100, 4, "TAKEN", 300), ("mine", 101, 3, "CROSSED", 300)]
    assert [f.liquidity for f in played.fills] == ["TAKER", "MAKER"]


def test_a_clear_is_no_reopening(tmp_path: Path) -> None:
    """The venue clears a crossed book: what waited for its end is gone with the rest."""
    tape = Tape().add(0, 1, "B", 102, 5).add(1, 11, "A", 100, 4).tick(200)
    tape.event(500, Line("R", "N", 0, UNDEF_PRICE, 0)).add(600, 30, "A", 103, 5).tick(900)
    played = play(tmp_path, tape, Log().buy(10, "market", 2).buy(20, "limit", 2, 99))
    assert played.fills == []
    for name in ("market", "limit"):
        order = played.orders[name]
        assert (order.status, order.reason, order.closed) == ("CANCELED", "BOOK_CLEARED", 500)


@pytest.mark.parametrize("policy", ["warn", "halt_fills"])
def test_an_implied_trade_in_an_open_market_is_no_auction(tmp_path: Path, policy: str) -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 9, "A", 101, 10).tick(70)
    tape.event(
        100, Line("T", "N", 0, px(100), 3), Line("F", "N", 1, px(100), 3), tape.m(1, 2)
    ).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 2, 100.5), policy=policy)
    assert played.brief() == [("mine", 100.5, 2, "TRADE_THROUGH", 100)]
