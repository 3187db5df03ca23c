"""Orders while the market is not just quiet: snapshots, quotes without orders, crossed books."""

from pathlib import Path

import pytest

from stories import SNAPSHOT, Log, Tape, merge, play
from tapewire.errors import SimulationError


def quiet_book() -> Tape:
    """Bids 100: order 1 x 5, order 2 x 4. Asks 101: order 9 x 10."""
    return Tape().add(0, 1, "B", 100, 5).add(1, 2, "B", 100, 4).add(2, 9, "A", 101, 10)


# --- snapshots ------------------------------------------------------------------------------------


@pytest.mark.parametrize("clear", [False, True], ids=["adds only", "R first"])
def test_a_snapshot_keeps_our_place(tmp_path: Path, clear: bool) -> None:
    # We arrive at 60 behind orders 1 and 2. A snapshot at 100 confirms both and shows order 3 x 6,
    # which we had not seen: it came after us. A sale of 5 + 4 + 2: 2 lots were behind us.
    tape = quiet_book().tick(70)
    tape.snapshot(
        100,
        [tape.a(1, "B", 100, 5), tape.a(2, "B", 100, 4), tape.a(3, "B", 100, 6),
         tape.a(9, "A", 101, 10)],
        clear=clear,
    )  # fmt: skip
    tape.trade(200, (1, 5), (2, 4), (3, 2)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 200)]
    assert played.orders["mine"].queue_ahead == 9


@pytest.mark.parametrize("clear", [False, True], ids=["adds only", "R first"])
def test_an_order_ahead_that_a_snapshot_no_longer_shows_is_gone(
    tmp_path: Path, clear: bool
) -> None:
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6)
    tape.snapshot(
        100,
        [tape.a(2, "B", 100, 4), tape.a(3, "B", 100, 6), tape.a(9, "A", 101, 10)],
        clear=clear,
    )
    tape.trade(200, (2, 4), (3, 1)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100))
    assert played.brief() == [("mine", 100, 1, "QUEUE", 200)]


def test_an_order_that_a_snapshot_shows_further_back_lost_its_place(tmp_path: Path) -> None:
    # Order 1 stands behind order 3 now, which came after us: so order 1 is behind us too.
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6)
    tape.snapshot(
        100,
        [tape.a(2, "B", 100, 4), tape.a(3, "B", 100, 6), tape.a(1, "B", 100, 5),
         tape.a(9, "A", 101, 10)],
    )  # fmt: skip
    tape.trade(200, (2, 4), (3, 6), (1, 5)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 99, 100))
    assert played.brief() == [("mine", 100, 11, "QUEUE", 200)]


def test_a_snapshot_does_not_give_taken_lots_back(tmp_path: Path) -> None:
    tape = quiet_book().tick(70)
    tape.snapshot(
        100, [tape.a(1, "B", 100, 5), tape.a(2, "B", 100, 4), tape.a(9, "A", 101, 10)], clear=True
    )
    log = Log().buy(10, "one", 7).buy(150, "two", 7)
    assert play(tmp_path, tape.tick(300), log).brief() == [
        ("one", 101, 7, "TAKEN", 60),
        ("two", 101, 3, "TAKEN", 200),
    ]


def test_a_snapshot_moves_no_clock_back(tmp_path: Path) -> None:
    """Its records carry times of an hour ago; an order on its way is not affected."""
    tape = quiet_book().tick(40)
    tape.snapshot(45, [tape.a(1, "B", 100, 5), tape.a(9, "A", 101, 10)], event_us=-3_600_000_000)
    tape.tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 1))
    assert played.brief() == [("mine", 101, 1, "TAKEN", 60)]
    assert played.counts["clamped_ts_event"] == 0


def test_a_session_that_starts_with_a_snapshot(tmp_path: Path) -> None:
    tape = Tape()
    tape.snapshot(0, [tape.a(1, "B", 100, 5), tape.a(9, "A", 101, 10)])
    played = play(tmp_path, tape.tick(200), Log().buy(-9, "mine", 1))
    assert (played.orders["mine"].sent, played.orders["mine"].arrived) == (1, 51)
    assert played.brief() == [("mine", 101, 1, "TAKEN", 51)]


def cleared_at_100(last: bool = True) -> Tape:
    tape = quiet_book().tick(70)
    tape.event(100, tape.a(0, "N", 1, 0)._replace(action="R"), last=last)
    return tape


def new_book(tape: Tape) -> Tape:
    return tape.add(110, 3, "B", 100, 6).add(111, 9, "A", 101, 10).trade(200, (3, 2)).tick(300)


@pytest.mark.parametrize("last", [True, False], ids=["with F_LAST", "without"])
def test_a_clear_of_the_book_cancels_our_orders(tmp_path: Path, last: bool) -> None:
    """As venues do at the end of a session; the strategy hears of it a response latency later."""
    played = play(
        tmp_path, new_book(cleared_at_100(last)), Log().buy(10, "mine", 5, 100).cancel(250, "mine")
    )
    assert played.fills == []
    order = played.orders["mine"]
    assert (order.status, order.reason, order.closed) == ("CANCELED", "BOOK_CLEARED", 100)
    assert played.counts["orders_canceled_by_clear"] == 1
    assert played.counts["requests_stale"] == 1, "the strategy knows it is gone"


def test_a_clear_of_the_book_may_keep_our_orders(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 5, 100)
    played = play(tmp_path, new_book(cleared_at_100()), log, book_clear="keep")
    assert played.brief() == [("mine", 100, 2, "QUEUE", 200)]
    assert played.counts["orders_canceled_by_clear"] == 0


def test_a_clear_that_a_snapshot_follows_in_its_event_is_its_beginning(tmp_path: Path) -> None:
    """Some feeds send the R without F_SNAPSHOT; our order keeps its place behind 1 and 2."""
    tape = cleared_at_100(last=False)
    snapshot = [tape.a(1, "B", 100, 5), tape.a(2, "B", 100, 4), tape.a(9, "A", 101, 10)]
    tape.event(100, *(line._replace(flags=SNAPSHOT) for line in snapshot))
    tape.trade(200, (1, 5), (2, 2)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100))
    assert played.fills == []
    assert played.orders["mine"].status == "NEW"


def test_a_snapshot_that_shows_a_new_order_among_old_ones_puts_us_ahead_of_none(
    tmp_path: Path,
) -> None:
    # We stand behind 1 and 2. A gap; the snapshot shows order 3 between them: it must have come
    # before order 2 did, so all three are ahead of us. Order 4, at the end, is behind.
    tape = quiet_book().tick(70)
    tape.snapshot(
        100,
        [tape.a(1, "B", 100, 5), tape.a(3, "B", 100, 6), tape.a(2, "B", 100, 4),
         tape.a(4, "B", 100, 8), tape.a(9, "A", 101, 10)],
    )  # fmt: skip
    tape.trade(200, (1, 5), (3, 6), (2, 4), (4, 3)).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 99, 100))
    assert played.brief() == [("mine", 100, 3, "QUEUE", 200)]


# --- top-of-book publishers -----------------------------------------------------------------------


def quoted() -> Tape:
    return Tape().quote(0, "B", 100, 5).quote(1, "A", 101, 6)


def test_a_quote_is_taken_once(tmp_path: Path) -> None:
    """A refresh of the same quote is no new liquidity; a larger size is, by the difference."""
    tape = quoted().tick(90).quote(100, "A", 101, 6).tick(250).quote(300, "A", 101, 9).tick(500)
    log = Log().buy(10, "one", 4).buy(150, "two", 4).buy(350, "three", 4)
    played = play(tmp_path, tape, log)
    assert played.brief() == [
        ("one", 101, 4, "TAKEN", 60),
        ("two", 101, 2, "TAKEN", 200),
        ("three", 101, 3, "TAKEN", 400),
    ]


def test_a_quote_at_a_new_price_is_new_liquidity(tmp_path: Path) -> None:
    tape = quoted().tick(90).quote(100, "A", 101.5, 6).tick(250)
    tape.quote(300, "A", 101, 6).tick(500)
    log = Log().buy(10, "one", 6).buy(150, "two", 6).buy(350, "three", 6)
    assert [(f.order, float(f.price), f.lots) for f in play(tmp_path, tape, log).fills] == [
        ("one", 101, 6), ("two", 101.5, 6), ("three", 101, 6),
    ]  # fmt: skip


def test_a_quote_that_crosses_ours_fills_it_once(tmp_path: Path) -> None:
    tape = quoted().tick(70).quote(100, "A", 100.5, 3).quote(110, "A", 100.5, 3)
    tape.quote(120, "A", 100.5, 4).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100.5))
    assert played.brief() == [
        ("mine", 100.5, 3, "CROSSED", 100),
        ("mine", 100.5, 1, "CROSSED", 120),
    ]


def test_behind_a_quote_there_is_no_queue_to_watch(tmp_path: Path) -> None:
    """We join behind its size; a trade at our price says nothing of where it stood."""
    tape = quoted().tick(70)
    tape.event(100, tape.t("A", 100, 3)).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 9, 100))
    assert played.fills == []
    assert played.orders["mine"].queue_ahead == 5


def test_an_empty_quote_leaves_nothing_to_take(tmp_path: Path) -> None:
    tape = quoted().quote(20, "A", None, 0).tick(200)
    assert play(tmp_path, tape, Log().buy(10, "mine", 1)).orders["mine"].status == "EXPIRED"


# --- locked and crossed books ---------------------------------------------------------------------


def crossed_for_a_while() -> Tape:
    """A bid at 102 from 40 to 200, above the ask at 101."""
    return quiet_book().add(40, 30, "B", 102, 1).tick(100).cancel(200, 30).tick(300)


def test_a_crossed_book_is_matched_as_ever_under_warn(tmp_path: Path) -> None:
    played = play(tmp_path, crossed_for_a_while(), Log().buy(10, "mine", 1), policy="warn")
    assert played.brief() == [("mine", 101, 1, "TAKEN", 60)]
    assert played.counts["crossed_events"] == 2


def test_a_market_order_waits_for_the_end_of_a_halt(tmp_path: Path) -> None:
    """It is matched when the cross is over: not in the past."""
    played = play(tmp_path, crossed_for_a_while(), Log().buy(10, "mine", 1), policy="halt_fills")
    [fill] = played.fills
    assert float(fill.price) == 101
    assert fill.at >= 200
    assert fill.known >= 250


def test_a_halted_order_is_filled_by_the_book_after_the_cross(tmp_path: Path) -> None:
    tape = quiet_book().add(40, 30, "B", 102, 1).tick(100).modify(150, 9, price=103)
    tape.cancel(200, 30).tick(300)
    [fill] = play(tmp_path, tape, Log().buy(10, "mine", 1), policy="halt_fills").fills
    assert float(fill.price) == 103
    assert fill.at >= 150


def test_resting_orders_do_not_fill_while_the_book_is_crossed(tmp_path: Path) -> None:
    # At 100 a bid at 102 crosses; at 110 volume trades through our bid at 100.5: halted.
    tape = quiet_book().tick(70).add(100, 30, "B", 102, 1).trade(110, (1, 2)).cancel(120, 30)
    tape.trade(130, (1, 1)).tick(200)
    log = Log().buy(10, "mine", 5, 100.5)
    assert play(tmp_path, tape, log, policy="halt_fills").brief() == [
        ("mine", 100.5, 1, "TRADE_THROUGH", 130)
    ]
    assert play(tmp_path, tape, log, policy="warn").brief() == [
        ("mine", 100.5, 2, "TRADE_THROUGH", 110),
        ("mine", 100.5, 1, "TRADE_THROUGH", 130),
    ]


def test_what_came_across_us_in_a_halt_meets_us_when_it_is_over(tmp_path: Path) -> None:
    # Our bid for 5 rests at 100.5. At 100 a bid at 102 crosses the ask at 101; at 110 an ask for 3
    # comes in at 100.25, across ours, and nobody matches. At 120 the bids above it are gone: it
    # still stands there, and ours would have been the best bid of the reopening.
    tape = quiet_book().tick(70).add(100, 30, "B", 102, 1).add(110, 31, "A", 100.25, 3)
    tape.cancel(120, 30).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 5, 100.5), policy="halt_fills")
    assert played.brief() == [("mine", 100.5, 3, "CROSSED", 120)]


def test_a_locked_book_halts_as_well(tmp_path: Path) -> None:
    tape = quiet_book().add(40, 30, "B", 101, 1).tick(300)
    played = play(tmp_path, tape, Log().buy(10, "mine", 1), policy="halt_fills")
    assert played.fills == []
    assert played.counts["locked_events"] == 2
    order = played.orders["mine"]
    assert (order.status, order.reason, order.arrived) == ("NEW", "END_OF_DATA", 60)


def test_a_crossed_book_ends_the_run_under_abort(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"locked or crossed .*'abort'"):
        play(tmp_path, crossed_for_a_while(), Log().buy(10, "mine", 1), policy="abort")


def test_a_quiet_book_that_is_crossed_stays_halted(tmp_path: Path) -> None:
    """Two books: the other one goes on while ours stands crossed. Its clock must not let us in."""
    ours = quiet_book().add(40, 30, "B", 102, 1).tick(60_000)
    other = Tape()
    other.instrument = 8
    other.add(0, 1, "B", 50, 5).add(1, 2, "A", 51, 5)
    for k in range(10):
        other.tick(10_000 + k)
    other.tick(50_000)
    records = merge(ours, other)
    log = Log().buy(10, "mine", 1)
    log.symbol = "TWY"
    log.buy(20, "there", 1)
    played = play(tmp_path, records, log, policy="halt_fills")
    assert [f.order for f in played.fills] == ["there"]
    assert played.orders["mine"].status == "NEW"


def test_a_quiet_book_decides_after_a_while(tmp_path: Path) -> None:
    """Our book has no event for long; the strategy, alive on the other, hears of its fill."""
    ours = quiet_book().tick(60_000)
    other = Tape()
    other.instrument = 8
    other.add(0, 1, "B", 50, 5).add(1, 2, "A", 51, 5).tick(100).tick(30_000).tick(59_000)
    log = Log().buy(10, "mine", 1)
    log.symbol = "TWY"
    log.buy(20, "there", 1)
    played = play(tmp_path, merge(ours, other), log)
    assert {f.order: (f.at, f.known) for f in played.fills} == {
        "mine": (60, 110), "there": (70, 120),
    }  # fmt: skip
    assert played.counts["forced_arrivals"] == 1
