"""Icebergs, worked out by hand: what shows, what is hidden, and who comes before the next clip.

Latency is 50 µs each way; bids 100: order 1 x 5, order 2 x 4; asks 101: order 9 x 10.
"""

from pathlib import Path

from stories import Line, Log, Tape, play, px
from tapewire.execution.clips import CLIPS_MAX


def quiet_book() -> Tape:
    return Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 9, "A", 101, 10).tick(70)


def iceberg(quantity: int, shown: int) -> Log:
    return Log().buy(10, "mine", quantity, 100, display_quantity=shown)


def test_what_it_shows_is_all_that_volume_of_its_price_reaches(tmp_path: Path) -> None:
    # 9 ahead, we show 2 of 6, order 3 x 7 behind. A sale of 9 + 5 lots would have met our 2 first;
    # the next 2 of ours stand behind order 3, of which only 3 lots were then needed.
    tape = quiet_book().add(80, 3, "B", 100, 7).trade(100, (1, 5), (2, 4), (3, 5)).tick(200)
    played = play(tmp_path, tape, iceberg(6, 2))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 100)]
    order = played.orders["mine"]
    assert (order.status, order.filled) == ("PARTIALLY_FILLED", 2)
    assert order.queue_ahead == 2, "the next clip joined behind what was left of order 3"


def test_the_next_clip_has_lost_its_place(tmp_path: Path) -> None:
    # As above; then 2 more lots of order 3 trade: they are ahead of our second clip. Order 4 joined
    # after that clip: when it is hit, we are first.
    tape = quiet_book().add(80, 3, "B", 100, 7).trade(100, (1, 5), (2, 4), (3, 5))
    tape.add(110, 4, "B", 100, 6).trade(120, (3, 2)).trade(130, (4, 1)).tick(200)
    played = play(tmp_path, tape, iceberg(6, 2))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 100), ("mine", 100, 1, "QUEUE", 130)]


def test_a_clip_partly_taken_keeps_its_place(tmp_path: Path) -> None:
    # We show 3: 1 lot reaches us, then 4 more, of which we have 2 left in this clip.
    tape = quiet_book().add(80, 3, "B", 100, 7).trade(100, (1, 5), (2, 4), (3, 1))
    tape.trade(120, (3, 4)).tick(200)
    played = play(tmp_path, tape, iceberg(6, 3))
    assert played.brief() == [("mine", 100, 1, "QUEUE", 100), ("mine", 100, 2, "QUEUE", 120)]


def test_a_trade_through_its_price_goes_through_all_its_clips(tmp_path: Path) -> None:
    # Order 3 x 2 behind us at 100, order 5 at 99. A sale sweeps 100 and takes 4 lots at 99: what
    # took those would have met our hidden lots first. 2 shown take the place of 2 of the 4 at 99,
    # the other 2 of the 4 go to the next clip.
    tape = quiet_book().add(75, 5, "B", 99, 9).add(80, 3, "B", 100, 2)
    tape.trade(100, (1, 5), (2, 4), (3, 2), (5, 4)).tick(200)
    played = play(tmp_path, tape, iceberg(9, 2))
    assert played.brief() == [
        ("mine", 100, 2, "QUEUE", 100),
        ("mine", 100, 2, "TRADE_THROUGH", 100),
    ]


def test_two_icebergs_take_turns(tmp_path: Path) -> None:
    # a shows 2 of 6, b shows 1 of 3, nobody behind them; 6 lots trade at 99: a 2, b 1, a 2, b 1.
    tape = quiet_book().add(75, 5, "B", 99, 9).trade(99, (1, 5), (2, 4), (5, 6)).tick(200)
    log = Log().buy(10, "a", 6, 100, display_quantity=2).buy(11, "b", 3, 100, display_quantity=1)
    played = play(tmp_path, tape, log)
    assert [(f.order, f.lots) for f in played.fills] == [("a", 2), ("b", 1), ("a", 2), ("b", 1)]


def test_an_order_behind_it_comes_before_its_next_clip(tmp_path: Path) -> None:
    tape = quiet_book().add(75, 5, "B", 99, 9).trade(99, (1, 5), (2, 4), (5, 6)).tick(200)
    log = Log().buy(10, "a", 9, 100, display_quantity=2).buy(11, "b", 3, 100)
    played = play(tmp_path, tape, log)
    assert [(f.order, f.lots) for f in played.fills] == [("a", 2), ("b", 3), ("a", 1)]


def test_an_order_that_comes_to_rest_across_it_meets_all_of_it(tmp_path: Path) -> None:
    tape = quiet_book().add(100, 20, "A", 100.5, 5).tick(200)
    log = Log().buy(10, "mine", 9, 100.5, display_quantity=2)
    played = play(tmp_path, tape, log)
    assert played.brief() == [("mine", 100.5, lots, "CROSSED", 100) for lots in (2, 2, 1)]


def test_it_takes_with_all_its_lots_and_shows_a_part_of_the_rest(tmp_path: Path) -> None:
    # 10 at 101 are taken at once; of the other 5, 2 show and stand first at 101.
    log = Log().buy(100, "mine", 15, 101, display_quantity=2)
    tape = quiet_book().add(160, 3, "B", 100.5, 1).tick(300)
    played = play(tmp_path, tape, log)
    assert played.brief() == [("mine", 101, 10, "TAKEN", 150)]
    assert played.orders["mine"].queue_ahead == 0


def test_fewer_lots_keep_its_place_and_more_lose_it(tmp_path: Path) -> None:
    tape = quiet_book().add(110, 3, "B", 100, 7).tick(170)
    tape.trade(200, (1, 5), (2, 4), (3, 4)).tick(300)
    log = iceberg(6, 2).replace(100, "mine", 3, 100)
    assert play(tmp_path, tape, log).brief() == [("mine", 100, 2, "QUEUE", 200)]
    log = iceberg(6, 2).replace(100, "mine", 8, 100)
    assert play(tmp_path, tape, log).fills == []


def test_the_last_clip_is_what_is_left(tmp_path: Path) -> None:
    tape = quiet_book().add(80, 3, "B", 100, 9).trade(100, (1, 5), (2, 4), (3, 2))
    tape.add(110, 4, "B", 100, 9).trade(120, (3, 7), (4, 5)).tick(200)
    played = play(tmp_path, tape, iceberg(3, 2))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 100), ("mine", 100, 1, "QUEUE", 120)]
    assert played.orders["mine"].status == "FILLED"


def test_an_auction_takes_all_of_one_that_is_better_than_its_price(tmp_path: Path) -> None:
    # The venue clears 4 lots of bid 1 and ask 2 at 100. Ours bids 101: 4 of its 9 are bought,
    # though it shows 1.
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "A", 99, 4).tick(100)
    tape.event(
        200, Line("T", "N", 0, px(100), 4), Line("F", "N", 1, px(100), 4),
        Line("F", "N", 2, px(100), 4), tape.m(1, 1), tape.c(2),
    )  # fmt: skip
    log = Log().buy(10, "better", 9, 101, display_quantity=1)
    played = play(tmp_path, tape.tick(300), log)
    assert played.brief() == [("better", 100, 4, "AUCTION", 200)]


def test_an_auction_at_its_price_takes_what_it_shows(tmp_path: Path) -> None:
    # As above, but ours stands at 100 between bid 1 and bid 3, of which 3 lots are cleared.
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "A", 99, 8).tick(100).add(101, 3, "B", 100, 5)
    tape.event(
        200, Line("T", "N", 0, px(100), 8), Line("F", "N", 1, px(100), 5),
        Line("F", "N", 3, px(100), 3), Line("F", "N", 2, px(100), 8), tape.c(1), tape.m(3, 2),
        tape.c(2),
    )  # fmt: skip
    log = Log().buy(10, "mine", 9, 100, display_quantity=1)
    played = play(tmp_path, tape.tick(300), log)
    assert played.brief() == [("mine", 100, 1, "AUCTION", 200)]


def test_what_one_event_takes_clip_by_clip_is_bounded(tmp_path: Path) -> None:
    lots = CLIPS_MAX + 20
    tape = quiet_book().add(75, 5, "B", 99, 900).trade(99, (1, 5), (2, 4), (5, lots)).tick(200)
    played = play(tmp_path, tape, iceberg(500, 1))
    assert [fill.lots for fill in played.fills] == [1] * CLIPS_MAX + [20]


def test_it_must_show_something_and_rest(tmp_path: Path) -> None:
    tape = quiet_book().tick(200)
    log = Log().buy(10, "more", 2, 100, display_quantity=3)
    log.buy(11, "ioc", 2, 100, "IOC", display_quantity=1)
    orders = play(tmp_path, tape, log).orders
    assert [o.reason for o in orders.values()] == ["INVALID_QUANTITY", "INVALID_TERMS"]
    assert {o.status for o in orders.values()} == {"DENIED"}
