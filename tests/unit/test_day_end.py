"""A day that is played apart ends: its orders are canceled, what is held is closed.

The book: 5 bid at 100, 5 offered at 101. Orders take 50 µs to the exchange, word 50 µs back. The
last event is captured at 1,001 µs.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stories import Log, Tape, play
from tapewire.analytics.ledger import Ledger, account_money
from tapewire.errors import SimulationError

UNIT = 10**9


def market() -> Tape:
    return Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 5).tick(1_000)


def played(folder: Path, log: Log, day_end: str = "flatten", **settings: Any) -> Any:
    tape = settings.pop("tape", None) or market()
    return play(folder, tape, log, event_log=True, day_end=day_end, **settings)


def pnl(found: Any) -> dict[str, int]:
    """The last account, rebuilt by the ledger and compared, in 1e-9 currency."""
    books = Ledger()
    books.add_fills(found.rows.fills, found.simulation.legs)
    books.add_orders(found.rows.orders)
    books.add_samples(found.rows.samples, found.simulation.legs)
    assert books.check(found.simulation.legs)["result"] == "exact"
    last = found.rows.samples[-1:]
    figures = account_money(last, np.array([1]), np.array([1]))
    return {name: int(value[0]) for name, value in figures.items()}


def test_a_long_position_is_sold_at_the_bid_for_a_fee(tmp_path: Path) -> None:
    """Bought 2 at 101, sold at 100, a fee of 0.50 a lot each way: -2 and -2."""
    found = played(tmp_path, Log().buy(10, "long", 2), fee=UNIT // 2)
    assert found.brief() == [("long", 101, 2, "TAKEN", 60), ("day-end-1", 100, 2, "DAY_END", 1001)]
    last = found.fills[-1]
    assert (last.side, last.position, last.commission, last.known) == ("SELL", 0, UNIT, 0)
    order = found.orders["day-end-1"]
    assert (order.status, order.reason) == ("FILLED", "DAY_END")
    assert (order.sent, order.arrived, order.closed) == (1_001, 1_001, 1_001)
    assert pnl(found) == {
        "realized_pnl": -2 * UNIT, "unrealized_pnl": 0, "fees": 2 * UNIT, "pnl": -4 * UNIT,
    }  # fmt: skip
    assert [what[0] for what in found.changes("day-end-1")] == [
        "SENT",
        "ACCEPTED",
        "FILLED",
    ]


def test_a_short_position_is_bought_back_at_the_ask(tmp_path: Path) -> None:
    found = played(tmp_path, Log().sell(10, "short", 7, 99))
    assert found.brief() == [("short", 100, 5, "TAKEN", 60), ("day-end-1", 101, 5, "DAY_END", 1001)]
    assert pnl(found)["pnl"] == -5 * UNIT


def test_where_the_other_side_is_empty_the_mark_is_the_price(tmp_path: Path) -> None:
    """The bid goes at 500: the last mid there was is 100.5."""
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 5).cancel(500, 1).tick(1_000)
    found = played(tmp_path, Log().buy(10, "long", 1), tape=tape)
    assert found.brief()[-1] == ("day-end-1", 100.5, 1, "DAY_END", 1001)


def test_orders_that_rest_or_are_on_their_way_are_canceled(tmp_path: Path) -> None:
    log = Log().buy(10, "rests", 3, 99).buy(990, "on its way", 1, 99)
    found = played(tmp_path, log)
    rests, late = found.orders["rests"], found.orders["on its way"]
    assert (rests.status, rests.reason, rests.arrived) == ("CANCELED", "DAY_END", 60)
    assert rests.closed == 1_001
    assert (late.status, late.reason, late.arrived, late.closed) == (
        "CANCELED",
        "DAY_END",
        0,
        1_001,
    )
    assert found.fills == []
    assert found.changes("rests")[-1][0] == "CANCELED"


def test_an_order_in_part_filled_is_canceled_and_what_it_bought_is_sold(tmp_path: Path) -> None:
    found = played(tmp_path, Log().buy(10, "part", 7, 101))
    part = found.orders["part"]
    assert (part.status, part.reason, part.filled) == ("CANCELED", "DAY_END", 5)
    # What it took stays taken, but nothing of the book is left to say so: the price is the bid.
    assert found.brief()[-1] == ("day-end-1", 100, 5, "DAY_END", 1001)


def test_what_is_held_may_be_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"expected no position .* found \+2 of TWX at"):
        played(tmp_path, Log().buy(10, "long", 2), "refuse")


def test_a_flat_day_ends_as_any_data_do(tmp_path: Path) -> None:
    log = Log().buy(10, "in", 2).sell(200, "out", 2)
    plain = played(tmp_path, log, "")
    for day_end in ("flatten", "refuse"):
        found = played(tmp_path, replace(log), day_end)
        assert found.simulation.digest() == plain.simulation.digest()
        assert found.fills == plain.fills
