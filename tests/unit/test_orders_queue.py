"""Resting orders in the exact queue, worked out by hand.

Latency is 50 µs each way and the feed is 1 µs behind the exchange, unless a test says otherwise.
"""

from pathlib import Path

import pytest

from stories import Line, Log, Tape, play, px
from tapewire.market.records import UNDEF_PRICE


def quiet_book() -> Tape:
    """Bids 100: order 1 x 5, order 2 x 4. Asks 101: order 9 x 10."""
    return Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 9, "A", 101, 10)


def test_an_order_joins_behind_everything_that_rests_when_it_arrives(tmp_path: Path) -> None:
    # Sent at 10, at the exchange at 60: 5 + 4 lots are ahead, and the 6 that came at 40.
    tape = quiet_book().add(40, 3, "B", 100, 6).add(70, 4, "B", 100, 7).tick(200)
    order = play(tmp_path, tape, Log().buy(10, "mine", 1, 100)).orders["mine"]
    assert (order.sent, order.arrived, order.queue_ahead) == (10, 60, 15)
    assert (order.status, order.reason, order.filled) == ("NEW", "END_OF_DATA", 0)


def test_nothing_happens_to_it_while_those_ahead_are_hit(tmp_path: Path) -> None:
    # 9 lots ahead; exactly 9 trade.
    tape = quiet_book().tick(50).trade(100, (1, 5), (2, 4)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 1, 100))
    assert played.fills == []
    assert played.orders["mine"].queue_ahead == 9


def test_volume_behind_it_would_have_hit_it_first(tmp_path: Path) -> None:
    # 9 ahead, 6 behind. A sale of 5 + 4 + 2 lots reaches 2 lots behind us: those are ours.
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6).trade(100, (1, 5), (2, 4), (3, 2))
    played = play(tmp_path, tape.tick(200), Log().buy(10, "mine", 3, 100))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 100)]
    [fill] = played.fills
    assert (fill.known, fill.liquidity, fill.position) == (150, "MAKER", 2)
    assert played.orders["mine"].status == "PARTIALLY_FILLED"


def test_the_rest_of_a_partial_fill_comes_later(tmp_path: Path) -> None:
    # 2 lots by the first sale, then 4 more of order 3 trade: our last lot, and no more.
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6)
    tape.trade(100, (1, 5), (2, 4), (3, 2)).trade(200, (3, 4)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 3, 100))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 100), ("mine", 100, 1, "QUEUE", 200)]
    order = played.orders["mine"]
    assert (order.status, order.reason, order.closed) == ("FILLED", "NONE", 200)


def test_cancels_ahead_advance_it(tmp_path: Path) -> None:
    # Order 1 goes, so 4 + 3 traded lots are all ahead of us or behind: the last 3 hit order 3.
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6).cancel(90, 1).trade(100, (2, 4), (3, 3))
    played = play(tmp_path, tape.tick(200), Log().buy(10, "mine", 5, 100))
    assert played.brief() == [("mine", 100, 3, "QUEUE", 100)]


def test_cancels_behind_do_not_advance_it(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6).cancel(90, 3).trade(100, (1, 5), (2, 3))
    played = play(tmp_path, tape.tick(200), Log().buy(10, "mine", 5, 100))
    assert played.fills == []


def test_a_partial_cancel_ahead_advances_it_by_as_much(tmp_path: Path) -> None:
    # 5 + 4 ahead of the first; order 1 loses 3 lots and order 2 shrinks to 1: 3 before the second.
    tape = quiet_book().tick(70).cancel(80, 1, 3).modify(90, 2, 1).tick(170)
    log = Log().buy(10, "first", 1, 100).buy(100, "second", 1, 100)
    played = play(tmp_path, tape, log)
    assert played.orders["first"].queue_ahead == 9
    assert played.orders["second"].queue_ahead == 3


def test_an_order_ahead_that_grows_goes_behind(tmp_path: Path) -> None:
    # Order 1 grows to 6 and loses its place; 4 + 2 lots trade: 2 of order 1, which is behind us.
    tape = quiet_book().tick(70).modify(80, 1, 6).trade(100, (2, 4), (1, 2)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 100)]


def test_an_order_ahead_that_shrinks_stays_ahead(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).modify(80, 1, 3).trade(100, (1, 3), (2, 4)).tick(200)
    assert play(tmp_path, tape, Log().buy(10, "mine", 5, 100)).fills == []


def test_an_order_that_moves_away_and_back_is_behind(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).modify(80, 1, price=99).modify(90, 1, price=100)
    tape.trade(100, (2, 4), (1, 5)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100))
    assert played.brief() == [("mine", 100, 5, "QUEUE", 100)]


def test_a_trade_at_a_worse_price_would_have_hit_it_first(tmp_path: Path) -> None:
    # We bid 100.5, alone. A sale hits 3 lots at 100: it would have met us first, at our price.
    tape = quiet_book().tick(70).trade(100, (1, 3)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 2, 100.5))
    assert played.brief() == [("mine", 100.5, 2, "TRADE_THROUGH", 100)]
    assert played.orders["mine"].queue_ahead == 0


def test_the_same_on_the_other_side(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).trade(100, (9, 3)).tick(200)
    played = play(tmp_path, tape, Log().sell(10, "mine", 2, 100.5))
    assert played.brief() == [("mine", 100.5, 2, "TRADE_THROUGH", 100)]
    assert played.fills[0].position == -2


def test_a_trade_at_a_better_price_leaves_it_alone(tmp_path: Path) -> None:
    tape = quiet_book().add(3, 5, "B", 99, 1).tick(70).trade(100, (1, 5), (2, 4)).tick(200)
    assert play(tmp_path, tape, Log().buy(10, "mine", 2, 99)).fills == []


def test_a_sweep_counts_volume_behind_and_at_worse_prices(tmp_path: Path) -> None:
    # Ahead of us at 100: 9. Behind: 2. One level down: 3. A sweep of 14 gives us 2 + 3.
    tape = quiet_book().add(3, 5, "B", 99, 8).tick(70).add(80, 3, "B", 100, 2)
    tape.trade(100, (1, 5), (2, 4), (3, 2), (5, 3)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100))
    assert played.brief() == [("mine", 100, 5, "QUEUE", 100)]


def test_an_incoming_order_smaller_than_ours_then_the_rest(tmp_path: Path) -> None:
    # We bid 100.5 for 5. A sell limit of 2 at 100.5 comes to rest in the data: it meets us.
    tape = quiet_book().tick(70).add(100, 20, "A", 100.5, 2).add(110, 21, "A", 100.5, 9).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100.5))
    assert played.brief() == [
        ("mine", 100.5, 2, "CROSSED", 100),
        ("mine", 100.5, 3, "CROSSED", 110),
    ]
    assert played.orders["mine"].status == "FILLED"


def test_an_incoming_order_at_a_better_price_still_pays_ours(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).add(100, 20, "A", 100.25, 2).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100.5))
    assert played.brief() == [("mine", 100.5, 2, "CROSSED", 100)]


def test_an_incoming_order_larger_than_ours_has_its_rest_taken_later(tmp_path: Path) -> None:
    # 9 come in, we take 5; a second order of ours then finds only the other 4.
    tape = quiet_book().tick(70).add(100, 20, "A", 100.5, 9).tick(300)
    log = Log().buy(10, "mine", 5, 100.5).buy(150, "more", 9, 100.5, "IOC")
    played = play(tmp_path, tape, log)
    assert played.brief() == [
        ("mine", 100.5, 5, "CROSSED", 100),
        ("more", 100.5, 4, "TAKEN", 200),
    ]
    assert played.orders["more"].status == "EXPIRED"


def test_an_incoming_order_that_leaves_again_has_not_met_us(tmp_path: Path) -> None:
    """It was added and canceled within one event: no order the market could have traded with."""
    tape = quiet_book().tick(70)
    tape.event(100, tape.a(20, "A", 100.5, 2), tape.a(20, "A", 100.5, 2)._replace(action="C"))
    assert play(tmp_path, tape.tick(200), Log().buy(10, "mine", 5, 100.5)).fills == []


def test_an_order_moved_across_ours_meets_it(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).modify(100, 9, price=100.5).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 3, 100.5))
    assert played.brief() == [("mine", 100.5, 3, "CROSSED", 100)]


def test_an_aggressor_that_trades_and_then_rests(tmp_path: Path) -> None:
    # Ahead 9, we 4, behind 1. A sale of 12 at 100: 5 + 4 + 1 trade in the data and 2 rest at 100.
    # With us there, 1 lot behind us is ours, and so are the 2 that came to rest.
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 1)
    tape.trade(100, (1, 5), (2, 4), (3, 1), rest=(30, 100, 2)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 4, 100))
    assert played.brief() == [("mine", 100, 1, "QUEUE", 100), ("mine", 100, 2, "CROSSED", 100)]


def test_an_iceberg_ahead_shows_its_next_clip_behind_us(tmp_path: Path) -> None:
    # Order 1 shows 5, is filled, and shows 5 more: those stand behind us. Of the next 4 + 3 lots
    # 3 hit the new clip, so they are ours.
    tape = quiet_book().tick(70).trade(100, (1, 5), clips={1: 5})
    tape.trade(120, (2, 4), (1, 3)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100))
    assert played.brief() == [("mine", 100, 3, "QUEUE", 120)]


def test_an_iceberg_partly_filled_keeps_its_place(tmp_path: Path) -> None:
    # 3 of the 5 shown lots trade and 2 are left: no new clip. Then 2 + 4 more trade, all ahead.
    tape = quiet_book().tick(70).trade(100, (1, 3)).trade(120, (1, 2), (2, 4)).tick(200)
    assert play(tmp_path, tape, Log().buy(10, "mine", 5, 100)).fills == []


def test_an_iceberg_hit_for_more_than_it_showed(tmp_path: Path) -> None:
    # Order 1 shows 5, and one sale fills 12 of it (as in ESH4: one F of 13 on 3 shown lots). Only
    # 5 of them stood ahead of us; order 2 (4) is pulled; the 7 others came from clips behind us.
    tape = quiet_book().cancel(60, 2).tick(70).trade(100, (1, 12), clips={1: 2}).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100))
    assert played.brief() == [("mine", 100, 7, "QUEUE", 100)]


def test_several_clips_of_an_iceberg_in_one_sale(tmp_path: Path) -> None:
    # Shown: 5 of order 1, 4 of order 2, then us. The sale: 5 of order 1, 4 of order 2, and 3 of
    # order 1's next clip, which stands behind us: 3 are ours.
    tape = quiet_book().tick(70).trade(100, (1, 5), (2, 4), (1, 3), clips={1: 2}).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100))
    assert played.brief() == [("mine", 100, 3, "QUEUE", 100)]


def test_an_order_that_leaves_in_the_trade_without_a_fill_left_first(tmp_path: Path) -> None:
    # Order 1 is pulled by self-match prevention in the same event; order 3 behind us is filled.
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6).trade(100, (2, 4), (3, 2), pulled=[1])
    played = play(tmp_path, tape.tick(200), Log().buy(10, "mine", 5, 100))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 100)]


def test_the_aggressors_own_fill_on_its_side_is_not_resting_volume(tmp_path: Path) -> None:
    # Order 8, a buy that rests at 99, is modified through the touch: T and F both on the buy side.
    tape = quiet_book().add(3, 8, "B", 99, 5).tick(70)
    tape.event(100, tape.t("B", 101, 2, 8), tape.f(8, 2), tape.f(9, 2), tape.m(8, 3), tape.m(9, 8))
    assert play(tmp_path, tape.tick(200), Log().buy(10, "mine", 5, 99.5)).fills == []


def test_the_aggressors_own_fill_by_its_order_id(tmp_path: Path) -> None:
    """The T says no side here; its order id tells which F is the aggressor's own."""
    tape = quiet_book().add(3, 8, "B", 99, 5).tick(70)
    tape.event(100, tape.t("N", 101, 2, 8), tape.f(8, 2), tape.f(9, 2), tape.m(8, 3), tape.m(9, 8))
    assert play(tmp_path, tape.tick(200), Log().buy(10, "mine", 5, 99.5)).fills == []


def test_the_trade_that_went_before_says_nothing_of_the_next(tmp_path: Path) -> None:
    """Order 8 was an aggressor at 100 and rests since; at 150 it is hit and that volume counts."""
    tape = quiet_book().tick(70)
    tape.event(100, tape.t("B", 101, 10, 8), tape.f(9, 10), tape.c(9), tape.a(8, "B", 100, 3))
    tape.event(150, tape.f(8, 3), tape.c(8)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100))
    assert played.brief() == [("mine", 100, 3, "QUEUE", 150)]


def test_a_fill_of_an_unknown_order_at_our_price_is_nobodys(tmp_path: Path) -> None:
    """Implied or hidden: where it stood is not known, so it can't be said to be behind us."""
    tape = quiet_book().tick(70)
    unknown = tape.f(1, 3)._replace(order_id=77)
    tape.event(100, tape.t("A", 100, 3), unknown).tick(200)
    assert play(tmp_path, tape, Log().buy(10, "mine", 5, 100)).fills == []


def test_a_fill_of_an_unknown_order_at_a_worse_price_would_have_met_us(tmp_path: Path) -> None:
    tape = quiet_book().tick(70)
    unknown = tape.f(1, 3)._replace(order_id=77)
    tape.event(100, tape.t("A", 100, 3), unknown).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100.5))
    assert played.brief() == [("mine", 100.5, 3, "UNSEEN_TRADE", 100)]
    assert (played.counts["unseen_trade_fills"], played.counts["auction_fills"]) == (1, 0)


def test_two_own_orders_at_one_price_share_the_volume(tmp_path: Path) -> None:
    # first (3 lots) arrives at 60, order 3 x 6 at 80, second (3 lots) at 100, order 4 x 6 at 110.
    # A sale reaches 9 + 6 + 2. Behind first: 8 lots, it gets its 3. Behind second: 2, but 3 lots
    # of the sale are spent already, so it gets nothing.
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6).tick(105).add(110, 4, "B", 100, 6)
    tape.trade(200, (1, 5), (2, 4), (3, 6), (4, 2)).tick(300)
    log = Log().buy(10, "first", 3, 100).buy(50, "second", 3, 100)
    played = play(tmp_path, tape, log)
    assert played.brief() == [("first", 100, 3, "QUEUE", 200)]
    assert played.orders["second"].queue_ahead == 15  # real lots: 5 + 4 + 6


def test_two_own_orders_and_enough_for_both(tmp_path: Path) -> None:
    # As before, but 6 lots behind second trade: 14 beyond first take its 3, then 6 - 3 = 3.
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6).tick(105).add(110, 4, "B", 100, 6)
    tape.trade(200, (1, 5), (2, 4), (3, 6), (4, 6)).tick(300)
    log = Log().buy(10, "first", 3, 100).buy(50, "second", 5, 100)
    assert play(tmp_path, tape, log).brief() == [
        ("first", 100, 3, "QUEUE", 200),
        ("second", 100, 3, "QUEUE", 200),
    ]


def test_own_orders_at_two_prices_share_a_sweep(tmp_path: Path) -> None:
    # better rests at 100.5, worse at 100 behind 9 and before order 3. A sale reaches 9 + 4.
    # better sees 13 lots at worse prices and takes 2. worse sees 4 behind it, less 2: 2.
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6)
    tape.trade(200, (1, 5), (2, 4), (3, 4)).tick(300)
    log = Log().buy(10, "better", 2, 100.5).buy(11, "worse", 5, 100)
    assert play(tmp_path, tape, log).brief() == [
        ("better", 100.5, 2, "TRADE_THROUGH", 200),
        ("worse", 100, 2, "QUEUE", 200),
    ]


def test_an_incoming_order_is_shared_by_price_then_time(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).add(100, 20, "A", 100.25, 6).tick(200)
    log = Log().buy(10, "late", 4, 100.25).buy(9, "early", 1, 100.25).buy(11, "best", 3, 100.5)
    assert play(tmp_path, tape, log).brief() == [
        ("best", 100.5, 3, "CROSSED", 100),
        ("early", 100.25, 1, "CROSSED", 100),
        ("late", 100.25, 2, "CROSSED", 100),
    ]


def test_both_sides_at_once(tmp_path: Path) -> None:
    """A buy and a sell of ours, each filled by the volume of its own side."""
    tape = quiet_book().tick(70).trade(100, (1, 1)).trade(110, (9, 1)).tick(200)
    log = Log().buy(10, "bid", 1, 100.25).sell(10, "ask", 1, 100.75)
    assert play(tmp_path, tape, log).brief() == [
        ("bid", 100.25, 1, "TRADE_THROUGH", 100),
        ("ask", 100.75, 1, "TRADE_THROUGH", 110),
    ]


def test_negative_prices_are_ordinary(tmp_path: Path) -> None:
    tape = Tape().add(0, 1, "B", -3, 5).add(2, 9, "A", -1, 10).tick(70)
    tape.add(80, 2, "B", -3, 4).trade(100, (1, 5), (2, 2)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, -3))
    assert played.brief() == [("mine", -3, 2, "QUEUE", 100)]
    assert played.last_sample()["cash"] == 2 * 3 * 10**9


# --- fills that name no side, or nobody -----------------------------------------------------------


def implied(tape: Tape, t: int, *fills: tuple[int, int]) -> Tape:
    """A trade without an aggressor: side N throughout; each F names the resting order."""
    price = tape.orders[tape.instrument, fills[0][0]].price
    lines = [Line("T", "N", 0, price, sum(lots for _, lots in fills))]
    after = []
    for order_id, lots in fills:
        lines.append(tape.f(order_id, lots)._replace(side="N"))
        left = tape.orders[tape.instrument, order_id].size - lots
        after.append(tape.m(order_id, left) if left else tape.c(order_id))
    return tape.event(t, *lines, *after)


def test_a_fill_without_a_side_is_that_of_the_order_it_names(tmp_path: Path) -> None:
    # 9 ahead, 6 behind; an implied trade of 5 + 4 + 2 lots reaches 2 lots behind us.
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6)
    implied(tape, 100, (1, 5), (2, 4), (3, 2)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 3, 100))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 100)]


def test_an_implied_trade_ahead_of_us_only_advances_us(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6)
    implied(tape, 100, (1, 5), (2, 4)).trade(120, (3, 1)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 3, 100))
    assert played.brief() == [("mine", 100, 1, "QUEUE", 120)]


def test_a_trade_nobody_rested_for_fills_what_it_traded_through(tmp_path: Path) -> None:
    # A hidden order sold 3 lots at 100.25, below our bid: its buyer would have met us first.
    for side in "AN":
        tape = quiet_book().tick(70).event(100, Line("T", side, 0, px(100.25), 3)).tick(200)
        played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100.5))
        assert played.brief() == [("mine", 100.5, 3, "UNSEEN_TRADE", 100)]
        log = Log().buy(10, "mine", 5, 100.5)
        assert play(tmp_path, tape, log, unseen_trades="ignore").fills == []


def test_a_trade_nobody_rested_for_says_nothing_at_our_own_price(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).event(100, Line("T", "A", 0, px(100.5), 3)).tick(200)
    assert play(tmp_path, tape, Log().buy(10, "mine", 5, 100.5)).fills == []


def test_a_buyer_in_the_dark_is_no_seller_for_our_bid(tmp_path: Path) -> None:
    tape = quiet_book().tick(70).event(100, Line("T", "B", 0, px(100.25), 3)).tick(200)
    assert play(tmp_path, tape, Log().buy(10, "mine", 5, 100.5)).fills == []


def test_what_fills_explain_of_a_trade_is_not_counted_again(tmp_path: Path) -> None:
    # 7 lots traded at 100, 5 of them with order 1: 2 were hidden. We get 7, not 12.
    tape = quiet_book().tick(70)
    tape.event(100, Line("T", "A", 0, px(100), 7), tape.f(1, 5), tape.c(1)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 20, 100.5))
    assert played.brief() == [("mine", 100.5, 7, "TRADE_THROUGH", 100)]


@pytest.mark.parametrize("side", "BAN")
@pytest.mark.parametrize("seen", ["fill_through", "fill"])
def test_a_trade_without_a_price_is_nowhere(tmp_path: Path, side: str, seen: str) -> None:
    # Our offer at 100.75 and our bid at 100.5 are the touch: nothing says that 3 lots met them.
    tape = quiet_book().tick(70).event(100, Line("T", side, 0, UNDEF_PRICE, 3)).tick(200)
    log = Log().buy(10, "bid", 5, 100.5).sell(20, "ask", 5, 100.75)
    assert play(tmp_path, tape, log, unseen_trades=seen).fills == []


def test_a_fill_without_a_price_only_explains_its_trade(tmp_path: Path) -> None:
    # 7 lots traded at 100, below our bid. 5 of them are order 1's, at no price that is told: the
    # 2 that nobody's F explains would have met us first. Our offer at 101.5 is met by nobody.
    tape = quiet_book().tick(70)
    fill = tape.f(1, 5)._replace(price=UNDEF_PRICE)
    tape.event(100, Line("T", "A", 0, px(100), 7), fill, tape.c(1)).tick(200)
    log = Log().buy(10, "mine", 20, 100.5).sell(20, "ask", 5, 101.5)
    assert play(tmp_path, tape, log).brief() == [("mine", 100.5, 2, "UNSEEN_TRADE", 100)]


def test_a_fill_of_an_unknown_order_without_a_price_meets_nobody(tmp_path: Path) -> None:
    tape = quiet_book().tick(70)
    tape.event(100, Line("T", "B", 0, px(101), 2), Line("F", "A", 77, UNDEF_PRICE, 2)).tick(200)
    assert play(tmp_path, tape, Log().sell(10, "mine", 5, 101.5)).fills == []


# --- one aggressor's lots -------------------------------------------------------------------------


def test_an_aggressors_lots_are_handed_out_once(tmp_path: Path) -> None:
    # A seller of 10 at 100: 6 lots meet order 1, 4 are left and rest at 100. With our 3 at 101 in
    # front, and our 5 at 100 behind order 1, it would have sold 3 + 6 + 1.
    tape = Tape().add(0, 1, "B", 100, 6).add(2, 9, "A", 102, 10).tick(70)
    tape.event(
        100, Line("T", "A", 50, px(100), 6), tape.f(1, 6), tape.c(1), tape.a(50, "A", 100, 4)
    ).tick(300)
    log = Log().buy(10, "front", 3, 101).buy(11, "back", 5, 100)
    played = play(tmp_path, tape, log)
    assert played.brief() == [
        ("front", 101, 3, "TRADE_THROUGH", 100),
        ("back", 100, 1, "CROSSED", 100),
    ]


def test_what_rests_of_an_aggressor_is_less_by_what_it_sold_us(tmp_path: Path) -> None:
    # The same seller. Our 3 at 101 leave 1 of its 4 resting lots, for whoever takes it later.
    tape = Tape().add(0, 1, "B", 100, 6).add(2, 9, "A", 102, 10).tick(70)
    tape.event(
        100, Line("T", "A", 50, px(100), 6), tape.f(1, 6), tape.c(1), tape.a(50, "A", 100, 4)
    ).tick(300)
    log = Log().buy(10, "front", 3, 101).buy(110, "taker", 4, 100, "IOC")
    played = play(tmp_path, tape, log)
    assert played.brief() == [
        ("front", 101, 3, "TRADE_THROUGH", 100),
        ("taker", 100, 1, "TAKEN", 160),
    ]


def test_an_order_that_comes_in_twice_in_an_event_has_its_lots_once(tmp_path: Path) -> None:
    tape = quiet_book().tick(70)
    tape.event(100, Line("A", "A", 50, px(100.25), 3), Line("M", "A", 50, px(100.25), 2)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100.5))
    assert played.brief() == [("mine", 100.5, 2, "CROSSED", 100)]


# --- orders from before the capture ---------------------------------------------------------------


def test_an_unknown_order_that_a_fill_left_standing_was_ahead(tmp_path: Path) -> None:
    # The capture begins in mid-session: order 77 was there before it. A sale of 2 lots takes a part
    # of it, so it stood in front; its last 3 lots trade before ours.
    tape = quiet_book().tick(70)
    tape.event(
        100, Line("T", "A", 0, px(100), 2), Line("F", "B", 77, px(100), 2),
        Line("M", "B", 77, px(100), 3),
    )  # fmt: skip
    tape.trade(200, (77, 3), (1, 5), (2, 4)).tick(300)
    assert play(tmp_path, tape, Log().buy(10, "mine", 5, 100)).fills == []


def test_an_unknown_iceberg_shows_its_next_clip_behind_us(tmp_path: Path) -> None:
    # The sale went on from order 77 to order 1: 77's clip was gone, the 3 lots it shows are new.
    tape = quiet_book().tick(70)
    tape.event(
        100, Line("T", "A", 0, px(100), 3), Line("F", "B", 77, px(100), 2), tape.f(1, 1),
        Line("M", "B", 77, px(100), 3), tape.m(1, 4),
    )  # fmt: skip
    tape.trade(200, (1, 4), (2, 4), (77, 3)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100))
    assert played.brief() == [("mine", 100, 3, "QUEUE", 200)]


def test_a_cancel_carries_out_the_fills_before_it(tmp_path: Path) -> None:
    # F C F C of one order in one event, told as cancels and a modify: 10 lots, 3 and 2 trade, and
    # the M to 5 says just what is left. It keeps its place ahead of us.
    tape = Tape().add(0, 1, "B", 100, 10).add(2, 9, "A", 101, 10).tick(70)
    tape.event(
        100, Line("T", "A", 0, px(100), 5), tape.f(1, 3), tape.c(1, 3), tape.f(1, 2),
        Line("M", "B", 1, px(100), 5),
    )  # fmt: skip
    tape.trade(200, (1, 5)).tick(300)
    assert play(tmp_path, tape, Log().buy(10, "mine", 5, 100)).fills == []
