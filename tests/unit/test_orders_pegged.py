"""Pegged orders, worked out by hand: where they go, when they move, and what that costs them.

Latency is 50 µs each way, the tick 0.25; bids 100: order 1 x 5, asks 101: order 2 x 10.
"""

from pathlib import Path
from typing import Any

import pytest

from stories import Log, Played, Tape, play


def book() -> Tape:
    return Tape().add(0, 1, "B", 100, 5).add(1, 2, "A", 101, 10).tick(70)


def pegged(tmp_path: Path, tape: Tape, log: Log, **settings: Any) -> Played:
    return play(tmp_path, tape, log, tick=0.25, event_log=True, **settings)


def prices(played: Played, name: str = "mine") -> list[tuple[float | None, float]]:
    """Its price and when it had it, from its acceptance on."""
    return [(price, at) for event, _, price, _, _, at, _ in played.changes(name) if at]


@pytest.mark.parametrize(
    ("side", "peg", "offset", "expected"),
    [
        ("BUY", "touch", 0, 100), ("SELL", "touch", 0, 101),
        ("BUY", "touch", 1, 100.25), ("SELL", "touch", 1, 100.75),
        ("BUY", "touch", -2, 99.5), ("SELL", "touch", -2, 101.5),
        ("BUY", "mid", 0, 100.5), ("SELL", "mid", 0, 100.5), ("BUY", "mid", -1, 100.25),
        ("BUY", "opposite", -2, 100.5), ("SELL", "opposite", -2, 100.5),
        # One tick behind the other side is as near as it gets.
        ("BUY", "opposite", 0, 100.75), ("SELL", "opposite", 0, 100.25),
        ("BUY", "touch", 9, 100.75),
    ],
)  # fmt: skip
def test_where_it_goes(tmp_path: Path, side: str, peg: str, offset: int, expected: float) -> None:
    log = Log().new(10, "mine", side, 1, None, peg=peg, peg_offset_ticks=offset)
    played = pegged(tmp_path, book().tick(200), log)
    assert prices(played)[-1] == (expected, 60)
    assert played.orders["mine"].price == expected  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(("side", "expected"), [("BUY", 100.25), ("SELL", 100.5)])
def test_half_a_tick_of_the_mid_is_rounded_away_from_the_other_side(
    tmp_path: Path, side: str, expected: float
) -> None:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 2, "A", 100.75, 10).tick(70).tick(200)
    played = pegged(tmp_path, tape, Log().new(10, "mine", side, 1, None, peg="mid"))
    assert prices(played)[-1] == (expected, 60)


def test_it_follows_at_the_end_of_the_event_and_is_last_there(tmp_path: Path) -> None:
    # Order 3 bids 100.25 at 100, order 4 joins it at 110. Ours went there at 100, behind order 3:
    # of a sale of 4 lots there 2 hit order 4, which stands behind us.
    tape = book().add(100, 3, "B", 100.25, 2).add(110, 4, "B", 100.25, 5)
    tape.trade(120, (3, 2), (4, 2)).tick(300)
    played = pegged(tmp_path, tape, Log().buy(10, "mine", 9, None, peg="touch"))
    assert prices(played)[:2] == [(100, 60), (100.25, 100)]
    assert played.brief() == [("mine", 100.25, 2, "QUEUE", 120)]
    assert played.orders["mine"].queue_ahead == 2


def test_it_follows_back_as_well(tmp_path: Path) -> None:
    tape = book().add(100, 3, "B", 100.25, 2).cancel(120, 3).tick(300)
    played = pegged(tmp_path, tape, Log().buy(10, "mine", 9, None, peg="touch"))
    assert prices(played) == [(100, 60), (100.25, 100), (100, 120)]
    assert played.orders["mine"].queue_ahead == 5, "it has lost its place at 100"


def test_it_is_told_of_each_move(tmp_path: Path) -> None:
    tape = book().add(100, 3, "B", 100.25, 2).tick(300)
    played = pegged(tmp_path, tape, Log().buy(10, "mine", 9, None, peg="touch"))
    assert played.changes("mine")[-1] == ("CHANGED", "NONE", 100.25, 9, 0, 100, 150)


def test_what_does_not_move_its_reference_leaves_its_place(tmp_path: Path) -> None:
    # The ask moves: a bid pegged to the bid stays, and is hit before order 3 that came later.
    tape = book().add(80, 3, "B", 100, 5).add(100, 4, "A", 100.75, 2)
    tape.trade(120, (1, 5), (3, 3)).tick(300)
    played = pegged(tmp_path, tape, Log().buy(10, "mine", 2, None, peg="touch"))
    assert played.brief() == [("mine", 100, 2, "QUEUE", 120)]


def test_its_limit_is_as_far_as_it_goes(tmp_path: Path) -> None:
    tape = book().add(100, 3, "B", 100.5, 2).tick(300)
    played = pegged(tmp_path, tape, Log().buy(10, "mine", 9, 100.25, peg="touch"))
    assert prices(played)[-1] == (100.25, 100)


def test_the_other_side_coming_near_pushes_it_back(tmp_path: Path) -> None:
    # Three ticks through the bid: 100.75. 4 lots are offered at 100.5, which meet us first; then we
    # go one tick behind what is offered in the data.
    tape = book().add(100, 3, "A", 100.5, 4).tick(300)
    played = pegged(tmp_path, tape, Log().buy(10, "mine", 9, None, peg="touch", peg_offset_ticks=3))
    assert played.brief() == [("mine", 100.75, 4, "CROSSED", 100)]
    assert played.orders["mine"].price == 100.25  # type: ignore[comparison-overlap]


def test_without_a_reference_it_is_rejected(tmp_path: Path) -> None:
    tape = Tape().add(0, 2, "A", 101, 10).tick(70).tick(300)
    log = Log().buy(10, "touch", 1, None, peg="touch").buy(11, "mid", 1, None, peg="mid")
    log.buy(12, "opposite", 1, None, peg="opposite")
    orders = pegged(tmp_path, tape, log).orders
    assert (orders["touch"].status, orders["touch"].reason) == ("REJECTED", "NO_REFERENCE")
    assert orders["mid"].reason == "NO_REFERENCE"
    assert orders["opposite"].status == "NEW"


def test_a_reference_that_goes_leaves_it_where_it_is(tmp_path: Path) -> None:
    played = pegged(
        tmp_path, book().cancel(100, 1).tick(300), Log().buy(10, "mine", 1, None, peg="touch")
    )
    assert (played.orders["mine"].status, prices(played)[-1]) == ("NEW", (100, 60))


def test_a_replace_changes_its_quantity_only(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 5, None, peg="touch").replace(100, "mine", 3, 90)
    order = pegged(tmp_path, book().tick(300), log).orders["mine"]
    assert (order.price, order.quantity, order.replaces) == (100, 3, 1)


def test_it_needs_a_tick_and_rests(tmp_path: Path) -> None:
    log = Log().buy(10, "mine", 1, None, peg="touch")
    assert play(tmp_path, book().tick(300), log).orders["mine"].reason == "INVALID_TERMS"
    log = Log().buy(10, "mine", 1, None, "IOC", peg="touch")
    assert pegged(tmp_path, book().tick(300), log).orders["mine"].reason == "INVALID_TERMS"
