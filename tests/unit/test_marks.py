"""What positions are valued at, by hand: 2 bought at 101 or sold at 100 of a book at 100 / 101.

Records are captured 1 µs after they happened; a sample is taken with each event.
"""

from pathlib import Path

import pytest

from stories import Line, Log, Tape, play
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.codes import Limit
from tapewire.router import RiskLimits

UNIT = 10**9


def market() -> Tape:
    """A trade of 3 at the bid at 20; at 300 the market is 104 / 106, at 400 somebody buys there."""
    tape = Tape().add(0, 1, "B", 100, 1000).add(1, 9, "A", 101, 1000).trade(20, (1, 3)).tick(200)
    tape.event(300, tape.m(9, price=106), tape.m(1, price=104)).tick(350)
    return tape.trade(400, (9, 5)).tick(500)


def marks(folder: Path, log: Log, mark_price: str) -> dict[float, tuple[int, float]]:
    """(position, mark) of the samples at some times."""
    played = play(folder, market(), log, mark_price=mark_price, sample_interval_ns=1_000)
    start = 1_700_000_000_000_000_000
    return {
        (int(row["ts"]) - start) / 1000: (int(row["position"]), int(row["mark"]) / UNIT)
        for row in played.rows.samples
        if (int(row["ts"]) - start) // 1000 in (2, 201, 351, 401, 501)
    }


@pytest.mark.parametrize(
    ("mark_price", "first", "long", "short"),
    [
        ("mid", 100.5, (100.5, 105, 105), (100.5, 105, 105)),
        ("last", 100.5, (100, 100, 106), (100, 100, 106)),
        ("side_aware", 100.5, (100, 104, 104), (101, 106, 106)),
    ],
)  # fmt: skip
def test_positions_are_valued_as_was_asked_for(
    tmp_path: Path, mark_price: str, first: float, long: tuple[float, ...],
    short: tuple[float, ...],
) -> None:  # fmt: skip
    for log, lots, expected in (
        (Log().buy(10, "in", 2), 2, long), (Log().sell(10, "in", 2), -2, short),
    ):  # fmt: skip
        found = marks(tmp_path, log, mark_price)
        assert found[2] == (0, first), "nothing is held, nothing has traded"
        assert [found[at] for at in (201, 351, 401)] == [(lots, mark) for mark in expected]
        assert found[501] == found[401]


def test_a_loss_is_what_the_mark_makes_it(tmp_path: Path) -> None:
    """Long 2 at 101 is -1 by the middle, -2 by the bid: reached as word of the fill comes."""
    limits = RiskLimits(max_loss=2 * UNIT)
    for mark_price, count in (("mid", 0), ("side_aware", 1)):
        played = play(
            tmp_path, market(), Log().buy(10, "in", 2), limits=limits, mark_price=mark_price
        )
        trips = played.simulation.limit_trips()
        assert [(trip.limit, trip.found) for trip in trips] == [(Limit.MAX_LOSS, 2 * UNIT)] * count


def test_a_trade_without_a_price_is_no_mark(tmp_path: Path) -> None:
    """The last trade that had one stays the last."""
    unpriced = Line("T", "N", 0, UNDEF_PRICE, 5)
    tape = Tape().add(0, 1, "B", 100, 1000).add(1, 9, "A", 101, 1000).event(5, unpriced)
    tape.tick(7).trade(20, (1, 3)).tick(200).event(300, unpriced).tick(350)
    log = Log().buy(10, "in", 2)
    played = play(tmp_path, tape, log, mark_price="last", sample_interval_ns=1_000)
    found = [int(mark) / UNIT for mark in played.rows.samples["mark"]]
    assert set(found[1:]) == {100.5, 100}
    assert found[-1] == 100
